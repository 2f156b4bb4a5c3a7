package io.fovea.app.cli;

import io.fovea.app.console.ConsoleProgress;
import io.fovea.app.console.Interruption;
import io.fovea.app.console.TextTable;
import io.fovea.app.study.Origin;
import io.fovea.app.study.TaskSetup;
import io.fovea.data.Dataset;
import io.fovea.data.TrainingData;
import io.fovea.data.source.DataIdentity;
import io.fovea.data.source.DataSpec;
import io.fovea.errors.FoveaException;
import io.fovea.errors.SpecException;
import io.fovea.models.Network;
import io.fovea.models.Precision;
import io.fovea.models.placement.PlacedAttention;
import io.fovea.tensor.Threads;
import io.fovea.training.EpochResult;
import io.fovea.training.Recipe;
import io.fovea.training.Task;
import io.fovea.training.Times;
import io.fovea.training.Training;
import io.fovea.training.TrainingListener;
import io.fovea.training.TrainingSpec;
import io.fovea.training.evaluate.Evaluation;
import io.fovea.training.processes.Group;
import io.fovea.training.processes.LostProcessException;
import io.fovea.training.run.BuildInfo;
import io.fovea.training.run.FolderLock;
import io.fovea.training.run.Run;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code fovea train}: trains a network and saves it as a run. */
@Command(
    name = "train",
    description = {
      "Train a network and save it in a folder: its weights as safetensors (best and last),"
          + " its configuration as JSON, and one line of metrics for each epoch."
    },
    footer = {
      "",
      "Examples:",
      "  fovea train --attention cbam",
      "  fovea train --attention \"se; nonlocal@after:2.1\"",
      "  fovea train --data my-images --backbone resnet18 --attention se --epochs 60 --out runs/mine",
      "  fovea train --resume runs/mine",
      "  fovea train --processes 2",
      "  fovea train --task segmentation",
      "  fovea train --task segmentation --data VOC2012 --backbone resnet50 --init resnet50.pth",
      "  fovea train --task video",
      "  fovea train --task video --data my-videos --backbone i3d-resnet18 --frames 16 --frame-stride 2"
    })
public final class TrainCommand implements Callable<Integer> {
  private static final int REPEATED_SHOWN = 3;

  @Spec private CommandSpec spec;
  @Mixin private TaskOptions.All taskOptions;

  @Option(
      names = "--task",
      paramLabel = "TASK",
      converter = TaskConverter.class,
      completionCandidates = TaskConverter.Names.class,
      defaultValue = "classification",
      description =
          "Predict a class for each image, pixel or video: ${COMPLETION-CANDIDATES}. Default:"
              + " ${DEFAULT-VALUE}.")
  private Task<?, ?> task;

  @Option(
      names = "--attention",
      paramLabel = "SPEC",
      description =
          "Attention, such as se, cbam:reduction=8 or \"se; nonlocal@after:2.1\" (its place"
              + " after the @). Default: none (segmentation: dual; video: nonlocal;"
              + " mobilenetv3: its own).")
  private String attention;

  @Option(
      names = "--seed",
      paramLabel = "N",
      defaultValue = "1",
      description =
          "Seed of the initial weights, the order of the images and the augmentation. Default:"
              + " ${DEFAULT-VALUE}.")
  private long seed;

  @Option(
      names = "--time",
      paramLabel = "TIME",
      description = "Train for about this time, such as 1h30m, instead of --epochs.")
  private String time;

  @Option(
      names = "--save-every",
      paramLabel = "TIME",
      description = "Also save within an epoch, such as every 10m. Default: after each epoch.")
  private String saveEvery;

  private Duration every; // null for after each epoch

  @Option(names = "--print-recipe", description = "Print all settings as a recipe; train nothing.")
  private boolean printRecipe;

  @Option(
      names = "--out",
      paramLabel = "DIR",
      description =
          "Folder of the run. If it contains the same training, not finished, the command resumes that."
              + " Default: the first of runs/NAME-1, runs/NAME-2, ... without another training.")
  private Path out;

  @Option(
      names = "--resume",
      paramLabel = "RUN",
      description =
          "Resume the interrupted training of this run with its own settings, bit for bit.")
  private Path resumed;

  @ArgGroup(validate = false, order = 8, heading = TrackingOptions.HEADING)
  private TrackingOptions tracking = new TrackingOptions();

  @ArgGroup(validate = false, order = 9, heading = ProcessOptions.HEADING)
  private ProcessOptions processes = new ProcessOptions();

  private Group group = Group.ALONE;
  private int cores = Runtime.getRuntime().availableProcessors(); // for each process

  @Option(
      names = "--dry-run",
      description =
          "Time three steps and a part of the test, say how long the training will take, and write"
              + " nothing.")
  private boolean dryRun;

  @Override
  public Integer call() {
    every = duration("--save-every", saveEvery);
    ProcessOptions.Members members =
        processes.join(spec.root().commandLine().getParseResult().originalArgs(), System.getenv());
    group = members.group();
    cores = Math.max(1, cores / members.onThisMachine());
    try {
      int status = run();
      members.children().await();
      return status;
    } catch (LostProcessException e) {
      throw members.children().explained(e);
    }
  }

  private int run() {
    if (resumed != null) {
      requireNothingButResume();
      Run.epochsDone(resumed);
      Run<?, ?> run = Run.open(resumed);
      taskOptions.applyThreads(run.config().machine().threads()); // for the same bits
      return resume(run);
    }
    return train(task);
  }

  /** The run has all settings; another value would be ignored. */
  private void requireNothingButResume() {
    for (OptionSpec option : spec.commandLine().getParseResult().matchedOptions()) {
      if (!List.of("--resume", "--save-every", "--threads", "--no-tensorboard", "--debug")
              .contains(option.longestName())
          && !ProcessOptions.NAMES.contains(option.longestName())) {
        throw new FoveaException(
            option.longestName()
                + " cannot be given with --resume, which uses the settings of the run");
      }
    }
  }

  private <N extends Network, D extends Dataset<?>> int resume(Run<N, D> run) {
    Run.Config<N> config = run.config();
    group.setSyncedBatchNorms(config.together() != null && config.together().syncBn());
    int before = config.together() == null ? 1 : config.together().processes();
    if (before != group.size()) {
      throw new FoveaException(
          run.path()
              + ": was trained by "
              + (before == 1 ? "one process" : before + " processes")
              + ", and goes on with as many, got "
              + group.size());
    }
    try (ConsoleProgress progress = progress();
        FolderLock lock = group.isFirst() ? FolderLock.of(run.path()) : null) {
      DataSpec source = config.data().spec();
      TrainingData<D> data =
          run.task().open(source, progress).withNormalization(run.preprocessing().normalization());
      Training<N, D> training =
          Training.of(run.task(), config.model(), data, config.training())
              .startedFrom(config.start())
              .together(group);
      training.network().setPrecision(config.ofPrecision());
      progress.line(data.description());
      return train(progress, training, source, lock);
    }
  }

  private <N extends Network, D extends Dataset<?>> int train(Task<N, D> task) {
    TaskSetup<N, D> setup = taskOptions.setup(task, false);
    TrainingSpec settings = timed(setup.training()).withSeed(seed);
    if (printRecipe) {
      spec.commandLine().getOut().print(Recipe.text(task, settings));
      spec.commandLine().getOut().flush();
      return 0;
    }
    String module = taskOptions.attention(setup, attention);
    group.setSyncedBatchNorms(processes.syncsBatchNorms());
    taskOptions.applyThreads(setup.network().hasShortSteps() ? 1 : cores);
    Precision precision = taskOptions.precision();
    if (out != null && !dryRun && group.isFirst() && !Run.isUnfinished(out)) {
      Run.requireFree(out);
    }
    try (ConsoleProgress progress = progress()) {
      taskOptions.tell(progress);
      setup.check(module, progress);
      if (out == null || dryRun || !group.isFirst()) {
        return train(progress, setup, module, precision, null);
      }
      try (FolderLock lock = FolderLock.of(out)) { // before anything is read
        return train(progress, setup, module, precision, lock);
      }
    }
  }

  /**
   * Reads the data and trains.
   *
   * @param given the folder, or null to choose one by the data
   */
  private <N extends Network, D extends Dataset<?>> int train(
      ConsoleProgress progress,
      TaskSetup<N, D> setup,
      String module,
      Precision precision,
      FolderLock given) {
    TrainingData<D> data = setup.open(progress).data();
    Training<N, D> training =
        Training.of(
                setup.task(),
                setup.network().withAttention(module),
                data,
                timed(setup.training()).withSeed(seed))
            .together(group);
    N network = training.network();
    network.setPrecision(precision);
    tell(data, setup.task(), progress);
    if (setup.initial() != null) {
      Origin from = setup.initial();
      training = training.startFrom(from.weights(progress), from.title(), false, progress::line);
    }
    if (dryRun) {
      announce(progress, setup, module, network, "");
      String estimate = DryRun.of(training);
      if (group.isFirst()) {
        spec.commandLine().getOut().println(estimate);
      }
      return 0;
    }
    if (!group.isFirst()) {
      return train(progress, training, setup.data(), null);
    }
    tell(training.contents(), setup.task(), progress);
    try (FolderLock lock = given != null ? given : claim(training, setup, module)) {
      announce(progress, setup, module, network, ", saved in " + lock.folder());
      return train(progress, training, setup.data(), lock);
    }
  }

  private static void announce(
      ConsoleProgress progress,
      TaskSetup<?, ?> setup,
      String module,
      Network network,
      String where) {
    progress.line(
        setup.network().backbone()
            + " with "
            + module
            + ": "
            + TextTable.count((double) network.parameterCount())
            + " parameters"
            + where);
    String chosen = network.chosenText();
    if (!chosen.isEmpty()) {
      progress.line("chosen to fit, because not given: " + chosen);
    }
  }

  /** Says what is trained on, and how coarse the test result will be. */
  static void tell(TrainingData<?> data, Task<?, ?> task, ConsoleProgress progress) {
    progress.line(data.description());
    int test = data.test().size();
    task.shareOfOne(test)
        .ifPresent(one -> progress.line("note: of " + test + " test " + task.units() + ", " + one));
  }

  /**
   * Names test samples that are training samples, too.
   *
   * @return which samples these are
   */
  static DataIdentity tell(
      DataIdentity.Contents contents, Task<?, ?> task, ConsoleProgress progress) {
    List<DataIdentity.Repeated> repeated = contents.inBothParts();
    if (!repeated.isEmpty()) {
      progress.line(
          "note: "
              + repeated.size()
              + " of "
              + contents.identity().test()
              + " test "
              + task.units()
              + " are among the training "
              + task.units()
              + ", too, which makes the test result too good: "
              + repeated.stream()
                  .limit(REPEATED_SHOWN)
                  .map(one -> one.test() + " = " + one.train())
                  .collect(Collectors.joining(", "))
              + (repeated.size() > REPEATED_SHOWN ? ", ..." : "")
              + "; fovea data lists them");
    }
    return contents.identity();
  }

  private TrainingSpec timed(TrainingSpec training) {
    if (time == null) {
      return training;
    }
    if (spec.commandLine().getParseResult().hasMatchedOption("--epochs")) {
      throw new FoveaException("--time and --epochs are both given; give one of them");
    }
    double seconds = duration("--time", time).toMillis() / 1000.0;
    return training.withOptimization(training.optimization().withSeconds(seconds));
  }

  private static Duration duration(String option, String text) {
    try {
      return text == null ? null : Times.parse(text);
    } catch (SpecException e) {
      throw new SpecException(option + ": " + e.getMessage(), e);
    }
  }

  private ConsoleProgress progress() {
    return group.isFirst() ? ConsoleProgress.standard() : ConsoleProgress.silent();
  }

  /**
   * Trains.
   *
   * @param lock the folder; null in a process that is not the one that writes
   */
  private <N extends Network, D extends Dataset<?>> int train(
      ConsoleProgress progress, Training<N, D> training, DataSpec source, FolderLock lock) {
    if (!group.isFirst()) {
      Run.join(training, source, TrainingListener.NONE);
      return 0;
    }
    if (group.size() > 1) {
      progress.line(
          group.size()
              + " processes, "
              + training.imagesOfBatch()
              + " images a step"
              + (group.hasSyncedBatchNorms() ? ", batch norms over all of them" : ""));
    }
    Path folder = lock.folder();
    int epochs = Run.isUnfinished(folder) ? Run.epochsDone(folder) : 0;
    long done = 0; // images
    if (Run.isUnfinished(folder)) {
      int batches = Run.batchesDone(folder);
      boolean timed = training.spec().optimization().seconds() > 0;
      progress.line(
          "resuming after "
              + (batches == 0 ? "" : batches + " batches of ")
              + "epoch "
              + (batches == 0 ? epochs : epochs + 1)
              + (timed ? "" : " of " + training.spec().epochs()));
      done =
          (long) epochs * training.data().train().size()
              + (long) batches * training.imagesOfBatch();
      Run.Config<?> began = Run.open(folder).config();
      int before = began.machine().threads();
      if (!BuildInfo.version().equals(began.fovea())) {
        progress.line(
            "note: this training began with "
                + (began.fovea() == null ? "another version of Fovea" : "Fovea " + began.fovea())
                + ", which may compute otherwise");
      }
      if (before != Threads.count()) {
        progress.line(
            "note: this training began with --threads "
                + before
                + "; another number of threads rounds differently");
      }
    }
    Interruption.onInterrupt(
        "Interrupted. fovea train --resume "
            + folder
            + " resumes after the last finished epoch"
            + (every == null ? "." : ", or where it was saved within the next one."));
    Shown shown = new Shown(progress, training, done);
    Run<N, D> run;
    try (TrackingOptions.Following following =
        new TrackingOptions.Following(
            folder,
            () -> tracking.follow(folder, training, source, epochs, progress::line),
            shown)) {
      run = Run.train(lock, training, source, every, following);
    }
    progress.end();
    List<EpochResult> trained = run.metrics();
    if (trained.size() < shown.epochs) {
      progress.line(
          "stopped after epoch "
              + trained.size()
              + ", because epoch "
              + EpochResult.best(run.task(), trained)
              + " was the best");
    }
    spec.commandLine().getOut().println(shown.outcome(run) + "; " + folder);
    return 0;
  }

  /** Shows the progress of a training. */
  private static final class Shown implements TrainingListener {
    private final ConsoleProgress progress;
    private final Task<?, ?> task;
    private final boolean timed;
    private final int images;
    private long done; // images
    private int epochs;

    Shown(ConsoleProgress progress, Training<?, ?> training, long done) {
      this.progress = progress;
      this.done = done;
      task = training.task();
      timed = training.spec().optimization().seconds() > 0;
      images = training.data().train().size();
    }

    @Override
    public void planned(int planned) {
      epochs = planned;
      if (timed) {
        progress.line("time for " + planned + (planned == 1 ? " epoch" : " epochs"));
      }
      progress.begin("training", (long) planned * images);
      progress.step(done);
    }

    @Override
    public void step(int count, double loss) {
      done += count;
      progress.step(count);
    }

    @Override
    public void epoch(EpochResult result, Evaluation test) {
      double average = result.average(task.score());
      progress.line(
          String.format(
              Locale.ROOT,
              "epoch %d/%d   loss %.3f   training %s %s %%   test %s %s %%%s   %.0f images/s",
              result.epoch(),
              epochs,
              result.trainLoss(),
              task.accuracy().title(),
              TextTable.percent(result.train(task.accuracy())),
              task.score().title(),
              TextTable.percent(result.test(task.score())),
              Double.isNaN(average) ? "" : ", averaged " + TextTable.percent(average) + " %",
              result.imagesPerSecond()));
    }

    /** The metrics of the weights that evaluate and predict will use. */
    String outcome(Run<?, ?> run) {
      List<EpochResult> trained = run.metrics();
      int best = EpochResult.best(task, trained);
      EpochResult result = trained.get(best - 1);
      return task.metrics().stream()
              .map(m -> m.title() + " " + TextTable.percent(result.test(m)) + " %")
              .collect(Collectors.joining(", "))
          + " on the test images"
          + (trained.size() > 1
              ? " after epoch " + best + " of " + trained.size() + ", the best"
              : "");
    }
  }

  /**
   * Claims the first folder that does not exist, or that holds the same training, interrupted. A
   * folder into which another process trains is not taken.
   */
  private FolderLock claim(Training<?, ?> training, TaskSetup<?, ?> setup, String module) {
    String name =
        setup.task().prefix()
            + setup.network().backbone()
            + "-"
            + (attention == null ? "" : PlacedAttention.fileName(module) + "-");
    for (int i = 1; ; i++) {
      Path folder = Path.of("runs", name + i);
      if (Run.canResume(folder, training, setup.data())) {
        return FolderLock.of(folder);
      }
      Optional<FolderLock> claimed = FolderLock.claim(folder);
      if (claimed.isPresent()) {
        return claimed.get();
      }
    }
  }
}
