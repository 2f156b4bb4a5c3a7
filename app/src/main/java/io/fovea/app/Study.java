package io.fovea.app;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.fovea.models.Network;
import io.fovea.models.PlacedAttention;
import io.fovea.models.State;
import io.fovea.training.DataException;
import io.fovea.training.EpochResult;
import io.fovea.training.Evaluation;
import io.fovea.training.Json;
import io.fovea.training.Progress;
import io.fovea.training.TrainingListener;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.global.torch;

/**
 * Trains variants of one network over several seeds. Every variant of a seed starts from the same
 * backbone weights and sees the same batches. Each finished run is a file, so that a study that was
 * interrupted goes on where it stopped.
 */
final class Study {
  private static final String FORMAT = "fovea-study/1";

  /**
   * What must be the same for runs to be comparable, kept as {@code study.json}.
   *
   * @param format names this layout
   * @param task what the networks are trained to do
   * @param data the images
   * @param backbone the network without attention; its classes and channels are those of the data
   * @param width what its channels are multiplied by
   * @param training how it is trained; the seed is replaced by each run's
   */
  record Settings(
      String format, String task, Object data, String backbone, double width, Object training) {
    Settings(Problem<?> problem) {
      this(
          FORMAT,
          problem.task().toString(),
          problem.data(),
          problem.backbone(),
          problem.width(),
          problem.training());
    }

    /** A few letters that differ when the settings do. */
    String fingerprint() {
      return String.format("%06x", Json.MAPPER.valueToTree(this).toString().hashCode() & 0xffffff);
    }
  }

  /**
   * A variant trained with one seed.
   *
   * @param module the variant's name
   * @param seed of weights, order and augmentation
   * @param parameters trained values
   * @param macs multiply-accumulates an image
   * @param epochs what each epoch came to
   * @param confusion on the test images after the last epoch, true class by row
   * @param latencyMs for one image
   * @param latencyBatchMs for a batch of {@link Problem#latencyBatch}
   * @param examples what it made of a few test images
   */
  record Run(
      String module,
      long seed,
      long parameters,
      long macs,
      List<EpochResult> epochs,
      long[][] confusion,
      double latencyMs,
      double latencyBatchMs,
      List<Examples.Example> examples) {}

  /** Told when a run is done. */
  interface Listener {
    void finished(Run run);
  }

  /** Which variant with which seed. */
  record Key(String variant, long seed) {
    /** Unlike every other, and a file name on every system. */
    private String file() {
      return fileName(variant) + "-seed" + seed + ".json";
    }
  }

  private final Path folder;
  private final Settings settings;
  private final Problem.Opened<?> problem;
  private final List<String> variants;
  private final List<Long> seeds;
  private final Map<Key, Run> finished = new LinkedHashMap<>();

  /**
   * Plans a study, and reads what is done of it already. Nothing is written yet.
   *
   * @param folder where the runs are kept
   * @param settings of the runs
   * @param problem what they are trained for, with its data
   * @param variants what is trained with each seed, in the order of the report
   * @throws DataException if the folder holds runs with other settings, or cannot be written
   */
  Study(
      Path folder,
      Settings settings,
      Problem.Opened<?> problem,
      List<String> variants,
      List<Long> seeds) {
    this.folder = folder;
    this.settings = settings;
    this.problem = problem;
    this.variants = variants;
    this.seeds = seeds;
    compareSettings();
    for (Key key : keys()) {
      if (Files.exists(file(key))) {
        finished.put(key, Json.read(file(key), Run.class));
      }
    }
  }

  private void compareSettings() {
    if (Files.exists(settingsFile())) {
      ObjectNode wanted = Json.tree(settings);
      ObjectNode there = Json.read(settingsFile(), ObjectNode.class);
      if (!there.equals(wanted)) {
        throw new DataException(
            folder
                + ": holds runs with other settings ("
                + difference(there, wanted)
                + "); choose another --out");
      }
    }
  }

  private Path settingsFile() {
    return folder.resolve("study.json");
  }

  /** A variant as a file name: nothing that a system or a shell stumbles on, and no two alike. */
  static String fileName(String variant) {
    return variant.replace("; ", "+").replace(':', '-');
  }

  /** All runs, seed by seed, so that an early stop leaves whole comparisons. */
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

  private static String difference(ObjectNode there, ObjectNode wanted) {
    TreeSet<String> names = new TreeSet<>();
    there.fieldNames().forEachRemaining(names::add);
    wanted.fieldNames().forEachRemaining(names::add);
    for (String name : names) {
      var before = there.path(name);
      var now = wanted.path(name);
      if (before.isObject() && now.isObject() && !before.equals(now)) {
        return name + " " + difference((ObjectNode) before, (ObjectNode) now);
      }
      if (!before.equals(now)) {
        return name + ": " + before + " there, " + now + " now";
      }
    }
    return "";
  }

  /** The runs that are done, in the order in which they are trained. */
  List<Run> finished() {
    return keys().stream().filter(finished::containsKey).map(finished::get).toList();
  }

  /** The runs that are not done, in the order in which they are trained. */
  List<Key> missing() {
    return keys().stream().filter(key -> !finished.containsKey(key)).toList();
  }

  /** What the networks are trained for. */
  Problem.Opened<?> problem() {
    return problem;
  }

  /** What is trained with each seed. */
  List<String> variants() {
    return variants;
  }

  /** The seeds. */
  List<Long> seeds() {
    return seeds;
  }

  /** What all runs have in common. */
  Settings settings() {
    return settings;
  }

  /** Trains what is not done yet. */
  void run(ConsoleProgress progress, Listener listener) {
    write(settingsFile(), settings);
    List<Key> missing = missing();
    long imagesPerRun = (long) problem.epochs() * problem.data().trainImages();
    progress.begin("training", missing.size() * imagesPerRun);
    for (int i = 0; i < missing.size(); i++) {
      Key key = missing.get(i);
      progress.detail(key.variant + ", seed " + key.seed + ", " + (missing.size() - i) + " to go");
      Run run = train(problem, key.variant, key.seed, progress);
      write(file(key), run);
      finished.put(key, run);
      listener.finished(run);
    }
    progress.end();
  }

  private void write(Path file, Object value) {
    try {
      Json.write(file, value);
    } catch (IOException e) {
      throw new DataException(folder + ": cannot be written: " + e.getMessage(), e);
    }
  }

  private <N extends Network> Run train(
      Problem.Opened<N> problem, String variant, long seed, Progress progress) {
    try (PointerScope scope = new PointerScope()) {
      N network = sameBackbone(problem, variant, seed);
      Evaluation[] last = new Evaluation[1];
      List<? extends EpochResult> epochs =
          problem.train(
              network,
              seed,
              new TrainingListener() {
                @Override
                public void step(int images, double loss) {
                  progress.step(images);
                }

                @Override
                public void epoch(EpochResult metrics, Evaluation test) {
                  last[0] = test;
                }
              });
      int[] size = problem.size();
      return new Run(
          variant,
          seed,
          network.parameterCount(),
          network.macs(size),
          List.copyOf(epochs),
          last[0].confusion(),
          Latency.milliseconds(network, 1, size),
          Latency.milliseconds(network, problem.latencyBatch(), size),
          seed == seeds.get(0) ? problem.examples(network) : List.of());
    } catch (DataException e) {
      throw new DataException(variant + ", seed " + seed + ": " + e.getMessage(), e);
    }
  }

  /** A network whose backbone depends on the seed alone, not on the attention in it. */
  private static <N extends Network> N sameBackbone(
      Problem.Opened<N> problem, String variant, long seed) {
    torch.manual_seed(seed);
    N plain = problem.create(PlacedAttention.NONE);
    if (variant.equals(PlacedAttention.NONE)) {
      return plain;
    }
    torch.manual_seed(seed);
    N network = problem.create(variant);
    State.copyShared(plain, network);
    return network;
  }
}
