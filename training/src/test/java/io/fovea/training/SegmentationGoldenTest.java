package io.fovea.training;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.fovea.models.Segmenter;
import io.fovea.models.weights.StateDict;
import io.fovea.testing.Numeric;
import io.fovea.testing.Rounding;
import io.fovea.training.evaluate.TestTimeAugmentation;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import java.util.zip.CRC32;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Beside what PyTorch computes; scripts/golden/segmentation.py made the numbers. */
@Numeric
class SegmentationGoldenTest {
  private static JsonNode golden;

  @BeforeAll
  static void read() throws Exception {
    try (InputStream in =
        SegmentationGoldenTest.class.getResourceAsStream("/golden/segmentation.json")) {
      golden = new ObjectMapper().readTree(in);
    }
  }

  /** The rule of filling.py: numbers in -1..1 that depend on the name alone. */
  private static double[] uniform(String name, long count) {
    CRC32 checksum = new CRC32();
    checksum.update(name.getBytes(StandardCharsets.UTF_8));
    double[] values = new double[(int) count];
    for (int i = 0; i < count; i++) {
      int x = (int) (i + checksum.getValue());
      x = (x ^ x >>> 16) * 0x85EBCA6B;
      x = (x ^ x >>> 13) * 0xC2B2AE35;
      x ^= x >>> 16;
      values[i] = Integer.toUnsignedLong(x) / 0x1p31 - 1;
    }
    return values;
  }

  private static Tensor floats(String name, double factor, double offset, long... shape) {
    double[] values = uniform(name, LongStream.of(shape).reduce(1, (a, b) -> a * b));
    float[] floats = new float[values.length];
    for (int i = 0; i < floats.length; i++) {
      floats[i] = (float) (offset + factor * values[i]);
    }
    return Tensor.create(floats, shape);
  }

  private static void fill(Segmenter network) {
    try (NoGradGuard guard = new NoGradGuard()) {
      for (Map.Entry<String, Tensor> entry : StateDict.of(network).entrySet()) {
        String name = entry.getKey();
        Tensor tensor = entry.getValue();
        if (!name.endsWith("num_batches_tracked")) {
          boolean small = name.endsWith("running_mean") || name.endsWith("bias");
          boolean vector = tensor.dim() == 1;
          double fanOut = Math.sqrt(6.0 * tensor.size(0) / tensor.numel());
          double factor = small ? 0.1 : vector ? 0.5 : fanOut;
          tensor.copy_(floats(name, factor, vector && !small ? 1 : 0, tensor.shape()));
        }
      }
    }
  }

  @Test
  void theRateFallsAsInPyTorch() {
    JsonNode rates = golden.path("poly");
    assertThat(rates).hasSize(40);
    for (int step = 0; step < rates.size(); step++) {
      Schedule.Position at = new Schedule.Position(step, 40, 0, List.of());
      assertThat(Blocks.SPEC.schedule().rate(0.05, at))
          .isCloseTo(rates.path(step).asDouble(), within(1e-12));
    }
  }

  @ParameterizedTest
  @CsvSource({"plain,1,false", "weighted,0.4,true", "main,0,false"})
  void theLossIsPyTorchs(String name, double auxiliary, boolean weighted) {
    JsonNode expected = golden.path("losses").path(name);
    try (PointerScope scope = new PointerScope()) {
      Tensor[] scores = new Tensor[3];
      for (int i = 0; i < 3; i++) {
        double[] values = uniform("scores" + i, 2 * 4 * 6 * 5);
        for (int j = 0; j < values.length; j++) {
          values[j] *= 3;
        }
        scores[i] = Tensor.create(values, 2, 4, 6, 5).set_requires_grad(true);
      }
      double[] values = uniform("labels", 60);
      long[] labels = new long[60];
      for (int i = 0; i < labels.length; i++) {
        double value = (values[i] + 1) / 2 * 5;
        labels[i] = value >= 4 ? 255 : (long) value;
      }
      TensorOptional weights =
          weighted
              ? new TensorOptional(Tensor.create(new double[] {0.5, 1, 2, 0}))
              : new TensorOptional();
      Tensor loss =
          SegmentationTask.loss(
              new Segmenter.Scores(scores[0], List.of(scores[1], scores[2])),
              Tensor.create(labels, 2, 6, 5),
              auxiliary,
              weights);
      assertThat(loss.item_double()).isCloseTo(expected.path("loss").asDouble(), within(1e-12));
      loss.backward();
      double[] gradient = new double[240];
      scores[0].grad().contiguous().data_ptr_double().get(gradient);
      JsonNode theirs = expected.path("gradient");
      assertThat(theirs).hasSize(35);
      for (int i = 0; i < theirs.size(); i++) {
        assertThat(gradient[7 * i]).isCloseTo(theirs.path(i).asDouble(), within(1e-12));
      }
    }
  }

  @ParameterizedTest
  @CsvSource({
    "whole,1,false,0",
    "scales,0.5;1;1.5,false,0",
    "mirrored,0.75;1.25,true,0",
    "window,1;1.25,true,24"
  })
  void viewsAreAveragedAsInPyTorch(String name, String scales, boolean flip, int window) {
    TestTimeAugmentation inference =
        new TestTimeAugmentation(
            List.of(scales.split(";")).stream().map(Double::valueOf).toList(), flip, window);
    try (PointerScope scope = new PointerScope()) {
      Segmenter network = Segmenter.builder("resnet18").classes(4).build();
      fill(network);
      network.eval();
      Tensor image = floats("input", 1, 0, 1, 3, 40, 57);
      double[] here = every97th(inference.probabilities(network::scores, image));
      network.to(ScalarType.Double, false);
      double[] exact =
          every97th(inference.probabilities(network::scores, image.to(ScalarType.Double)));
      JsonNode expected = golden.path("inference").path(name);
      assertThat(expected).hasSameSizeAs(exact);
      double error = 0;
      for (int i = 0; i < exact.length; i++) {
        error = Math.max(error, Math.abs(here[i] - exact[i]));
      }
      // PyTorch computed in float32, as is done here, and is as close to float64; the largest is 1
      double bound = Rounding.byReference(error, 1);
      for (int i = 0; i < exact.length; i++) {
        assertThat(exact[i]).isCloseTo(expected.path(i).asDouble(), within(bound));
      }
    }
  }

  private static double[] every97th(Tensor probabilities) {
    double[] values = new double[4 * 40 * 57];
    probabilities.to(ScalarType.Double).contiguous().data_ptr_double().get(values);
    return IntStream.range(0, (values.length + 96) / 97).mapToDouble(i -> values[97 * i]).toArray();
  }
}
