package io.fovea.tensor;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/** How a process that has loaded libtorch ends. */
class LibtorchTest {
  private static final int STATUS = 7;

  @TempDir Path folder;

  /**
   * Threads may still compute when the JVM ends. The loader of the C library writes which destructors it
   * calls ({@code LD_DEBUG}): none of libtorch, whose objects those threads use.
   */
  @Test
  @EnabledOnOs(OS.LINUX)
  void theEndOfTheProcessLeavesLibtorchAlone() throws IOException, InterruptedException {
    ProcessBuilder builder =
        new ProcessBuilder(
            Path.of(System.getProperty("java.home"), "bin", "java").toString(),
            "-cp",
            System.getProperty("java.class.path"),
            Ends.class.getName());
    builder.environment().put("LD_DEBUG", "libs");
    builder.environment().put("LD_DEBUG_OUTPUT", folder.resolve("loader").toString());
    builder.redirectError(folder.resolve("errors").toFile());
    Process process = builder.start();
    String said =
        new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8).strip();

    assertThat(process.waitFor()).isEqualTo(STATUS);
    assertThat(said).as("Java's own end is orderly").isEqualTo("hook");
    try (Stream<Path> files = Files.list(folder)) {
      String loader =
          files
              .filter(file -> file.getFileName().toString().startsWith("loader"))
              .map(LibtorchTest::text)
              .collect(Collectors.joining());
      assertThat(loader).containsPattern("calling init: .*libtorch_cpu");
      assertThat(loader).doesNotContainPattern("calling fini: .*libtorch_cpu");
    }
  }

  private static String text(Path file) {
    try {
      return Files.readString(file);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** The process. */
  static final class Ends {
    public static void main(String[] arguments) {
      Libtorch.load();
      Runtime.getRuntime().addShutdownHook(new Thread(() -> System.out.println("hook")));
      System.exit(STATUS);
    }
  }
}
