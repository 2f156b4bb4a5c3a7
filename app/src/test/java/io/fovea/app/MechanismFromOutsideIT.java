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
import java.io.IOException;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
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

  private static OutsideProject outside;
  private static String jar;

  @BeforeAll
  static void buildTheExample() throws IOException, InterruptedException {
    outside = OutsideProject.of("mechanism");
    try (Stream<Path> reports = Files.list(outside.project().resolve("target/surefire-reports"))) {
      assertThat(reports).isNotEmpty(); // it has tests
    }
    jar = outside.project().resolve("target").resolve("my-mechanism-1.0.jar").toString();
  }

  private static Outcome withTheJar(String... arguments) {
    return Outcome.of(
        Stream.concat(Stream.of("--plugins", jar), Stream.of(arguments)).toArray(String[]::new));
  }

  private static Path trained(String attention) {
    Path run = outside.folder().resolve("run-" + attention);
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
    String page = Files.readString(OutsideProject.HOUSE.resolve("docs").resolve("mechanism.md"));
    List<String> files = new ArrayList<>();
    try (Stream<Path> all = Files.walk(outside.project().resolve("src"))) {
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
    Path out = outside.folder().resolve("study");

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
    String onnx = outside.folder().resolve("contrast.onnx").toString();
    String image =
        Files.write(outside.folder().resolve("image.png"), TestRuns.png(28, 28)).toString();

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
    Path file = outside.folder().resolve("filled.onnx");
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
    Path onnx = outside.folder().resolve("median.onnx");

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
        outside.fovea(Map.of("FOVEA_PLUGINS", jar), "compare", "--modules", "none,contrsat");

    assertThat(outcome.status()).isEqualTo(2);
    assertThat(outcome.out()).contains("did you mean \"contrast\"?");
  }

  @Test
  void aProviderThatIsNotThereIsOneLine() throws IOException, InterruptedException {
    String broken = outside.folder().resolve("broken.jar").toString();
    try (JarOutputStream out = new JarOutputStream(Files.newOutputStream(Path.of(broken)))) {
      out.putNextEntry(new ZipEntry("META-INF/services/io.fovea.attention.Mechanism$Provider"));
      out.write("com.example.Forgotten\n".getBytes(UTF_8));
    }

    Outcome outcome = outside.fovea(Map.of(), "--plugins", broken, "models");

    assertThat(outcome.status()).isEqualTo(2);
    assertThat(outcome.outLines()).hasSize(1);
    assertThat(outcome.out())
        .startsWith("fovea: " + broken + ": ")
        .contains("com.example.Forgotten not found");
  }
}
