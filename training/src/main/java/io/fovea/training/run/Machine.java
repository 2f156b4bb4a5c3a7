package io.fovea.training.run;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.bytedeco.javacpp.Loader;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.pytorch.global.torch;

/**
 * The machine on which a result was measured.
 *
 * @param cpu the name of the processor, if the system provides it
 * @param cores the number of processors that this process may use
 * @param memoryGib the memory of the machine in GiB
 * @param os the operating system
 * @param jdk the Java virtual machine
 * @param libtorch the version of libtorch
 * @param threads the number of threads of libtorch
 */
public record Machine(
    String cpu, int cores, double memoryGib, String os, String jdk, String libtorch, int threads) {

  /** Describes this machine. */
  public static Machine current() {
    return new Machine(
        cpuName(),
        Runtime.getRuntime().availableProcessors(),
        Math.round(Pointer.totalPhysicalBytes() / 107374182.4) / 10.0,
        System.getProperty("os.name")
            + " "
            + System.getProperty("os.version")
            + " "
            + System.getProperty("os.arch"),
        System.getProperty("java.vm.name") + " " + System.getProperty("java.version"),
        libtorchVersion(),
        torch.get_num_threads());
  }

  /** The version of the presets consists of libtorch's version, a dash, and JavaCPP's version. */
  private static String libtorchVersion() {
    try {
      return Loader.getVersion("org.bytedeco", "pytorch").split("-")[0];
    } catch (IOException e) {
      return "unknown";
    }
  }

  private static String cpuName() {
    try (Stream<String> lines = Files.lines(Path.of("/proc/cpuinfo"))) {
      return lines
          .filter(line -> line.startsWith("model name"))
          .map(line -> line.substring(line.indexOf(':') + 1).strip())
          .findFirst()
          .orElse(System.getProperty("os.arch"));
    } catch (IOException e) { // not on Linux
      return System.getProperty("os.arch");
    }
  }
}
