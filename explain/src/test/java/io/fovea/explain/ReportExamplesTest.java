package io.fovea.explain;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.fovea.models.Classifier;
import io.fovea.models.ModelSpec;
import io.fovea.testing.Numeric;
import io.fovea.testing.Rounding;
import java.util.ArrayList;
import java.util.List;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The maps of the report: each is what its legend says. */
@Numeric
class ReportExamplesTest {
  private static List<ReportExamples.AttentionMap> maps(String attention) {
    try (PointerScope scope = new PointerScope();
        NoGradGuard guard = new NoGradGuard()) {
      torch.manual_seed(6);
      Classifier network = new ModelSpec("resnet8", 4, 1, 0.5, attention).create();
      List<ReportExamples.AttentionMap> maps = new ArrayList<>();
      Tensor image = torch.randn(1, 1, 28, 28);
      ReportExamples.observing(network, maps, () -> network.forward(image));
      return maps;
    }
  }

  /** The legend says: the factor by which the module multiplies each position, and each channel. */
  @ParameterizedTest
  @ValueSource(strings = {"multiply", "add", "max"})
  void bamsGateIsTheFactorThatItApplies(String combine) {
    ReportExamples.AttentionMap map =
        maps("bam:reduction=4,combine=" + combine + "@stage:2").get(0);

    assertThat(map.kind()).isEqualTo("gate");
    assertThat(Statistics.of(map.values()).minimum()).isGreaterThan(1);
    assertThat(Statistics.of(map.values()).maximum()).isLessThan(2);
    assertThat(map.channel()).hasSize(16);
    assertThat(Statistics.of(map.channel()).minimum()).isGreaterThan(1);
    assertThat(Statistics.of(map.channel()).maximum()).isLessThan(2);
    assertThat(Statistics.of(map.channel()).mean())
        // The means of the same factors, in another order
        .isCloseTo(Statistics.of(map.values()).mean(), within(64 * Rounding.UNIT));
  }

  @Test
  void eachMechanismHasTheMapThatItCanHave() {
    List<ReportExamples.AttentionMap> maps =
        maps("se:reduction=4@standard:1; cbam:reduction=4@standard:2; dual:reduction=2@stage:3");

    assertThat(maps)
        .extracting(map -> map.layer() + " " + map.kind())
        .containsExactly("layer1.0.se change", "layer2.0.cbam gate", "dual3 received");
    assertThat(Statistics.of(maps.get(0).channel()).maximum()).isLessThan(1);
    assertThat(maps.get(1).values()).hasSize(14 * 14);
    assertThat(Statistics.of(maps.get(1).values()).maximum()).isLessThan(1);
    assertThat(maps.get(2).channel()).isNull();
  }

  @Test
  void whatStartsAsTheIdentityIsFoundByTrying() {
    assertThat(Effect.startsAsIdentity()).contains("pam", "cam", "dual", "nonlocal");
    assertThat(Effect.startsAsIdentity()).doesNotContain("se", "cbam", "bam");
    assertThat(Affinity.mechanisms()).contains("pam", "dual", "nonlocal");
    assertThat(Affinity.mechanisms()).doesNotContain("se", "cbam", "bam", "cam");
  }
}
