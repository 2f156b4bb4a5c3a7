package io.fovea.training.evaluate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import io.fovea.data.MaskedImage;
import io.fovea.training.run.Json;
import java.io.IOException;
import java.io.InputStream;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The golden file has the values of scikit-learn and torchmetrics. */
class EvaluationReportTest {
  private static final Offset<Double> EXACT = within(1e-12);
  private static final int CLASSES = 7;

  private static JsonNode golden(String name) {
    try (InputStream in =
        EvaluationReportTest.class.getResourceAsStream("/golden/evaluation.json")) {
      return Json.MAPPER.readTree(in).path(name);
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  private static EvaluationReport report(JsonNode golden) {
    long[][] confusion = new long[CLASSES][CLASSES];
    List<SampleResult> results = new ArrayList<>();
    for (int i = 0; i < golden.path("labels").size(); i++) {
      float[] probabilities = new float[CLASSES];
      int best = 0;
      for (int label = 0; label < CLASSES; label++) {
        probabilities[label] = golden.path("probabilities").path(i).path(label).floatValue();
        best = probabilities[label] > probabilities[best] ? label : best;
      }
      int label = golden.path("labels").path(i).intValue();
      confusion[label][best]++;
      results.add(ClassResult.of(i, label, best, probabilities));
    }
    List<String> names = IntStream.range(0, CLASSES).mapToObj(Integer::toString).toList();
    return EvaluationReport.of(new Evaluation(1.25, confusion), names, results);
  }

  @ParameterizedTest
  @ValueSource(strings = {"every class", "two classes without samples"})
  void agreesWithScikitLearn(String name) {
    JsonNode golden = golden(name);
    EvaluationReport report = report(golden);

    assertThat(report.top1()).isCloseTo(golden.path("top1").doubleValue(), EXACT);
    assertThat(report.top5()).isCloseTo(golden.path("top5").doubleValue(), EXACT);
    for (int label = 0; label < CLASSES; label++) {
      ClassScores.Score score = report.scores().classes().get(label);
      assertThat(score.support()).isEqualTo(golden.path("support").path(label).longValue());
      assertThat(score.precision()).isCloseTo(value(golden, "precision", label), EXACT);
      assertThat(score.recall()).isCloseTo(value(golden, "recall", label), EXACT);
      assertThat(score.f1()).isCloseTo(value(golden, "f1", label), EXACT);
      assertThat(score.iou()).isCloseTo(value(golden, "iou", label), EXACT);
      for (int other = 0; other < CLASSES; other++) {
        assertThat(report.confusion()[label][other])
            .isEqualTo(golden.path("confusion").path(label).path(other).longValue());
      }
    }
    check(report.scores().macro(), golden.path("macro"));
    check(report.scores().weighted(), golden.path("weighted"));
  }

  private static void check(ClassScores.Mean mean, JsonNode golden) {
    assertThat(mean.precision()).isCloseTo(golden.path(0).doubleValue(), EXACT);
    assertThat(mean.recall()).isCloseTo(golden.path(1).doubleValue(), EXACT);
    assertThat(mean.f1()).isCloseTo(golden.path(2).doubleValue(), EXACT);
  }

  private static double value(JsonNode golden, String key, int index) {
    return golden.path(key).path(index).doubleValue();
  }

  /** The masks of scripts/golden/evaluation.py, by rule. */
  private static byte[] mask(int left, int top, int radius, int edge, int band) {
    byte[] labels = new byte[150 * 200];
    for (int i = 0; i < labels.length; i++) {
      int x = i % 200;
      int y = i / 200;
      boolean round = (x - left) * (x - left) + (y - top) * (y - top) < radius * radius;
      labels[i] = (byte) (round ? 1 : x >= edge && y < 50 ? 2 : x >= band ? 3 : 0);
    }
    return labels;
  }

  @Test
  void scoresOfPixelsAgreeWithScikitLearnAndSciPy() {
    JsonNode golden = golden("masks");
    byte[] truth = mask(60, 70, 40, 120, 150);
    Arrays.fill(truth, 140 * 200, truth.length, (byte) MaskedImage.IGNORED);
    byte[] predicted = mask(61, 72, 41, 121, 155);
    long[][] confusion = new long[5][5];
    for (int i = 0; i < 140 * 200; i++) {
      confusion[truth[i]][predicted[i]]++;
    }
    Evaluation evaluation = new Evaluation(1, confusion);
    double[] boundaries = BoundaryF1.of(150, 200, truth, predicted, 5);
    List<SampleResult> results =
        List.of(
            new PixelResult(0, 28000, 1, 1, boundaries),
            new PixelResult(1, 10, 1, 1, new double[] {0, Double.NaN, 0.5, 0.5, Double.NaN}));
    List<String> names = List.of("ground", "ball", "box", "band", "none");
    EvaluationReport report = EvaluationReport.of(evaluation, names, results);

    double dice = 0;
    for (int label = 0; label < 4; label++) {
      assertThat(boundaries[label]).isCloseTo(value(golden, "boundary_f1", label), EXACT);
      assertThat(boundaries[label]).isPositive();
      assertThat(evaluation.dice(label)).isCloseTo(value(golden, "dice", label), EXACT);
      dice += evaluation.dice(label) / 4;
    }
    assertThat(boundaries[4]).isNaN();
    assertThat(report.dice()).isCloseTo(dice, EXACT);
    assertThat(report.frequencyWeightedIou())
        .isCloseTo(golden.path("frequency_weighted_iou").doubleValue(), EXACT);
    assertThat(report.classBoundaryF1().get(0)).isCloseTo(boundaries[0] / 2, EXACT);
    assertThat(report.classBoundaryF1().get(1)).isEqualTo(boundaries[1]);
    assertThat(report.classBoundaryF1().get(4)).isNaN();
    assertThat(report.boundaryF1())
        .isCloseTo(
            (boundaries[0] / 2 + boundaries[1] + (boundaries[2] + boundaries[3] + 1) / 2) / 4,
            EXACT);
    assertThat(report.views()).isNull();
  }

  @Test
  void aClassWithAnOutlineInOneMaskOnlyHasZero() {
    byte[] one = {0, 0, 0, 1};
    assertThat(BoundaryF1.of(2, 2, one, new byte[4], 2)).containsExactly(0, 0);
    assertThat(BoundaryF1.of(2, 2, one, one, 2)).containsExactly(1, 1);
    assertThat(BoundaryF1.of(2, 2, new byte[4], new byte[4], 2))
        .containsExactly(Double.NaN, Double.NaN);
  }

  @Test
  void viewsAreCountedByThemselves() {
    float[] mean = {0.5F, 0.3F, 0.1F, 0.05F, 0.03F, 0.02F};
    float[][] views = {{1, 0, 0, 0, 0, 0}, {0.01F, 0.5F, 0.2F, 0.1F, 0.1F, 0.09F}};
    ClassResult result = ClassResult.of(0, 0, 0, mean).withViews(views);
    assertThat(result.viewRanks()).containsExactly(1, 6);
    EvaluationReport report =
        EvaluationReport.of(
            new Evaluation(1, new long[6][6]),
            List.of("a", "b", "c", "d", "e", "f"),
            List.of(result));
    assertThat(report.views()).isEqualTo(new EvaluationReport.Views(2, 0.5, 0.5));
  }

  /** The bins are those of scikit-learn, which leaves out empty ones, and the error torchmetrics'. */
  @ParameterizedTest
  @ValueSource(strings = {"every class", "two classes without samples"})
  void theCalibrationAgreesWithTorchmetrics(String name) {
    JsonNode golden = golden(name);
    Calibration calibration = report(golden).calibration();

    // torchmetrics adds up in float32
    assertThat(calibration.error())
        .isCloseTo(golden.path("calibration_error").doubleValue(), within(1e-6));
    List<Calibration.Bin> filled =
        calibration.bins().stream().filter(bin -> bin.count() > 0).toList();
    assertThat(filled).hasSize(golden.path("curve_accuracy").size());
    for (int i = 0; i < filled.size(); i++) {
      assertThat(filled.get(i).accuracy()).isCloseTo(value(golden, "curve_accuracy", i), EXACT);
      assertThat(filled.get(i).confidence()).isCloseTo(value(golden, "curve_confidence", i), EXACT);
    }
  }

  @Test
  void theWorstMistakesAreTheMostConfidentOnes() {
    EvaluationReport report = report(golden("every class"));

    List<SampleResult> worst = report.worst(5);

    double last = 1;
    for (SampleResult result : worst) {
      ClassResult one = (ClassResult) result;
      assertThat(one.correct()).isFalse();
      assertThat(one.confidence()).isLessThanOrEqualTo(last);
      last = one.confidence();
    }
    assertThat(worst).hasSize(5);
  }

  @Test
  void confidencesOnTheEdgeOfABinAreInTheLowerOne() {
    ClassResult zero = new ClassResult(0, 0, 0, 0, 0, 1);
    ClassResult edge = new ClassResult(1, 0, 0, 0.2, 0.2, 1);
    ClassResult sure = new ClassResult(2, 0, 1, 1, 0, 2);

    Calibration calibration = Calibration.of(List.of(zero, edge, sure));

    assertThat(calibration.bins()).hasSize(15);
    assertThat(calibration.bins().get(0).count()).isEqualTo(1);
    assertThat(calibration.bins().get(2).count()).isEqualTo(1);
    assertThat(calibration.bins().get(14).count()).isEqualTo(1);
    assertThat(calibration.error()).isCloseTo((1 + 0.8 + 1) / 3, EXACT);
  }
}
