package io.fovea.app.study;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.fovea.app.console.ConsoleProgress;
import io.fovea.data.DataException;
import io.fovea.data.Progress;
import io.fovea.data.source.DataIdentity;
import io.fovea.data.source.DataSpec;
import io.fovea.explain.ReportExamples;
import io.fovea.models.NetworkSpec;
import io.fovea.models.Precision;
import io.fovea.models.placement.PlacedAttention;
import io.fovea.tensor.Threads;
import io.fovea.training.EpochResult;
import io.fovea.training.SideBySide;
import io.fovea.training.Task;
import io.fovea.training.TrainingSpec;
import io.fovea.training.evaluate.Evaluation;
import io.fovea.training.evaluate.Metric;
import io.fovea.training.run.BuildInfo;
import io.fovea.training.run.FolderLock;
import io.fovea.training.run.Json;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.stream.Stream;

/**
 * Trains variants of one network over several seeds. All variants of a seed start from the same
 * backbone weights and see the same batches. Each finished run is a file, so that an interrupted
 * study can be resumed.
 */
public final class Study {
  private static final String FORMAT = "fovea-study/3";

  /**
   * The settings that must be equal for runs to be comparable, stored as {@code study.json}.
   *
   * @param format the name of this file format
   * @param task the task of the networks
   * @param data the source of the samples
   * @param network the network without attention; its classes and channels are those of the data
   * @param training the settings of the training; each run replaces the seed
   * @param initial the weights from which all runs start, or null for new weights
   * @param precision the precision of convolutions, or null for float32
   * @param identity which samples these are
   * @param fovea the version of Fovea
   */
  public record Settings(
      String format,
      String task,
      DataSpec data,
      NetworkSpec<?> network,
      TrainingSpec training,
      @JsonInclude(JsonInclude.Include.NON_NULL) String initial,
      @JsonInclude(JsonInclude.Include.NON_NULL) String precision,
      DataIdentity identity,
      String fovea) {
    public Settings(TaskSetup<?, ?> setup, Precision precision, DataIdentity identity) {
      this(
          FORMAT,
          setup.task().toString(),
          setup.data(),
          setup.network(),
          setup.training(),
          setup.initial() == null ? null : setup.initial().absolute(),
          precision == Precision.FLOAT32 ? null : precision.toString(),
          identity,
          BuildInfo.version());
    }

    /** The precision of convolutions. */
    Precision ofPrecision() {
      return precision == null ? Precision.FLOAT32 : Precision.BF16;
    }

    /** A short hash of the settings. */
    public String fingerprint() {
      return String.format("%06x", Json.MAPPER.valueToTree(this).toString().hashCode() & 0xffffff);
    }
  }

  /**
   * The result of training a variant with one seed.
   *
   * @param module the name of the variant
   * @param seed the seed of weights, order and augmentation
   * @param parameters the number of trained values
   * @param macs the multiply-accumulates for one image
   * @param epochs the result of each epoch
   * @param confusion the confusion matrix on the test images after the last epoch; rows are true
   *     classes
   * @param latencyMs the latency for one image
   * @param latencyBatchMs the latency for a batch of {@link Task#latencyBatch}
   * @param examples the predictions and maps for a few test images
   * @param settings the fingerprint of the settings of the study
   * @param diverged why there are no results: the loss became infinite or NaN; null if it did not
   */
  public record Run(
      String module,
      long seed,
      long parameters,
      long macs,
      List<EpochResult> epochs,
      long[][] confusion,
      double latencyMs,
      double latencyBatchMs,
      List<ReportExamples.Example> examples,
      String settings,
      @JsonInclude(JsonInclude.Include.NON_NULL) String diverged) {
    /** A run without results. */
    static Run diverged(TrainingJob job, String why) {
      return new Run(
          job.variant(),
          job.seed(),
          0,
          0,
          List.of(),
          new long[0][0],
          0,
          0,
          List.of(),
          job.settings(),
          why);
    }

    /** A metric with the moving average of the weights after the last epoch; NaN without one. */
    public double average(Metric metric) {
      return epochs.get(epochs.size() - 1).average(metric);
    }
  }

  /** Is called when a run is finished or has diverged, on the thread that started the study. */
  public interface Listener {
    void finished(Run run);
  }

  /** A variant and a seed. */
  record Key(String variant, long seed) {
    /** A name that is unique and valid as a file name on every system. */
    private String file() {
      return PlacedAttention.fileName(variant) + "-seed" + seed + ".json";
    }
  }

  private final Path folder;
  private final Settings settings;
  private final LoadedTask<?, ?> task;
  private final List<String> variants;
  private final List<Long> seeds;
  private final Map<Key, Run> finished = new LinkedHashMap<>(); // or diverged
  private Trainings engine; // null for this process

  /**
   * Plans a study and reads its finished runs. This writes nothing.
   *
   * @param folder the folder of the runs
   * @param settings the settings of the runs
   * @param task the task with its data
   * @param variants the variants in the order of the report
   * @throws DataException if the folder holds runs with other settings, or cannot be written
   */
  public Study(
      Path folder,
      Settings settings,
      LoadedTask<?, ?> task,
      List<String> variants,
      List<Long> seeds) {
    this.folder = folder;
    this.settings = settings;
    this.task = task;
    this.variants = variants;
    this.seeds = seeds;
    readFinished();
  }

  private void readFinished() {
    compareSettings();
    for (Key key : keys()) {
      Path file = file(key);
      if (Files.exists(file)) {
        Run run = Json.read(file, Run.class);
        if (!settings.fingerprint().equals(run.settings())) {
          throw new DataException(
              file + ": is the result of another study; delete it, or choose another --out");
        }
        if (!isWhole(run, key)) {
          throw new DataException(
              file + ": is damaged; delete it, and the same command trains this run again");
        }
        finished.put(key, run);
      }
    }
  }

  /** Whether a run that was read has everything that a report is made of. */
  private boolean isWhole(Run run, Key key) {
    return key.variant().equals(run.module())
        && key.seed() == run.seed()
        && (run.diverged() != null || hasResults(run));
  }

  private boolean hasResults(Run run) {
    return EpochResult.areWhole(run.epochs())
        && !run.epochs().isEmpty()
        && ReportExamples.areWhole(run.examples(), task.data())
        && Evaluation.isConfusion(run.confusion(), task.data().classes().size());
  }

  private void compareSettings() {
    if (io.fovea.training.run.Run.isRun(folder)) {
      throw new DataException(folder + ": contains a run of fovea train; choose another --out");
    }
    if (Files.exists(settingsFile())) {
      ObjectNode wanted = Json.tree(settings);
      ObjectNode there = Json.read(settingsFile(), ObjectNode.class);
      String otherData = settings.identity().difference(identity(there));
      if (there.path("format").equals(wanted.path("format")) && !otherData.isEmpty()) {
        throw new DataException(
            folder + ": holds runs on other data (" + otherData + "); choose another --out");
      }
      if (!there.equals(wanted)) {
        throw new DataException(
            folder
                + ": holds runs with other settings ("
                + Json.difference(there, wanted)
                + "); choose another --out");
      }
    }
  }

  private DataIdentity identity(ObjectNode there) {
    try {
      return Json.MAPPER.treeToValue(there.get("identity"), DataIdentity.class);
    } catch (JsonProcessingException e) {
      throw new DataException(settingsFile() + ": identity: " + e.getOriginalMessage(), e);
    }
  }

  private Path settingsFile() {
    return folder.resolve("study.json");
  }

  /** All runs, seed by seed, so that complete comparisons exist after an early stop. */
  private List<Key> keys() {
    List<Key> keys = new ArrayList<>();
    for (long seed : seeds) {
      variants.forEach(variant -> keys.add(new Key(variant, seed)));
    }
    return keys;
  }

  private Path file(Key key) {
    return folder.resolve("runs").resolve(key.file());
  }

  /** The runs with results, in the order of training. */
  public List<Run> finished() {
    return ended().filter(run -> run.diverged() == null).toList();
  }

  /** The runs that diverged, in the order of training. They are not trained again. */
  public List<Run> diverged() {
    return ended().filter(run -> run.diverged() != null).toList();
  }

  private Stream<Run> ended() {
    return keys().stream().filter(finished::containsKey).map(finished::get);
  }

  /** The runs that have not ended, in the order of training. */
  public List<Key> missing() {
    return keys().stream().filter(key -> !finished.containsKey(key)).toList();
  }

  /** The task of the networks. */
  public LoadedTask<?, ?> task() {
    return task;
  }

  /** The variants. */
  public List<String> variants() {
    return variants;
  }

  /** The seeds. */
  List<Long> seeds() {
    return seeds;
  }

  /** The settings that all runs share. */
  public Settings settings() {
    return settings;
  }

  /** The number of runs that are trained in parallel, each with its share of the threads. */
  public int sideBySide() {
    return engine != null ? engine.atOnce() : task.sideBySide(Threads.count());
  }

  /** Trains the missing runs on an engine, not in this process. The caller closes it. */
  public void trainOn(Trainings other) {
    engine = other;
  }

  /**
   * Trains the missing runs.
   *
   * @throws DataException if another process is training into the folder, or it cannot be written
   */
  public void run(ConsoleProgress progress, Listener listener) {
    try (FolderLock lock = FolderLock.of(folder)) {
      readFinished(); // another process may have finished some since this study was planned
      write(settingsFile(), settings);
      if (engine != null) {
        runAll(progress, listener, engine, progress);
        return;
      }
      try (Trainings here = new LocalTrainings(sideBySide(), progress)) {
        runAll(progress, listener, here, Progress.NONE);
      }
    }
  }

  /**
   * Trains the missing runs.
   *
   * @param whole receives the images of each run when it has ended
   */
  private void runAll(
      ConsoleProgress progress, Listener listener, Trainings trainings, Progress whole) {
    List<Key> missing = missing();
    long images = (long) task.setup().training().epochs() * task.data().train().size();
    progress.begin("training", missing.size() * images);
    BlockingQueue<CompletableFuture<Run>> done = new LinkedBlockingQueue<>();
    for (Key key : missing) {
      CompletableFuture<Run> run = trainings.train(job(key));
      var unused = run.whenComplete((result, failure) -> done.add(run));
    }
    for (int left = missing.size(); left > 0; left--) {
      progress.detail(left + (left == 1 ? " run left" : " runs left"));
      Run run = SideBySide.result(done::take);
      Key key = new Key(run.module(), run.seed());
      write(file(key), run);
      finished.put(key, run);
      whole.step(images);
      listener.finished(run);
    }
    progress.end();
  }

  private TrainingJob job(Key key) {
    return new TrainingJob(
        task,
        settings.identity(),
        settings.ofPrecision(),
        settings.fingerprint(),
        key.variant,
        key.seed,
        key.seed == seeds.get(0));
  }

  private void write(Path file, Object value) {
    try {
      Json.write(file, value);
    } catch (IOException e) {
      throw new DataException(folder + ": cannot be written: " + e.getMessage(), e);
    }
  }
}
