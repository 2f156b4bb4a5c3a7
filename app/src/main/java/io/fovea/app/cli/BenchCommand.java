package io.fovea.app.cli;

import com.fasterxml.jackson.annotation.JsonInclude;
import io.fovea.app.console.ConsoleProgress;
import io.fovea.app.console.TextTable;
import io.fovea.attention.AttentionSpec;
import io.fovea.attention.fast.KernelsInUse;
import io.fovea.errors.FoveaException;
import io.fovea.reference.Measurement;
import io.fovea.reference.NetworkMeasurement;
import io.fovea.tensor.Threads;
import io.fovea.training.run.BuildInfo;
import io.fovea.training.run.Json;
import io.fovea.training.run.Machine;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import java.util.stream.LongStream;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code fovea bench}: measures attention on this machine beside the reference implementation. */
@Command(
    name = "bench",
    description = {
      "Measure attention modules, and whole networks with attention, beside the reference"
          + " implementation: the same operations as its PyTorch code, on the same libtorch.",
      "",
      "Both run in one process and take turns; times are medians. The ratio is Fovea's time"
          + " divided by the reference's time, so smaller is better. The limit is the least time"
          + " that this machine needs: that of a copy of the input or of a matrix product with"
          + " the same number of multiply-accumulates, whichever is longer."
    },
    footer = {
      "",
      "Examples:",
      "  fovea bench",
      "  fovea bench --modules cbam,nonlocal:mode=dot_product --shape 8x256x56x56",
      "  fovea bench --modules se+block --shape 32x64x32x32 --json bench.json",
      "  fovea bench --networks se-resnet50,cbam-resnet18 --shape 4x3x224x224"
    })
public final class BenchCommand implements Callable<Integer> {
  private static final String BLOCK = "+block";
  private static final int ROUNDS = 5; // unless --rounds says otherwise

  /**
   * A module to measure: its spec, whether the end of a residual block is included, and the shape
   * of its input.
   */
  private record Plan(String module, long... shape) {
    boolean block() {
      return module.endsWith(BLOCK);
    }

    AttentionSpec spec() {
      return AttentionSpec.parse(
          block() ? module.substring(0, module.length() - BLOCK.length()) : module);
    }

    /** As the table names it. */
    String title() {
      return spec() + (block() ? " + block" : "");
    }

    void check() {
      Measurement.check(spec(), block(), shape[1]);
    }

    Measurement measure(double seconds) {
      return Measurement.of(spec(), block(), seconds, shape);
    }
  }

  private static final List<Plan> PLANS =
      List.of(
          new Plan("cbam", 32, 64, 32, 32),
          new Plan("cbam", 8, 256, 56, 56),
          new Plan("se" + BLOCK, 32, 64, 32, 32),
          new Plan("bam", 8, 256, 28, 28),
          new Plan("pam", 1, 512, 64, 64),
          new Plan("nonlocal", 1, 256, 56, 56),
          new Plan("nonlocal:subsample=false", 1, 256, 56, 56),
          new Plan("nonlocal:mode=dot_product", 1, 256, 56, 56),
          new Plan("nonlocal:mode=dot_product,subsample=false", 1, 256, 56, 56),
          new Plan("nonlocal:mode=concatenation", 1, 64, 28, 28),
          new Plan("nonlocal:mode=concatenation,subsample=false", 1, 64, 28, 28),
          new Plan("cam", 1, 512, 64, 64));

  /** A network to measure, and the shape of its images. */
  private record NetworkPlan(String network, long... shape) {}

  private static final List<NetworkPlan> NETWORK_PLANS =
      List.of(
          new NetworkPlan("cbam-resnet20", 128, 3, 32, 32),
          new NetworkPlan("se-resnet50", 1, 3, 224, 224),
          new NetworkPlan("se-resnet50", 8, 3, 224, 224));

  /** The content of the file that {@code --json} writes. */
  record Results(
      String created,
      String command,
      String fovea,
      String java,
      String kernels,
      int threads,
      Machine machine,
      List<Measurement> measurements,
      List<NetworkMeasurement> networks,
      @JsonInclude(JsonInclude.Include.NON_NULL) String pytorch,
      @JsonInclude(JsonInclude.Include.NON_EMPTY) List<PeerMeasurement> peers) {}

  @Spec private CommandSpec spec;
  @Mixin private OverwriteOption overwriteOption;
  @Mixin private ThreadOptions threadOptions;

  @Option(
      names = "--modules",
      paramLabel = "SPECS",
      description =
          "Modules to measure, separated by commas: se, cbam, bam, pam, cam and nonlocal;"
              + " nonlocal also with subsample=false, mode=dot_product or mode=concatenation."
              + " Append +block to include the shortcut and ReLU of a residual block. Default: all,"
              + " each with a shape of its own.")
  private String modules;

  @Option(
      names = "--networks",
      paramLabel = "NAMES",
      description =
          "Networks to measure, separated by commas. A name is an attention or none, a dash,"
              + " and a residual network: cbam-resnet20. Default: cbam-resnet20 and se-resnet50, or"
              + " no networks if --modules is given.")
  private String networks;

  @Mixin private PrecisionOptions precisionOptions;

  @Option(
      names = "--shape",
      paramLabel = "BxCxHxW",
      description = "Shape of the input. Default: a fixed shape for each module or network.")
  private String shape;

  @Option(
      names = "--peers",
      description =
          "Also measure the modules in the PyTorch of a Python, as they are written there and"
              + " compiled by torch.compile, in turn with Fovea.")
  private boolean peers;

  @Option(
      names = "--python",
      paramLabel = "PROGRAM",
      description = "The Python of --peers, such as venv/bin/python. Default: python3.")
  private String python;

  @Option(
      names = "--rounds",
      paramLabel = "N",
      description =
          "With --peers: the number of rounds in which all take turns; the table has the medians."
              + " Default: "
              + ROUNDS
              + ".")
  private Integer rounds;

  @Option(
      names = "--seconds",
      paramLabel = "S",
      defaultValue = "4",
      description = "Time to spend on each row, in seconds. Default: ${DEFAULT-VALUE}.")
  private double seconds;

  @Option(
      names = "--json",
      paramLabel = "FILE",
      description = "Also write the numbers to this file as JSON.")
  private Path json;

  @Override
  public Integer call() throws IOException {
    if (!(seconds > 0)) {
      throw new FoveaException("--seconds must be greater than 0, got " + seconds);
    }
    if (!peers && (python != null || rounds != null)) {
      throw new FoveaException((python != null ? "--python" : "--rounds") + " needs --peers");
    }
    DataOptions.atLeastOne("--rounds", rounds);
    overwriteOption.check(json);
    threadOptions.apply();
    precisionOptions.check();
    List<Plan> plans = plans();
    List<NetworkPlan> networkPlans = networkPlans();
    plans.forEach(Plan::check); // a mistake is named before minutes of measuring
    networkPlans.forEach(
        plan ->
            NetworkMeasurement.check(plan.network, precisionOptions.precision(), plan.shape[1]));
    ConsoleProgress progress = ConsoleProgress.standard();
    List<Measurement> measured = new ArrayList<>();
    List<PeerMeasurement> beside = new ArrayList<>();
    String torch = null;
    if (peers) {
      try (TorchPeer peer = new TorchPeer(python == null ? "python3" : python)) {
        torch = peer.version();
        for (Plan plan : plans) {
          progress.line("measuring " + plan.module + " " + text(plan.shape));
          PeerMeasurement one =
              PeerMeasurement.of(
                  peer,
                  plan.title(),
                  plan.shape,
                  rounds == null ? ROUNDS : rounds,
                  seconds,
                  plan::measure,
                  progress::line);
          beside.add(one);
        }
      }
    } else {
      for (Plan plan : plans) {
        progress.line("measuring " + plan.module + " " + text(plan.shape));
        measured.add(plan.measure(seconds));
      }
    }
    List<NetworkMeasurement> measuredNetworks = new ArrayList<>();
    for (NetworkPlan plan : networkPlans) {
      progress.line("measuring " + plan.network + " " + text(plan.shape));
      measuredNetworks.add(
          NetworkMeasurement.of(
              plan.network, precisionOptions.precision(), 2 * seconds, plan.shape));
    }
    var out = spec.commandLine().getOut();
    if (!measured.isEmpty()) {
      out.print(table(measured));
    }
    if (!beside.isEmpty()) {
      out.print(PeerMeasurement.table(beside));
      out.println("PyTorch " + torch + ". To best: Fovea's time to the best of the others.");
    }
    if (!measuredNetworks.isEmpty()) {
      if (!measured.isEmpty() || !beside.isEmpty()) {
        out.println();
      }
      out.print(networkTable(measuredNetworks));
    }
    String kernels =
        KernelsInUse.description().orElseGet(() -> "none: " + KernelsInUse.whyNot().get());
    out.println();
    out.println("Threads: " + Threads.count() + ". Kernels: " + kernels + ".");
    out.flush();
    if (json != null) {
      Json.write(
          json,
          new Results(
              Instant.now().truncatedTo(ChronoUnit.SECONDS).toString(),
              StudyOptions.command(spec),
              BuildInfo.version(),
              Runtime.version().toString(),
              kernels,
              Threads.count(),
              Machine.current(),
              measured,
              measuredNetworks,
              torch,
              beside));
    }
    return 0;
  }

  private List<Plan> plans() {
    if (modules == null && networks != null) {
      return List.of();
    }
    if (modules == null && shape == null) {
      return PLANS;
    }
    List<String> wanted =
        modules == null
            ? PLANS.stream().map(Plan::module).distinct().toList()
            : ModuleList.split(modules);
    List<Plan> plans = new ArrayList<>();
    for (String module : wanted) {
      if (shape != null) {
        plans.add(new Plan(module, parse(shape)));
        continue;
      }
      List<Plan> standard = PLANS.stream().filter(plan -> plan.module.equals(module)).toList();
      plans.addAll(standard.isEmpty() ? List.of(new Plan(module, PLANS.get(0).shape)) : standard);
    }
    return plans;
  }

  private List<NetworkPlan> networkPlans() {
    if (networks == null) {
      return modules == null && shape == null ? NETWORK_PLANS : List.of();
    }
    List<NetworkPlan> plans = new ArrayList<>();
    for (String network : ModuleList.split(networks)) {
      List<NetworkPlan> standard =
          NETWORK_PLANS.stream().filter(plan -> plan.network.equals(network)).toList();
      if (shape != null || standard.isEmpty()) {
        plans.add(
            new NetworkPlan(network, shape != null ? parse(shape) : NETWORK_PLANS.get(0).shape));
      } else {
        plans.addAll(standard);
      }
    }
    return plans;
  }

  private static long[] parse(String text) {
    if (!text.matches("[1-9][0-9]{0,8}(x[1-9][0-9]{0,8}){3}")) {
      throw new FoveaException(
          "--shape must be four whole numbers like 32x64x32x32 (batch, channels, height, width), got "
              + text);
    }
    return Arrays.stream(text.split("x")).mapToLong(Long::parseLong).toArray();
  }

  static String text(long... shape) {
    return LongStream.of(shape).mapToObj(Long::toString).collect(Collectors.joining("x"));
  }

  private static TextTable table(List<Measurement> measured) {
    TextTable table =
        new TextTable(
            "module",
            "shape",
            "inference",
            "reference",
            "ratio",
            "training",
            "reference",
            "ratio",
            "limit");
    table.left("shape");
    for (Measurement m : measured) {
      table.add(
          m.module(),
          text(m.shape()),
          TextTable.milliseconds(m.inference().foveaMillis()),
          TextTable.milliseconds(m.inference().referenceMillis()),
          ratio(m.inference()),
          TextTable.milliseconds(m.training().foveaMillis()),
          TextTable.milliseconds(m.training().referenceMillis()),
          ratio(m.training()),
          TextTable.milliseconds(Math.max(m.copyMillis(), m.productMillis())));
    }
    return table;
  }

  private static TextTable networkTable(List<NetworkMeasurement> measured) {
    TextTable table =
        new TextTable(
            "network",
            "images",
            "precision",
            "inference",
            "reference",
            "ratio",
            "training",
            "reference",
            "ratio",
            "images/s",
            "reference");
    table.left("images");
    for (NetworkMeasurement m : measured) {
      table.add(
          m.network(),
          text(m.shape()),
          m.precision(),
          TextTable.milliseconds(m.inference().foveaMillis()),
          TextTable.milliseconds(m.inference().referenceMillis()),
          ratio(m.inference()),
          TextTable.milliseconds(m.training().foveaMillis()),
          TextTable.milliseconds(m.training().referenceMillis()),
          ratio(m.training()),
          TextTable.count(m.shape()[0] * 1e3 / m.training().foveaMillis()),
          TextTable.count(m.shape()[0] * 1e3 / m.training().referenceMillis()));
    }
    return table;
  }

  private static String ratio(Measurement.Times times) {
    return String.format(Locale.ROOT, "%.2f", times.ratio());
  }
}
