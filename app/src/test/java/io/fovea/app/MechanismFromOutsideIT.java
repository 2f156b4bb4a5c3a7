package io.fovea.app;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtSession;
import io.fovea.models.Classifier;
import io.fovea.models.ModelSpec;
import io.fovea.models.onnx.Onnx;
import io.fovea.models.weights.StateDict;
import java.io.File;
import java.io.IOException;
import java.nio.FloatBuffer;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.jar.JarOutputStream;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import java.util.zip.ZipEntry;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/**
 * The project in examples/mechanism is built by Maven against the jars that this build made, and its
 * mechanisms are used on the command line. Run by {@code mvn verify}, which says where Maven is.
 */
class MechanismFromOutsideIT {
  private static final Path HOUSE = Path.of("..").toAbsolutePath().normalize();
  private static final Path TARGET = Path.of("target").toAbsolutePath();
  private static final String VERSION = property("fovea.version");
  private static final long MINUTES = 15; // far more than it takes, on any machine

  private static final Path FOLDER = TARGET.resolve("from-outside");

  private static String jar;

  private static String property(String name) {
    String value = System.getProperty(name);
    assertThat(value).as(name + ", which the pom gives to the tests of mvn verify").isNotNull();
    return value;
  }

  @BeforeAll
  static void buildTheExample() throws IOException, InterruptedException {
    deleteWhatAnEarlierBuildLeft();
    Files.createDirectories(FOLDER);
    Path project = copyOfTheExample();
    Path repository = repository(Path.of(property("maven.repository")));
    List<String> command =
        List.of(
            Path.of(property("maven.home"), "bin", "mvn").toString(),
            "--batch-mode",
            "--no-transfer-progress",
            "--file",
            project.resolve("pom.xml").toString(),
            "-Dmaven.repo.local=" + repository,
            "-Dfovea.version=" + VERSION,
            "package");

    Outcome built = process(command, Map.of("JAVA_HOME", System.getProperty("java.home")));

    assertThat(built.status()).as(built.out()).isZero();
    assertThat(built.out()).contains("Failures: 0, Errors: 0, Skipped: 0"); // it has tests
    jar = project.resolve("target").resolve("my-mechanism-1.0.jar").toString();
  }

  private static void deleteWhatAnEarlierBuildLeft() throws IOException {
    if (Files.exists(FOLDER)) {
      try (Stream<Path> files = Files.walk(FOLDER)) { // does not follow the links
        for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
          Files.delete(file);
        }
      }
    }
  }

  /** Its sources alone, so that nothing an earlier build left takes part. */
  private static Path copyOfTheExample() throws IOException {
    Path from = HOUSE.resolve("examples").resolve("mechanism");
    Path to = FOLDER.resolve("mechanism");
    Files.walkFileTree(
        from,
        new SimpleFileVisitor<>() {
          @Override
          public FileVisitResult preVisitDirectory(Path directory, BasicFileAttributes attributes)
              throws IOException {
            if (directory.equals(from.resolve("target"))) {
              return FileVisitResult.SKIP_SUBTREE;
            }
            Files.createDirectories(to.resolve(from.relativize(directory)));
            return FileVisitResult.CONTINUE;
          }

          @Override
          public FileVisitResult visitFile(Path file, BasicFileAttributes attributes)
              throws IOException {
            Files.copy(file, to.resolve(from.relativize(file)));
            return FileVisitResult.CONTINUE;
          }
        });
    return to;
  }

  /**
   * A local repository in which the jars of this build are installed. All else is the user's own, by
   * links: nothing is downloaded twice, and the user's io.fovea stays as it is.
   */
  private static Path repository(Path users) throws IOException {
    Path repository = Files.createDirectory(FOLDER.resolve("repository"));
    Path io = Files.createDirectory(repository.resolve("io"));
    link(users, repository, "io");
    link(users.resolve("io"), io, "fovea");
    install(repository, "fovea", HOUSE);
    install(repository, "fovea-attention", HOUSE.resolve("attention"));
    return repository;
  }

  private static void link(Path from, Path to, String but) throws IOException {
    try (Stream<Path> entries = Files.list(from)) {
      for (Path entry : entries.filter(e -> !e.endsWith(but)).toList()) {
        Files.createSymbolicLink(to.resolve(entry.getFileName()), entry);
      }
    }
  }

  /** What {@code mvn install} copies of a module. */
  private static void install(Path repository, String artifact, Path module) throws IOException {
    String name = artifact + "-" + VERSION;
    Path to = repository.resolve(Path.of("io", "fovea", artifact, VERSION));
    Files.createDirectories(to);
    Files.copy(module.resolve("pom.xml"), to.resolve(name + ".pom"));
    if (Files.exists(module.resolve("src"))) {
      for (String file : List.of(name + ".jar", name + "-tests.jar")) {
        Files.copy(module.resolve("target").resolve(file), to.resolve(file));
      }
    }
  }

  private static Outcome process(List<String> command, Map<String, String> environment)
      throws IOException, InterruptedException {
    ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
    builder.environment().putAll(environment);
    Path said = Files.createTempFile(FOLDER, "said", ".txt");
    Process process = builder.redirectOutput(said.toFile()).start();
    if (!process.waitFor(MINUTES, TimeUnit.MINUTES)) {
      process.destroyForcibly();
    }
    return new Outcome(process.waitFor(), Files.readString(said), "");
  }

  /** The command line in a process of its own, as the launcher starts it. */
  private static Outcome launched(Map<String, String> environment, String... arguments)
      throws IOException, InterruptedException {
    String others = Files.readString(TARGET.resolve("fovea.classpath"));
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    if (Runtime.version().feature() >= 24) {
      command.add("--enable-native-access=ALL-UNNAMED"); // or Java warns
    }
    String classes = TARGET.resolve("classes") + File.pathSeparator + others;
    command.addAll(List.of("-cp", classes, Fovea.class.getName()));
    command.addAll(List.of(arguments));
    return process(command, environment);
  }

  private static Outcome withTheJar(String... arguments) {
    return Outcome.of(
        Stream.concat(Stream.of("--plugins", jar), Stream.of(arguments)).toArray(String[]::new));
  }

  private static Path trained(String attention) {
    Path run = FOLDER.resolve("run-" + attention);
    Outcome outcome =
        withTheJar(
            "train",
            "--attention",
            attention,
            "--limit",
            "100",
            "--width",
            "0.25",
            "--epochs",
            "1",
            "--threads",
            "1",
            "--out",
            run.toString());
    assertThat(outcome.status()).as(outcome.err()).isZero();
    return run;
  }

  /** Each Java block of the page stands in a file of the example. */
  @Test
  void theDocumentationHasTheCodeOfTheExample() throws IOException {
    String page = Files.readString(HOUSE.resolve("docs").resolve("mechanism.md"));
    List<String> files = new ArrayList<>();
    try (Stream<Path> all = Files.walk(FOLDER.resolve("mechanism").resolve("src"))) {
      for (Path file : all.filter(Files::isRegularFile).toList()) {
        files.add(Files.readString(file));
      }
    }

    Matcher blocks = Pattern.compile("```\\w*\n(.*?)```", Pattern.DOTALL).matcher(page);
    List<String> code = blocks.results().map(block -> block.group(1)).toList();

    assertThat(code).hasSize(4);
    assertThat(code).allSatisfy(block -> assertThat(files).anyMatch(f -> f.contains(block)));
  }

  @Test
  void comparesBesideTheOthers() throws IOException {
    Path out = FOLDER.resolve("study");

    Outcome outcome =
        withTheJar(
            "compare",
            "--modules",
            "none,contrast:eps=0.001,median",
            "--seeds",
            "1",
            "--epochs",
            "1",
            "--limit",
            "100",
            "--width",
            "0.25",
            "--threads",
            "1",
            "--out",
            out.toString());

    assertThat(outcome.status()).as(outcome.err()).isZero();
    assertThat(outcome.out()).contains("\nnone ", "\ncontrast:eps=0.001 ", "\nmedian ");
    assertThat(Files.readString(out.resolve("results.json"))).contains("contrast", "median");
    assertThat(out.resolve("report.html")).isNotEmptyFile();
  }

  @Test
  void oneInOperatorsIsExported() throws IOException {
    Path run = trained("contrast");
    String onnx = FOLDER.resolve("contrast.onnx").toString();
    String image = Files.write(FOLDER.resolve("image.png"), TestRuns.png(28, 28)).toString();

    Outcome outcome = withTheJar("export", run.toString(), "--out", onnx);

    assertThat(outcome.status()).as(outcome.err()).isZero();
    Outcome predicted = withTheJar("predict", "--onnx", onnx, image);
    assertThat(predicted.status()).as(predicted.err()).isZero();
    assertThat(predicted.out())
        .isEqualTo(withTheJar("predict", "--run", run.toString(), image).out());
  }

  @Test
  void onnxRuntimeComputesTheSame() throws IOException, OrtException {
    Plugins.load("--plugins", jar);
    Path file = FOLDER.resolve("filled.onnx");
    float[] expected = new float[10];
    float[] pixels = new float[28 * 28];
    try (PointerScope scope = new PointerScope();
        NoGradGuard guard = new NoGradGuard()) {
      torch.manual_seed(3);
      Classifier network = new ModelSpec("resnet8", 10, 1, 0.5, "contrast").create();
      StateDict.parameters(network)
          .forEach(
              (name, values) -> {
                if (name.endsWith("contrast.scale") || name.endsWith("contrast.shift")) {
                  values.normal_(0, 1, null); // a trained gate is not one half
                }
              });
      network.eval();
      Tensor x = torch.randn(1, 1, 28, 28);
      x.<FloatBuffer>createBuffer().get(pixels);
      network.forward(x).<FloatBuffer>createBuffer().get(expected);
      Onnx.write(file, network, "test", Map.of());
    }

    float[] scores;
    OrtEnvironment environment = OrtEnvironment.getEnvironment();
    long[] shape = {1, 1, 28, 28};
    try (OrtSession session = environment.createSession(file.toString());
        OnnxTensor in = OnnxTensor.createTensor(environment, FloatBuffer.wrap(pixels), shape);
        OrtSession.Result result = session.run(Map.of("images", in))) {
      scores = ((float[][]) result.get(0).getValue())[0];
    }

    float largest = 0;
    for (float value : expected) {
      largest = Math.max(largest, Math.abs(value));
    }
    assertThat(scores).containsExactly(expected, within(1e-4f * largest));
  }

  @Test
  void oneThatHasOnlyTensorsIsNotExportedAndSaysWhatToWrite() {
    Path run = trained("median");
    Path onnx = FOLDER.resolve("median.onnx");

    Outcome outcome = withTheJar("export", run.toString(), "--out", onnx.toString());

    assertThat(outcome.status()).isEqualTo(2);
    assertThat(outcome.errLines())
        .containsExactly(
            "fovea: median cannot be exported because its equation is written"
                + " for tensors only (Ops.tensorsOnly); write it in the operators"
                + " of io.fovea.nn.Ops");
    assertThat(onnx).doesNotExist();
  }

  @Test
  void theVariableNamesJarsToo() throws IOException, InterruptedException {
    Outcome outcome =
        launched(Map.of("FOVEA_PLUGINS", jar), "compare", "--modules", "none,contrsat");

    assertThat(outcome.status()).isEqualTo(2);
    assertThat(outcome.out()).contains("did you mean \"contrast\"?");
  }

  @Test
  void aProviderThatIsNotThereIsOneLine() throws IOException, InterruptedException {
    String broken = FOLDER.resolve("broken.jar").toString();
    try (JarOutputStream out = new JarOutputStream(Files.newOutputStream(Path.of(broken)))) {
      out.putNextEntry(new ZipEntry("META-INF/services/io.fovea.attention.Mechanism$Provider"));
      out.write("com.example.Forgotten\n".getBytes(UTF_8));
    }

    Outcome outcome = launched(Map.of(), "--plugins", broken, "models");

    assertThat(outcome.status()).isEqualTo(2);
    assertThat(outcome.outLines()).hasSize(1);
    assertThat(outcome.out())
        .startsWith("fovea: " + broken + ": ")
        .contains("com.example.Forgotten not found");
  }
}
