package io.fovea.app.cli;

import io.fovea.app.console.BuildInfo;
import io.fovea.app.console.Processor;
import io.fovea.attention.fast.KernelsInUse;
import io.fovea.tensor.Threads;
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
    description = "Say what computes on this machine, and what to add to get more.")
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
        torch.get_num_threads()
            + " of libtorch's pool (OpenMP); the kernels take as many; one of BLAS's own");
    facts.put(
        "BLAS",
        "OpenBLAS "
            + BuildInfo.property("openblas")
            + Optional.ofNullable(System.getenv(CORE)).map(core -> ", held to " + core).orElse(""));
    facts.put(
        "instructions",
        "libtorch computes with "
            + torch.get_cpu_capability().getString()
            + instructions.map(flags -> "; this processor has " + vectors(flags)).orElse(""));
    facts.put(
        "convolutions",
        torch.hasMKLDNN()
            ? "oneDNN, channels last; batch norms folded into them in evaluation"
            : "libtorch's own, which has no oneDNN here; batch norms folded into them in evaluation");
    facts.put("bfloat16", instructions.map(DoctorCommand::bfloat16).orElse("not known here"));
    facts.put(
        "kernels",
        KernelsInUse.description()
            .map(kernels -> kernels + ": cbam, se, bam, in inference and training")
            .orElse("none, libtorch computes everything"));
    int width = facts.keySet().stream().mapToInt(String::length).max().orElseThrow();
    var out = spec.commandLine().getOut();
    facts.forEach((name, fact) -> out.println(name + " ".repeat(width + 2 - name.length()) + fact));
    List<String> advice = advice();
    out.println();
    if (advice.isEmpty()) {
      out.println("Nothing to add.");
    }
    advice.forEach(line -> out.println("To get more: " + line));
    out.flush();
    return 0;
  }

  private static List<String> advice() {
    List<String> advice = new ArrayList<>();
    KernelsInUse.whyNot()
        .ifPresent(
            why ->
                advice.add(
                    "the vector kernels are not in use: "
                        + why
                        + ". ./fovea takes care of all that where a Java 25 is installed."));
    if (System.getenv("GOMP_SPINCOUNT") == null) {
      advice.add(
          "set GOMP_SPINCOUNT=50000 (as ./fovea does), or threads that wait take cores from others.");
    }
    if (System.getenv(CORE) != null) {
      advice.add(
          "unset "
              + CORE
              + ": OpenBLAS then takes the widest vectors of this processor, which can be twice as fast.");
    }
    if (System.getProperty("os.name").equals("Linux")
        && System.getenv("MALLOC_TRIM_THRESHOLD_") == null) {
      advice.add(
          "set MALLOC_TRIM_THRESHOLD_=268435456 MALLOC_MMAP_THRESHOLD_=268435456"
              + " THP_MEM_ALLOC_ENABLE=1 (as ./fovea does), or memory of feature maps is given back to"
              + " the system and asked for again all the time.");
    }
    return advice;
  }

  private static String vectors(List<String> flags) {
    List<String> known =
        Stream.of("avx2", "fma", "avx512f", "avx512_vnni", "amx_tile", "asimd", "sve")
            .filter(flags::contains)
            .toList();
    return known.isEmpty() ? "no vectors beyond the oldest" : String.join(", ", known);
  }

  private static String bfloat16(List<String> flags) {
    List<String> known = Processor.bfloat16(flags);
    return known.isEmpty()
        ? "not by this processor"
        : "by this processor (" + String.join(", ", known) + "): --precision bf16";
  }
}
