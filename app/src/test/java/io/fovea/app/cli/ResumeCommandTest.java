package io.fovea.app.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.fovea.app.Fovea;
import io.fovea.app.Outcome;
import io.fovea.training.run.FolderLock;
import io.fovea.training.run.ModelCard;
import io.fovea.training.run.Run;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A process is killed, and another one goes on. */
class ResumeCommandTest {
  @TempDir Path folder;

  private static List<String> training(Path out, String... more) {
    List<String> arguments =
        new ArrayList<>(
            List.of(
                "train", "--limit", "100", "--width", "0.25", "--epochs", "4", "--threads", "1"));
    arguments.addAll(List.of("--attention", "se:reduction=4", "--out", out.toString()));
    arguments.addAll(List.of(more));
    return arguments;
  }

  private static Outcome run(List<String> arguments) {
    return Outcome.of(arguments.toArray(String[]::new));
  }

  /** Trains in a process that is killed as soon as it has told of an epoch. */
  private void killedAfter(int epoch, Path out) throws IOException, InterruptedException {
    List<String> command =
        new ArrayList<>(
            List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-cp",
                System.getProperty("java.class.path"),
                Fovea.class.getName()));
    command.addAll(training(out));
    Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
    StringBuilder said = new StringBuilder();
    try (BufferedReader lines = process.inputReader(StandardCharsets.UTF_8)) {
      for (String line = lines.readLine(); line != null; line = lines.readLine()) {
        said.append(line).append('\n');
        if (line.startsWith("epoch " + epoch + "/")) {
          break;
        }
      }
    } finally {
      process.destroyForcibly(); // SIGKILL
    }
    process.waitFor();
    assertThat(said.toString()).contains("epoch " + epoch + "/");
  }

  /** The files of a folder; each process writes an event file of its own for TensorBoard. */
  private static List<String> names(Path folder) throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      return files
          .map(file -> file.getFileName().toString())
          .filter(name -> !name.startsWith("events.out.tfevents."))
          .sorted()
          .toList();
    }
  }

  @Test
  void aKilledProcessLosesAtMostTheEpochThatItWasIn() throws Exception {
    Path whole = folder.resolve("whole");
    Path killed = folder.resolve("killed");
    assertThat(run(training(whole)).status()).isZero();
    killedAfter(2, killed);
    int done = Run.epochsDone(killed);
    assertThat(done).isGreaterThanOrEqualTo(2);
    String reached = done + " of 4 epochs";
    Outcome evaluated =
        Outcome.of(
            "evaluate", killed.toString(), "--json", folder.resolve("scores.json").toString());
    assertThat(evaluated.err())
        .startsWith(
            "note: the training of "
                + killed
                + " did not end ("
                + reached
                + "); fovea train --resume "
                + killed
                + " resumes it\n");
    assertThat(folder.resolve("scores.json")).content().contains(", unfinished: " + reached);
    assertThat(ModelCard.metadata(Run.open(killed), Run.Weights.LAST))
        .containsEntry("unfinished", reached);

    Outcome resumed = Outcome.of("train", "--resume", killed.toString(), "--threads", "1");

    assertThat(resumed.status()).as(resumed.err()).isZero();
    assertThat(resumed.err()).contains("resuming after epoch " + done + " of 4\n");
    assertThat(names(killed)).isEqualTo(names(whole));
    assertThat(Files.readAllBytes(killed.resolve("last.safetensors")))
        .isEqualTo(Files.readAllBytes(whole.resolve("last.safetensors")));
    assertThat(Run.open(killed).metrics()).hasSize(4);
    Outcome again = Outcome.of("train", "--resume", killed.toString());
    assertThat(again.status()).isEqualTo(2);
    assertThat(again.err()).isEqualTo("fovea: " + killed + ": the training is finished\n");
  }

  @Test
  void theSameCommandGoesOnAndAnotherIsRefused() throws Exception {
    Path killed = folder.resolve("killed");
    killedAfter(1, killed);

    Outcome other = run(training(killed, "--learning-rate", "0.02"));
    assertThat(other.status()).isEqualTo(2);
    assertThat(other.err())
        .endsWith(
            "fovea: "
                + killed
                + ": contains a training with other settings (training learning_rate: 0.1 in the folder,"
                + " 0.02 now); choose another folder, or go on with its own by fovea train --resume "
                + killed
                + "\n");
    try (FolderLock held = FolderLock.of(killed)) {
      Outcome second = run(training(killed));
      assertThat(second.status()).isEqualTo(2);
      assertThat(second.err())
          .endsWith(
              killed + ": another process is training into this folder; wait, or choose another\n");
    }
    Path config = killed.resolve("config.json");
    String text = Files.readString(config);
    Files.writeString(config, text.replaceFirst("\"checksum\" : \"....", "\"checksum\" : \"none"));
    Outcome otherData = run(training(killed));
    assertThat(otherData.status()).isEqualTo(2);
    assertThat(otherData.err())
        .contains(
            "contains a training with other settings (data: as many samples as then, but other"
                + " files, other labels or another split); choose another folder");
    Files.writeString(config, text);
    Outcome same = run(training(killed));
    assertThat(same.status()).as(same.err()).isZero();
    assertThat(same.err()).contains("resuming after epoch ");
    assertThat(Run.open(killed).metrics()).hasSize(4);
  }

  @Test
  void settingsBesideResumeAreRefused() {
    Outcome outcome = Outcome.of("train", "--resume", folder.toString(), "--epochs", "20");

    assertThat(outcome.status()).isEqualTo(2);
    assertThat(outcome.err())
        .isEqualTo(
            "fovea: --epochs cannot be given with --resume, which uses the settings of the run\n");
  }

  @Test
  void aFolderWithoutATrainingIsRefused() {
    Outcome outcome = Outcome.of("train", "--resume", folder.toString());

    assertThat(outcome.status()).isEqualTo(2);
    assertThat(outcome.err())
        .isEqualTo("fovea: " + folder + ": has no epoch from which a training could go on\n");
  }
}
