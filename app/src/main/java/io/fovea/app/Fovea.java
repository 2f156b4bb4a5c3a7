package io.fovea.app;

import io.fovea.attention.Libtorch;
import io.fovea.training.DataException;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.Properties;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.IVersionProvider;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.RunLast;
import picocli.CommandLine.ScopeType;

/** The command line: a class for each command. */
@Command(
    name = "fovea",
    description =
        "Visual attention for the JVM: which attention helps on your images, and what it costs.",
    synopsisSubcommandLabel = "COMMAND",
    mixinStandardHelpOptions = true,
    versionProvider = Fovea.Version.class,
    scope = ScopeType.INHERIT,
    usageHelpAutoWidth = true,
    subcommands = {
      CompareCommand.class,
      AblateCommand.class,
      ModelsCommand.class,
      TrainCommand.class,
      EvaluateCommand.class,
      PredictCommand.class,
      ExplainCommand.class,
      ServeCommand.class,
      BenchCommand.class,
      DoctorCommand.class,
      ImportCommand.class,
      ExportCommand.class
    },
    footer = {
      "",
      "Exit status: 0 done, 1 a fault of Fovea's, 2 a mistake in what it was given, 130 interrupted."
    })
public final class Fovea {
  /** A user's mistake: one line, no stack trace. */
  static final int MISTAKE = 2;

  @Option(
      names = "--debug",
      description = "Print the stack trace of an error.",
      scope = ScopeType.INHERIT)
  private boolean debug;

  private Fovea() {}

  /** Runs the command line and ends the process with its exit status. */
  public static void main(String[] arguments) {
    JavasOwnErrors apart = JavasOwnErrors.keptApart();
    Interruption.install();
    int status = run(arguments);
    apart.repeat();
    Interruption.done();
    System.exit(status);
  }

  /**
   * Runs the command line.
   *
   * @return the exit status
   */
  static int run(String... arguments) {
    Fovea fovea = new Fovea();
    CommandLine commandLine = new CommandLine(fovea);
    commandLine.setCaseInsensitiveEnumValuesAllowed(true);
    commandLine.setParameterExceptionHandler(Fovea::wrongArguments);
    commandLine.setExecutionExceptionHandler(
        (exception, command, result) -> fovea.failed(exception, command));
    commandLine.setExecutionStrategy(
        parsed -> {
          Integer helped = CommandLine.executeHelpRequest(parsed);
          if (helped != null) {
            return helped;
          }
          Libtorch.load();
          return new RunLast().execute(parsed);
        });
    return commandLine.execute(arguments);
  }

  private static int wrongArguments(ParameterException exception, String[] arguments) {
    CommandLine command = exception.getCommandLine();
    command.getErr().println("fovea: " + oneLine(exception.getMessage()));
    if (!CommandLine.UnmatchedArgumentException.printSuggestions(exception, command.getErr())) {
      command.getErr().println("Try '" + command.getCommandSpec().qualifiedName() + " --help'.");
    }
    return MISTAKE;
  }

  private int failed(Exception exception, CommandLine command) {
    boolean mistake =
        exception instanceof IllegalArgumentException
            || exception instanceof DataException
            || exception instanceof IOException
            || exception instanceof UncheckedIOException;
    if (debug || !mistake) {
      exception.printStackTrace(command.getErr());
    } else {
      command.getErr().println("fovea: " + oneLine(exception.getMessage()));
    }
    return mistake ? MISTAKE : 1;
  }

  private static String oneLine(String message) {
    return message == null ? "no reason given" : message.lines().findFirst().orElse("");
  }

  /** The version that the build wrote. */
  static String version() {
    return property("version");
  }

  /** What the build wrote down. */
  static String property(String name) {
    Properties properties = new Properties();
    try (InputStream in = Fovea.class.getResourceAsStream("fovea.properties")) {
      properties.load(in);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return properties.getProperty(name);
  }

  static final class Version implements IVersionProvider {
    @Override
    public String[] getVersion() {
      return new String[] {"fovea " + version()};
    }
  }
}
