package io.fovea.models;

import static io.fovea.models.Filling.assertClose;
import static io.fovea.models.Filling.fill;
import static io.fovea.models.Filling.uniform;
import static io.fovea.models.Filling.values;
import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import io.fovea.attention.AttentionSpec;
import io.fovea.models.placement.AttentionInserter;
import io.fovea.models.placement.PlacedAttention;
import io.fovea.models.placement.Placement;
import io.fovea.models.weights.StateDict;
import io.fovea.testing.Numeric;
import java.util.Arrays;
import java.util.List;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Backbones and blocks against torchvision's on the same weights, which both sides fill by the same
 * rule; scripts/golden/backbones.py made the numbers.
 */
@Numeric
public class BackboneGoldenTest {
  private static final int CLASSES = 7;
  private static final int[][] SIZES = {{64, 64}, {70, 45}};
  private final JsonNode golden = Filling.golden("torchvision.json");

  @ParameterizedTest
  @ValueSource(
      strings = {
        "resnet18",
        "resnet50",
        "resnext50",
        "googlenet",
        "mobilenetv3-large",
        "mobilenetv3-small"
      })
  void hasTorchvisionsParametersAndOutputs(String backbone) {
    JsonNode expected = golden.path(backbone);
    try (PointerScope scope = new PointerScope();
        NoGradGuard guard = new NoGradGuard()) {
      assertThat(asPublished(backbone, 1000).parameterCount())
          .isEqualTo(expected.path("parameters").asLong());

      Classifier network = asPublished(backbone, CLASSES);
      network.to(ScalarType.Double, false);
      fill(network, BackboneGoldenTest::torchvisions);
      assertThat(StateDict.of(network)).hasSize(expected.path("names").asInt());
      network.eval();
      for (int i = 0; i < SIZES.length; i++) {
        Tensor x = uniform("input", 2, 3, SIZES[i][0], SIZES[i][1]);
        assertClose(values(network.forward(x)), expected.path("outputs").path(i), 1, 1e-9);
      }
      network.train(true);
      network.forward(uniform("input", 2, 3, 64, 64));
      double[] buffer = values(StateDict.of(network).get(expected.path("buffer").asText()));
      assertClose(Arrays.copyOf(buffer, 8), expected.path("buffer_after_a_step"), 1, 1e-9);
    }
  }

  /** With the attention that the published network comes with. */
  private static Classifier asPublished(String backbone, int classes) {
    Classifier.Builder<?> builder = Classifier.builder(backbone).classes(classes);
    builder.ownAttention().ifPresent(builder::attention);
    return builder.build();
  }

  @ParameterizedTest
  @CsvSource({"standard,se", "pre,se_pre", "post,se_post", "identity,se_identity"})
  void attentionIsWhereThePaperDrawsIt(String place, String name) {
    JsonNode expected = golden.path("blocks").path(place);
    try (PointerScope scope = new PointerScope()) {
      AttentionInserter places =
          new AttentionInserter(
              ResNet.builder("resnet18").anatomy,
              List.of(
                  new PlacedAttention(
                      AttentionSpec.parse("se:reduction=4"), Placement.parse(place).inStages(1))),
              2);
      ResNet.Block block =
          new ResNet.Block(
              16,
              32,
              new ResNet.StrideAndDilation(2, 1, 1),
              ResNet.Form.of("resnet18"),
              VideoForm.FOVEA,
              false,
              places.inBlock("", 1, 1, 16));
      block.to(ScalarType.Double, false);
      fill(block, BackboneGoldenTest::torchvisions);
      assertThat(StateDict.of(block)).containsKey(name + ".fc.0.weight");

      Tensor x = uniform("input", 2, 16, 6, 5).set_requires_grad(true);
      Tensor y = block.forward(x);
      assertClose(values(y), expected.path("output_in_training"), 7, 1e-10);
      y.mul(uniform("cotangent", y.shape())).sum().backward();
      assertClose(values(x.grad()), expected.path("input_gradient"), 7, 1e-10);
      assertClose(
          values(StateDict.parameters(block).get("conv1.weight").grad()),
          expected.path("conv1_gradient"),
          97,
          1e-10);
      block.eval();
      assertClose(values(block.forward(x)), expected.path("output_in_evaluation"), 7, 1e-10);
    }
  }

  /** What the other side calls it. */
  public static String torchvisions(String name) {
    return name.replaceAll("block\\.se\\.fc\\.0", "block.SE.fc1")
        .replaceAll("block\\.se\\.fc\\.2", "block.SE.fc2")
        .replace("features.1.block.SE", "features.1.block.1")
        .replace("block.SE", "block.2")
        .replaceAll("^se_[a-z]+\\.", "se.");
  }
}
