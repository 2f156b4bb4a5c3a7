package io.fovea.training.evaluate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import io.fovea.training.run.Json;
import java.io.IOException;
import java.io.InputStream;
import java.util.ArrayList;
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
