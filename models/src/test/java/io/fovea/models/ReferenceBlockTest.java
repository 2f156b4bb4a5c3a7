package io.fovea.models;

import static org.assertj.core.api.Assertions.assertThat;

import io.fovea.models.placement.AttentionInserter;
import io.fovea.models.placement.BackboneTopology;
import io.fovea.models.placement.PlacedAttention;
import io.fovea.models.weights.Safetensors;
import io.fovea.models.weights.StateDict;
import io.fovea.testing.Numeric;
import io.fovea.testing.Rounding;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The reference implementation's residual block with CBAM, by its own names, against what its code computed. */
@Numeric
class ReferenceBlockTest {
  /** How many operations a number depends on: three layers and a gate, and all there is. */
  private static final int FORWARD = 1 << 12;

  private static final int BACKWARD = 1 << 16;

  @ParameterizedTest
  @CsvSource({
    "cbam_block,32,32,1,Double",
    "cbam_block,32,32,1,Float",
    "cbam_block_down,16,32,2,Double",
    "cbam_block_down,16,32,2,Float"
  })
  void agreesWithTheReferenceImplementation(
      String file, int in, int out, int stride, ScalarType type) throws Exception {
    try (PointerScope scope = new PointerScope()) {
      Map<String, Tensor> golden =
          Safetensors.read(
              Path.of(getClass().getResource("/golden/" + file + ".safetensors").toURI()));
      BackboneTopology anatomy = ResNet.builder("resnet18").anatomy;
      ResNet.Block block =
          new ResNet.Block(
              in,
              out,
              new ResNet.StrideAndDilation(stride, 1, 1),
              ResNet.Form.of("resnet18"),
              VideoForm.FOVEA,
              false,
              new AttentionInserter(anatomy, PlacedAttention.parseAll("cbam"), 2)
                  .inBlock("", 1, 1, in));
      assertThat(StateDict.parameters(block).keySet()).isEqualTo(behind(golden, "grad/").keySet());

      Map<String, Tensor> actual = computed(block, golden, type);
      assertThat(golden.keySet()).containsAll(actual.keySet());
      if (type == ScalarType.Double) {
        actual.forEach(
            (what, value) -> {
              Tensor exact = golden.get(what);
              Rounding.assertWithin(what, value, exact, 1e-10 * Rounding.largest(exact));
            });
        return;
      }
      List<Tensor> inputs =
          golden.entrySet().stream()
              .filter(entry -> entry.getKey().matches("input|cotangent|state/.*"))
              .map(Map.Entry::getValue)
              .filter(Tensor::is_floating_point)
              .toList();
      double[] movement =
          Rounding.movement(
              inputs, () -> List.copyOf(computed(block, golden, ScalarType.Double).values()));
      int i = 0;
      for (Map.Entry<String, Tensor> entry : actual.entrySet()) {
        Tensor exact = golden.get(entry.getKey());
        int operations = entry.getKey().startsWith("grad") ? BACKWARD : FORWARD;
        Rounding.assertWithin(
            entry.getKey(),
            entry.getValue(),
            exact,
            Rounding.byMovement(movement[i], Rounding.largest(exact), operations));
        i++;
      }
    }
  }

  /** A step of training and an inference, by the names of the file. */
  private static Map<String, Tensor> computed(
      ResNet.Block block, Map<String, Tensor> golden, ScalarType type) {
    block.to(type, false);
    StateDict.load(block, behind(golden, "state/"));
    StateDict.parameters(block).values().forEach(parameter -> parameter.mutable_grad().reset());
    Map<String, Tensor> computed = new TreeMap<>();
    Tensor x = golden.get("input").to(type).clone().detach().set_requires_grad(true);
    block.train(true);
    Tensor y = block.forward(x);
    computed.put("output.train", y);
    y.mul(golden.get("cotangent").to(type)).sum().backward();
    computed.put("grad.input", x.grad());
    StateDict.parameters(block)
        .forEach((name, value) -> computed.put("grad/" + name, value.grad().clone()));
    Map<String, Tensor> state = StateDict.of(block);
    behind(golden, "state_after/")
        .keySet()
        .forEach(name -> computed.put("state_after/" + name, state.get(name).clone()));
    block.eval();
    try (NoGradGuard guard = new NoGradGuard()) {
      computed.put("output.eval", block.forward(x.detach()));
    }
    return computed;
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
}
