package io.fovea.app;

import io.fovea.app.cli.AblateCommand;
import io.fovea.app.cli.BenchCommand;
import io.fovea.app.cli.CompareCommand;
import io.fovea.app.cli.CompletionCommand;
import io.fovea.app.cli.DataCommand;
import io.fovea.app.cli.DoctorCommand;
import io.fovea.app.cli.EvaluateCommand;
import io.fovea.app.cli.ExplainCommand;
import io.fovea.app.cli.ExportCommand;
import io.fovea.app.cli.ImportCommand;
import io.fovea.app.cli.MechanismsCommand;
import io.fovea.app.cli.ModelsCommand;
import io.fovea.app.cli.PredictCommand;
import io.fovea.app.cli.SampleCommand;
import io.fovea.app.cli.SearchCommand;
import io.fovea.app.cli.ServeCommand;
import io.fovea.app.cli.TrainCommand;
import io.fovea.app.console.ExitStatus;
import io.fovea.app.console.Interruption;
import io.fovea.app.console.JvmStderrFilter;
import io.fovea.app.console.OutOfMemory;
import io.fovea.errors.FoveaException;
import io.fovea.tensor.Libtorch;
import io.fovea.training.run.BuildInfo;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.logging.Level;
import java.util.logging.Logger;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.IVersionProvider;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.RunLast;
import picocli.CommandLine.ScopeType;
import picocli.CommandLine.Spec;

/** The command line. Each command is a class of its own. */
@Command(
    name = "fovea",
    description =
        "Visual attention for the JVM: find out which attention helps on your images and what"
            + " it costs.",
    synopsisSubcommandLabel = "COMMAND",
    mixinStandardHelpOptions = true,
    versionProvider = Fovea.Version.class,
    scope = ScopeType.INHERIT,
    usageHelpAutoWidth = true,
    footer = {"", "Exit status: 0 success, 1 internal error, 2 invalid input, 130 interrupted."})
public final class Fovea implements Callable<Integer> {
  /** The options of the version, which is told without what else a command line needs. */
  private static final Set<String> VERSION = Set.of("--version", "-V");

  /** The commands that tell of the others. */
  private static final Set<String> ABOUT_ALL = Set.of("help", "completion");

  /** The commands, in the order of the help. */
  private static final List<Class<?>> COMMANDS =
      List.of(
          CompareCommand.class,
          SearchCommand.class,
          AblateCommand.class,
          MechanismsCommand.class,
          ModelsCommand.class,
          DataCommand.class,
          SampleCommand.class,
          TrainCommand.class,
          EvaluateCommand.class,
          PredictCommand.class,
          ExplainCommand.class,
          ServeCommand.class,
          BenchCommand.class,
          DoctorCommand.class,
          ImportCommand.class,
          ExportCommand.class,
          CompletionCommand.class,
          CommandLine.HelpCommand.class);

  @Option(
      names = "--debug",
      description = "Print the stack trace of an error.",
      scope = ScopeType.INHERIT)
  private boolean debug;

  @Mixin
  // only for the help; the jars are loaded before the command line is parsed
  @SuppressWarnings("UnusedVariable")
  private Plugins plugins;

  @Spec private CommandSpec spec;

  private static Logger kernels; // held in a field, because its level would be lost otherwise

  private Fovea() {}

  /** Runs the command line and ends the process with its exit status. */
  public static void main(String[] arguments) {
    if (arguments.length == 1 && VERSION.contains(arguments[0])) {
      System.out.println(Version.text());
      return;
    }
    kernels = Logger.getLogger("io.fovea.kernels");
    kernels.setLevel(Level.WARNING); // `fovea doctor` reports whether they are in use
    JvmStderrFilter apart = JvmStderrFilter.keptApart();
    // pictures are drawn into files and need no display
    System.setProperty("java.awt.headless", "true");
    // JavaCPP's own limit is four heaps, which has nothing to do with what the machine has
    if (System.getProperty("org.bytedeco.javacpp.maxPhysicalBytes") == null) {
      System.setProperty("org.bytedeco.javacpp.maxPhysicalBytes", "0");
    }
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
  public static int run(String... arguments) {
    try {
      Plugins.load(arguments);
    } catch (FoveaException e) {
      if (List.of(arguments).contains("--debug")) {
        e.printStackTrace();
      } else {
        System.err.println("fovea: " + oneLine(e.getMessage()));
      }
      return ExitStatus.MISTAKE;
    }
    Fovea fovea = new Fovea();
    CommandLine commandLine = new CommandLine(fovea);
    commands(arguments).forEach(commandLine::addSubcommand);
    commandLine.setCaseInsensitiveEnumValuesAllowed(true);
    commandLine.registerConverter(Path.class, Fovea::path);
    commandLine
        .getSubcommands()
        .values() // the options of the command are listed below
        .forEach(command -> command.getCommandSpec().usageMessage().abbreviateSynopsis(true));
    commandLine.setParameterExceptionHandler(Fovea::wrongArguments);
    commandLine.setExecutionExceptionHandler(
        (exception, command, result) -> fovea.failed(exception, command));
    commandLine.setExecutionStrategy(
        parsed -> {
          Integer helped = CommandLine.executeHelpRequest(parsed);
          if (helped != null) {
            return helped;
          }
          if (needsLibtorch(parsed)) {
            Libtorch.load();
          }
          return new RunLast().execute(parsed);
        });
    try {
      return commandLine.execute(withRecipes(arguments));
    } catch (OutOfMemoryError e) { // picocli hands on what is no exception
      System.err.println("fovea: " + OutOfMemory.reason(e).orElseThrow());
      return 1;
    } catch (StackOverflowError | LinkageError | AssertionError e) {
      e.printStackTrace();
      return 1;
    }
  }

  /**
   * The command that the first argument names, or all of them: to create one takes as long as to
   * start Java.
   */
  private static List<Class<?>> commands(String... arguments) {
    if (arguments.length > 0 && !ABOUT_ALL.contains(arguments[0])) {
      for (Class<?> command : COMMANDS) {
        if (command.getAnnotation(Command.class).name().equals(arguments[0])) {
          return List.of(command);
        }
      }
    }
    return COMMANDS;
  }

  private static boolean needsLibtorch(CommandLine.ParseResult parsed) {
    return parsed.hasSubcommand()
        && !(parsed.subcommand().commandSpec().userObject() instanceof CompletionCommand);
  }

  /** Shells put the home folder in place of a tilde in {@code --out ~/run}, not in {@code --out=~/run}. */
  private static Path path(String text) {
    boolean home = text.equals("~") || text.startsWith("~/");
    return Path.of(home ? System.getProperty("user.home") + text.substring(1) : text);
  }

  /** Without a command: the help. */
  @Override
  public Integer call() {
    spec.commandLine().usage(spec.commandLine().getErr());
    return ExitStatus.MISTAKE;
  }

  /**
   * Replaces {@code @FILE} by {@code --recipe=FILE} for commands that train, so that options on the
   * command line can change what is in the file; picocli itself would read it as a part of the
   * command line, and refuse an option that is there twice.
   */
  private static String[] withRecipes(String... arguments) {
    boolean trains =
        Arrays.stream(arguments)
            .filter(word -> !word.startsWith("-"))
            .findFirst()
            .filter(List.of("train", "compare", "search", "ablate")::contains)
            .isPresent();
    List<String> words = new ArrayList<>();
    for (String word : arguments) {
      boolean isFile = trains && word.matches("@[^@].*");
      boolean named = !words.isEmpty() && words.get(words.size() - 1).equals("--recipe");
      if (isFile && named) {
        words.remove(words.size() - 1);
      }
      words.add(isFile ? "--recipe=" + word : word);
    }
    return words.toArray(new String[0]);
  }

  private static int wrongArguments(ParameterException exception, String[] arguments) {
    CommandLine command = exception.getCommandLine();
    command.getErr().println("fovea: " + oneLine(exception.getMessage()));
    if (arguments.length > 0
        && arguments[0].equals("version")) { // picocli knows similar commands only
      command.getErr().println("Did you mean: fovea --version?");
    } else if (!CommandLine.UnmatchedArgumentException.printSuggestions(
        exception, command.getErr())) {
      command.getErr().println("Try '" + command.getCommandSpec().qualifiedName() + " --help'.");
    }
    return ExitStatus.MISTAKE;
  }

  private int failed(Exception exception, CommandLine command) {
    Optional<String> memory = OutOfMemory.reason(exception);
    if (memory.isPresent() && !debug) {
      command.getErr().println("fovea: " + memory.get());
      return 1;
    }
    boolean mistake = isMistake(exception);
    if (debug || !mistake) {
      exception.printStackTrace(command.getErr());
    } else {
      command.getErr().println("fovea: " + oneLine(exception.getMessage()));
    }
    return mistake ? ExitStatus.MISTAKE : 1;
  }

  /**
   * Whether the user can correct the error: an invalid input or file. All other errors are
   * internal.
   */
  static boolean isMistake(Exception exception) {
    return exception instanceof FoveaException
        || exception instanceof IOException
        || exception instanceof UncheckedIOException;
  }

  private static String oneLine(String message) {
    return message == null ? "unknown reason" : message.lines().findFirst().orElse("");
  }

  static final class Version implements IVersionProvider {
    @Override
    public String[] getVersion() {
      return new String[] {text()};
    }

    static String text() {
      return "fovea " + BuildInfo.version();
    }
  }
}
