package io.fovea.models.placement;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import io.fovea.attention.AttentionSpec;
import io.fovea.errors.SpecException;
import io.fovea.models.Classifier;
import io.fovea.models.ModelSpec;
import org.bytedeco.javacpp.PointerScope;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Networks choose values that fit their widths and the sizes of their feature maps. */
class FittingTest {
  /** The papers' widths keep the papers' values; narrow stages keep groups of several channels. */
  @ParameterizedTest(name = "{0} with {1}")
  @CsvSource(
      delimiter = '|',
      nullValues = "nothing",
      value = {
        "resnet8 | sge | groups=4 (layer1.0.sge), groups=8 (layer2.0.sge), groups=16 (layer3.0.sge)",
        "resnet8 | shuffle | groups=4 (layer1.0.shuffle), groups=8 (layer2.0.shuffle), groups=16"
            + " (layer3.0.shuffle)",
        "resnet8 | ema | factor=2 (layer1.0.ema), factor=4 (layer2.0.ema), factor=8"
            + " (layer3.0.ema)",
        "resnet8 | sk | groups=4 (layer1.0.conv1)",
        "resnet8 | fca | size=28 (layer1.0.fca), size=14 (layer2.0.fca), size=7 (layer3.0.fca)",
        "resnet8 | mhsa | size=8 (layer3.0.conv2)",
        "resnet8 | ela:size=t | groups=16 (layer1.0.ela)",
        "resnet50 | sge | ",
        "resnet50 | shuffle | ",
        "resnet50 | ema | ",
        "resnet50 | sge:groups=32 | ",
        "resnet50 | fca | size=56 (layer1.0.fca to layer1.2.fca), size=28 (layer2.0.fca to"
            + " layer2.3.fca), size=14 (layer3.0.fca to layer3.5.fca), size=7 (layer4.0.fca to"
            + " layer4.2.fca)",
        "resnet50 | mhsa | size=7 (layer4.1.conv2 to layer4.2.conv2)",
        "mobilenetv3-small | sge | groups=4 (features.1.block.sge), groups=24"
            + " (features.4.block.sge), groups=60 (features.5.block.sge to features.6.block.sge),"
            + " groups=30 (features.7.block.sge), groups=36 (features.8.block.sge), groups=48"
            + " (features.9.block.sge)",
      })
  void networksChooseWhatFits(String backbone, String attention, String chosen) {
    try (PointerScope scope = new PointerScope()) {
      assertThat(create(backbone, attention).chosenText()).isEqualTo(chosen == null ? "" : chosen);
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "sge:groups=64 | sge: groups=64 does not divide the 16 channels; 1, 2, 4, 8, 16 do; at"
            + " layer1.0.sge of resnet8",
        "fca:frequencies=top32 | fca: frequencies=top32 does not divide the 16 channels; top1, top2,"
            + " top4, top8, top16 do; at layer1.0.fca of resnet8",
      })
  void whatWasGivenIsRefused(String attention, String message) {
    assertThatExceptionOfType(SpecException.class)
        .isThrownBy(() -> create("resnet8", attention))
        .withMessage(message);
  }

  /** A module by itself has the paper's defaults, and what is given is not the same as a default. */
  @Test
  void onlyNetworksChoose() {
    AttentionSpec spec = AttentionSpec.parse("sge");
    assertThatIllegalArgumentException().isThrownBy(() -> spec.create(16, 2));
    assertThat(spec.fitting(16, 2, 0)).hasToString("sge:groups=4");
    assertThat(spec.fitting(256, 2, 0)).isSameAs(spec);
    AttentionSpec given = AttentionSpec.parse("sge:groups=64");
    assertThat(given).hasToString("sge:groups=64").isNotEqualTo(spec);
    assertThat(given.fitting(16, 2, 0)).isSameAs(given);
    assertThat(spec.with("groups", 64)).isEqualTo(given);
    assertThat(AttentionSpec.parse("fca").fitting(4, 2, 0)).hasToString("fca:frequencies=top4");
    assertThat(AttentionSpec.parse("shuffle").fitting(6, 2, 0)).hasToString("shuffle:groups=1");
    assertThat(AttentionSpec.parse("mhsa:position=none").fitting(6, 2, 9))
        .hasToString("mhsa:heads=3,position=none");
  }

  private static Classifier create(String backbone, String attention) {
    return new ModelSpec(backbone, 3, 3, 1, attention).create();
  }
}
