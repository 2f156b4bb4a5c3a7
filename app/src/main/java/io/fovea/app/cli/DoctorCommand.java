package io.fovea.app.cli;

import io.fovea.app.console.Processor;
import io.fovea.attention.fast.KernelsInUse;
import io.fovea.tensor.Threads;
import io.fovea.training.run.BuildInfo;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.stream.Stream;
import org.bytedeco.pytorch.global.torch;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

/**
 * {@code fovea doctor}: shows which libraries and CPU features are used, and what would make Fovea
 * faster.
 */
@Command(
    name = "doctor",
    description =
        "Show which libraries and CPU features are used on this machine, and what would make"
            + " Fovea faster.")
public final class DoctorCommand implements Callable<Integer> {
  @Spec private CommandSpec spec;

  /** The variable that makes OpenBLAS use the code for another processor. */
  private static final String CORE = "OPENBLAS_CORETYPE";

  @Override
  public Integer call() {
    int cores = Runtime.getRuntime().availableProcessors();
    Threads.set(cores); // as every command does if --threads is not given
    Optional<List<String>> instructions = Processor.instructions();
    Map<String, String> facts = new LinkedHashMap<>();
    facts.put("Fovea", BuildInfo.version());
    facts.put("Java", Runtime.version() + ", " + System.getProperty("java.vendor"));
    facts.put("system", System.getProperty("os.name") + ", " + System.getProperty("os.arch"));
    facts.put("cores", Integer.toString(cores));
    facts.put("libtorch", BuildInfo.property("libtorch"));
    facts.put(
        "threads",
        torch.get_num_threads() + " (libtorch/OpenMP, shared with the kernels); OpenBLAS: 1");
    facts.put(
        "BLAS",
        "OpenBLAS "
            + BuildInfo.property("openblas")
            + Optional.ofNullable(System.getenv(CORE))
                .map(core -> ", restricted to " + core)
                .orElse(""));
    facts.put(
        "instructions",
        "libtorch uses "
            + torch.get_cpu_capability().getString()
            + instructions.map(flags -> "; this processor supports " + vectors(flags)).orElse(""));
    facts.put(
        "convolutions",
        torch.hasMKLDNN()
            ? "oneDNN, channels last (NHWC); batch norms are fused into them in evaluation"
                + " mode"
            : "libtorch's own, without oneDNN; batch norms are fused into them in"
                + " evaluation mode");
    facts.put(
        "bfloat16", instructions.map(DoctorCommand::bfloat16).orElse("unknown on this system"));
    facts.put(
        "kernels",
        KernelsInUse.description()
            .map(
                kernels ->
                    kernels
                        + ": cbam, se, bam, simam, sge, eca, ese, gct, grn, srm and ge, in inference and"
                        + " training")
            .orElse("none; libtorch computes everything"));
    int width = facts.keySet().stream().mapToInt(String::length).max().orElseThrow();
    var out = spec.commandLine().getOut();
    facts.forEach((name, fact) -> out.println(name + " ".repeat(width + 2 - name.length()) + fact));
    List<String> advice = advice();
    out.println();
    if (advice.isEmpty()) {
      out.println("Everything that makes Fovea faster on this machine is in use.");
    }
    advice.forEach(line -> out.println("To make Fovea faster: " + line));
    out.flush();
    return 0;
  }

  private static List<String> advice() {
    List<String> advice = new ArrayList<>();
    KernelsInUse.whyNot()
        .ifPresent(
            why ->
                advice.add(
                    "use the vector kernels, which are off: "
                        + why
                        + ". ./fovea does all of this if a Java 25 is installed."));
    if (System.getenv("GOMP_SPINCOUNT") == null) {
      advice.add(
          "set GOMP_SPINCOUNT=50000 (as ./fovea does), because waiting threads otherwise take"
              + " cores from other threads.");
    }
    if (System.getenv(CORE) != null) {
      advice.add(
          "unset "
              + CORE
              + ": OpenBLAS then uses the widest vectors of this processor, which can be"
              + " twice as fast.");
    }
    if (System.getProperty("os.name").equals("Linux")
        && System.getenv("MALLOC_TRIM_THRESHOLD_") == null) {
      advice.add(
          "set MALLOC_TRIM_THRESHOLD_=268435456 MALLOC_MMAP_THRESHOLD_=268435456"
              + " THP_MEM_ALLOC_ENABLE=1 (as ./fovea does), because the memory of feature maps is"
              + " otherwise returned to the system and requested again all the time.");
    }
    return advice;
  }

  private static String vectors(List<String> flags) {
    List<String> known =
        Stream.of("avx2", "fma", "avx512f", "avx512_vnni", "amx_tile", "asimd", "sve")
            .filter(flags::contains)
            .toList();
    return known.isEmpty() ? "no vector extensions that libtorch uses" : String.join(", ", known);
  }

  private static String bfloat16(List<String> flags) {
    List<String> known = Processor.bfloat16(flags);
    return known.isEmpty()
        ? "not supported by this processor"
        : "supported by this processor (" + String.join(", ", known) + "): --precision bf16";
  }
}
