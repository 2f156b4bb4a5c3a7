package io.fovea.app.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.fovea.app.Outcome;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** An option of one task is refused by the others, never ignored. */
class TaskOptionsTest {
  @TempDir Path folder;

  @ParameterizedTest
  @ValueSource(
      strings = {
        "train --grey",
        "train --width 2",
        "train --image-size 32",
        "train --crop-padding 1",
        "train --label-smoothing 0.1",
        "train --placement pre",
        "train --stages 1",
        "compare --width 2",
        "compare --placement pre"
      })
  void anOptionOfClassificationIsRefusedBySegmentation(String command) {
    Outcome outcome = Outcome.of((command + " --task segmentation").split(" "));

    assertThat(outcome.status()).isEqualTo(2);
    assertThat(outcome.errLines())
        .containsExactly(
            "fovea: "
                + command.split(" ")[1]
                + " is for classification and video, not for segmentation");
  }

  @Test
  void aRunOfAnotherTaskIsRefused() throws Exception {
    Files.writeString(
        folder.resolve("config.json"), "{\"format\": \"fovea-run/3\", \"task\": \"segmentation\"}");

    Outcome outcome = Outcome.of("evaluate", folder.toString(), "--task", "classification");
    assertThat(outcome.status()).isEqualTo(2);
    assertThat(outcome.err())
        .isEqualTo(
            "fovea: " + folder + ": a run of segmentation, expected one of classification\n");
  }
}
