package io.fovea.app.console;

import io.fovea.errors.FoveaException;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * Other processes with the same command on this machine, which end with this one. If one of them
 * fails, all end, and the user reads one line about it.
 */
public final class ChildProcesses {
  /** The variable that tells a process whose child it is. */
  private static final String PARENT = "FOVEA_PARENT";

  private static final String MAIN = "io.fovea.app.Fovea";
  private static final String PREFIX = "fovea: ";
  private static final long GRACE = 3; // seconds in which this process notices by itself

  /** How a process is called in messages, and what it does. */
  private record Child(String name, Process process, List<String> said) {
    String outcome() {
      int status = process.exitValue();
      String last =
          said.stream().filter(line -> line.startsWith(PREFIX)).reduce((a, b) -> b).orElse("");
      return last.isEmpty()
          ? name + " ended with status " + status + (status > 128 ? ", killed" : "")
          : name + " ended: " + last.substring(PREFIX.length());
    }
  }

  private final List<Child> children = new ArrayList<>();
  private final AtomicBoolean over = new AtomicBoolean();

  private ChildProcesses() {}

  /** No other processes. */
  public static ChildProcesses none() {
    return new ChildProcesses();
  }

  /**
   * Starts processes.
   *
   * @param arguments the arguments of each
   * @param variables the variables of each by its name in messages
   * @throws UncheckedIOException if one cannot be started; then none is left
   */
  public static ChildProcesses start(
      List<String> arguments, Map<String, Map<String, String>> variables) {
    ChildProcesses all = new ChildProcesses();
    Interruption.beforeTheEnd(all::end);
    variables.forEach((name, own) -> all.start(name, arguments, own));
    return all;
  }

  private void start(String name, List<String> arguments, Map<String, String> variables) {
    List<String> command = new ArrayList<>();
    command.add(
        ProcessHandle.current()
            .info()
            .command()
            .orElse(System.getProperty("java.home") + "/bin/java"));
    ManagementFactory.getRuntimeMXBean().getInputArguments().stream()
        // streams and files that only this process has
        .filter(
            flag -> !flag.matches("(-Dfovea\\.|-XX:ArchiveClassesAtExit|-agentlib:|-javaagent:).*"))
        .forEach(command::add);
    command.addAll(List.of("-cp", System.getProperty("java.class.path"), MAIN));
    command.addAll(arguments);
    ProcessBuilder builder =
        new ProcessBuilder(command).redirectOutput(ProcessBuilder.Redirect.DISCARD);
    builder.environment().putAll(variables);
    builder.environment().put(PARENT, Long.toString(ProcessHandle.current().pid()));
    try {
      Child child = new Child(name, builder.start(), new ArrayList<>());
      child.process().getOutputStream().close();
      children.add(child);
      daemon(() -> watch(child));
    } catch (IOException e) {
      end();
      throw new UncheckedIOException(e);
    }
  }

  private static void daemon(Runnable body) {
    Thread thread = new Thread(body, "fovea-child");
    thread.setDaemon(true);
    thread.start();
  }

  private void watch(Child child) {
    try (BufferedReader lines = child.process().errorReader(StandardCharsets.UTF_8)) {
      for (String line = lines.readLine(); line != null; line = lines.readLine()) {
        synchronized (child.said()) {
          child.said().add(line);
          if (child.said().size() > 100) {
            child.said().remove(0);
          }
        }
      }
    } catch (IOException e) {
      // it has ended
    }
    try {
      if (child.process().waitFor() != 0) {
        // this process finds out by itself as soon as it waits for the other one
        TimeUnit.SECONDS.sleep(GRACE);
        if (over.compareAndSet(false, true)) {
          System.err.println(PREFIX + failure().orElse(child.outcome()));
          Interruption.done();
          System.exit(ExitStatus.MISTAKE);
        }
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /** The outcome of the process that failed first, and not because of another one. */
  private Optional<String> failure() {
    List<String> outcomes =
        children.stream()
            .filter(child -> !child.process().isAlive() && child.process().exitValue() != 0)
            .map(Child::outcome)
            .toList();
    return outcomes.stream()
        .filter(text -> !text.contains("another process of this training"))
        .findFirst()
        .or(() -> outcomes.stream().findFirst());
  }

  /**
   * What to tell the user when this process has noticed that another one ended.
   *
   * @param noticed what it noticed
   */
  public FoveaException explained(FoveaException noticed) {
    if (children.isEmpty() || !over.compareAndSet(false, true)) {
      return noticed;
    }
    try {
      for (int i = 0; i < 10 && failure().isEmpty(); i++) {
        TimeUnit.MILLISECONDS.sleep(100); // until the system tells that it has ended
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    return failure().map(text -> new FoveaException(text, noticed)).orElse(noticed);
  }

  /** Waits for the ends of the processes, which have done their work. */
  public void await() {
    for (Child child : children) {
      try {
        child.process().waitFor(GRACE, TimeUnit.SECONDS);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
    }
    end();
  }

  /** Ends the processes that are left. */
  private void end() {
    over.set(true);
    children.forEach(child -> child.process().destroy());
    children.forEach(
        child -> {
          try {
            if (!child.process().waitFor(1, TimeUnit.SECONDS)) {
              child.process().destroyForcibly();
            }
          } catch (InterruptedException e) {
            child.process().destroyForcibly();
          }
        });
  }

  /** Makes this process end with the one that started it, if that was Fovea. */
  public static void endWithParent() {
    String parent = System.getenv(PARENT);
    if (parent != null) {
      Optional<ProcessHandle> handle = ProcessHandle.of(Long.parseLong(parent));
      daemon(
          () -> {
            handle.ifPresent(process -> process.onExit().join());
            Runtime.getRuntime().halt(1);
          });
    }
  }
}
