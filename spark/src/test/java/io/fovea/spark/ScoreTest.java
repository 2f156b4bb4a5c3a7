package io.fovea.spark;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import io.fovea.app.cli.PredictCommand;
import io.fovea.data.DataException;
import io.fovea.errors.FoveaException;
import io.fovea.models.Classifier;
import io.fovea.models.FusedNetwork;
import io.fovea.models.weights.StateDict;
import io.fovea.testing.Rounding;
import io.fovea.training.Tasks;
import io.fovea.training.evaluate.TestTimeAugmentation;
import io.fovea.training.run.Json;
import io.fovea.training.run.Run;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.types.StructType;
import org.assertj.core.groups.Tuple;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import picocli.CommandLine;

/** Images on Spark, compared with {@code fovea predict}. */
@DisabledOnOs(value = OS.WINDOWS, disabledReason = "Spark on Windows needs Hadoop's winutils")
class ScoreTest {
  private static final int IMAGES = 2_000;

  @TempDir static Path folder;

  private static SparkSession spark;

  @BeforeAll
  static void makeImages() throws Exception {
    spark = LocalSpark.session();
    LocalSpark.run(run(), 11);
    LocalSpark.onnx(run(), onnx());
    LocalSpark.images(images(), IMAGES);
    Files.copy(images().resolve("00003.png"), images().resolve("50 % wei\u00df#1.png"));
    Files.writeString(images().resolve("damaged.png"), "no image");
    LocalSpark.images(folder.resolve("few"), 70);
  }

  private static Path run() {
    return folder.resolve("run");
  }

  private static Path onnx() {
    return folder.resolve("model.onnx");
  }

  private static Path images() {
    return folder.resolve("images");
  }

  /** What {@code fovea predict --format json} prints for each file, by its name. */
  private static Map<String, JsonNode> predicted(String... arguments) throws Exception {
    StringWriter text = new StringWriter();
    CommandLine command = new CommandLine(new PredictCommand());
    command.setCaseInsensitiveEnumValuesAllowed(true);
    command.setOut(new PrintWriter(text));
    command.setErr(new PrintWriter(new StringWriter()));
    List<String> all = new ArrayList<>(List.of(arguments));
    all.addAll(List.of("--format", "json", "--top", "10", "--threads", "1"));
    command.execute(all.toArray(new String[0]));
    Map<String, JsonNode> lines = new HashMap<>();
    for (String line : text.toString().split("\\R")) {
      JsonNode node = Json.MAPPER.readTree(line);
      lines.put(Path.of(node.get("file").asText()).getFileName().toString(), node);
    }
    return lines;
  }

  private static double best(JsonNode line) {
    return line.at("/predictions/0/probability").asDouble();
  }

  /** The largest probability of the image of a line, predicted in a batch of its own. */
  private static double alone(JsonNode line) {
    Run<Classifier, ?> opened = Run.open(run(), Tasks.CLASSIFICATION);
    Path file = Path.of(line.get("file").asText());
    try (Classifier network = opened.load(Run.Weights.LAST);
        FusedNetwork fused = network.fuse()) {
      return fused
          .infer(
              () ->
                  Tasks.CLASSIFICATION.predict(
                      network,
                      opened.preprocessing().read(file),
                      opened.preprocessing(),
                      TestTimeAugmentation.WHOLE))
          .best()
          .probability();
    }
  }

  private static String name(Row row) {
    return new org.apache.hadoop.fs.Path(row.<String>getAs("path")).getName();
  }

  private static Dataset<Row> read(Path path) {
    return spark.read().format("binaryFile").load(path.toString());
  }

  /** The same classes and the same bits, in the same order. */
  private static void assertSame(Row row, JsonNode line) {
    assertThat(row.<String>getAs("error")).isNull();
    List<Row> top = row.getList(row.fieldIndex("top"));
    assertThat(top).hasSize(10);
    for (int i = 0; i < top.size(); i++) {
      JsonNode one = line.get("predictions").get(i);
      assertThat(top.get(i).getString(0)).isEqualTo(one.get("class").asText());
      assertThat(top.get(i).getDouble(1)).isEqualTo(one.get("probability").asDouble());
    }
    assertThat(row.<String>getAs("class")).isEqualTo(top.get(0).getString(0));
    assertThat(row.<Double>getAs("probability")).isEqualTo(top.get(0).getDouble(1));
  }

  @Test
  void inTheSameOrderTheBatchesAndBitsAreThoseOfPredict() throws Exception {
    Map<String, JsonNode> expected =
        predicted("--run", run().toString(), folder.resolve("few").toString());
    List<Row> rows =
        Scorer.ofRun(spark, run().toString())
            .top(10)
            .score(read(folder.resolve("few")).coalesce(1).sortWithinPartitions("path"))
            .collectAsList();
    assertThat(rows).hasSize(70);
    rows.forEach(row -> assertSame(row, expected.get(name(row))));
  }

  @Test
  void oneByOneTheBitsAreThoseOfPredictInAnyOrder() throws Exception {
    List<Row> rows =
        Scorer.ofRun(spark, run().toString())
            .top(10)
            .batch(1)
            .score(read(folder.resolve("few")).repartition(3))
            .collectAsList();
    assertThat(rows).hasSize(70);
    for (Row row : rows.subList(0, 5)) {
      String file = folder.resolve("few").resolve(name(row)).toString();
      assertSame(row, predicted("--run", run().toString(), file).get(name(row)));
    }
  }

  @Test
  void anExportedNetworkGivesTheBitsOfPredictOnnx() throws Exception {
    Map<String, JsonNode> expected =
        predicted("--onnx", onnx().toString(), folder.resolve("few").toString());
    List<Row> rows =
        Scorer.ofOnnx(spark, onnx().toUri().toString())
            .top(10)
            .score(read(folder.resolve("few")).coalesce(1).sortWithinPartitions("path"))
            .collectAsList();
    assertThat(rows).hasSize(70);
    rows.forEach(row -> assertSame(row, expected.get(name(row))));
  }

  @Test
  void aWholeFolderIsScoredByTheCommand() throws Exception {
    Map<String, JsonNode> expected = predicted("--run", run().toString(), images().toString());
    double otherBatches = 0; // what the size of the batches changes in float32
    for (JsonNode line :
        predicted("--run", run().toString(), folder.resolve("few").toString()).values()) {
      otherBatches = Math.max(otherBatches, Math.abs(best(line) - alone(line)));
    }
    Path out = folder.resolve("out");
    assertThat(
            Score.run(
                spark,
                "--run",
                run().toString(),
                "--images",
                images().toString(),
                "--out",
                out.toString(),
                "--top",
                "10"))
        .isZero();
    Dataset<Row> result = spark.read().parquet(out.toString());
    assertThat(result.columns()).containsExactly("path", "class", "probability", "top", "error");
    List<Row> rows = result.collectAsList();
    assertThat(rows).hasSize(IMAGES + 2);
    for (Row row : rows) {
      JsonNode line = expected.remove(name(row));
      if (name(row).equals("damaged.png")) {
        assertThat(row.<String>getAs("error"))
            .isNotBlank()
            .isEqualTo(line.get("error").asText().substring(images().toString().length() + 14));
        assertThat(row.isNullAt(1) && row.isNullAt(2) && row.isNullAt(3)).isTrue();
      } else {
        assertThat(row.<Double>getAs("probability"))
            .isCloseTo(best(line), within(Rounding.byReference(otherBatches, 1)));
      }
    }
    assertThat(expected).isEmpty();
    assertThat(ExecutorModel.loaded()).isEqualTo(1);
  }

  @Test
  void csvHasTheColumnsAndDecimalsOfPredict() throws Exception {
    Path out = folder.resolve("csv");
    assertThat(
            Score.run(
                spark,
                "--onnx",
                onnx().toString(),
                "--images",
                folder.resolve("few").toString(),
                "--out",
                out.toString(),
                "--format",
                "csv",
                "--top",
                "2"))
        .isZero();
    List<String> lines = new ArrayList<>();
    try (Stream<Path> files = Files.list(out)) {
      for (Path file : files.filter(f -> f.toString().endsWith(".csv")).toList()) {
        lines.addAll(Files.readAllLines(file));
      }
    }
    assertThat(lines.get(0)).isEqualTo("path,class_1,probability_1,class_2,probability_2,error");
    assertThat(lines.get(1))
        .matches("file:.*/000\\d\\d\\.png,[^,]+,0\\.\\d{6},[^,]+,0\\.\\d{6},.*");
  }

  @Test
  void embeddingsAreWhatTheClassifierTakes() {
    List<Row> rows =
        Scorer.ofRun(spark, run().toString())
            .embedding()
            .score(read(folder.resolve("few")).limit(3))
            .collectAsList();
    Run<Classifier, ?> opened = Run.open(run(), Tasks.CLASSIFICATION);
    try (PointerScope scope = new PointerScope();
        Classifier network = opened.load(Run.Weights.LAST)) {
      var weights = StateDict.parameters(network);
      for (Row row : rows) {
        List<Float> embedding = row.getList(row.fieldIndex("embedding"));
        assertThat(embedding).hasSize(32);
        float[] values = new float[embedding.size()];
        for (int i = 0; i < values.length; i++) {
          values[i] = embedding.get(i);
        }
        var scores =
            Tensor.create(values, 1, values.length)
                .matmul(weights.get("fc.weight").t())
                .add(weights.get("fc.bias"));
        float[] probabilities = new float[10];
        scores.softmax(1).<FloatBuffer>createBuffer().get(probabilities);
        Arrays.sort(probabilities);
        assertThat((double) probabilities[9])
            .isCloseTo(row.<Double>getAs("probability"), within(1e-6));
      }
    }
  }

  @Test
  void otherColumnsStayAndBadRowsHaveErrors() throws Exception {
    byte[] image = Files.readAllBytes(folder.resolve("few/00000.png"));
    Dataset<Row> rows =
        spark.createDataFrame(
            List.of(
                RowFactory.create("a", image, 7L),
                RowFactory.create("b", null, 8L),
                RowFactory.create("c", Arrays.copyOf(image, 60), 9L),
                RowFactory.create(null, image, 10L)),
            StructType.fromDDL("path STRING, content BINARY, id LONG"));
    List<Row> scored =
        Scorer.ofRun(spark, run().toString()).score(rows.coalesce(1)).collectAsList();
    assertThat(scored.get(0).schema().fieldNames())
        .containsExactly("path", "id", "class", "probability", "top", "error");
    assertThat(scored).extracting(row -> row.getLong(1)).containsExactly(7L, 8L, 9L, 10L);
    assertThat(scored)
        .extracting(row -> row.isNullAt(2), row -> row.isNullAt(5))
        .containsExactly(
            Tuple.tuple(false, true),
            Tuple.tuple(true, false),
            Tuple.tuple(true, false),
            Tuple.tuple(false, true));
    List<Row> paths =
        Scorer.ofRun(spark, run().toString())
            .score(rows.drop("content").coalesce(1))
            .collectAsList();
    assertThat(paths.get(0).getString(5)).startsWith("cannot be read: ");
  }

  @Test
  void mistakesAreToldBeforeAJobStarts() throws Exception {
    Files.writeString(folder.resolve("no.onnx"), "nothing");
    assertThatThrownBy(() -> Scorer.ofRun(spark, folder.resolve("nowhere").toString()))
        .isInstanceOf(DataException.class)
        .hasMessageContaining("nowhere");
    assertThatThrownBy(() -> Scorer.ofRun(spark, run().toString(), "ema"))
        .isInstanceOf(DataException.class)
        .hasMessageContaining("ema.safetensors");
    assertThatThrownBy(() -> Scorer.ofRun(spark, run().toString(), "first"))
        .hasMessageContaining("best, last or ema");
    assertThatThrownBy(() -> Scorer.ofOnnx(spark, folder.resolve("no.onnx").toString()))
        .isInstanceOf(DataException.class)
        .hasMessageContaining("no.onnx: cannot be loaded");
    assertThatThrownBy(() -> Scorer.ofOnnx(spark, onnx().toString()).embedding())
        .isInstanceOf(FoveaException.class);
    assertThatThrownBy(
            () -> Scorer.ofRun(spark, run().toString()).score(spark.range(2).toDF("path2")))
        .hasMessageContaining("expected path");
    assertThat(
            Score.run(
                spark,
                "--run",
                run().toString(),
                "--images",
                images().toString(),
                "--out",
                images().toString()))
        .isEqualTo(2);
    Files.createDirectories(folder.resolve("empty"));
    assertThat(
            Score.run(
                spark,
                "--run",
                run().toString(),
                "--images",
                folder.resolve("empty").toString(),
                "--out",
                folder.resolve("out of nothing").toString()))
        .isEqualTo(2);
    assertThat(Files.exists(folder.resolve("out of nothing"))).isFalse();
  }

  @Test
  void aSecondNetworkReplacesTheFirst() {
    Path other = LocalSpark.run(folder.resolve("other"), 12);
    Dataset<Row> few = read(folder.resolve("few")).limit(2);
    Scorer.ofRun(spark, run().toString()).score(few).collectAsList();
    List<Row> first = Scorer.ofRun(spark, run().toString()).score(few).collectAsList();
    List<Row> second = Scorer.ofRun(spark, other.toString()).score(few).collectAsList();
    assertThat(ExecutorModel.loaded()).isEqualTo(1);
    assertThat(second.get(0).<Double>getAs("probability"))
        .isNotEqualTo(first.get(0).<Double>getAs("probability"));
  }
}
