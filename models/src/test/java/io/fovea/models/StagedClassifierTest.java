package io.fovea.models;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.fovea.errors.SpecException;
import io.fovea.tensor.internal.InitialValues;
import java.util.ArrayList;
import java.util.List;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What follows from the list of parts of a network. */
class StagedClassifierTest {
  private static final double NARROW = 0.125;

  @ParameterizedTest
  @CsvSource({
    "mobilenetv3-small, features.0.0.weight, 0",
    "mobilenetv3-small, features.1.block.0.0.weight, 1",
    "mobilenetv3-small, features.11.block.2.0.weight, 4",
    "mobilenetv3-small, features.12.0.weight, 5",
    "efficientnet_b0, features.0.0.weight, 0",
    "efficientnet_b0, features.5.1.block.0.0.weight, 4",
    "efficientnet_b0, features.7.0.block.0.0.weight, 5",
    "efficientnet_b0, features.8.0.weight, 6",
    "efficientnet_b0, bam2.channel_att.gate_c.gate_c_fc_0.weight, 6",
    "efficientnet_b0, classifier.1.weight, 2147483647",
    "regnet_y_400mf, stem.0.weight, 0",
    "regnet_y_400mf, trunk_output.block3.block3-5.f.b.0.weight, 3",
    "regnet_y_400mf, fc.bias, 2147483647",
    "densenet121, features.norm0.weight, 0",
    "densenet121, features.denseblock2.denselayer12.conv2.weight, 2",
    "densenet121, features.transition2.conv.weight, 2",
    "densenet121, features.norm5.weight, 5",
    "convnext_tiny, features.4.1.weight, 3",
    "convnext_tiny, features.5.8.layer_scale, 3",
    "convnext_tiny, classifier.0.weight, 2147483647",
  })
  void saysToWhichStageAParameterBelongs(String backbone, String parameter, int stage) {
    try (PointerScope scope = new PointerScope()) {
      Classifier network = Classifier.builder(backbone).width(NARROW).build();
      assertThat(network.stageOf(parameter)).isEqualTo(stage);
    }
  }

  @ParameterizedTest
  @CsvSource({
    "efficientnet_b0, features.0 features.1.0 features.1 features.2.0 features.2.1 features.2",
    "regnet_y_400mf, stem trunk_output.block1.block1-0 trunk_output.block1",
    "densenet121, features.pool0 features.denseblock1.denselayer1 features.denseblock1.denselayer2",
    "convnext_tiny, features.0 features.1.0 features.1.1 features.1.2 features.1 features.2",
  })
  void observersGetBlocksAndStages(String backbone, String first) {
    try (PointerScope scope = new PointerScope();
        NoGradGuard guard = new NoGradGuard()) {
      Classifier network = Classifier.builder(backbone).width(NARROW).build();
      network.eval();
      List<String> names = new ArrayList<>();
      Tensor x = torch.randn(1, 3, 32, 32);
      Tensor observed =
          Classifier.observing(
              (name, y) -> {
                assertThat(y.dim()).isEqualTo(4);
                names.add(name);
              },
              () -> network.forward(x));
      List<String> expected = List.of(first.split(" "));
      assertThat(names.subList(0, expected.size())).isEqualTo(expected);
      assertThat(names).doesNotHaveDuplicates();
      assertThat(observed.shape()).containsExactly(1, 1000);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"resnet8", "efficientnet_b0", "regnet_y_400mf", "densenet121"})
  void withoutInitialValuesANetworkHasTheSameShapes(String backbone) {
    try (PointerScope scope = new PointerScope()) {
      Classifier.Builder<?> builder = Classifier.builder(backbone).width(NARROW);
      Classifier network = InitialValues.skipped(builder::build);
      assertThat(InitialValues.areSkipped()).isFalse();
      assertThat(network.parameterCount()).isEqualTo(builder.build().parameterCount());
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"densenet121", "convnext_tiny"})
  void imagesOfWhichNothingWouldBeLeftAreRefused(String backbone) {
    try (PointerScope scope = new PointerScope()) {
      Classifier network = Classifier.builder(backbone).width(NARROW).build();
      network.eval();
      Tensor small = torch.randn(1, 3, 28, 40);
      assertThatThrownBy(() -> network.forward(small))
          .isInstanceOf(SpecException.class)
          .hasMessage(backbone + ": images must be at least 32 x 32, got 28 x 40");
    }
  }
}
