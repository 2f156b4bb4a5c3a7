package io.fovea.models;

import static io.fovea.models.Filling.assertClose;
import static io.fovea.models.Filling.fill;
import static io.fovea.models.Filling.uniform;
import static io.fovea.models.Filling.values;
import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import io.fovea.models.weights.StateDict;
import io.fovea.testing.Numeric;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/**
 * Networks for video against a transcription in PyTorch on the same weights, which both sides fill by
 * the same rule; scripts/golden/video.py made the numbers.
 */
@Numeric
class VideoGoldenTest {
  @TestFactory
  Stream<DynamicTest> agreesWithPyTorch() {
    return StreamSupport.stream(Filling.golden("video.json").path("cases").spliterator(), false)
        .map(
            expected ->
                DynamicTest.dynamicTest(
                    expected.path("backbone").asText()
                        + " "
                        + expected.path("attention").asText()
                        + " "
                        + expected.path("shape").path(2),
                    () -> compare(expected)));
  }

  private static void compare(JsonNode expected) {
    long[] shape =
        StreamSupport.stream(expected.path("shape").spliterator(), false)
            .mapToLong(JsonNode::asLong)
            .toArray();
    int channels = (int) shape[1];
    int frames = (int) shape[2];
    String backbone = expected.path("backbone").asText();
    String attention = expected.path("attention").asText();
    try (PointerScope scope = new PointerScope()) {
      assertThat(new ModelSpec(backbone, 400, channels, 1, frames, attention).create())
          .returns(expected.path("parameters").asLong(), Classifier::parameterCount)
          .returns(frames, Classifier::frames);
      Classifier network = new ModelSpec(backbone, 7, channels, 1, frames, attention).create();
      network.to(ScalarType.Double, false);
      fill(network, name -> name);
      assertThat(StateDict.of(network)).hasSize(expected.path("names").asInt());
      Tensor x = uniform("clip", shape);
      network.eval();
      try (NoGradGuard guard = new NoGradGuard()) {
        assertClose(values(network.forward(x)), expected.path("output"), 1, 1e-9);
      }
      if (expected.has("clip_gradient")) {
        network.train(true);
        x.set_requires_grad(true);
        Tensor y = network.forward(x);
        assertClose(values(y), expected.path("output_in_training"), 1, 1e-9);
        y.mul(uniform("cotangent", y.shape())).sum().backward();
        assertClose(values(x.grad()), expected.path("clip_gradient"), 61, 1e-9);
        assertClose(gradient(network, "conv1.weight"), expected.path("conv1_gradient"), 7, 1e-9);
        assertClose(
            gradient(network, "layer1.1.conv1.weight"), expected.path("inner_gradient"), 97, 1e-9);
      }
    }
  }

  private static double[] gradient(Classifier network, String name) {
    return values(StateDict.parameters(network).get(name).grad());
  }
}
