package io.fovea.app.cli;

import com.fasterxml.jackson.annotation.JsonInclude;
import io.fovea.app.console.ConsoleProgress;
import io.fovea.app.console.Interruption;
import io.fovea.app.console.TextTable;
import io.fovea.attention.AttentionSpec;
import io.fovea.attention.fast.KernelsInUse;
import io.fovea.data.DataException;
import io.fovea.errors.FoveaException;
import io.fovea.reference.Measurement;
import io.fovea.reference.NetworkMeasurement;
import io.fovea.tensor.Threads;
import io.fovea.training.run.BuildInfo;
import io.fovea.training.run.Json;
import io.fovea.training.run.Machine;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import java.util.stream.LongStream;
import org.bytedeco.javacpp.PointerScope;
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

    /** Checks that Fovea and PyTorch can make the module, without measuring it. */
    void check(TorchPeer peer) throws IOException {
      try (PointerScope scope = new PointerScope()) {
        spec().create(shape[1], 2);
      }
      peer.check(title(), shape);
    }

    /**
     * Fovea, the reference implementation where there is one, PyTorch eager, and compiled.
     *
     * @param seconds for each of the programs
     * @param told is told why PyTorch does not compile the module
     */
    PeerMeasurement.Round round(TorchPeer peer, double seconds, Consumer<String> told)
        throws IOException {
      Measurement both = Measurement.hasReference(spec()) ? measure(seconds) : null;
      Measurement.Alone fovea =
          both == null
              ? Measurement.alone(spec(), block(), seconds, shape)
              : new Measurement.Alone(
                  both.inference().foveaMillis(), both.training().foveaMillis());
      TorchPeer.Times eager = peer.measure(title(), shape, Threads.count(), false, seconds);
      TorchPeer.Times compiled = null;
      try {
        compiled = peer.measure(title(), shape, Threads.count(), true, seconds);
      } catch (FoveaException e) {
        told.accept("not compiled: " + e.getMessage());
      }
      return new PeerMeasurement.Round(
          new PeerMeasurement.Times(
              fovea.inferenceMillis(),
              both == null ? null : both.inference().referenceMillis(),
              eager.inferenceMillis(),
              compiled == null ? null : compiled.inferenceMillis()),
          new PeerMeasurement.Times(
              fovea.trainingMillis(),
              both == null ? null : both.training().referenceMillis(),
              eager.trainingMillis(),
              compiled == null ? null : compiled.trainingMillis()));
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

  /** The content of the file that {@code --json} writes; with {@code --peers} after each round. */
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
      @JsonInclude(JsonInclude.Include.NON_EMPTY) List<PeerMeasurement> peers) {
    /** Where the measurement of a module is; it is added if there is none. */
    int index(Plan plan) {
      for (int i = 0; i < peers.size(); i++) {
        if (peers.get(i).isOf(plan.title(), plan.shape)) {
          return i;
        }
      }
      peers.add(PeerMeasurement.none(plan.title(), plan.shape));
      return peers.size() - 1;
    }

    /** Whether the numbers of these results can stand beside those of others. */
    boolean isLike(Results other) {
      return other.fovea.equals(fovea)
          && other.java.equals(java)
          && other.kernels.equals(kernels)
          && other.threads == threads
          && other.machine.equals(machine)
          && other.pytorch.equals(pytorch);
    }

    /** The command, whether or not it replaced a file. */
    String commandToGoOn() {
      return command.replace(" --overwrite", "");
    }
  }

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
              + " each with a shape of its own. With --peers also other mechanisms.")
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
              + " compiled by torch.compile, in turn with Fovea, and nearly all other mechanisms,"
              + " which have no reference implementation here. The file of --json is written after"
              + " each round; if you stop the command, the same command goes on.")
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
    threadOptions.apply();
    precisionOptions.check();
    List<Plan> plans = plans();
    List<NetworkPlan> networkPlans = networkPlans();
    networkPlans.forEach( // a mistake is named before minutes of measuring
        plan ->
            NetworkMeasurement.check(plan.network, precisionOptions.precision(), plan.shape[1]));
    ConsoleProgress progress = ConsoleProgress.standard();
    Results results = peers ? besidePyTorch(plans, progress) : alone(plans, progress);
    for (NetworkPlan plan : networkPlans) {
      progress.line("measuring " + plan.network + " " + text(plan.shape));
      results.networks.add(
          NetworkMeasurement.of(
              plan.network, precisionOptions.precision(), 2 * seconds, plan.shape));
    }
    print(results);
    write(results);
    return 0;
  }

  private Results alone(List<Plan> plans, ConsoleProgress progress) {
    overwriteOption.check(json);
    plans.forEach(Plan::check);
    Results results = results(null);
    for (Plan plan : plans) {
      progress.line("measuring " + plan.module + " " + text(plan.shape));
      results.measurements.add(plan.measure(seconds));
    }
    return results;
  }

  private Results besidePyTorch(List<Plan> plans, ConsoleProgress progress) throws IOException {
    try (TorchPeer peer = new TorchPeer(python == null ? "python3" : python)) {
      List<Plan> all = new ArrayList<>(plans);
      if (modules == null && networks == null) {
        long[] usual = shape == null ? peer.shape() : parse(shape);
        peer.further().forEach(module -> all.add(new Plan(module, usual)));
      }
      for (Plan plan : all) {
        plan.check(peer);
      }
      Results results = results(peer.version());
      results.peers.addAll(earlier(results));
      if (json != null) {
        Interruption.onInterrupt("Interrupted. Run the same command again to go on.");
      }
      for (Plan plan : all) {
        int at = results.index(plan);
        for (int round = results.peers.get(at).rounds(); round < rounds(); round++) {
          progress.line(
              "measuring "
                  + plan.module
                  + " "
                  + text(plan.shape)
                  + ", round "
                  + (round + 1)
                  + " of "
                  + rounds());
          PeerMeasurement.Round measured = plan.round(peer, seconds, progress::line);
          results.peers.set(at, results.peers.get(at).with(measured));
          write(results);
        }
      }
      return results;
    }
  }

  private int rounds() {
    return rounds == null ? ROUNDS : rounds;
  }

  /** What the same command has measured before it was stopped. */
  private List<PeerMeasurement> earlier(Results now) {
    if (json == null || overwriteOption.isGiven() || !Files.isRegularFile(json)) {
      return List.of();
    }
    Results before = null;
    try {
      before = Json.read(json, Results.class);
    } catch (DataException e) { // a file of another kind
      overwriteOption.check(json);
    }
    if (before.peers == null
        || !now.commandToGoOn().equals(before.commandToGoOn())
        || !before.networks.isEmpty()) {
      overwriteOption.check(json);
    }
    if (!before.isLike(now)) {
      throw new FoveaException(
          json
              + ": was begun with another Java, PyTorch, number of threads or machine; choose"
              + " another name, or replace it with --overwrite");
    }
    return before.peers;
  }

  private Results results(String pytorch) {
    return new Results(
        Instant.now().truncatedTo(ChronoUnit.SECONDS).toString(),
        StudyOptions.command(spec),
        BuildInfo.version(),
        Runtime.version().toString(),
        KernelsInUse.description().orElseGet(() -> "none: " + KernelsInUse.whyNot().get()),
        Threads.count(),
        Machine.current(),
        new ArrayList<>(),
        new ArrayList<>(),
        pytorch,
        new ArrayList<>());
  }

  private void write(Results results) throws IOException {
    if (json != null) {
      Json.write(json, results);
    }
  }

  private void print(Results results) {
    var out = spec.commandLine().getOut();
    if (!results.measurements.isEmpty()) {
      out.print(table(results.measurements));
    }
    if (!results.peers.isEmpty()) {
      out.print(PeerMeasurement.table(results.peers));
      out.println(
          "PyTorch " + results.pytorch + ". To best: Fovea's time to the best of the others.");
    }
    if (!results.networks.isEmpty()) {
      if (!results.measurements.isEmpty() || !results.peers.isEmpty()) {
        out.println();
      }
      out.print(networkTable(results.networks));
    }
    out.println();
    out.println("Threads: " + results.threads + ". Kernels: " + results.kernels + ".");
    out.flush();
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
