package io.fovea.app.cli;

import io.fovea.app.console.Processor;
import io.fovea.errors.FoveaException;
import io.fovea.models.Network;
import io.fovea.models.Precision;
import java.util.List;
import java.util.Optional;
import picocli.CommandLine.Option;

/** The option for the precision of convolutions. */
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
   * Checks early that the processor supports the precision.
   *
   * @throws FoveaException if the processor does not support the precision
   */
  void check() {
    check(precision, Processor.instructions());
  }

  static void check(Precision precision, Optional<List<String>> instructions) {
    if (precision == Precision.BF16
        && instructions.isPresent()
        && Processor.bfloat16(instructions.orElseThrow()).isEmpty()) {
      throw new FoveaException(
          "--precision bf16 needs a processor with bfloat16 multiplication (avx512_bf16,"
              + " amx_bf16, or bf16 on Arm); this processor has none and would be slower with it");
    }
  }

  /** Sets the precision of a network. */
  <N extends Network> N applied(N network) {
    network.setPrecision(precision);
    return network;
  }
}
