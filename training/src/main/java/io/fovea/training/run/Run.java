package io.fovea.training.run;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.fovea.data.DataException;
import io.fovea.data.Dataset;
import io.fovea.data.TrainingData;
import io.fovea.data.source.DataIdentity;
import io.fovea.data.source.DataSpec;
import io.fovea.data.source.Preprocessing;
import io.fovea.errors.FoveaException;
import io.fovea.models.Network;
import io.fovea.models.NetworkSpec;
import io.fovea.models.Precision;
import io.fovea.models.weights.Safetensors;
import io.fovea.models.weights.StateDict;
import io.fovea.models.weights.WeightsException;
import io.fovea.training.EpochResult;
import io.fovea.training.Recipe;
import io.fovea.training.Start;
import io.fovea.training.Task;
import io.fovea.training.Tasks;
import io.fovea.training.Training;
import io.fovea.training.TrainingListener;
import io.fovea.training.TrainingSpec;
import io.fovea.training.TrainingState;
import io.fovea.training.evaluate.Evaluation;
import io.fovea.training.processes.Group;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;

/**
 * The folder of a training or an import: {@code config.json} (everything that is needed to create
 * the network and to prepare its input), {@code recipe.txt} (how it was trained, for {@code fovea
 * train --recipe}), {@code metrics.jsonl} (a line for each epoch), {@code
 * last.safetensors} and {@code best.safetensors} (the weights after the last epoch, and after the
 * epoch with the best score on the test samples), and {@code ema.safetensors} (the moving average
 * of the weights) if the training keeps one.
 *
 * <p>While a training is not finished, {@code state.safetensors} has everything on which the next
 * epoch depends. All files are written atomically, and this one first: whenever a training is
 * killed, the folder is complete, and {@link #train} goes on after the last finished epoch.
 *
 * @param <N> the type of the network
 * @param <D> the type of the data sets
 */
public final class Run<N extends Network, D extends Dataset<?>> {
  /**
   * The name of the format in {@code config.json}. Its number is increased when old files can no
   * longer be read.
   */
  public static final String FORMAT = "fovea-run/3";

  private static final String CONFIG = "config.json";
  private static final String RECIPE = "recipe.txt";
  private static final String STATE = "state.safetensors";

  /** Which weights. */
  public enum Weights {
    /** The weights after the epoch with the best score on the test samples. */
    BEST,
    /** The weights after the last epoch. */
    LAST,
    /** The moving average of the weights after the last epoch, of a training that keeps one. */
    EMA;

    String file() {
      return name().toLowerCase(Locale.ROOT) + ".safetensors";
    }
  }

  /**
   * The content of {@code config.json}.
   *
   * @param format the name of this format
   * @param task the task of the network
   * @param model the network
   * @param chosen what the network chose for attention options that were not given ({@link
   *     Network#chosen})
   * @param preprocessing the information that is needed to use the network
   * @param training the settings of the training, or null for imported weights
   * @param start the trained weights from which the training started, or null for new ones
   * @param data the training data
   * @param precision the precision of convolutions, or null for float32
   * @param together the processes that train it together, or null for one
   * @param fovea the version of Fovea, or null if it is unknown
   * @param machine where
   */
  public record Config<N extends Network>(
      String format,
      Task<N, ?> task,
      NetworkSpec<N> model,
      @JsonInclude(JsonInclude.Include.NON_EMPTY) Map<String, String> chosen,
      Preprocessing preprocessing,
      TrainingSpec training,
      @JsonInclude(JsonInclude.Include.NON_NULL) Start start,
      Data data,
      @JsonInclude(JsonInclude.Include.NON_NULL) String precision,
      @JsonInclude(JsonInclude.Include.NON_NULL) Together together,
      @JsonInclude(JsonInclude.Include.NON_NULL) String fovea,
      Machine machine) {
    /** The precision of convolutions. */
    public Precision ofPrecision() {
      return Precision.BF16.toString().equals(precision) ? Precision.BF16 : Precision.FLOAT32;
    }
  }

  /**
   * The data of a run.
   *
   * @param spec the source of the samples, or null if it is unknown
   * @param description one line about the images
   * @param trainImages the number of training samples
   * @param identity which samples these were, or null if it is unknown
   */
  public record Data(
      DataSpec spec,
      String description,
      int trainImages,
      @JsonInclude(JsonInclude.Include.NON_NULL) DataIdentity identity) {}

  /**
   * The processes that train one network together.
   *
   * @param processes their number
   * @param syncBn whether batch norms see the images of all processes
   */
  public record Together(int processes, boolean syncBn) {
    /** The processes of a training; null for one. */
    static Together of(Training<?, ?> training) {
      int size = training.group().size();
      return size == 1 ? null : new Together(size, training.group().hasSyncedBatchNorms());
    }
  }

  private final Path path;
  private final Task<N, D> task;
  private final Config<N> config;

  private Run(Path path, Task<N, D> task, Config<N> config) {
    this.path = path;
    this.task = task;
    this.config = config;
  }

  /**
   * Opens the folder of a finished or interrupted training, or of an import.
   *
   * @throws DataException if it is not a run folder, or an older version of Fovea wrote it
   */
  public static Run<?, ?> open(Path path) {
    ObjectNode config = config(path);
    return open(path, task(path, config), config);
  }

  /**
   * Opens the folder of a run with the given task.
   *
   * @throws DataException if it is not a run folder, or the run has another task
   */
  public static <N extends Network, D extends Dataset<?>> Run<N, D> open(
      Path path, Task<N, D> task) {
    ObjectNode config = config(path);
    requireTask(path, task(path, config), task);
    return open(path, task, config);
  }

  /**
   * Returns the task of a run folder.
   *
   * @throws DataException if the folder contains no run
   */
  public static Task<?, ?> task(Path path) {
    return task(path, config(path));
  }

  /**
   * Throws an exception if a run has another task.
   *
   * @param wanted the task, or null for any task
   * @throws DataException if the run has another task, or the folder contains no run
   */
  public static void requireTask(Path path, Task<?, ?> wanted) {
    requireTask(path, task(path), wanted);
  }

  /** Whether a folder contains a run, finished or not. */
  public static boolean isRun(Path path) {
    return Files.isRegularFile(path.resolve(CONFIG));
  }

  private static void requireTask(Path path, Task<?, ?> there, Task<?, ?> wanted) {
    if (wanted != null && there != wanted) {
      throw new DataException(path + ": a run of " + there + ", expected one of " + wanted);
    }
  }

  private static ObjectNode config(Path path) {
    Path file = path.resolve(CONFIG);
    if (!Files.isRegularFile(file)) {
      throw new DataException(path + ": not a run folder: it has no " + CONFIG);
    }
    ObjectNode config = Json.read(file, ObjectNode.class);
    String format = config.path("format").asText(null);
    if ("fovea-run/1".equals(format) || "fovea-run/2".equals(format)) {
      throw new DataException(
          path
              + ": was written by an older version of Fovea, whose runs cannot be read any"
              + " more; train the network again, or import its weights with fovea import "
              + path.resolve("last.safetensors"));
    }
    if (!FORMAT.equals(format)) {
      throw new DataException(file + ": expected format " + FORMAT + ", got " + format);
    }
    return config;
  }

  private static Task<?, ?> task(Path path, ObjectNode config) {
    try {
      return Tasks.of(config.path("task").asText(null));
    } catch (FoveaException e) {
      throw new DataException(path.resolve(CONFIG) + ": " + e.getMessage(), e);
    }
  }

  private static <N extends Network, D extends Dataset<?>> Run<N, D> open(
      Path path, Task<N, D> task, ObjectNode config) {
    Path file = path.resolve(CONFIG);
    Config<N> read =
        new Config<>(
            FORMAT,
            task,
            part(file, config, "model", task.networkType()),
            chosen(file, config),
            part(file, config, "preprocessing", Preprocessing.class),
            part(file, config, "training", TrainingSpec.class),
            part(file, config, "start", Start.class),
            part(file, config, "data", Data.class),
            config.path("precision").asText(null),
            part(file, config, "together", Together.class),
            config.path("fovea").asText(null),
            part(file, config, "machine", Machine.class));
    if (read.model() == null || read.preprocessing() == null || read.data() == null) {
      throw new DataException(file + ": has no model, no preprocessing or no data");
    }
    NetworkSpec<N> model = read.model();
    if (model.backbone() == null
        || model.attention() == null
        || model.classes() < 1
        || model.channels() < 1) {
      throw new DataException(file + ": model: has no backbone, attention, classes or channels");
    }
    return new Run<>(path, task, read);
  }

  private static Map<String, String> chosen(Path file, ObjectNode config) {
    Map<?, ?> read = part(file, config, "chosen", Map.class);
    Map<String, String> chosen = new LinkedHashMap<>();
    if (read != null) {
      read.forEach((name, options) -> chosen.put(name.toString(), String.valueOf(options)));
    }
    return chosen;
  }

  private static <T> T part(Path file, ObjectNode config, String name, Class<T> type) {
    try {
      JsonNode node = config.path(name);
      return node.isMissingNode() || node.isNull() ? null : Json.MAPPER.treeToValue(node, type);
    } catch (JsonProcessingException e) {
      throw new DataException(file + ": " + name + ": " + Json.firstLine(e), e);
    }
  }

  /**
   * Throws an exception if a folder contains a run, finished or not.
   *
   * @throws DataException if the folder contains a run
   */
  public static void requireFree(Path path) {
    if (isUnfinished(path)) {
      throw new DataException(
          path
              + ": contains a training that is not finished; choose another folder, or go on with fovea"
              + " train --resume "
              + path);
    }
    if (isFinished(path)) {
      throw new DataException(path + ": contains a run already; choose another folder");
    }
  }

  /** Whether a folder contains a finished training or an import. */
  private static boolean isFinished(Path path) {
    // without weights, it is a training that ended in its first epoch
    return Files.exists(path.resolve(Weights.LAST.file())) && !isUnfinished(path);
  }

  /** Whether a folder contains a training that was interrupted and has a state to go on from. */
  public static boolean isUnfinished(Path path) {
    return Files.exists(path.resolve(STATE));
  }

  /**
   * The number of batches of the next epoch that an interrupted training has trained already.
   *
   * @throws DataException if the state is damaged
   */
  public static int batchesDone(Path path) {
    return StateFile.batches(path.resolve(STATE));
  }

  /**
   * The number of epochs after which a training was interrupted; 0 in its first epoch.
   *
   * @throws DataException if the folder contains no unfinished training
   */
  public static int epochsDone(Path path) {
    if (!isUnfinished(path)) {
      throw new DataException(
          path
              + (isFinished(path)
                  ? ": the training is finished"
                  : ": has no epoch from which a training could go on"));
    }
    return history(path).size();
  }

  /**
   * How far a training came that did not end, such as {@code 3 of 20 epochs}; empty for a finished
   * training and for an import.
   *
   * @throws DataException if its state is damaged
   */
  public Optional<String> unfinished() {
    if (config.training() == null || isFinished(path)) {
      return Optional.empty();
    }
    int done = isUnfinished(path) ? history(path).size() : 0;
    return Optional.of(done + " of " + config.training().epochs() + " epochs");
  }

  private static List<EpochResult> history(Path path) {
    return StateFile.history(path.resolve(STATE));
  }

  /**
   * Trains a network and writes its folder, or goes on with the training of the folder if that is
   * not finished. The folder is complete after each epoch. The weights of an interrupted training
   * are bit for bit those of one without interruption, on one machine and with the same number of
   * threads.
   *
   * @param path the folder, which is created if necessary and must not contain a finished run, nor
   *     an unfinished one with other settings or data
   * @param source the source of the data
   * @param listener receives steps and epochs
   * @return the folder
   * @throws DataException if the folder contains a finished run or one with other settings, another
   *     process is training into it, it cannot be written, or the training fails
   */
  public static <N extends Network, D extends Dataset<?>> Run<N, D> train(
      Path path, Training<N, D> training, DataSpec source, TrainingListener listener) {
    return train(path, training, source, null, listener);
  }

  /**
   * The same, with a state that is also saved within the epochs, so that less is lost if a training
   * with long epochs is interrupted.
   *
   * @param saveEvery the least time between two states; null for after each epoch alone
   */
  public static <N extends Network, D extends Dataset<?>> Run<N, D> train(
      Path path,
      Training<N, D> training,
      DataSpec source,
      Duration saveEvery,
      TrainingListener listener) {
    try (FolderLock lock = FolderLock.of(path)) {
      return train(lock, training, source, saveEvery, listener);
    }
  }

  /**
   * As {@link #train(Path, Training, DataSpec, Duration, TrainingListener)}, into a folder that the
   * caller has locked, and unlocks.
   */
  public static <N extends Network, D extends Dataset<?>> Run<N, D> train(
      FolderLock lock,
      Training<N, D> training,
      DataSpec source,
      Duration saveEvery,
      TrainingListener listener) {
    Path path = lock.folder();
    Run<N, D> run = of(path, training, source);
    Group group = training.group();
    try (PointerScope scope = new PointerScope()) {
      TrainingState from = null;
      if (isUnfinished(path)) {
        run.requireSameSettings();
      } else {
        requireFree(path);
      }
      if (group.size() > 1) {
        group.first(Json.tree(run.config).toString());
        group.first(isUnfinished(path) ? path.resolve(STATE) : null, null);
      }
      if (isUnfinished(path)) {
        from = StateFile.read(path.resolve(STATE));
        if (from.batches() == 0) {
          run.publish(from); // the process may have ended before it wrote these files
        }
      } else {
        run.writeConfig();
      }
      try {
        training.start(from, run.keeping(saveEvery, listener));
      } catch (WeightsException e) {
        throw new DataException(path.resolve(STATE) + ": " + e.getMessage(), e);
      }
      run.write(() -> Files.deleteIfExists(path.resolve(STATE)));
    }
    return run;
  }

  /**
   * Takes part in a training whose first process calls {@link #train}. Nothing is written but a
   * temporary file.
   *
   * @param training the same training as that of the first process
   * @throws DataException if this process has other settings or other data than the first one
   */
  public static <N extends Network, D extends Dataset<?>> void join(
      Training<N, D> training, DataSpec source, TrainingListener listener) {
    Group group = training.group();
    Run<N, D> run = of(Path.of(""), training, source);
    ObjectNode here = withoutMachine(Json.tree(run.config));
    String difference = Json.difference(withoutMachine(Json.parse(group.first(""))), here);
    if (!difference.isEmpty()) {
      throw new DataException(
          "process "
              + group.rank()
              + " has other settings or data than the first one ("
              + difference.replace("in the folder", "there").replace(" now", " here")
              + ")");
    }
    try (PointerScope scope = new PointerScope()) {
      TrainingState from = null;
      Path copy = Files.createTempFile("fovea-state", ".safetensors");
      try {
        if (group.first(null, copy)) {
          from = StateFile.read(copy);
        }
      } finally {
        Files.deleteIfExists(copy);
      }
      training.start(from, listener);
    } catch (IOException e) {
      throw new DataException("the state of the training cannot be copied: " + e.getMessage(), e);
    }
  }

  private static ObjectNode withoutMachine(ObjectNode config) {
    config.remove(List.of("machine", "fovea"));
    return config;
  }

  /**
   * Whether a folder holds a training with the same settings and data that was interrupted, and no
   * process trains into it now.
   */
  public static boolean canResume(Path path, Training<?, ?> training, DataSpec source) {
    return isUnfinished(path)
        && !FolderLock.isHeld(path)
        && of(path, training, source).difference().isEmpty();
  }

  /** A folder for a training; nothing is written. */
  private static <N extends Network, D extends Dataset<?>> Run<N, D> of(
      Path path, Training<N, D> training, DataSpec source) {
    Task<N, D> task = training.task();
    TrainingData<D> data = training.data();
    return new Run<>(
        path,
        task,
        new Config<>(
            FORMAT,
            task,
            training.model(),
            training.network().chosen(),
            task.preprocessing(data, source),
            training.spec(),
            training.startedFrom().orElse(null),
            new Data(source, data.description(), data.train().size(), training.identity()),
            precision(training.network()),
            Together.of(training),
            BuildInfo.version(),
            Machine.current()));
  }

  /**
   * What differs in the folder from this run, apart from the machine and the version of Fovea; empty
   * if nothing does.
   */
  private String difference() {
    ObjectNode there = config(path);
    ObjectNode now = Json.tree(config);
    String difference = Json.difference(comparable(there), comparable(now));
    if (!difference.isEmpty()) {
      return difference;
    }
    Data data = part(path.resolve(CONFIG), there, "data", Data.class);
    String other = config.data().identity().difference(data == null ? null : data.identity());
    return other.isEmpty() ? "" : "data: " + other;
  }

  private static ObjectNode comparable(ObjectNode config) {
    ObjectNode part = config.deepCopy();
    part.remove(List.of("machine", "fovea"));
    if (part.path("data") instanceof ObjectNode data) {
      data.remove("identity");
    }
    return part;
  }

  /** Refuses to go on with settings or data other than those of the folder. */
  private void requireSameSettings() {
    String difference = difference();
    if (!difference.isEmpty()) {
      throw new DataException(
          path
              + ": contains a training with other settings ("
              + difference
              + "); choose another folder, or go on with its own by fovea train --resume "
              + path);
    }
  }

  /**
   * Writes the folder of an imported network, with its weights as {@code last.safetensors}.
   *
   * @param path the folder, which is created if necessary and must not contain a run
   * @param model the spec of the network
   * @param preprocessing the information that is needed to use the network
   * @param origin the origin of the weights in one line
   * @param source samples of the same classes for evaluation, or null
   * @return the folder
   * @throws DataException if the folder contains a run or cannot be written
   */
  public static <N extends Network, D extends Dataset<?>> Run<N, D> write(
      Path path,
      Task<N, D> task,
      N network,
      NetworkSpec<N> model,
      Preprocessing preprocessing,
      String origin,
      DataSpec source) {
    requireFree(path);
    Run<N, D> run =
        new Run<>(
            path,
            task,
            new Config<>(
                FORMAT,
                task,
                model,
                network.chosen(),
                preprocessing,
                null,
                null,
                new Data(source, origin, 0, null),
                precision(network),
                null,
                BuildInfo.version(),
                Machine.current()));
    try (FolderLock lock = FolderLock.of(path);
        PointerScope scope = new PointerScope()) {
      run.writeConfig();
      try {
        run.save(StateDict.of(network), Weights.LAST);
      } catch (DataException e) { // a full disk, for example; a run without weights is none
        run.write(() -> Files.deleteIfExists(path.resolve(CONFIG)));
        throw e;
      }
    }
    return run;
  }

  private static String precision(Network network) {
    return network.precision() == Precision.FLOAT32 ? null : network.precision().toString();
  }

  /** Where the folder is. */
  public Path path() {
    return path;
  }

  /** The name of the folder. */
  public String name() {
    return path.toAbsolutePath().normalize().getFileName().toString();
  }

  /** The task of the network. */
  public Task<N, D> task() {
    return task;
  }

  /**
   * Returns this run with the types of its task, for code that knows the task.
   *
   * @throws DataException if the run has another task
   */
  @SuppressWarnings("unchecked") // the types are those of the task
  public <M extends Network, E extends Dataset<?>> Run<M, E> as(Task<M, E> wanted) {
    requireTask(path, task, wanted);
    return (Run<M, E>) this;
  }

  /**
   * The source of samples for the network.
   *
   * @param source another source of samples, or null for the run's own
   * @throws DataException if the run's own samples are unknown
   */
  public DataSpec data(String source) {
    DataSpec own = config.data().spec();
    if (source == null) {
      if (own == null) {
        throw new DataException(
            path + ": was imported and has no images; give a data set with --data");
      }
      return own;
    }
    Preprocessing p = preprocessing();
    DataSpec other = own == null ? DataSpec.of(source) : own.withSource(source);
    return p.size() == 0
        ? other
        : other
            .withImageSize(p.size())
            .withChannels(p.channels())
            .withSampling(p.sampling())
            .withResize(p.resize());
  }

  /**
   * Throws an exception if samples have other classes than the network.
   *
   * @param classes the classes of the samples
   * @param where the source of the samples, for the message
   * @throws DataException if the classes differ
   */
  public void requireSameClasses(List<String> classes, String where) {
    if (!preprocessing().classes().equals(classes)) {
      throw new DataException(
          where
              + ": the network was trained with other classes: "
              + preprocessing().classes()
              + ", the images have "
              + classes);
    }
  }

  /** The content of {@code config.json}. */
  public Config<N> config() {
    return config;
  }

  /** The information that is needed to use the network. */
  public Preprocessing preprocessing() {
    return config.preprocessing();
  }

  /**
   * The results of the epochs.
   *
   * @throws DataException if a line is damaged
   */
  public List<EpochResult> metrics() {
    List<EpochResult> metrics = new ArrayList<>();
    try {
      for (String line : Files.readAllLines(metricsFile())) {
        metrics.add(Json.MAPPER.readValue(line, EpochResult.class));
      }
    } catch (IOException e) {
      throw new DataException(metricsFile() + ": cannot be read: " + Json.firstLine(e), e);
    }
    if (!EpochResult.areWhole(metrics)) {
      throw new DataException(
          metricsFile()
              + ": is damaged: expected the metrics of epochs 1, 2, ..., one in each line");
    }
    return metrics;
  }

  /** Whether the folder has these weights; an import has only the last. */
  public boolean has(Weights weights) {
    return Files.exists(path.resolve(weights.file()));
  }

  /** The weights that are used by default: those of the best epoch, or the only ones. */
  public Weights usualWeights() {
    return has(Weights.BEST) ? Weights.BEST : Weights.LAST;
  }

  /**
   * Whether the moving average after the last epoch scored higher on the test samples than the weights
   * of the best epoch, which are used by default.
   *
   * @throws DataException if {@code metrics.jsonl} is damaged
   */
  public boolean isAverageBetter() {
    if (!has(Weights.EMA) || !Files.exists(metricsFile())) {
      return false;
    }
    List<EpochResult> epochs = metrics();
    int best = EpochResult.best(task, epochs);
    return best > 0
        && epochs.get(epochs.size() - 1).average(task.score())
            > epochs.get(best - 1).test(task.score());
  }

  /** Whether there was more than one epoch, so that the best and the last may differ. */
  public boolean hasSeveralEpochs() {
    return config.training() != null && config.training().epochs() > 1;
  }

  /**
   * The epoch of the weights, in words: {@code the best epoch, 7 of 10}.
   *
   * @throws DataException if {@code metrics.jsonl} is damaged
   */
  public String describe(Weights weights) {
    if (config.training() == null) {
      return "the file that was imported";
    }
    String which =
        switch (weights) {
          case BEST -> "the best epoch";
          case LAST -> "the last epoch";
          case EMA -> "the average after the last epoch";
        };
    if (!Files.exists(metricsFile())) { // only weights and configuration were copied
      return which;
    }
    List<EpochResult> epochs = metrics();
    int number = weights == Weights.BEST ? EpochResult.best(task, epochs) : epochs.size();
    return which + ", " + number + " of " + epochs.size();
  }

  /**
   * Loads the trained network, in evaluation mode.
   *
   * @throws DataException if the weights do not exist or do not fit
   */
  public N load(Weights weights) {
    Path file = path.resolve(weights.file());
    if (!has(weights) && !has(Weights.LAST) && config.training() != null) {
      throw new DataException(
          path + ": has no weights, because its training did not reach the end of an epoch");
    }
    if (!has(weights)) {
      throw new DataException(
          file
              + ": cannot be read: the file does not exist"
              + (weights == Weights.EMA ? "; only trainings with --ema have it" : ""));
    }
    N network;
    try {
      network = config.model().create();
    } catch (FoveaException | IllegalArgumentException e) {
      throw new DataException(path.resolve(CONFIG) + ": " + e.getMessage(), e);
    }
    requireSameChoice(network);
    try {
      try (PointerScope scope = new PointerScope()) {
        StateDict.load(network, Safetensors.read(file));
      }
      network.eval();
      return network;
    } catch (IOException e) {
      throw new DataException(file + ": cannot be read: " + e.getMessage(), e);
    } catch (FoveaException e) {
      throw new DataException(file + ": " + e.getMessage(), e);
    }
  }

  /** Some options do not show in the weights, such as the number of heads. */
  private void requireSameChoice(N network) {
    if (!config.chosen().isEmpty() && !config.chosen().equals(network.chosen())) {
      throw new DataException(
          path.resolve(CONFIG)
              + ": the network of the run has "
              + config.chosen()
              + "; this version of Fovea would choose "
              + network.chosen()
              + "; give the options in model.attention");
    }
  }

  private void writeConfig() {
    if (config.training() != null) {
      String recipe = Recipe.text(task, config.training());
      write(() -> Json.writeText(path.resolve(RECIPE), recipe));
    }
    write(() -> Json.write(path.resolve(CONFIG), config));
  }

  private void save(Map<String, Tensor> weights, Weights which) {
    write(() -> Safetensors.write(path.resolve(which.file()), weights, metadata()));
  }

  static Map<String, String> metadata() {
    return Map.of("format", "pt", "fovea", FORMAT);
  }

  /** Writes the files that follow from a state: weights and metrics. */
  private void publish(TrainingState state) {
    save(state.network(), Weights.LAST);
    if (!state.average().isEmpty()) {
      save(state.average(), Weights.EMA);
    }
    if (EpochResult.best(task, state.history()) == state.history().size()) {
      save(state.network(), Weights.BEST);
    }
    write(
        () ->
            Json.writeText(
                metricsFile(),
                state.history().stream()
                    .map(result -> Json.line(result) + "\n")
                    .collect(Collectors.joining())));
  }

  /** Saves everything after each epoch and maybe within it, and forwards all calls. */
  private TrainingListener keeping(Duration saveEvery, TrainingListener listener) {
    return new TrainingListener() {
      private long saved = System.nanoTime();

      @Override
      public void planned(int epochs) {
        listener.planned(epochs);
      }

      @Override
      public boolean wantsState() {
        return listener.wantsState()
            || (saveEvery != null && System.nanoTime() - saved >= saveEvery.toNanos());
      }

      @Override
      public void step(int images, double loss) {
        listener.step(images, loss);
      }

      @Override
      public void state(Supplier<TrainingState> state) {
        TrainingState reached = state.get();
        write(
            () ->
                StateFile.write(
                    path.resolve(STATE), reached)); // first, because the other files follow from it
        if (reached.batches() == 0) {
          publish(reached);
        }
        saved = System.nanoTime();
        listener.state(() -> reached);
      }

      @Override
      public void epoch(EpochResult result, Evaluation test) {
        listener.epoch(result, test);
      }
    };
  }

  private Path metricsFile() {
    return path.resolve("metrics.jsonl");
  }

  private interface Writing {
    void run() throws IOException;
  }

  private void write(Writing writing) {
    try {
      writing.run();
    } catch (IOException e) {
      throw new DataException(path + ": cannot be written: " + FolderLock.reason(e), e);
    }
  }
}
