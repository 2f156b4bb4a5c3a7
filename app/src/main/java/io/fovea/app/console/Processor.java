package io.fovea.app.console;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/** The instruction sets of the processor, with the names that Linux uses. */
public final class Processor {
  private static final Path FILE = Path.of("/proc/cpuinfo");

  private Processor() {}

  /** The instruction sets; empty on other systems than Linux. */
  public static Optional<List<String>> instructions() {
    if (!Files.isReadable(FILE)) {
      return Optional.empty();
    }
    try (Stream<String> lines = Files.lines(FILE)) {
      return lines
          .filter(line -> line.startsWith("flags") || line.startsWith("Features"))
          .findFirst()
          .map(line -> Arrays.asList(line.substring(line.indexOf(':') + 1).strip().split(" +")));
    } catch (IOException e) {
      return Optional.empty();
    }
  }

  /** The instruction sets with bfloat16 multiplication. */
  public static List<String> bfloat16(List<String> instructions) {
    return Stream.of("avx512_bf16", "amx_bf16", "bf16").filter(instructions::contains).toList();
  }
}
