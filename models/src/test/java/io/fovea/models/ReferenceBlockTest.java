package io.fovea.models;

import static org.assertj.core.api.Assertions.assertThat;

import io.fovea.models.placement.AttentionInserter;
import io.fovea.models.placement.BackboneTopology;
import io.fovea.models.placement.PlacedAttention;
import io.fovea.models.weights.Safetensors;
import io.fovea.models.weights.StateDict;
import java.nio.file.Path;
import java.util.Map;
import java.util.TreeMap;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The reference implementation's residual block with CBAM, by its own names, against what its code computed. */
class ReferenceBlockTest {
  @ParameterizedTest
  @CsvSource({
    "cbam_block,32,32,1,Double",
    "cbam_block,32,32,1,Float",
    "cbam_block_down,16,32,2,Double",
    "cbam_block_down,16,32,2,Float"
  })
  void agreesWithTheDocument(String file, int in, int out, int stride, ScalarType type)
      throws Exception {
    double tolerance = type == ScalarType.Double ? 1e-10 : 1e-4;
    try (PointerScope scope = new PointerScope()) {
      Map<String, Tensor> golden =
          Safetensors.read(
              Path.of(getClass().getResource("/golden/" + file + ".safetensors").toURI()));
      ResNet.Block block =
          new ResNet.Block(
              in, out, new ResNet.Grid(stride, 1, 1), ResNet.Form.of("resnet18"), false);
      BackboneTopology anatomy = ResNet.builder("resnet18").anatomy;
      block.attend(new AttentionInserter(anatomy, PlacedAttention.parseAll("cbam"), 2), "", 1, 1);
      block.to(type, false);
      StateDict.load(block, behind(golden, "state/"));

      Tensor x = golden.get("input").to(type).clone().detach().set_requires_grad(true);
      block.train(true);
      Tensor y = block.forward(x);
      assertClose("output.train", y, golden.get("output.train"), tolerance);
      y.mul(golden.get("cotangent").to(type)).sum().backward();
      assertClose("grad.input", x.grad(), golden.get("grad.input"), tolerance);
      Map<String, Tensor> gradients = behind(golden, "grad/");
      Map<String, Tensor> parameters = StateDict.parameters(block);
      assertThat(parameters.keySet()).isEqualTo(gradients.keySet());
      gradients.forEach(
          (name, gradient) ->
              assertClose("grad " + name, parameters.get(name).grad(), gradient, tolerance));
      Map<String, Tensor> state = StateDict.of(block);
      behind(golden, "state_after/")
          .forEach(
              (name, value) -> assertClose("after " + name, state.get(name), value, tolerance));

      block.eval();
      try (NoGradGuard guard = new NoGradGuard()) {
        assertClose("output.eval", block.forward(x.detach()), golden.get("output.eval"), tolerance);
      }
    }
  }

  private static Map<String, Tensor> behind(Map<String, Tensor> tensors, String prefix) {
    Map<String, Tensor> found = new TreeMap<>();
    tensors.forEach(
        (name, value) -> {
          if (name.startsWith(prefix)) {
            found.put(name.substring(prefix.length()), value);
          }
        });
    return found;
  }

  private static void assertClose(String what, Tensor actual, Tensor expected, double tolerance) {
    assertThat(actual.shape()).as(what).isEqualTo(expected.shape());
    Tensor e = expected.to(ScalarType.Double);
    double difference = actual.detach().to(ScalarType.Double).sub(e).abs().max().item_double();
    assertThat(difference)
        .as(what)
        .isLessThanOrEqualTo(tolerance * Math.max(e.abs().max().item_double(), 1e-30));
  }
}
