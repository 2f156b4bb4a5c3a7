package io.fovea.app.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.fovea.app.Outcome;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

class CompletionCommandTest {
  @TempDir Path folder;

  /** Bash itself says what it would complete. */
  @Test
  @EnabledOnOs(OS.LINUX)
  void bashCompletesCommandsAndOptions() throws Exception {
    Path script = folder.resolve("fovea");
    Files.writeString(script, Outcome.of("completion", "bash").out());

    assertThat(completed(script, "fovea", "comp"))
        .containsExactlyInAnyOrder("compare", "completion");
    assertThat(completed(script, "fovea", "train", "--backb")).containsExactly("--backbone");
  }

  private static List<String> completed(Path script, String... words) throws Exception {
    String line =
        "source %s; COMP_WORDS=(%s); COMP_CWORD=%d; _complete_fovea; printf '%%s\n' \"${COMPREPLY[@]}\""
            .formatted(script, String.join(" ", words), words.length - 1);
    Process bash =
        new ProcessBuilder("bash", "-c", line)
            .redirectError(ProcessBuilder.Redirect.DISCARD) // outside a terminal it has remarks
            .start();
    bash.getOutputStream().close();
    String out = new String(bash.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertThat(bash.waitFor()).as(out).isZero();
    return out.lines().map(String::strip).toList();
  }

  @Test
  void fishHasALineForEachCommandAndOption() {
    List<String> lines = Outcome.of("completion", "fish").outLines();

    assertThat(lines)
        .contains(
            "complete -c fovea -f -n __fish_use_subcommand -a completion -d 'Print a script with"
                + " which your shell completes commands and options by Tab.'")
        .anyMatch(
            line ->
                line.startsWith(
                    "complete -c fovea -n '__fish_seen_subcommand_from train' -l task -r -f -a"
                        + " 'classification segmentation video' -d '"))
        .allMatch(line -> line.startsWith("complete -c fovea ") || line.startsWith("#"));
  }

  @Test
  void otherShellsAreRefused() {
    Outcome outcome = Outcome.of("completion", "cmd");

    assertThat(outcome.status()).isEqualTo(2);
    assertThat(outcome.errLines())
        .containsExactly("fovea: no completion for \"cmd\"; available: bash, zsh, fish");
  }
}
