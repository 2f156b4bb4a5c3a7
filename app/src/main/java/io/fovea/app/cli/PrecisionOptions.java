package io.fovea.app.cli;

import io.fovea.app.console.Processor;
import io.fovea.errors.FoveaException;
import io.fovea.models.Network;
import io.fovea.models.Precision;
import java.util.List;
import java.util.Optional;
import picocli.CommandLine.Option;

/** The option that says what convolutions compute in. */
final class PrecisionOptions {
  @Option(
      names = "--precision",
      paramLabel = "TYPE",
      defaultValue = "float32",
      description =
          "Compute convolutions and batch norms in float32, or in bf16 where the processor has it; see"
              + " fovea doctor. Default: ${DEFAULT-VALUE}.")
  private Precision precision;

  Precision precision() {
    return precision;
  }

  /**
   * Fails early.
   *
   * @throws FoveaException if the processor lacks what was asked for
   */
  void check() {
    check(precision, Processor.instructions());
  }

  static void check(Precision precision, Optional<List<String>> instructions) {
    if (precision == Precision.BF16
        && instructions.isPresent()
        && Processor.bfloat16(instructions.orElseThrow()).isEmpty()) {
      throw new FoveaException(
          "--precision bf16 is for processors that multiply bfloat16 (avx512_bf16, amx_bf16, or bf16 on"
              + " Arm); this one does not, and would be slower with it");
    }
  }

  /** Tells a network. */
  <N extends Network> N applied(N network) {
    network.setPrecision(precision);
    return network;
  }
}
