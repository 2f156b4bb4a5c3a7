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
            "googlenet +6\\.62 M +1\\.50 G +224 x 224 +2-5-2 +standard, pre, stage, after, head +none",
            "mobilenetv3-small +2\\.54 M +.* se:reduction=4,bias=true,.*")
        .forEach(row -> assertThat(outcome.outLines()).anyMatch(line -> line.matches(row)));
  }

  @Test
  void countsWithAttentionAndSaysWhereItCannotBe() {
    Outcome outcome = Outcome.of("models", "--attention", "cam", "--placement", "post");

    assertThat(outcome.status()).isZero();
    assertThat(outcome.outLines())
        .anyMatch(line -> line.matches("resnet50 +25\\.56 M .*cam@post \\(16 modules\\)"))
        .anyMatch(
            line ->
                line.matches("googlenet +- +- .*not possible: googlenet has no place \"post\".*"));
  }

  @Test
  void aPlacementNeedsAttention() {
    Outcome outcome = Outcome.of("models", "--placement", "pre");

    assertThat(outcome.status()).isEqualTo(2);
    assertThat(outcome.err()).isEqualTo("fovea: --placement and --stages need --attention\n");
  }
}
