package io.fovea.app.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.fovea.app.Fovea;
import io.fovea.app.Outcome;
import io.fovea.training.run.Run;
import java.io.BufferedReader;
import java.io.IOException;
import java.net.ServerSocket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Processes that train one network, as a user starts them. */
class ProcessesTest {
  @TempDir Path folder;

  private Process start(Map<String, String> variables, String... arguments) throws IOException {
    List<String> command =
        new ArrayList<>(
            List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-cp",
                System.getProperty("java.class.path"),
                Fovea.class.getName(),
                "train"));
    command.addAll(List.of("--limit", "32", "--width", "0.25", "--epochs", "2", "--threads", "1"));
    command.addAll(List.of("--batch-size", "8", "--no-tensorboard"));
    command.addAll(List.of(arguments));
    ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
    builder.environment().putAll(variables);
    return builder.start();
  }

  private static String said(Process process) throws IOException, InterruptedException {
    String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    process.waitFor();
    return said;
  }

  /**
   * A process is killed, the other one ends with a line, and the processes of a launcher go on. That
   * the bits are those of a training without the interruption is asserted in {@code TogetherTest}.
   */
  @Test
  void theOthersEndWithAKilledProcessAndOthersGoOn() throws Exception {
    Path killed = folder.resolve("killed");
    Process first = start(Map.of(), "--processes", "2", "--out", killed.toString());
    StringBuilder said = new StringBuilder();
    try (BufferedReader lines = first.inputReader(StandardCharsets.UTF_8)) {
      for (String line = lines.readLine(); line != null; line = lines.readLine()) {
        said.append(line).append('\n');
        if (line.startsWith("epoch 1/")) {
          assertThat(first.descendants().count()).isEqualTo(1);
          first.descendants().forEach(ProcessHandle::destroyForcibly); // SIGKILL
        }
      }
    }

    assertThat(first.waitFor()).as(said.toString()).isEqualTo(2);
    assertThat(said).contains("2 processes, 16 images a step\n");
    assertThat(said.toString().lines().filter(line -> line.startsWith("fovea: ")).toList())
        .containsExactly("fovea: process 1 of 2 ended with status 137, killed");
    assertThat(Run.isUnfinished(killed)).isTrue();

    Outcome alone = Outcome.of("train", "--resume", killed.toString());
    assertThat(alone.status()).isEqualTo(2);
    assertThat(alone.err())
        .isEqualTo(
            "fovea: " + killed + ": was trained by 2 processes, and goes on with as many, got 1\n");

    String port = Integer.toString(freePort());
    List<Process> both = new ArrayList<>();
    for (String rank : List.of("0", "1")) { // as a launcher starts them
      both.add(
          start(
              Map.of(
                  "RANK", rank, "WORLD_SIZE", "2", "MASTER_ADDR", "localhost", "MASTER_PORT", port),
              "--out",
              killed.toString()));
    }
    StringBuilder again = new StringBuilder();
    for (Process process : both) {
      String output = said(process);
      assertThat(process.exitValue()).as(output).isZero();
      again.append(output);
    }
    assertThat(again).containsOnlyOnce("resuming after epoch ");
    assertThat(Files.readString(killed.resolve("config.json"))).contains("\"processes\" : 2");
    assertThat(Run.open(killed).metrics()).hasSize(2);
  }

  private static int freePort() throws IOException {
    try (ServerSocket socket = new ServerSocket(0)) {
      return socket.getLocalPort();
    }
  }

  @Test
  void optionsThatDoNotFitAreRefused() {
    assertThat(Outcome.of("train", "--master", "host").err())
        .isEqualTo("fovea: --node-rank and --master are for --nnodes, which is not given\n");
    assertThat(Outcome.of("train", "--nnodes", "2", "--master", "host").err())
        .isEqualTo("fovea: --nnodes needs --node-rank and --master\n");
    assertThat(Outcome.of("train", "--processes", "0").err()).startsWith("fovea: --processes");
    assertThat(Outcome.of("train", "--nnodes", "2", "--node-rank", "2", "--master", "host").err())
        .isEqualTo("fovea: the number of this machine must be from 0 to 1, got 2\n");
    Outcome unreachable =
        Outcome.of(
            "train",
            "--nnodes",
            "2",
            "--node-rank",
            "1",
            "--master",
            "127.0.0.1:9",
            "--wait",
            "1s");
    assertThat(unreachable.status()).isEqualTo(2);
    assertThat(unreachable.err())
        .startsWith(
            "fovea: process 1 of 2: cannot reach the master at 127.0.0.1:9 (tried for 1 s; last: ");
  }

  /** The children get the same command without what their variables say. */
  @Test
  void childrenGetTheSameCommand() {
    assertThat(
            ProcessOptions.withoutPlace(
                List.of(
                    "train",
                    "--processes",
                    "2",
                    "--nnodes=2",
                    "--out",
                    "--processes.d",
                    "--node-rank",
                    "0",
                    "--sync-bn",
                    "--master=host",
                    "--wait",
                    "9s")))
        .containsExactly("train", "--out", "--processes.d", "--sync-bn", "--wait", "9s");
  }
}
