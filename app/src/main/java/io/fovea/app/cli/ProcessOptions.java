package io.fovea.app.cli;

import io.fovea.app.console.ChildProcesses;
import io.fovea.errors.FoveaException;
import io.fovea.errors.SpecException;
import io.fovea.training.Times;
import io.fovea.training.processes.Group;
import io.fovea.training.processes.Launch;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.ServerSocket;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import picocli.CommandLine.Option;

/** The options for training with several processes. */
final class ProcessOptions {
  static final String HEADING = "%nSeveral processes and machines:%n";

  /** Those that say how many processes there are and where. */
  static final List<String> NAMES =
      List.of("--processes", "--nnodes", "--node-rank", "--master", "--wait");

  @Option(
      names = "--processes",
      paramLabel = "N",
      description =
          "Train with this many processes on this machine, each with --batch-size images a step."
              + " Default: 1, or as a launcher says (torchrun, Kubeflow, Slurm).")
  private Integer processes;

  @Option(
      names = "--nnodes",
      paramLabel = "N",
      description = "Number of machines that train together; give --node-rank and --master, too.")
  private Integer machines;

  @Option(names = "--node-rank", paramLabel = "N", description = "Number of this machine, from 0.")
  private Integer machine;

  @Option(
      names = "--master",
      paramLabel = "HOST[:PORT]",
      description = "Address of machine 0, where all processes meet. Default port: 29500.")
  private String master;

  @Option(
      names = "--wait",
      paramLabel = "TIME",
      description = "Wait this long for the other processes. Default: 5m.")
  private String wait;

  @Option(
      names = "--sync-bn",
      description =
          "Batch norms see the images of all processes. Default: those of their own process.")
  private boolean syncBn;

  /** Whether batch norms see the images of all processes. */
  boolean syncsBatchNorms() {
    return syncBn;
  }

  /**
   * The processes of a training.
   *
   * @param group all of them
   * @param children those that this one has started
   * @param onThisMachine their number on this machine
   */
  record Members(Group group, ChildProcesses children, int onThisMachine) {}

  /**
   * Starts the other processes of this machine if there are to be any, and connects to all others.
   *
   * @param arguments the arguments of the command line
   * @param environment the variables of this process
   * @throws FoveaException if options do not fit, or the others do not come
   */
  Members join(List<String> arguments, Map<String, String> environment) {
    Duration patience = patience();
    Optional<Launch> launch = launch(environment);
    if (launch.isEmpty()) {
      return new Members(Group.ALONE, ChildProcesses.none(), 1);
    }
    ChildProcesses.endWithParent();
    Launch own = launch.get();
    ChildProcesses children = own.starts() ? started(own, arguments) : ChildProcesses.none();
    try {
      return new Members(Group.join(own, patience), children, own.localSize());
    } catch (FoveaException e) {
      throw children.explained(e);
    }
  }

  private static ChildProcesses started(Launch own, List<String> arguments) {
    Map<String, Map<String, String>> variables = new LinkedHashMap<>();
    for (int number = 1; number < own.localSize(); number++) {
      Launch other = own.local(number);
      variables.put("process " + other.rank() + " of " + other.size(), other.variables());
    }
    return ChildProcesses.start(withoutPlace(arguments), variables);
  }

  /** The arguments without those that say how many processes there are, which variables do. */
  static List<String> withoutPlace(List<String> arguments) {
    List<String> kept = new ArrayList<>();
    boolean isValue = false;
    for (String argument : arguments) {
      boolean isName = NAMES.subList(0, 4).contains(argument);
      boolean isBoth =
          NAMES.subList(0, 4).stream().anyMatch(name -> argument.startsWith(name + "="));
      if (!isValue && !isName && !isBoth) {
        kept.add(argument);
      }
      isValue = isName;
    }
    return kept;
  }

  private Duration patience() {
    try {
      return wait == null ? Duration.ofMinutes(5) : Times.parse(wait);
    } catch (SpecException e) {
      throw new SpecException("--wait: " + e.getMessage(), e);
    }
  }

  private Optional<Launch> launch(Map<String, String> environment) {
    boolean byHand = processes != null || machines != null || machine != null || master != null;
    Optional<Launch> launched = Launch.of(environment);
    if (!byHand) {
      return launched;
    }
    launched.ifPresent(
        launch -> {
          throw new FoveaException(
              "a launcher started this as process "
                  + launch.rank()
                  + " of "
                  + launch.size()
                  + "; leave out --processes, --nnodes, --node-rank and --master");
        });
    DataOptions.atLeastOne("--processes", processes);
    DataOptions.atLeastOne("--nnodes", machines);
    int each = processes == null ? 1 : processes;
    if (machines == null || machines == 1) {
      if (machines == null && (machine != null || master != null)) {
        throw new FoveaException("--node-rank and --master are for --nnodes, which is not given");
      }
      return each == 1
          ? Optional.empty()
          : Optional.of(Launch.byHand(1, 0, each, "127.0.0.1:" + freePort()));
    }
    if (machine == null || master == null) {
      throw new FoveaException("--nnodes needs --node-rank and --master");
    }
    return Optional.of(Launch.byHand(machines, machine, each, master));
  }

  private static int freePort() {
    try (ServerSocket socket = new ServerSocket(0)) {
      return socket.getLocalPort();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
