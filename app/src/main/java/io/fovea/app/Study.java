package io.fovea.app;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.fovea.models.Classifier;
import io.fovea.models.ModelSpec;
import io.fovea.models.State;
import io.fovea.training.DataException;
import io.fovea.training.DataSpec;
import io.fovea.training.EpochMetrics;
import io.fovea.training.Evaluation;
import io.fovea.training.ImageData;
import io.fovea.training.Json;
import io.fovea.training.Progress;
import io.fovea.training.Trainer;
import io.fovea.training.TrainingListener;
import io.fovea.training.TrainingSpec;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
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
   * @param data the images
   * @param backbone the network without attention; its classes and channels are those of the data
   * @param width what its channels are multiplied by
   * @param stages the stages that attention is limited to
   * @param training how it is trained; the seed is replaced by each run's
   */
  record Settings(
      String format,
      DataSpec data,
      String backbone,
      double width,
      List<Integer> stages,
      TrainingSpec training) {
    Settings(
        DataSpec data, String backbone, double width, List<Integer> stages, TrainingSpec training) {
      this(FORMAT, data, backbone, width, stages, training.withSeed(0));
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
   * @param latencyBatchMs for a batch of {@link Latency#BATCH}
   * @param examples what it attended to on a few test images
   */
  record Run(
      String module,
      long seed,
      long parameters,
      long macs,
      List<EpochMetrics> epochs,
      int[][] confusion,
      double latencyMs,
      double latencyBatchMs,
      List<Examples.Example> examples) {
    double top1() {
      return epochs.get(epochs.size() - 1).testTop1();
    }
  }

  /** Told when a run is done. */
  interface Listener {
    void finished(Run run, List<Run> all) throws IOException;
  }

  private final Path folder;
  private final Settings settings;
  private final ImageData data;
  private final Map<String, ModelSpec> variants;
  private final List<Long> seeds;

  /**
   * Plans a study.
   *
   * @param folder where the runs are kept
   * @param variants networks by name, in the order of the report
   * @throws DataException if the folder holds runs with other settings, or cannot be written
   */
  Study(
      Path folder,
      Settings settings,
      ImageData data,
      Map<String, ModelSpec> variants,
      List<Long> seeds) {
    this.folder = folder;
    this.settings = settings;
    this.data = data;
    this.variants = variants;
    this.seeds = seeds;
    claim();
  }

  private void claim() {
    Path file = folder.resolve("study.json");
    ObjectNode wanted = Json.tree(settings);
    if (Files.exists(file)) {
      ObjectNode there = Json.read(file, ObjectNode.class);
      if (!there.equals(wanted)) {
        throw new DataException(
            folder
                + ": holds runs with other settings ("
                + difference(there, wanted)
                + "); choose another --out");
      }
      return;
    }
    try {
      Json.write(file, settings);
    } catch (IOException e) {
      throw new DataException(folder + ": cannot be written: " + e.getMessage(), e);
    }
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
    List<Run> runs = new ArrayList<>();
    for (long seed : seeds) {
      for (String name : variants.keySet()) {
        Path file = file(name, seed);
        if (Files.exists(file)) {
          runs.add(Json.read(file, Run.class));
        }
      }
    }
    return runs;
  }

  /** The names of the runs that are not done. */
  List<String> missing() {
    List<String> missing = new ArrayList<>();
    for (long seed : seeds) {
      for (String name : variants.keySet()) {
        if (!Files.exists(file(name, seed))) {
          missing.add(name + " seed " + seed);
        }
      }
    }
    return missing;
  }

  /** Trains what is not done yet, seed by seed, so that an early stop leaves whole comparisons. */
  void run(ConsoleProgress progress, Listener listener) throws IOException {
    int left = missing().size();
    long imagesPerRun = (long) settings.training().epochs() * data.train().size();
    progress.begin("training", left * imagesPerRun);
    for (long seed : seeds) {
      for (Map.Entry<String, ModelSpec> variant : variants.entrySet()) {
        Path file = file(variant.getKey(), seed);
        if (!Files.exists(file)) {
          progress.detail(variant.getKey() + ", seed " + seed + ", " + left-- + " to go");
          Run run = train(variant.getKey(), variant.getValue(), seed, progress);
          Json.write(file, run);
          listener.finished(run, finished());
        }
      }
    }
    progress.end();
  }

  private Run train(String name, ModelSpec model, long seed, Progress progress) {
    try (PointerScope scope = new PointerScope()) {
      Classifier network = sameBackbone(model, seed);
      int height = data.train().height();
      int width = data.train().width();
      Evaluation[] last = new Evaluation[1];
      List<EpochMetrics> epochs =
          Trainer.train(
              network,
              data,
              settings.training().withSeed(seed),
              new TrainingListener() {
                @Override
                public void step(int images, double loss) {
                  progress.step(images);
                }

                @Override
                public void epoch(EpochMetrics metrics, Evaluation test) {
                  last[0] = test;
                }
              });
      return new Run(
          name,
          seed,
          network.parameterCount(),
          network.macs(height, width),
          epochs,
          last[0].confusion(),
          Latency.milliseconds(network, 1, height, width),
          Latency.milliseconds(network, Latency.BATCH, height, width),
          seed == seeds.get(0) ? Examples.of(network, data) : List.of());
    } catch (DataException e) {
      throw new DataException(name + ", seed " + seed + ": " + e.getMessage(), e);
    }
  }

  /** A network whose backbone depends on the seed alone, not on the attention in it. */
  private static Classifier sameBackbone(ModelSpec model, long seed) {
    torch.manual_seed(seed);
    Classifier plain = model.withAttention(ModelSpec.NONE).create();
    if (model.attention().equals(ModelSpec.NONE)) {
      return plain;
    }
    torch.manual_seed(seed);
    Classifier network = model.create();
    State.copyShared(plain, network);
    return network;
  }

  private Path file(String name, long seed) {
    String slug = name.toLowerCase(Locale.ROOT).replaceAll("[^a-z0-9]+", "-");
    return folder.resolve("runs").resolve(slug + "-seed" + seed + ".json");
  }
}
