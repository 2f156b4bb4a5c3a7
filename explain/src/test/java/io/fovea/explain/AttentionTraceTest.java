package io.fovea.explain;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.fovea.models.Classifier;
import io.fovea.models.ModelSpec;
import java.util.ArrayList;
import java.util.List;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Module;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.Test;

/** The one look into a network: what it shows, and what it leaves as it was. */
class AttentionTraceTest {
  private static Classifier network(String attention) {
    torch.manual_seed(4);
    return new ModelSpec("resnet8", 4, 1, 0.5, attention).create();
  }

  private static List<Boolean> modes(Classifier network) {
    List<Boolean> modes = new ArrayList<>();
    try (PointerScope scope = new PointerScope()) {
      for (Module part : network.modules().get()) {
        modes.add(part.is_training());
      }
    }
    return modes;
  }

  @Test
  void showsModulesInTheirOrderWithoutTheirParts() {
    try (PointerScope scope = new PointerScope()) {
      Classifier network = network("se@standard:2; dual:reduction=2@stage:3");
      List<String> shown = new ArrayList<>();

      Tensor scores =
          AttentionTrace.of(
              network,
              look -> {
                shown.add(look.name() + " " + look.attention().replaceFirst(":.*", ""));
                assertThat(look.y().shape()).containsExactly(look.x().shape());
                assertThat(look.x().requires_grad()).isFalse();
              },
              () -> network.forward(torch.randn(1, 1, 28, 28)));

      assertThat(shown).containsExactly("layer2.0.se se", "dual3 dual");
      assertThat(scores.shape()).containsExactly(1, 4);
    }
  }

  /** A batch norm that was frozen by itself stays so, whatever looks at the network. */
  @Test
  void everyPartKeepsTheModeItWasIn() {
    try (PointerScope scope = new PointerScope()) {
      Classifier network = network("pam@head");
      Module[] parts = network.modules().get();
      for (int i = 3; i < parts.length; i += 3) {
        parts[i].eval();
      }
      List<Boolean> before = modes(network);
      assertThat(before).contains(true, false);
      Tensor image = torch.randn(1, 1, 28, 28);

      Explanation.of(network, image);
      assertThat(modes(network)).isEqualTo(before);
      GradCam.of(network, image, 1, List.of("layer3"));
      assertThat(modes(network)).isEqualTo(before);
      assertThatThrownBy(
              () ->
                  AttentionTrace.of(
                      network,
                      look -> {
                        throw new IllegalStateException("seen enough");
                      },
                      () -> network.forward(image)))
          .hasMessage("seen enough");
      assertThat(modes(network)).isEqualTo(before);
    }
  }
}
