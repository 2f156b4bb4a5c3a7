package io.fovea.app.cli;

import io.fovea.errors.FoveaException;
import java.util.List;
import java.util.Locale;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import java.util.stream.StreamSupport;
import picocli.AutoComplete;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code fovea completion}: prints a script with which a shell completes commands and options. */
@Command(
    name = "completion",
    description = "Print a script with which your shell completes commands and options by Tab.",
    footer = {
      "",
      "Examples:",
      "  fovea completion bash > ~/.local/share/bash-completion/completions/fovea",
      "  fovea completion fish > ~/.config/fish/completions/fovea.fish",
      "  source <(fovea completion zsh)"
    })
public final class CompletionCommand implements Callable<Integer> {
  @Spec private CommandSpec spec;

  @Parameters(paramLabel = "SHELL", description = "bash, zsh or fish.")
  private String shell;

  @Override
  public Integer call() {
    CommandLine fovea = spec.root().commandLine();
    spec.commandLine()
        .getOut()
        .print(
            switch (shell.toLowerCase(Locale.ROOT)) {
              case "bash", "zsh" -> AutoComplete.bash(fovea.getCommandName(), fovea);
              case "fish" -> fish(fovea);
              default ->
                  throw new FoveaException(
                      "no completion for \"" + shell + "\"; available: bash, zsh, fish");
            });
    spec.commandLine().getOut().flush();
    return 0;
  }

  /** The script for fish, which picocli does not write: a line for each command and each option. */
  private static String fish(CommandLine fovea) {
    String name = fovea.getCommandName();
    StringBuilder script = new StringBuilder("# Completion of " + name + " for fish\n");
    new TreeMap<>(fovea.getSubcommands())
        .forEach(
            (command, line) -> {
              script.append(
                  "complete -c %s -f -n __fish_use_subcommand -a %s -d %s%n"
                      .formatted(name, command, quoted(summary(line.getCommandSpec()))));
              for (OptionSpec option : line.getCommandSpec().options()) {
                if (!option.hidden()) {
                  script.append(option(name, command, option));
                }
              }
            });
    return script.toString();
  }

  private static String option(String name, String command, OptionSpec option) {
    StringBuilder line = new StringBuilder();
    line.append("complete -c %s -n '__fish_seen_subcommand_from %s'".formatted(name, command));
    for (String text : option.names()) {
      line.append(text.startsWith("--") ? " -l " + text.substring(2) : " -s " + text.substring(1));
    }
    if (option.arity().max() > 0) {
      line.append(" -r");
    }
    List<String> values =
        option.completionCandidates() == null
            ? List.of()
            : StreamSupport.stream(option.completionCandidates().spliterator(), false).toList();
    if (!values.isEmpty()) {
      line.append(" -f -a ").append(quoted(String.join(" ", values)));
    }
    String description =
        option.description().length == 0 ? "" : String.join(" ", option.description());
    return line.append(" -d ").append(quoted(firstSentence(description))).append('\n').toString();
  }

  private static String summary(CommandSpec command) {
    String[] description = command.usageMessage().description();
    return firstSentence(String.join(" ", description));
  }

  private static String firstSentence(String text) {
    int end = text.indexOf(". ");
    return (end < 0 ? text : text.substring(0, end + 1)).lines().collect(Collectors.joining(" "));
  }

  private static String quoted(String text) {
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'";
  }
}
