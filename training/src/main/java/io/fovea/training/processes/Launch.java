package io.fovea.training.processes;

import io.fovea.errors.FoveaException;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * Which one of the processes of a training this is, and where they meet.
 *
 * @param rank the number of this process, from 0
 * @param size the number of processes
 * @param localRank the number of this process among those on its machine
 * @param localSize the number of processes on this machine
 * @param master the host of the process with rank 0, or of the launcher's store
 * @param port the port at which they meet there
 * @param prefix what is put before all keys of the launcher's store, which outlives one attempt;
 *     empty if the process with rank 0 opens the port
 * @param starts whether this process starts the others on its machine
 */
public record Launch(
    int rank,
    int size,
    int localRank,
    int localSize,
    String master,
    int port,
    String prefix,
    boolean starts) {
  /** The port of PyTorch's launchers if none is given. */
  public static final int PORT = 29500;

  private static final int SLURM_PORTS = 20000; // below those that systems give to clients
  private static final int MOST_PORTS = 65535;

  /**
   * Checks the ranges.
   *
   * @throws FoveaException if a number is out of range
   */
  public Launch {
    check(size >= 1, "the number of processes must be at least 1, got " + size);
    check(
        rank >= 0 && rank < size,
        "the rank of a process must be from 0 to " + (size - 1) + ", got " + rank);
    check(
        localSize >= 1 && localRank >= 0 && localRank < localSize && localSize <= size,
        "process "
            + localRank
            + " of "
            + localSize
            + " on this machine does not fit "
            + size
            + " processes in all");
    check(port > 0 && port <= MOST_PORTS, "the port must be from 1 to 65535, got " + port);
    check(!master.isBlank(), "the address of the master is empty");
  }

  private static void check(boolean right, String message) {
    if (!right) {
      throw new FoveaException(message);
    }
  }

  /** Whether the process with rank 0 opens the port, and not the launcher. */
  public boolean opensPort() {
    return rank == 0 && prefix.isEmpty();
  }

  /** Whether all processes are on this machine. */
  public boolean isOnOneMachine() {
    return localSize == size;
  }

  /**
   * The first process of a machine, by hand: the others have the next ranks.
   *
   * @param machines the number of machines
   * @param machine the number of this machine, from 0
   * @param processes the number of processes on each machine
   * @param master the address of the first machine, as {@code HOST} or {@code HOST:PORT}
   * @throws FoveaException if a value is out of range
   */
  public static Launch byHand(int machines, int machine, int processes, String master) {
    check(machines >= 1, "the number of machines must be at least 1, got " + machines);
    check(
        machine >= 0 && machine < machines,
        "the number of this machine must be from 0 to " + (machines - 1) + ", got " + machine);
    check(processes >= 1, "the number of processes must be at least 1, got " + processes);
    // of an IPv6 address, only what follows the bracket is a port
    int colon = master.lastIndexOf(':');
    boolean hasPort =
        colon > 0 && (master.indexOf(':') == colon || master.charAt(colon - 1) == ']');
    String host = hasPort ? master.substring(0, colon) : master;
    return new Launch(
        machine * processes,
        machines * processes,
        0,
        processes,
        host.startsWith("[") && host.endsWith("]") ? host.substring(1, host.length() - 1) : host,
        hasPort ? number("the port of the master", master.substring(colon + 1)) : PORT,
        "",
        processes > 1);
  }

  /** Another process on the same machine. */
  public Launch local(int number) {
    return new Launch(
        rank - localRank + number, size, number, localSize, master, port, prefix, false);
  }

  /**
   * The variables from which {@link #of} reads this launch, as torchrun sets them.
   *
   * @throws IllegalStateException if the launcher has a store of its own
   */
  public Map<String, String> variables() {
    if (!prefix.isEmpty()) {
      throw new IllegalStateException("the processes of a launcher are started by the launcher");
    }
    return Map.of(
        "RANK", Integer.toString(rank),
        "WORLD_SIZE", Integer.toString(size),
        "LOCAL_RANK", Integer.toString(localRank),
        "LOCAL_WORLD_SIZE", Integer.toString(localSize),
        "MASTER_ADDR", master,
        "MASTER_PORT", Integer.toString(port));
  }

  /**
   * Reads the variables of launchers: those that torchrun sets for each process; {@code PET_*} of
   * Kubeflow's TrainJob and PyTorchJob, which are torchrun's own options for one machine; {@code
   * RANK} and {@code WORLD_SIZE} of PyTorchJob; Slurm's {@code srun}.
   *
   * @param environment the variables of this process
   * @return empty if there are none, or they are of a single process
   * @throws FoveaException if a variable is missing or no number
   */
  public static Optional<Launch> of(Map<String, String> environment) {
    return read(environment).filter(launch -> launch.size() > 1);
  }

  private static Optional<Launch> read(Map<String, String> environment) {
    Variables given = new Variables(environment);
    if (given.has("LOCAL_RANK") && given.has("RANK") && given.has("WORLD_SIZE")) {
      return Optional.of(ofProcess(given));
    }
    if (given.has("PET_MASTER_ADDR") && given.has("PET_NNODES")) {
      return Optional.of(ofMachine(given));
    }
    if (given.has("RANK") && given.has("WORLD_SIZE")) {
      return Optional.of(ofProcess(given));
    }
    // only srun sets this one: in a batch script without it, one process runs alone
    if (given.has("SLURM_STEP_NUM_TASKS") && given.has("SLURM_PROCID")) {
      return Optional.of(ofSlurm(given));
    }
    return Optional.empty();
  }

  private static Launch ofProcess(Variables given) {
    int rank = given.number("RANK");
    int size = given.number("WORLD_SIZE");
    boolean launchersStore = "True".equals(given.text("TORCHELASTIC_USE_AGENT_STORE", ""));
    return new Launch(
        rank,
        size,
        given.number("LOCAL_RANK", 0),
        given.number("LOCAL_WORLD_SIZE", 1),
        size == 1 ? given.text("MASTER_ADDR", "localhost") : given.text("MASTER_ADDR"),
        given.number("MASTER_PORT", PORT),
        launchersStore
            ? "/worker/attempt_" + given.text("TORCHELASTIC_RESTART_COUNT", "0") // as PyTorch
            : "",
        false);
  }

  private static Launch ofMachine(Variables given) {
    String processes = given.text("PET_NPROC_PER_NODE", "1");
    int each =
        Set.of("auto", "cpu", "gpu").contains(processes) // one process uses all cores
            ? 1
            : given.number("PET_NPROC_PER_NODE", 1);
    String machines = given.text("PET_NNODES");
    int dash = machines.indexOf(':'); // torchrun also takes a smallest and a largest number
    int most = number("PET_NNODES", dash < 0 ? machines : machines.substring(dash + 1));
    return byHand(
        most,
        given.number("PET_NODE_RANK", 0),
        each,
        withPort(given.text("PET_MASTER_ADDR"), given.number("PET_MASTER_PORT", PORT)));
  }

  private static String withPort(String host, int port) {
    return (host.contains(":") ? "[" + host + "]" : host) + ":" + port;
  }

  private static Launch ofSlurm(Variables given) {
    int size = given.number("SLURM_STEP_NUM_TASKS");
    int job = given.number("SLURM_JOB_ID", 0);
    String nodes = given.text("SLURM_STEP_NODELIST", given.text("SLURM_JOB_NODELIST", ""));
    return new Launch(
        given.number("SLURM_PROCID"),
        size,
        given.number("SLURM_LOCALID", 0),
        localTasks(given, size),
        given.text("MASTER_ADDR", nodes.isEmpty() ? "localhost" : firstHost(nodes)),
        given.number("MASTER_PORT", SLURM_PORTS + job % 10000),
        "",
        false);
  }

  /** The number for this machine in Slurm's list, such as {@code 2(x3),1}. */
  private static int localTasks(Variables given, int size) {
    String list = given.text("SLURM_STEP_TASKS_PER_NODE", given.text("SLURM_TASKS_PER_NODE", ""));
    int node = given.number("SLURM_NODEID", 0);
    for (String part : list.split(",")) {
      if (!part.matches("\\d+(\\(x\\d+\\))?")) {
        break;
      }
      int times =
          part.indexOf('(') < 0
              ? 1
              : Integer.parseInt(part.substring(part.indexOf('x') + 1, part.length() - 1));
      if (node < times) {
        return Integer.parseInt(part.replaceFirst("\\(.*", ""));
      }
      node -= times;
    }
    return Math.min(size, given.number("SLURM_LOCALID", 0) + 1);
  }

  /** The first host of Slurm's list, such as {@code node[07-12,15],gpu3}. */
  static String firstHost(String nodes) {
    int bracket = nodes.indexOf('[');
    int comma = nodes.indexOf(',');
    if (bracket < 0 || (comma >= 0 && comma < bracket)) {
      return comma < 0 ? nodes : nodes.substring(0, comma);
    }
    int end = nodes.indexOf(']', bracket);
    if (end < 0) {
      throw new FoveaException("SLURM_STEP_NODELIST: no list of hosts: \"" + nodes + "\"");
    }
    String first = nodes.substring(bracket + 1, end).split("[,-]", 2)[0];
    String rest = nodes.substring(end + 1).split(",", 2)[0];
    return nodes.substring(0, bracket) + first + rest;
  }

  private static int number(String name, String text) {
    try {
      return Integer.parseInt(text.strip());
    } catch (NumberFormatException e) {
      throw new FoveaException(name + ": expected a whole number, got \"" + text + "\"", e);
    }
  }

  /** The variables of a process. An empty one is as if it were not there. */
  private record Variables(Map<String, String> all) {
    boolean has(String name) {
      return !all.getOrDefault(name, "").isBlank();
    }

    String text(String name, String usual) {
      return has(name) ? all.get(name) : usual;
    }

    String text(String name) {
      if (!has(name)) {
        throw new FoveaException(
            "the launcher of the processes set no " + name + ", which says where they meet");
      }
      return all.get(name);
    }

    int number(String name) {
      return Launch.number(name, text(name));
    }

    int number(String name, int usual) {
      return has(name) ? number(name) : usual;
    }
  }
}
