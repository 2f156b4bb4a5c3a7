package io.fovea.app;

import static org.assertj.core.api.Assertions.assertThat;

import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Every {@code ./fovea} command of every page runs as it is written, one after the other, and ends with status 0. Each
 * page has a process in a folder of its own, because commands name files relative to it. What the reader has is
 * made here: images of two classes, runs, the files of {@code fovea sample}. This takes ten minutes, so it runs when
 * it is asked for: with {@code -Dfovea.pages=true}, or with the names of pages, {@code
 * -Dfovea.pages=README.md,docs/video.md}.
 */
@EnabledIfSystemProperty(named = "fovea.pages", matches = ".+")
class DocumentCommandsTest {
  @TempDir static Path folder;
  private static Path fixtures; // what each reader has
  private static Path runs; // what commands read that no command of the page has written

  @BeforeAll
  static void make() throws IOException {
    fixtures = Files.createDirectories(folder.resolve("fixtures"));
    runs = Files.createDirectories(folder.resolve("runs"));
    run("sample", fixtures.resolve("samples").toString());
    Path samples = fixtures.resolve("samples");
    for (String set : List.of("train", "val")) {
      for (String name : List.of("Sandal", "Coat")) {
        copyFirst(
            samples.resolve("garments").resolve(set).resolve(name), 30, "my-images", set, name);
      }
    }
    PageCommands.copy(fixtures.resolve("my-images"), fixtures.resolve("my-photos"));
    PageCommands.copy(fixtures.resolve("my-images/val"), fixtures.resolve("held-out"));
    PageCommands.copy(fixtures.resolve("my-images/val/Coat"), fixtures.resolve("new-photos"));
    PageCommands.copy(fixtures.resolve("my-images/val/Coat"), fixtures.resolve("photographs"));
    PageCommands.copy(fixtures.resolve("my-images/val/Coat"), fixtures.resolve("photos"));
    for (String name : List.of("my-scenes", "my-masks")) {
      PageCommands.copy(samples.resolve("scenes"), fixtures.resolve(name));
    }
    PageCommands.copy(samples.resolve("videos"), fixtures.resolve("my-videos"));
    for (String name : List.of("clip.mp4", "new.mp4")) {
      Files.copy(
          DocumentsTest.ROOT.resolve("data/src/test/resources/videos/small.mp4"),
          fixtures.resolve(name));
    }
    for (String name : List.of("photo", "boot")) {
      jpeg(samples.resolve("boot.png"), fixtures.resolve(name + ".jpg"));
    }
    jpeg(samples.resolve("boot.png"), fixtures.resolve("photos/1.jpg"));
    jpeg(samples.resolve("boot.png"), fixtures.resolve("photographs/1.jpg"));
    BufferedImage street = ImageIO.read(samples.resolve("street.png").toFile());
    BufferedImage large = new BufferedImage(384, 384, BufferedImage.TYPE_INT_RGB);
    large.createGraphics().drawImage(street, 0, 0, 384, 384, null);
    ImageIO.write(large, "jpg", fixtures.resolve("street.jpg").toFile());
    for (String name : List.of("street.png", "slide.png")) {
      Files.copy(samples.resolve("street.png"), fixtures.resolve(name));
    }
    Files.writeString(fixtures.resolve("files.txt"), "boot.jpg\nphoto.jpg\n");
    train("classification", "--attention", "cbam", "--limit", "40");
    train("segmentation", "--task", "segmentation", "--limit", "8");
    train("video", "--task", "video", "--limit", "8");
  }

  static Stream<Path> pages() throws IOException {
    List<Path> pages = new ArrayList<>();
    for (Path page : DocumentsTest.documents().toList()) {
      if (!PageCommands.commands(Files.readString(DocumentsTest.ROOT.resolve(page))).isEmpty()) {
        pages.add(page);
      }
    }
    assertThat(pages).hasSizeGreaterThan(20);
    String asked = System.getProperty("fovea.pages");
    if (asked.equals("true")) {
      return pages.stream();
    }
    List<Path> some = Stream.of(asked.split(",")).map(Path::of).toList();
    assertThat(pages).as("pages with commands").containsAll(some);
    return some.stream();
  }

  @ParameterizedTest
  @MethodSource("pages")
  void commandsRun(Path page) throws Exception {
    Path here = folder.resolve(page.toString().replace('/', '-'));
    PageCommands.copy(fixtures, here);
    if (Files.readString(DocumentsTest.ROOT.resolve(page)).contains("./fovea sample")) {
      Files.move(here.resolve("samples"), folder.resolve(here.getFileName() + ".samples"));
    }
    Path log = folder.resolve(here.getFileName() + ".log");
    Process process =
        new ProcessBuilder(
                ProcessHandle.current().info().command().orElseThrow(),
                "-Djava.awt.headless=true",
                "-XX:TieredStopAtLevel=1", // most processes are short
                "-cp",
                System.getProperty("java.class.path"),
                PageCommands.class.getName(),
                DocumentsTest.ROOT.resolve(page).toString(),
                runs.toString())
            .directory(here.toFile())
            .redirectErrorStream(true)
            .redirectOutput(log.toFile())
            .start();
    try {
      assertThat(process.waitFor()).as(() -> text(log)).isZero();
    } finally {
      process.destroyForcibly();
    }
    System.out.println(page + "\n" + text(log));
  }

  private static String text(Path log) {
    try {
      return Files.readString(log);
    } catch (IOException e) {
      return e.toString();
    }
  }

  private static void train(String name, String... more) {
    List<String> words = new ArrayList<>(List.of("train", "--epochs", "1", "--no-tensorboard"));
    words.addAll(List.of(more));
    words.addAll(List.of("--out", runs.resolve(name).toString()));
    run(words.toArray(new String[0]));
  }

  private static void run(String... words) {
    Outcome outcome = Outcome.of(words);
    assertThat(outcome.status()).as("%s%n%s", String.join(" ", words), outcome.err()).isZero();
  }

  private static void copyFirst(Path from, int count, String... to) throws IOException {
    Path folder = fixtures.resolve(String.join("/", to));
    Files.createDirectories(folder);
    try (Stream<Path> files = Files.list(from)) {
      for (Path file : files.sorted().limit(count).toList()) {
        Files.copy(file, folder.resolve(file.getFileName()));
      }
    }
  }

  private static void jpeg(Path png, Path file) throws IOException {
    ImageIO.write(ImageIO.read(png.toFile()), "jpg", file.toFile());
  }
}
