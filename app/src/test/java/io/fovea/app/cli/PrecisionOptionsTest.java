package io.fovea.app.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatNoException;

import com.fasterxml.jackson.databind.JsonNode;
import io.fovea.app.Outcome;
import io.fovea.app.console.Processor;
import io.fovea.errors.FoveaException;
import io.fovea.models.Precision;
import io.fovea.training.run.Json;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class PrecisionOptionsTest {
  @TempDir private Path folder;

  @Test
  void aProcessorThatLacksItIsAnError() {
    assertThatExceptionOfType(FoveaException.class)
        .isThrownBy(
            () -> PrecisionOptions.check(Precision.BF16, Optional.of(List.of("avx2", "avx512f"))))
        .withMessageStartingWith("--precision bf16 needs a proc");
    assertThatNoException()
        .isThrownBy(
            () -> {
              PrecisionOptions.check(Precision.BF16, Optional.of(List.of("avx512_bf16")));
              PrecisionOptions.check(Precision.BF16, Optional.empty()); // nobody knows
              PrecisionOptions.check(Precision.FLOAT32, Optional.of(List.of()));
            });
  }

  @Test
  void isRecordedWhereItIsNotTheUsualOne() throws IOException {
    boolean has =
        Processor.instructions().map(all -> !Processor.bfloat16(all).isEmpty()).orElse(true);
    Path run = folder.resolve("run");
    Outcome outcome =
        Outcome.of(
            "train",
            "--limit",
            "40",
            "--epochs",
            "1",
            "--threads",
            "1",
            "--precision",
            "bf16",
            "--out",
            run.toString());
    if (!has) {
      assertThat(outcome.status()).isEqualTo(2);
      assertThat(outcome.err()).contains("fovea: --precision bf16 needs a processor");
      return;
    }
    assertThat(outcome.status()).as(outcome.err()).isZero();
    JsonNode config = Json.read(run.resolve("config.json"), JsonNode.class);
    assertThat(config.get("precision").asText()).isEqualTo("bf16");
    Outcome evaluated = Outcome.of("evaluate", "--precision", "bf16", run.toString());
    assertThat(evaluated.status()).as(evaluated.err()).isZero();
    String top1 = outcome.out().substring(0, outcome.out().indexOf(" %"));
    assertThat(evaluated.out()).contains(top1 + " % of ");
  }

  @Test
  void anOnnxFileHasItsOwn() {
    Outcome outcome = Outcome.of("predict", "--onnx", "some.onnx", "--precision", "bf16", "a.png");
    assertThat(outcome.status()).isEqualTo(2);
    assertThat(outcome.err()).contains("--precision");
  }
}
