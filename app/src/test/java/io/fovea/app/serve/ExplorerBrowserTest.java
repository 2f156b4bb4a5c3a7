package io.fovea.app.serve;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.fovea.app.Outcome;
import io.fovea.app.TestRuns;
import io.fovea.app.study.Report;
import io.fovea.data.Image;
import io.fovea.data.image.Images;
import io.fovea.explain.ExplainPage;
import io.fovea.explain.Explanation;
import io.fovea.explain.LoadedRun;
import io.fovea.training.run.Json;
import io.fovea.training.run.Run;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.PrintStream;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.function.Function;
import java.util.logging.Level;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.openqa.selenium.By;
import org.openqa.selenium.Keys;
import org.openqa.selenium.WebDriverException;
import org.openqa.selenium.WebElement;
import org.openqa.selenium.chrome.ChromeDriver;
import org.openqa.selenium.chrome.ChromeDriverService;
import org.openqa.selenium.chrome.ChromeOptions;
import org.openqa.selenium.interactions.Actions;
import org.openqa.selenium.logging.LogType;
import org.openqa.selenium.logging.LoggingPreferences;
import org.openqa.selenium.support.ui.FluentWait;
import org.openqa.selenium.support.ui.Select;

/** The explorer and the report in Debian's Chromium. */
class ExplorerBrowserTest {
  private static final Path CHROMIUM = Path.of("/usr/bin/chromium");
  private static final Path DRIVER = Path.of("/usr/bin/chromedriver");
  @TempDir static Path folder;
  private static Explorer explorer;
  private static final List<LoadedRun> RUNS = new ArrayList<>();
  private static ChromeDriver browser;

  @BeforeAll
  static void start() throws IOException {
    boolean there = Files.isExecutable(CHROMIUM) && Files.isExecutable(DRIVER);
    if (!there) {
      new PrintStream(new FileOutputStream(FileDescriptor.err), true, StandardCharsets.UTF_8)
          .println("No Chromium with its driver on this machine: the browser tests are skipped.");
    }
    assumeTrue(there, "no Chromium on this machine");
    for (String attention :
        List.of("pam:reduction=2@stage:2; cbam:reduction=4@standard:3", "none")) {
      Run<?, ?> run = TestRuns.make(folder.resolve(attention.substring(0, 3)), attention);
      RUNS.add(LoadedRun.of(run, Run.Weights.LAST));
    }
    Files.write(folder.resolve("disc.png"), TestRuns.png(60, 40));
    Files.writeString(folder.resolve("bad.png"), "no picture");
    Files.write(folder.resolve("huge.png"), ExplorerTest.hugePng());
    byte[] damaged = TestRuns.png(60, 40);
    damaged[damaged.length / 2] ^= 1;
    Files.write(folder.resolve("damaged.png"), damaged);
    explorer = explorer("token-of-the-test", ExplorerTest.PATIENT);
    ChromeOptions options = new ChromeOptions();
    options.setBinary(CHROMIUM.toString());
    options.addArguments(
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync");
    LoggingPreferences logging = new LoggingPreferences();
    logging.enable(LogType.BROWSER, Level.ALL);
    options.setCapability("goog:loggingPrefs", logging);
    browser =
        new ChromeDriver(
            new ChromeDriverService.Builder()
                .usingDriverExecutable(DRIVER.toFile())
                .usingAnyFreePort()
                .build(),
            options);
    browser.manage().timeouts().scriptTimeout(Duration.ofMinutes(3));
  }

  private static Explorer explorer(String token, Explorer.Limits limits) {
    return new Explorer(
        RUNS, DemoImages.of(RUNS.get(0).folder()), new Listening("127.0.0.1", 0), token, limits);
  }

  @AfterAll
  static void stop() {
    if (browser != null) {
      browser.quit();
    }
    if (explorer != null) {
      explorer.close();
    }
  }

  @BeforeEach
  void open() {
    size(1440, 900);
    open(explorer);
  }

  private static void open(Explorer server) {
    browser.get("about:blank"); // else a new # alone would not load the page again
    browser.get("http://127.0.0.1:" + server.port() + "/#token=token-of-the-test");
    until(page -> page.findElements(By.cssSelector("[data-sample]")).size() == 10);
    until(page -> text("#status").startsWith("Answered in ")); // the first sample is shown
    settled();
  }

  /** Waits until the page has drawn what was chosen last. */
  private static void settled() {
    until(page -> page.findElements(By.cssSelector(".busy")).isEmpty());
  }

  private static void sample(int number) {
    find("[data-sample='" + number + "']").click();
    settled();
  }

  /** What the API says of the sample that the tests look at. */
  private static Explanation explained(int run, String layer) throws IOException {
    LoadedRun loaded = RUNS.get(run);
    Image pixels =
        Images.decode(DemoImages.of(RUNS.get(0).folder()).get(3).content(), 1, 28, 1_000_000);
    return loaded.explain(
        pixels, null, layer, LoadedRun.Stages.LAST, builder -> builder.point(0.5, 0.5));
  }

  /** Nothing went wrong unsaid, and nothing was fetched from anywhere else. */
  @AfterEach
  void noErrors() {
    assertThat(browser.manage().logs().get(LogType.BROWSER).getAll())
        .filteredOn(
            entry -> !entry.getMessage().contains("api/explain")) // refusals, said on the page
        .noneMatch(entry -> entry.getLevel().intValue() >= Level.WARNING.intValue());
    assertThat(
            (Long)
                browser.executeScript(
                    "return performance.getEntriesByType('resource').filter(entry =>"
                        + " !entry.name.startsWith(location.origin) && !entry.name.startsWith('blob:')"
                        + " && !entry.name.startsWith('data:')).length"))
        .isZero();
  }

  private static void size(int width, int height) {
    browser.executeCdpCommand(
        "Emulation.setDeviceMetricsOverride",
        Map.of("width", width, "height", height, "deviceScaleFactor", 1, "mobile", width < 600));
  }

  /** Waits until something is so; that it never comes is all that takes minutes, on any machine. */
  private static <T> T until(Function<ChromeDriver, T> condition) {
    return new FluentWait<>(browser)
        .withTimeout(Duration.ofMinutes(3))
        .pollingEvery(Duration.ofMillis(50))
        .ignoring(WebDriverException.class)
        .until(condition);
  }

  private static WebElement find(String selector) {
    return until(page -> page.findElement(By.cssSelector(selector)));
  }

  private static String text(String selector) {
    return find(selector).getText();
  }

  private static void upload(String name) {
    browser.findElement(By.id("file")).sendKeys(folder.resolve(name).toString());
    settled();
  }

  private static void choose(String select, String option) {
    new Select(browser.findElement(By.id(select))).selectByVisibleText(option);
    settled();
  }

  /** The report of {@code compare} and {@code ablate}: with published results of each task it is drawn. */
  @ParameterizedTest
  @ValueSource(strings = {"fashion-mnist", "ablate-se", "video-clips", "scenes-danet"})
  void theReportOfAStudyIsDrawn(String name) throws IOException {
    ObjectNode results =
        Json.read(Path.of("..", "docs", "results", name + ".json"), ObjectNode.class);
    results.putArray("examples");
    Path page = folder.resolve(name + ".html");
    try (InputStream template = Report.class.getResourceAsStream("report.html")) {
      String text = new String(template.readAllBytes(), StandardCharsets.UTF_8);
      Files.writeString(page, ExplainPage.filled(ExplainPage.assembled(text), results));
    }
    browser.get(page.toUri().toString());
    assertThat(text("#headline")).isNotEqualTo("No results").isNotBlank();
    assertThat(browser.findElements(By.cssSelector("#results tbody tr")))
        .hasSizeGreaterThanOrEqualTo(results.path("rows").size());
    assertThat(browser.findElements(By.tagName("svg"))).hasSizeGreaterThan(1);
    assertThat(text("#learning-text")).contains(" on the test images after each epoch");
    browser.executeScript("arguments[0].click()", find("#learning-controls input[value=training]"));
    assertThat(text("#learning-text")).startsWith("Mean loss on the training images in each epoch");
  }

  @Test
  void theFirstSampleIsShownAtTheStart() {
    assertThat(find("[data-sample='0']").getDomAttribute("aria-pressed")).isEqualTo("true");
    assertThat(text(".photo figcaption")).startsWith(find("[data-sample='0']").getText());
    assertThat(browser.findElements(By.cssSelector(".side"))).hasSize(2);
  }

  @Test
  void anUploadIsPredictedAndTheNetworkDrawn() {
    upload("disc.png");

    until(page -> page.findElements(By.cssSelector(".side")).size() == 2); // with and without
    assertThat(text(".side:nth-child(1) h2")).isEqualTo("pam");
    assertThat(text(".side:nth-child(2) h2")).isEqualTo("non");
    assertThat(browser.findElements(By.cssSelector(".side:nth-child(1) .classes li"))).hasSize(5);
    assertThat(browser.findElements(By.cssSelector(".side:nth-child(1) .stage"))).hasSize(3);
    assertThat(
            browser.findElements(By.cssSelector(".side:nth-child(1) [data-module]")).stream()
                .map(node -> node.getAttribute("data-module")))
        .containsExactly("pam2", "layer3.0.cbam");
    assertThat(text(".side:nth-child(2)")).contains("This network has no attention");
    assertThat(text("#status")).matches("Answered in \\d+ ms\\.");
    assertThat(text(".photo figcaption")).isEqualTo("disc.png, 60 × 40");
  }

  @Test
  void aNodeShowsItsGatesAndItsMapWithAnOpacity() {
    sample(3);
    find("[data-module='layer3.0.cbam']").click();

    until(page -> page.findElement(By.cssSelector(".detail h3")).getText().equals("layer3.0.cbam"));
    assertThat(find("[data-module='layer3.0.cbam']").getAttribute("aria-pressed"))
        .isEqualTo("true");
    assertThat(find("[data-module='pam2']").getAttribute("aria-pressed")).isEqualTo("false");
    assertThat(browser.findElements(By.cssSelector(".side:nth-child(1) .bars rect"))).hasSize(32);
    assertThat(browser.findElements(By.cssSelector(".side:nth-child(1) .tiles canvas"))).hasSize(8);
    assertThat(text(".detail"))
        .contains("under 0.1", "over 0.9", "Grad-CAM++", "Computed at layer3 for ");
    WebElement map = find(".side:nth-child(1) .over canvas");
    assertThat(map.getCssValue("opacity")).isEqualTo("0.6");
    find(".detail input[type=range]").sendKeys(Keys.HOME);
    assertThat(map.getCssValue("opacity")).isEqualTo("0");
  }

  @Test
  void movingOverTheImageShowsWhatAPositionAttendsTo() throws IOException {
    choose("right", "no other run");
    sample(3);
    WebElement live = find("[data-live]");
    browser.executeScript("arguments[0].scrollIntoView({block: 'center'})", live);

    Actions actions = new Actions(browser);
    actions.moveToElement(live, -live.getSize().width / 2 + 3, -live.getSize().height / 2 + 3);
    actions.perform();
    until(page -> text(".readout").startsWith("Position (0, 0) of 14 × 14 attends most to ("));
    String corner = (String) browser.executeScript(PIXELS);
    new Actions(browser).moveToElement(live, 10, 10).perform();

    until(page -> !text(".readout").startsWith("Position (0, 0)"));
    float[] shares =
        explained(0, "pam2").module("pam2").affinity().orElseThrow().rows().get(0).values();
    int most = 0;
    for (int i = 1; i < shares.length; i++) {
      most = shares[i] > shares[most] ? i : most;
    }
    assertThat(text(".readout"))
        .isEqualTo(
            String.format(
                Locale.ROOT,
                shares[most] < 0.01
                    ? "Position (7, 7) of 14 × 14 attends most to (%d, %d): %.2f %% (uniform: 0.51 %%)."
                    : "Position (7, 7) of 14 × 14 attends most to (%d, %d): %.1f %% (uniform: 0.51 %%).",
                most % 14,
                most / 14,
                100 * shares[most]));
    assertThat((String) browser.executeScript(PIXELS)).isNotEqualTo(corner);
  }

  private static final String PIXELS =
      "return document.querySelector('[data-live] canvas').toDataURL()";

  @Test
  void theKeyboardIsEnough() {
    choose("right", "no other run");
    find("[data-sample='3']").sendKeys(Keys.ENTER);
    settled();
    find("[data-module='pam2']").sendKeys(Keys.SPACE);
    WebElement live = find("[data-live]");
    for (int i = 0; i < 14; i++) {
      live.sendKeys(Keys.ARROW_LEFT, Keys.ARROW_UP);
    }
    assertThat(text(".readout")).startsWith("Position (0, 0) ");

    live.sendKeys(Keys.ARROW_RIGHT, Keys.ARROW_DOWN, Keys.ARROW_DOWN);

    assertThat(text(".readout")).startsWith("Position (1, 2) ");
    assertThat(browser.switchTo().activeElement()).isEqualTo(live);
    // Everything that can be worked with has a name and can be reached.
    @SuppressWarnings("unchecked")
    List<String> nameless =
        (List<String>)
            browser.executeScript(
                "return [...document.querySelectorAll('button, select, input, [tabindex]')]"
                    + ".filter(node => node.offsetParent && node.tabIndex >= 0 &&"
                    + " !(node.getAttribute('aria-label') || node.textContent.trim() ||"
                    + " (node.labels && node.labels.length))).map(node => node.outerHTML)");
    assertThat(nameless).isEmpty();
  }

  /** Both say what their networks do; what is picked on one side is shown on the other as far as it is there. */
  @Test
  void twoRunsAreComparedOnTheSameImage() throws IOException {
    sample(3);

    until(page -> page.findElements(By.cssSelector(".detail h3")).size() == 2);
    for (int run = 0; run < 2; run++) {
      Explanation explanation = explained(run, null);
      String side = ".side:nth-child(" + (run + 1) + ") ";
      assertThat(text(side + ".classes li:first-child .label"))
          .isEqualTo(RUNS.get(run).classes().get(explanation.predicted()));
      assertThat(text(side + ".classes li:first-child .value"))
          .isEqualTo(
              String.format(
                  Locale.ROOT,
                  "%.1f %%",
                  100 * explanation.probabilities()[explanation.predicted()]));
    }
    assertThat(text(".side:nth-child(1) .detail h3")).isEqualTo("pam2");
    assertThat(text(".side:nth-child(2) .detail h3")).isEqualTo("Grad-CAM of layer2");

    find(".side:nth-child(1) [data-module='layer3.0.cbam']").click();
    until(page -> text(".side:nth-child(2) .detail h3").equals("Grad-CAM of layer3"));
    find(".side:nth-child(2) [data-cam='layer1']").click();
    until(page -> text(".side:nth-child(1) .detail h3").equals("Grad-CAM of layer1"));
    new Select(find(".side:nth-child(2) [data-target]")).selectByVisibleText("Bag");

    until(page -> text(".side:nth-child(1) .detail header").contains("evidence for Bag"));
    until(page -> text(".side:nth-child(2) .detail header").contains("evidence for Bag"));
    Object heights =
        browser.executeScript(
            "return [...document.querySelectorAll('.network')].map(node =>"
                + " node.getBoundingClientRect().top)");
    assertThat((List<?>) heights).hasSize(2);
    assertThat(((List<?>) heights).get(0)).isEqualTo(((List<?>) heights).get(1));
  }

  @Test
  void gradCamOfAStageForAnotherClass() {
    choose("right", "no other run");
    sample(3);
    find("[data-cam='layer1']").click();
    until(page -> text(".detail h3").equals("Grad-CAM of layer1"));

    new Select(find("[data-target]")).selectByVisibleText("Sandal");

    until(page -> text(".detail header").contains("evidence for Sandal"));
    assertThat(text(".detail h3")).isEqualTo("Grad-CAM of layer1");
  }

  @Test
  void anImageThatCannotBeReadIsSaidAndTheOldOneStays() {
    sample(3);
    find("[data-module='pam2']");

    upload("bad.png");
    until(page -> text("#message").equals("Not a JPEG, PNG, BMP or WebP image."));
    upload("huge.png");
    until(page -> text("#message").equals("50000 x 50000 pixels, more than 25 megapixels."));
    upload("damaged.png");
    until(page -> text("#message").equals("Damaged PNG image."));

    assertThat(find("#message").getAttribute("role")).isEqualTo("alert");
    assertThat(browser.findElements(By.cssSelector("[data-module='pam2']"))).isNotEmpty();
    sample(4);
    until(page -> !page.findElement(By.id("message")).isDisplayed());
  }

  @Test
  void aServerThatIsGoneIsSaid() {
    try (Explorer gone = explorer(null, ExplorerTest.PATIENT)) {
      open(gone);
    }
    find("[data-sample='3']").click();

    until(
        page ->
            text("#message").equals("The server does not answer. Is fovea serve still running?"));
  }

  /** The only place is taken; the page waits for its turn, and gets it. */
  @Test
  void thePageWaitsWhereManyAsk() throws IOException {
    Explorer.Limits one = new Explorer.Limits(1 << 20, 1_000_000, 1, ExplorerTest.PATIENT.time());
    try (Explorer busy = explorer(null, one)) {
      open(busy);
      choose("right", "no other run");
      CountDownLatch done = new CountDownLatch(1);
      try {
        CompletableFuture<HttpResponse<String>> first = ExplorerTest.takePlace(busy, done);
        find("[data-sample='3']").click();
        until(page -> text("#status").equals("The server is busy; waiting…"));
        done.countDown();
        assertThat(first.join().statusCode()).isEqualTo(200);
      } finally {
        done.countDown();
      }
      until(page -> page.findElements(By.cssSelector("[data-module='pam2']")).size() == 1);
    }
  }

  /** The rules of axe-core hold in each state, light and dark; every picture and control has a name. */
  @Test
  void isAccessible() throws IOException {
    String axe;
    try (InputStream in = getClass().getResourceAsStream("/axe.min.js")) {
      axe = new String(in.readAllBytes(), StandardCharsets.UTF_8);
    }
    browser.executeScript(axe);
    assertNoViolations("at the start");
    sample(3);
    until(page -> page.findElements(By.cssSelector(".detail h3")).size() == 2);
    until(page -> page.findElements(By.cssSelector(".busy")).isEmpty());
    assertNoViolations("two runs");
    find("#theme").click();
    assertNoViolations("in the other colours");
    find("[data-module='layer3.0.cbam']").click();
    until(page -> page.findElements(By.cssSelector(".bars")).size() == 1);
    size(390, 844);
    assertNoViolations("channel gates, on a phone");
    assertThat(text(".side:nth-child(1) [role=status]")).isEqualTo("Showing layer3.0.cbam");
    find("#theme").click();

    @SuppressWarnings("unchecked")
    List<Map<String, Object>> nodes =
        (List<Map<String, Object>>)
            browser.executeCdpCommand("Accessibility.getFullAXTree", Map.of()).get("nodes");
    List<String> roles =
        List.of("button", "image", "slider", "combobox", "checkbox", "application");
    assertThat(nodes)
        .filteredOn(node -> roles.contains(value(node, "role")))
        .hasSizeGreaterThan(30)
        .noneMatch(node -> value(node, "name").isBlank());
  }

  private static void assertNoViolations(String when) {
    assertThat(
            (List<?>)
                browser.executeAsyncScript(
                    "const done = arguments[0]; axe.run({resultTypes: ['violations']}).then(result =>"
                        + " done(result.violations.map(one => one.id + ': ' +"
                        + " one.nodes.map(node => node.target).join(', '))))"))
        .as(when)
        .isEmpty();
  }

  private static String value(Map<String, Object> node, String name) {
    return node.get(name) instanceof Map<?, ?> of ? String.valueOf(of.get("value")) : "";
  }

  @Test
  void withoutTheTokenThePageSaysSo() {
    browser.executeScript("sessionStorage.clear()");
    browser.get("about:blank");
    browser.get("http://127.0.0.1:" + explorer.port() + "/");

    until(page -> text("#message").startsWith("Expected the header Authorization"));
    browser.manage().logs().get(LogType.BROWSER); // of the refusal
  }

  @Test
  void nothingIsWiderThanAPhone() {
    size(390, 844);
    upload("disc.png");
    until(page -> page.findElements(By.cssSelector(".detail figure")).size() >= 4);

    assertThat((Long) browser.executeScript("return document.documentElement.scrollWidth"))
        .isLessThanOrEqualTo(390);
    find("#theme").click();
    assertThat((String) browser.executeScript("return document.documentElement.dataset.theme"))
        .isIn("dark", "light");
  }

  @Test
  void theReportOfTheCommandDrawsWithoutANetwork(@TempDir Path out) throws IOException {
    Path image = folder.resolve("disc.png");
    Outcome outcome =
        Outcome.of(
            "explain", "--threads", "1", folder.resolve("pam") + "", image + "", "--out", out + "");
    assertThat(outcome.status()).as(outcome.err()).isZero();

    browser.get(out.resolve("explain.html").toUri().toString());
    find("[data-live]").sendKeys(Keys.ARROW_LEFT);

    assertThat(text(".readout")).contains("of 14 × 14 attends most to (");
    assertThat(browser.findElements(By.cssSelector(".stage"))).hasSize(3);
    try (Stream<Path> files = Files.list(out)) {
      assertThat(files.map(file -> file.getFileName().toString()))
          .containsExactlyInAnyOrder("explain.html", "disc");
    }
  }

  @Test
  void theReportOfAVideoAnswersToPointerAndKeys(@TempDir Path out) throws IOException {
    Path run = TestRuns.video(folder.resolve("video"), "nonlocal");
    Path video = Path.of("../data/src/test/resources/videos/h264.mp4");
    Outcome outcome =
        Outcome.of("explain", "--threads", "1", run + "", video + "", "--out", out + "");
    assertThat(outcome.status()).as(outcome.err()).isZero();

    browser.get(out.resolve("explain.html").toUri().toString());
    assertThat(browser.findElements(By.cssSelector("[data-live] .over"))).hasSize(8);
    assertThat(browser.findElements(By.cssSelector("[data-live] .mark"))).hasSize(1);
    assertThat(browser.findElements(By.cssSelector(".choices [aria-pressed=true]"))).hasSize(1);

    WebElement fourth = browser.findElements(By.cssSelector("[data-live] .over")).get(3);
    new Actions(browser).moveToElement(fourth, 3, 3).perform();
    // The clip has every second of 20 frames from 2 on; a position covers 3 of the 48 pixels from
    // column 8.
    assertThat(text(".readout"))
        .startsWith("Pixel 33,25 of frame 8, 0.80 s, attends most to pixel ");
    find("[data-live]").sendKeys(Keys.ARROW_LEFT, Keys.PAGE_DOWN);
    assertThat(text(".readout"))
        .startsWith("Pixel 30,25 of frame 10, 1.00 s, attends most to pixel ");

    size(390, 844);
    assertThat((Long) browser.executeScript("return document.documentElement.scrollWidth"))
        .isLessThanOrEqualTo(390);
  }

  /** What is below something starts where that ends. */
  @Test
  void twoRunsOfScenesOrVideosDoNotOverlap() throws IOException {
    Path frames = Files.createDirectories(folder.resolve("frames-of-two"));
    for (int t = 0; t < 20; t++) {
      Files.write(frames.resolve(t + ".png"), TestRuns.png(48, 32 + t % 2));
    }
    requireNoOverlap(
        ".scene, .network, .view > .detail",
        3,
        null,
        TestRuns.scenes(folder.resolve("scenes-1"), "dual"),
        TestRuns.scenes(folder.resolve("scenes-2"), "psp"));
    requireNoOverlap(
        ".timeline, .frame-choice, .strip", // the last are two
        4,
        frames,
        TestRuns.video(folder.resolve("clips-1"), "nonlocal:subsample=false@stage:2"),
        TestRuns.video(folder.resolve("clips-2"), "nonlocal:subsample=false@stage:3"));
  }

  private static void requireNoOverlap(String parts, int count, Path frames, Path... runs)
      throws IOException {
    List<LoadedRun> loaded = new ArrayList<>();
    for (Path run : runs) {
      loaded.add(LoadedRun.of(Run.open(run), Run.Weights.LAST));
    }
    List<DemoImages.Sample> samples =
        List.of(new DemoImages.Sample("one", "image/png", TestRuns.png(60, 40), frames));
    Listening local = new Listening("127.0.0.1", 0);
    try (Explorer server = new Explorer(loaded, samples, local, null, ExplorerTest.PATIENT)) {
      browser.get("about:blank");
      browser.get("http://127.0.0.1:" + server.port() + "/");
      for (int side : List.of(1, 2)) {
        String all =
            Stream.of(parts.split(", "))
                .map(part -> ".side:nth-child(" + side + ") " + part)
                .collect(Collectors.joining(", "));
        until(page -> page.findElements(By.cssSelector(all)).size() == count);
        List<?> edges =
            (List<?>)
                browser.executeScript(
                    "return [...document.querySelectorAll(arguments[0])].flatMap(node => {"
                        + "const box = node.getBoundingClientRect();"
                        + "return [Math.round(box.top), Math.round(box.bottom)]})",
                    all);
        assertThat(edges.stream().map(edge -> ((Number) edge).intValue()).toList())
            .hasSize(2 * count)
            .isSorted();
      }
      browser.get("about:blank");
    }
  }

  @Test
  void aVideoHasATimelineAndShowsTheClipAroundAFrame() throws IOException {
    Path frames = Files.createDirectories(folder.resolve("frames"));
    for (int t = 0; t < 40; t++) {
      Files.write(frames.resolve(t + ".png"), TestRuns.png(48, 32 + t % 2));
    }
    Path path =
        TestRuns.video(folder.resolve("video-of-the-page"), "nonlocal:subsample=false@stage:2");
    LoadedRun run = LoadedRun.of(Run.open(path), Run.Weights.LAST);
    List<DemoImages.Sample> samples =
        List.of(new DemoImages.Sample("wild", "image/png", TestRuns.png(60, 40), frames));
    Listening local = new Listening("127.0.0.1", 0);
    try (Explorer server = new Explorer(List.of(run), samples, local, null, ExplorerTest.PATIENT)) {
      browser.get("about:blank");
      browser.get("http://127.0.0.1:" + server.port() + "/");
      assertThat(text("#drop")).contains("Drop a video");

      until(page -> page.findElements(By.cssSelector("[data-clip]")).size() == 3);
      until(page -> text(".frame-choice output").equals("frame 20"));
      find("[data-clip='2']").click();
      until(page -> text(".frame-choice output").equals("frame 32")); // of 25 to 39
      until(page -> page.findElements(By.cssSelector(".strip img")).size() == 16);
      until(page -> text("#views").contains("frame 32"));
      assertThat(find("[data-clip='2']").getDomAttribute("aria-pressed")).isEqualTo("true");
      assertThat(text("#views")).contains("attends most to pixel", "calm", "wild");
      assertThat(browser.findElement(By.id("message")).isDisplayed()).isFalse();
      browser.get("about:blank");
    }
  }
}
