package io.fovea.app.console;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/** What the processor can do, in the words of Linux. */
public final class Processor {
  private static final Path FILE = Path.of("/proc/cpuinfo");

  private Processor() {}

  /** Its instruction sets; nothing on other systems. */
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

  /** Those of some instruction sets that multiply bfloat16. */
  public static List<String> bfloat16(List<String> instructions) {
    return Stream.of("avx512_bf16", "amx_bf16", "bf16").filter(instructions::contains).toList();
  }
}
