package io.fovea.app;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * Runs the commands of a page in the folder of this process, which has what a reader has; the process
 * of {@link DocumentCommandsTest}. Trainings are shortened by {@link #SHORTER}, and what cannot run
 * here is listed in {@link #ELSEWHERE}.
 */
final class PageCommands {
  /** Commands that cannot run here, by what is in them, and where they do. */
  private static final List<Elsewhere> ELSEWHERE =
      List.of(
          new Elsewhere("--on (spark|local)", "needs Apache Spark: io.fovea.spark.StudyTest"),
          new Elsewhere("--(master|nnodes|processes)|srun", "several processes: ProcessesTest"),
          new Elsewhere("--plugins", "a jar from outside: MechanismFromOutsideIT"),
          new Elsewhere("attention contrast|-contrast-1", "the same jar"),
          new Elsewhere("--peers", "needs PyTorch: BenchCommandTest"),
          new Elsewhere(
              "import \\S+\\.(pth|pkl)|--init \\S+\\.pth", "weights of others: ImportTest"),
          new Elsewhere("runs/(danet101.pth|theirs|danet|i3d)\\b", "a run of these weights"),
          new Elsewhere("--frame 40", "a longer video: VideoCommandTest"),
          new Elsewhere("--certificate", "a certificate: ExplorerTest"),
          new Elsewhere("layer=pam2", "a network with PAM: ExplorerTest"),
          new Elsewhere("frame=40", "the same in the explorer: ExplorerTest"),
          new Elsewhere("--resume", "an interrupted training: ResumeCommandTest"),
          new Elsewhere("coco", "needs COCO's files: DataCommandTest"),
          new Elsewhere("--mlflow", "needs MLflow: MlflowTest"));

  /** Replacements that make a command short. */
  private static final Map<String, String> SHORTER =
      Map.of(
          "--epochs (?!90)\\d+", "--epochs 1",
          "--budget \\S+", "--budget 12epochs",
          "--pretrained(?! none)", "--pretrained none",
          "--target car", "--target background", // the scenes have no cars
          "--time \\S+", "--time 1s");

  private record Elsewhere(String command, String reason) {
    boolean has(String text) {
      return Pattern.compile(command).matcher(text).find();
    }
  }

  private final Path page;
  private final Path fixtures;

  private PageCommands(Path page, Path fixtures) {
    this.page = page;
    this.fixtures = fixtures;
  }

  /** Arguments: the page, and the folder with runs of each task. */
  public static void main(String[] arguments) throws Exception {
    new PageCommands(Path.of(arguments[0]), Path.of(arguments[1])).run();
  }

  private void run() throws Exception {
    try (Server server = new Server()) {
      for (String command : commands(Files.readString(page))) {
        long start = System.nanoTime();
        System.out.println(command);
        if (ELSEWHERE.stream().noneMatch(elsewhere -> elsewhere.has(command))) {
          if (command.startsWith("curl ")) {
            server.answers(command);
          } else {
            runs(command, server);
          }
        }
        System.out.printf(Locale.ROOT, "  %.1f s%n", (System.nanoTime() - start) / 1e9);
      }
    }
  }

  private void runs(String command, Server server) throws Exception {
    List<String> words = words(shorter(command));
    words.remove(0);
    int redirected = words.indexOf(">");
    Path output = redirected < 0 ? null : Path.of(words.get(redirected + 1));
    if (output != null) {
      words.subList(redirected, redirected + 2).clear();
    }
    prepare(words);
    if (words.get(0).equals("serve")) {
      server.start(words);
      return;
    }
    Outcome outcome = Outcome.of(words.toArray(new String[0]));
    assertThat(outcome.status())
        .as("%s%nran as: fovea %s%n%s", command, String.join(" ", words), outcome.err())
        .isZero();
    if (output != null) {
      Files.writeString(output, outcome.out());
    }
  }

  private static String shorter(String command) {
    String text = command.replaceFirst("\\s#\\s.*", "");
    for (Map.Entry<String, String> each : SHORTER.entrySet()) {
      text = text.replaceAll(each.getKey(), each.getValue());
    }
    if (text.contains("fovea ablate") && !text.contains("--dry-run")) {
      text += " --dry-run"; // a minute of trainings: AblateCommandTest
    }
    boolean trains = text.matches("\\./fovea (train|compare|ablate|search)\\b.*");
    boolean tells = text.matches(".*--(dry-run|print-recipe|help|resume)\\b.*");
    if (trains && text.contains("--data my-") && !text.contains("--task")) {
      text += text.contains("--image-size") ? "" : " --image-size 32";
    }
    if (text.matches("\\./fovea (compare|search)\\b.*") && !text.contains("--modules")) {
      text += text.contains("search") ? " --modules se,eca" : " --modules none,se";
    }
    if (trains && !tells) {
      text +=
          text.contains("--limit") ? "" : text.contains("search") ? " --limit 60" : " --limit 8";
      text += text.matches(".*--(epochs|time)\\b.*") ? "" : " --epochs 1";
      if (text.contains("fovea compare") && !text.contains("--seeds")) {
        text += " --seeds 1";
      }
    }
    if (text.contains("fovea bench")) {
      text += " --modules se --shape 2x64x8x8 --seconds 0.1";
    }
    return text;
  }

  /** Makes the runs that a command reads and nobody has written on this page. */
  private void prepare(List<String> words) throws IOException {
    words.replaceAll(
        word -> word.replaceAll("\\bRUN\\b(?!\\.)", "runs/RUN").replace("$TOKEN", "a-long-token"));
    String all = page.getFileName() + " " + String.join(" ", words);
    String task =
        all.contains("segmentation") || all.contains("scenes")
            ? "segmentation"
            : all.contains("video") || all.contains("mp4") ? "video" : "classification";
    List<String> readers = List.of("evaluate", "predict", "explain", "export", "serve");
    if (readers.contains(words.get(0)) && !Files.isDirectory(Path.of("runs"))) {
      copy(fixtures.resolve(task), Path.of("runs", task));
    }
    for (int i = 1; i < words.size(); i++) {
      Path file = Path.of(words.get(i));
      boolean written = words.get(i - 1).equals("--out");
      boolean isRun = file.startsWith("runs") && file.getNameCount() == 2;
      if (isRun && !written && !Files.exists(file)) {
        copy(fixtures.resolve(task), file);
      }
    }
    for (String word : words) {
      if (word.endsWith(".onnx") && words.contains("--onnx") && !Files.exists(Path.of(word))) {
        Path run = Path.of("runs", "for-" + word);
        copy(fixtures.resolve(task), run);
        run("export", run.toString(), "--out", word);
      }
    }
  }

  private static void run(String... words) {
    Outcome outcome = Outcome.of(words);
    assertThat(outcome.status()).as("%s%n%s", String.join(" ", words), outcome.err()).isZero();
  }

  /** The commands of a page, in the order of the page: {@code ./fovea} and, where a server runs, curl. */
  static List<String> commands(String page) {
    List<String> commands = new ArrayList<>();
    boolean fenced = false;
    StringBuilder open = new StringBuilder();
    for (String line : page.lines().toList()) {
      if (line.stripLeading().startsWith("```")) {
        fenced = !fenced;
      } else if (fenced || line.startsWith("    ") || !open.isEmpty()) {
        String text = line.strip();
        if (text.endsWith("\\")) {
          open.append(text, 0, text.length() - 1);
          continue;
        }
        String command = open + text;
        open.setLength(0);
        if (command.matches("(\\./fovea|curl --data-binary) .*")) {
          commands.add(command);
        }
      }
    }
    return commands;
  }

  /** Words as a shell divides them: quotes hold together, # starts a comment. */
  static List<String> words(String command) {
    List<String> words = new ArrayList<>();
    Matcher word = Pattern.compile("(?:'[^']*'|\"[^\"]*\"|[^\\s'\"])+").matcher(command);
    while (word.find() && !word.group().startsWith("#")) {
      String text = word.group().replaceAll("'([^']*)'|\"([^\"]*)\"", "$1$2");
      if (text.matches("[^?=]*\\*[^*/]*") && !word.group().contains("'")) {
        words.addAll(matching(text));
      } else {
        words.add(text);
      }
    }
    return words;
  }

  private static List<String> matching(String pattern) {
    Path folder = Path.of(pattern).getParent();
    String glob = "glob:" + pattern;
    try (Stream<Path> files = Files.list(folder == null ? Path.of("") : folder)) {
      return files
          .filter(file -> file.getFileSystem().getPathMatcher(glob).matches(file))
          .map(Path::toString)
          .sorted()
          .collect(Collectors.toList());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** {@code fovea serve} in a process of its own, because it runs until it is stopped. */
  private static final class Server implements AutoCloseable {
    private Process process;
    private String address;

    void start(List<String> words) throws IOException {
      close();
      List<String> line = new ArrayList<>();
      line.add(ProcessHandle.current().info().command().orElseThrow());
      line.addAll(List.of("-cp", System.getProperty("java.class.path"), "io.fovea.app.Fovea"));
      line.addAll(words);
      line.addAll(List.of("--port", "0"));
      process = new ProcessBuilder(line).redirectError(Path.of("serve.err").toFile()).start();
      BufferedReader out =
          new BufferedReader(
              new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8));
      address = out.readLine();
      assertThat(address)
          .as("fovea %s%n%s", words, Files.readString(Path.of("serve.err")))
          .startsWith("http");
    }

    /** Sends the file of {@code curl --data-binary @FILE URL} to the server that the page has started. */
    void answers(String command) throws IOException, InterruptedException {
      List<String> words = words(command);
      Path file = Path.of(words.get(2).substring(1));
      URI shown = URI.create(words.get(3));
      if (process == null) {
        return;
      }
      URI at = URI.create(address).resolve(shown.getRawPath() + query(shown));
      HttpResponse<String> answer =
          HttpClient.newHttpClient()
              .send(
                  HttpRequest.newBuilder(at).POST(HttpRequest.BodyPublishers.ofFile(file)).build(),
                  HttpResponse.BodyHandlers.ofString());
      assertThat(answer.statusCode()).as("%s%n%s", command, answer.body()).isEqualTo(200);
    }

    private static String query(URI uri) {
      return uri.getRawQuery() == null ? "" : "?" + uri.getRawQuery();
    }

    @Override
    public void close() {
      if (process != null) {
        process.destroyForcibly().onExit().join();
        process = null;
      }
    }
  }

  static void copy(Path from, Path to) throws IOException {
    try (Stream<Path> files = Files.walk(from)) {
      for (Path file : files.toList()) {
        Path target = to.resolve(from.relativize(file).toString());
        if (Files.isDirectory(file)) {
          Files.createDirectories(target);
        } else {
          Files.createDirectories(target.toAbsolutePath().getParent());
          Files.copy(file, target);
        }
      }
    }
  }
}
