package io.fovea.app.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.fovea.app.Outcome;
import io.fovea.models.Classifier;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

class ModelsCommandTest {
  @Test
  void listsEveryBackboneWithItsPublishedSize() {
    Outcome outcome = Outcome.of("models");

    assertThat(outcome.status()).isZero();
    assertThat(outcome.outLines().stream().skip(1).limit(Classifier.backbones().size()))
        .extracting(line -> line.split(" ")[0])
        .containsExactlyElementsOf(Classifier.backbones());
    Stream.of(
            "resnet50 +25\\.56 M +4\\.09 G +224 x 224 +3-4-6-3 +standard, .*",
            "resnet50d +25\\.58 M +4\\.3. G +224 x 224 +3-4-6-3 +standard, .*",
            "wide_resnet50_2 +68\\.88 M +11\\.40 G +224 x 224 +3-4-6-3 +standard, .*",
            "wide_resnet101_2 +126\\.89 M +22\\.75 G .*",
            "resnext101_32x8d +88\\.79 M +16\\.41 G .*",
            "resnet34d +21\\.82 M .*",
            "resnet101d +44\\.57 M .*",
            "resnet152d +60\\.21 M .*",
            "seresnet50 +28\\.09 M .* se:bias=true,divisor=8",
            "ecaresnet50d +25\\.58 M .* eca",
            "gcresnet50 .* gc@standard:2,3,4",
            "efficientnet_b1 +7\\.79 M +68[67]\\.\\d\\d M +240 x 240 +2-3-3-8-7 .*",
            "efficientnet_b2 +9\\.11 M +1\\.09 G +288 x 288 +2-3-3-8-7 .*",
            "regnet_y_1_6gf +11\\.20 M +1\\.61 G +224 x 224 +2-6-17-2 .*",
            "googlenet +6\\.62 M +1\\.50 G +224 x 224 +2-5-2 +standard, pre, stage, after, head +none",
            "mobilenetv3-small +2\\.54 M +.* se:reduction=4,bias=true,.*")
        .forEach(row -> assertThat(outcome.outLines()).anyMatch(line -> line.matches(row)));
  }

  @Test
  void countsWithAttentionAndSaysWhereItCannotBe() {
    Outcome outcome =
        Outcome.of("models", "resnet50", "googlenet", "--attention", "cam", "--placement", "post");

    assertThat(outcome.status()).isZero();
    assertThat(outcome.outLines())
        .anyMatch(line -> line.matches("resnet50 +25\\.56 M .*cam@post \\(16 modules\\)"))
        .anyMatch(
            line ->
                line.matches("googlenet +- +- .*not possible: googlenet has no place \"post\".*"));
  }

  @Test
  void anUnknownBackboneIsNamed() {
    Outcome outcome = Outcome.of("models", "resnet50d", "regnet_y_400m");

    assertThat(outcome.status()).isEqualTo(2);
    assertThat(outcome.err()).contains("\"regnet_y_400m\"").contains("regnet_y_400mf");
  }

  @Test
  void aPlacementNeedsAttention() {
    Outcome outcome = Outcome.of("models", "--placement", "pre");

    assertThat(outcome.status()).isEqualTo(2);
    assertThat(outcome.err()).isEqualTo("fovea: --placement and --stages need --attention\n");
  }
}
