package io.fovea.app.cli;

import io.fovea.app.console.ConsoleProgress;
import io.fovea.app.console.Interruption;
import io.fovea.app.console.TextTable;
import io.fovea.app.study.LoadedTask;
import io.fovea.app.study.PaperTable;
import io.fovea.app.study.Report;
import io.fovea.app.study.Results;
import io.fovea.app.study.Study;
import io.fovea.app.study.StudyPlan;
import io.fovea.app.study.TaskSetup;
import io.fovea.app.study.Trainings;
import io.fovea.data.DataException;
import io.fovea.data.source.DataIdentity;
import io.fovea.errors.FoveaException;
import io.fovea.models.Precision;
import io.fovea.tensor.Threads;
import io.fovea.training.Task;
import io.fovea.training.evaluate.Metric;
import io.fovea.training.run.Json;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.ServiceLoader;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/**
 * The options that {@code compare} and {@code ablate} share, and the steps from a plan to a report.
 */
final class StudyOptions {
  @Spec(Spec.Target.MIXEE)
  private CommandSpec spec;

  @Option(
      names = "--seeds",
      paramLabel = "N",
      split = ",",
      defaultValue = "1,2,3",
      description = "Seeds; each module is trained once with each seed. Default: ${DEFAULT-VALUE}.")
  private List<Long> seeds;

  @Option(
      names = "--out",
      paramLabel = "DIR",
      description =
          "Output folder for results.json, report.html and the finished runs. Default: a"
              + " folder in runs/ with a name made of data, backbone and settings.")
  private Path out;

  @Option(
      names = "--on",
      paramLabel = "ADDRESS",
      description =
          "Train on Apache Spark: spark://HOST:PORT, yarn, local[N], ...; each training is a task"
              + " with --threads threads (default: 1); docs/spark.md.")
  private String on;

  @Option(names = "--dry-run", description = "Print the plan and train nothing.")
  private boolean dryRun;

  /** Prints the results. */
  interface Printer {
    void print(PrintWriter console, Results results);
  }

  /**
   * Plans the study, trains the missing runs, and reports.
   *
   * @param name {@code compare}, or {@code ablate} and a mechanism
   * @param taskOptions the options of the task
   * @param setup the task on which the modules are compared
   * @param modules the modules to compare; each is checked before any data is read
   * @param tables the tables to fill with the results, or none
   * @param printer prints the results
   */
  int run(
      String name,
      TaskOptions taskOptions,
      TaskSetup<?, ?> setup,
      List<String> modules,
      List<PaperTable> tables,
      Printer printer) {
    if (new LinkedHashSet<>(seeds).size() < seeds.size()) {
      throw new FoveaException("--seeds names a seed twice: " + seeds);
    }
    if (setup.training().optimization().seconds() > 0) {
      throw new FoveaException(
          name + " trains for a number of epochs, but the recipe has --time; give --epochs");
    }
    if (on == null) {
      taskOptions.applyThreads();
    } else {
      taskOptions.applyThreads(1);
    }
    Precision precision = taskOptions.precision();

    try (ConsoleProgress progress = ConsoleProgress.standard()) {
      taskOptions.tell(progress);
      modules.forEach(module -> setup.check(module, progress));
      LoadedTask<?, ?> loaded = setup.open(progress);
      DataIdentity identity =
          TrainCommand.tell(DataIdentity.contents(loaded.data()), setup.task(), progress);
      Results.Data data = Results.Data.of(loaded.data(), identity);
      Study.Settings settings = new Study.Settings(setup, precision, identity);
      Path folder =
          out != null
              ? out
              : defaultFolder(
                  name, data.name(), setup.network().backbone(), settings.fingerprint());
      Study study = new Study(folder, settings, loaded, modules, seeds);
      return run(name, setup, tables, printer, progress, data, study, folder);
    }
  }

  private int run(
      String name,
      TaskSetup<?, ?> setup,
      List<PaperTable> tables,
      Printer printer,
      ConsoleProgress progress,
      Results.Data data,
      Study study,
      Path folder) {
    boolean trains = !dryRun && !study.missing().isEmpty();
    try (Trainings engine = on != null && trains ? engine(on, Threads.count()) : null) {
      if (engine != null) {
        study.trainOn(engine);
      }
      announce(progress, data, study, folder);
      PrintWriter console = spec.commandLine().getOut();
      if (dryRun) {
        StudyPlan.print(console, study);
        return 0;
      }

      Interruption.onInterrupt(
          "Interrupted. The finished runs are in "
              + folder
              + "; run the same command again to resume.");
      long start = System.nanoTime();
      int[] done = {0};
      Report report = new Report(study.task());
      Metric score = setup.task().score();
      int longest = study.variants().stream().mapToInt(String::length).max().orElseThrow();
      study.run(
          progress,
          run -> {
            publish(folder, Results.of(study, name, command(spec), tables), study, report);
            String who = run.module() + " ".repeat(longest - run.module().length());
            progress.line(
                String.format(Locale.ROOT, "%s   seed %-3d ", who, run.seed())
                    + (run.diverged() != null ? run.diverged() : outcome(run, score)));
            if (done[0]++ == 0 && !study.missing().isEmpty()) {
              progress.line(
                  timeLeft(System.nanoTime() - start, study.missing().size(), study.sideBySide()));
            }
          });

      Results results = Results.of(study, name, command(spec), tables);
      publish(folder, results, study, report);
      if (results.rows().isEmpty()) {
        throw new DataException("no training has a result: " + results.diverged().get(0).reason());
      }
      console.println();
      printer.print(console, results);
      results
          .diverged()
          .forEach(
              run ->
                  console.println(
                      run.module() + " diverged with seed " + run.seed() + ": " + run.reason()));
      console.println();
      console.println(folder.resolve("results.json"));
      console.println(folder.resolve("report.html"));
      console.flush();
      return 0;
    }
  }

  /**
   * Connects to an engine.
   *
   * @param on its address
   * @param threads the number of threads of each training
   * @throws FoveaException if there is no engine on the class path, or it cannot be reached
   */
  static Trainings.Engine engine(String on, int threads) {
    return ServiceLoader.load(Trainings.Provider.class)
        .findFirst()
        .orElseThrow(
            () ->
                new FoveaException(
                    "--on needs fovea-spark.jar and the jars of Apache Spark on the class path; the"
                        + " launcher ./fovea adds them if SPARK_HOME is set"))
        .open(on, threads);
  }

  private static String outcome(Study.Run run, Metric score) {
    return String.format(
        Locale.ROOT,
        "%s %s %%%s   %.0f images/s",
        score.title(),
        TextTable.percent(score.of(run.confusion())),
        averaged(run, score),
        run.epochs().get(run.epochs().size() - 1).imagesPerSecond());
  }

  private static String averaged(Study.Run run, Metric score) {
    double average = run.average(score);
    return Double.isNaN(average) ? "" : ", averaged " + TextTable.percent(average) + " %";
  }

  private static String timeLeft(long nanosPerRun, int runs, int sideBySide) {
    Duration left = Duration.ofNanos(nanosPerRun * runs / sideBySide);
    String time =
        left.toHours() > 0
            ? left.toHours() + " h " + left.toMinutesPart() + " min"
            : left.toMinutes() > 0 ? left.toMinutes() + " min" : left.toSeconds() + " s";
    return runs + (runs == 1 ? " run left, about " : " runs left, about ") + time;
  }

  /**
   * The folder of a study or a search if none was given.
   *
   * @param data the name of the data
   * @param fingerprint a short hash of the settings
   */
  static Path defaultFolder(String name, String data, String backbone, String fingerprint) {
    return Path.of(
        "runs",
        String.join(
            "-",
            name.replace(' ', '-'),
            data.toLowerCase(Locale.ROOT).replaceAll("[^a-z0-9]+", "-"),
            backbone,
            fingerprint));
  }

  private void announce(ConsoleProgress progress, Results.Data data, Study study, Path folder) {
    int done = study.finished().size() + study.diverged().size();
    announce(progress, data, study.task().task());
    progress.line(
        String.format(
            Locale.ROOT,
            "%s: %d runs (%d modules, %d seeds), %d in parallel, %s, in %s",
            study.settings().network().backbone(),
            done + study.missing().size(),
            study.variants().size(),
            seeds.size(),
            study.sideBySide(),
            done == 0 ? "none finished yet" : done + " finished already",
            folder));
    progress.line(
        "All modules of a seed start from the same backbone weights and see the same batches.");
  }

  /** Says which data it is, and what is special about it. */
  static void announce(ConsoleProgress progress, Results.Data data, Task<?, ?> task) {
    progress.line(data.description());
    int test = data.testImages();
    task.shareOfOne(test)
        .ifPresent(one -> progress.line("note: of " + test + " test " + task.units() + ", " + one));
    if (!data.skipped().isEmpty()) {
      int skipped = data.skipped().size();
      progress.line(
          skipped + (skipped == 1 ? " damaged image was" : " damaged images were") + " skipped");
    }
  }

  /** The command line, quoted so that it can be run again. */
  static String command(CommandSpec spec) {
    return quoted(spec.root().commandLine().getParseResult().originalArgs());
  }

  /** A command line of these words, quoted so that it can be run. */
  static String quoted(List<String> arguments) {
    List<String> words = new ArrayList<>(List.of("./fovea"));
    for (String word : arguments) {
      words.add(word.matches("[\\w./:=,+@-]+") ? word : "'" + word.replace("'", "'\\''") + "'");
    }
    return String.join(" ", words);
  }

  private static void publish(Path folder, Results results, Study study, Report report) {
    try {
      Json.write(folder.resolve("results.json"), results);
      report.write(folder.resolve("report.html"), results, study.finished());
    } catch (IOException e) {
      throw new DataException(folder + ": cannot be written: " + e.getMessage(), e);
    }
  }
}
