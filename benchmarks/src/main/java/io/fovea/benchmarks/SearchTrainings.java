package io.fovea.benchmarks;

import io.fovea.data.ArrayDataset;
import io.fovea.data.Dataset;
import io.fovea.data.ImageDataset;
import io.fovea.data.Progress;
import io.fovea.data.TrainingData;
import io.fovea.data.source.DataSpec;
import io.fovea.data.video.Sampling;
import io.fovea.models.Network;
import io.fovea.models.NetworkSpec;
import io.fovea.models.Precision;
import io.fovea.models.placement.PlacedAttention;
import io.fovea.tensor.Threads;
import io.fovea.training.EpochResult;
import io.fovea.training.SegmentationExtras;
import io.fovea.training.Task;
import io.fovea.training.Tasks;
import io.fovea.training.Training;
import io.fovea.training.TrainingListener;
import io.fovea.training.TrainingSpec;
import io.fovea.training.evaluate.Evaluation;
import io.fovea.training.evaluate.TestTimeAugmentation;
import io.fovea.training.run.Json;
import io.fovea.training.search.AttentionSearch;
import io.fovea.training.search.Budget;
import io.fovea.training.search.SearchSpec;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.Random;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.bytedeco.javacpp.PointerScope;

/**
 * Trains all candidates of a search to the end, with all seeds that searches would use, and keeps the
 * scores of each image, so that {@link SearchEvidence} can replay searches. Each training is a file,
 * and those that are there are not trained again: {@code SearchTrainings FOLDER [SET ...]}.
 *
 * <p>The race of a search trains on a part of the training images and looks at the other part after
 * each rung; the final trains on all of them and looks at the test images at its end. One thread is
 * used, so the numbers are those of {@code fovea search --threads 1}, bit for bit.
 */
public final class SearchTrainings {
  static final String RACE = "race";
  static final String FINAL = "final";

  /** So many test samples are looked at after each epoch of the final, which nobody needs. */
  private static final int FEW = 2;

  private static final double NANOS = 1e9;

  /**
   * Candidates on data.
   *
   * @param name the name of the set
   * @param task the task
   * @param source the data
   * @param network the network without attention
   * @param training the settings of a whole training
   * @param modules the candidates
   * @param shuffled whether the labels are shuffled, so that there is nothing to find
   * @param raceSeeds the seeds of searches: 1 to this
   * @param finalSeeds the seeds of the final: 2 to this plus 1
   */
  record Setting<N extends Network, D extends Dataset<?>>(
      String name,
      Task<N, D> task,
      DataSpec source,
      NetworkSpec<N> network,
      TrainingSpec training,
      List<String> modules,
      boolean shuffled,
      int raceSeeds,
      int finalSeeds) {
    /** The candidates and the network without attention. */
    List<String> all() {
      return Stream.concat(Stream.of(PlacedAttention.NONE), modules.stream()).toList();
    }

    List<Integer> rungs() {
      return SearchSpec.DEFAULT.rungs(training.epochs());
    }

    TrainingData<D> open() {
      TrainingData<D> data = task.open(source, Progress.NONE);
      return shuffled ? shuffled(data) : data;
    }

    Training<N, D> prepared(String module, long seed, TrainingData<D> on) {
      return Training.of(task, network.withAttention(module), on, training.withSeed(seed));
    }

    /** A search, which is asked for its data only, or run to check the replay. */
    AttentionSearch<N, D> search(Path folder, TrainingData<D> data, long seed, Budget budget) {
      SearchSpec spec = SearchSpec.DEFAULT.withSeed(seed).withBudget(budget);
      return new AttentionSearch<>(
          folder, task, data, this::prepared, modules, spec, Precision.FLOAT32, 1);
    }

    Path file(Path folder, String part, String module, long seed) {
      return folder
          .resolve(name)
          .resolve(part)
          .resolve(PlacedAttention.fileName(module) + "-seed" + seed + ".json");
    }

    Curve curve(Path folder, String part, String module, long seed) {
      return Json.read(file(folder, part, module, seed), Curve.class);
    }

    @SuppressWarnings("unchecked") // the data of classification, the only one that is shuffled
    private static <D extends Dataset<?>> TrainingData<D> shuffled(TrainingData<D> data) {
      return new TrainingData<>(
          data.name(),
          data.description() + ", with shuffled labels",
          (D) withShuffledLabels((ImageDataset) data.train()),
          (D) withShuffledLabels((ImageDataset) data.test()),
          data.normalization(),
          data.skipped());
    }

    private static ImageDataset withShuffledLabels(ImageDataset images) {
      List<Integer> labels = new ArrayList<>();
      IntStream.range(0, images.size()).forEach(i -> labels.add(images.label(i)));
      Collections.shuffle(labels, new Random(images.size()));
      return new ArrayDataset(
          images.classes(),
          images.channels(),
          images.height(),
          images.width(),
          labels.stream().mapToInt(Integer::intValue).toArray(),
          images::id,
          images::pixels);
    }
  }

  /**
   * A training.
   *
   * @param module the attention
   * @param seed the seed
   * @param epochs after how many epochs the samples were looked at
   * @param scores the score of each sample then, as 32-bit floats, little-endian; in JSON as base64
   * @param seconds the processor time that it took, other threads of the process included
   */
  record Curve(
      String module, long seed, List<Integer> epochs, List<byte[]> scores, double seconds) {
    /** The score of each sample at a rung. */
    double[] at(int rung) {
      ByteBuffer bytes = ByteBuffer.wrap(scores.get(rung)).order(ByteOrder.LITTLE_ENDIAN);
      double[] values = new double[scores.get(rung).length / Float.BYTES];
      for (int i = 0; i < values.length; i++) {
        values[i] = bytes.getFloat();
      }
      return values;
    }

    private static byte[] packed(List<Double> scores) {
      ByteBuffer bytes =
          ByteBuffer.allocate(Float.BYTES * scores.size()).order(ByteOrder.LITTLE_ENDIAN);
      scores.forEach(score -> bytes.putFloat(score.floatValue()));
      return bytes.array();
    }
  }

  private SearchTrainings() {}

  /** See above. */
  public static void main(String[] arguments) throws IOException {
    Threads.set(1);
    Path folder = Path.of(arguments[0]);
    List<String> wanted = List.of(arguments).subList(1, arguments.length);
    for (Setting<?, ?> setting : settings()) {
      if (wanted.isEmpty() || wanted.contains(setting.name())) {
        train(setting, folder);
      }
    }
  }

  static List<Setting<?, ?>> settings() {
    List<String> mechanisms =
        List.of(
            "se:reduction=4",
            "eca",
            "cbam:reduction=4",
            "pam",
            "cam",
            "nonlocal",
            "gct",
            "srm",
            "simam");
    TrainingSpec images = Tasks.CLASSIFICATION.training().withEpochs(9);
    return List.of(
        new Setting<>(
            "fashion-mnist",
            Tasks.CLASSIFICATION,
            DataSpec.of(DataSpec.FASHION_MNIST).withLimit(1000),
            Tasks.CLASSIFICATION.network("resnet8", null).withWidth(0.5),
            images,
            mechanisms,
            false,
            5,
            4),
        new Setting<>(
            "scenes",
            Tasks.SEGMENTATION,
            DataSpec.of(DataSpec.SCENES).withLimit(400),
            Tasks.SEGMENTATION.network("small", null),
            Tasks.SEGMENTATION
                .training()
                .withEpochs(9)
                .withExtras(
                    SegmentationExtras.DEFAULT.withCropSize(96).withScales(1, 1)), // as commands do
            List.of("dual", "pam", "nonlocal", "se", "eca", "psp", "aspp"),
            false,
            5,
            3),
        new Setting<>(
            "shuffled-labels",
            Tasks.CLASSIFICATION,
            DataSpec.of(DataSpec.SAMPLE).withLimit(500),
            Tasks.CLASSIFICATION.network("resnet8", null).withWidth(0.5),
            images.withEpochs(3).withFlip(false),
            mechanisms,
            true,
            5,
            4),
        new Setting<>(
            "clips",
            Tasks.VIDEO,
            DataSpec.of(DataSpec.GARMENTS).withSampling(Sampling.DEFAULT),
            Tasks.VIDEO.network("c2d-resnet8", Sampling.DEFAULT),
            Tasks.VIDEO.training().withEpochs(15),
            List.of("nonlocal", "nonlocal:mode=gaussian", "se", "cbam", "eca", "pam"),
            false,
            5,
            4));
  }

  /** The scores of a training of the final on the test samples; trains it unless it is there. */
  static <N extends Network, D extends Dataset<?>> double[] ofFinal(
      Setting<N, D> setting, Path folder, String module, long seed) {
    if (!Files.exists(setting.file(folder, FINAL, module, seed))) {
      try {
        trainFinal(setting, folder, setting.open(), module, seed);
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }
    return setting.curve(folder, FINAL, module, seed).at(0);
  }

  private static <N extends Network, D extends Dataset<?>> void train(
      Setting<N, D> setting, Path folder) throws IOException {
    TrainingData<D> data = setting.open();
    // one seed after the other, so that what is there of an interrupted run can be used
    for (long seed : LongStream.rangeClosed(1, setting.finalSeeds + 1).toArray()) {
      if (seed <= setting.raceSeeds) {
        TrainingData<D> race =
            setting.search(folder, data, seed, Budget.ofEpochs(1_000_000)).raceData();
        for (String module : setting.all()) {
          train(setting, folder, RACE, module, seed, race, race.test(), setting.rungs());
        }
      }
      if (seed > 1) {
        for (String module : setting.all()) {
          trainFinal(setting, folder, data, module, seed);
        }
      }
    }
  }

  private static <N extends Network, D extends Dataset<?>> void trainFinal(
      Setting<N, D> setting, Path folder, TrainingData<D> data, String module, long seed)
      throws IOException {
    TrainingData<D> all =
        new TrainingData<>(
            data.name(),
            data.description(),
            data.train(),
            few(data.test()),
            data.normalization(),
            data.skipped());
    List<Integer> end = List.of(setting.training.epochs());
    train(setting, folder, FINAL, module, seed, all, data.test(), end);
  }

  /** The time on the clock says little on a machine that does other things as well. */
  private static long processorNanos() {
    return ((com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean())
        .getProcessCpuTime();
  }

  @SuppressWarnings("unchecked") // a part of a data set is a data set of the same kind
  private static <D extends Dataset<?>> D few(D samples) {
    return (D) samples.select(IntStream.range(0, FEW).toArray());
  }

  private static <N extends Network, D extends Dataset<?>> void train(
      Setting<N, D> setting,
      Path folder,
      String part,
      String module,
      long seed,
      TrainingData<D> data,
      D test,
      List<Integer> looks)
      throws IOException {
    Path file = setting.file(folder, part, module, seed);
    if (Files.exists(file)) {
      return;
    }
    long start = processorNanos();
    try (PointerScope scope = new PointerScope()) {
      Training<N, D> training =
          Training.withSameBackbone(module, attention -> setting.prepared(attention, seed, data));
      List<byte[]> scores = new ArrayList<>();
      training.start(
          new TrainingListener() {
            @Override
            public void epoch(EpochResult result, Evaluation any) {
              if (looks.contains(result.epoch())) {
                List<Double> each = new ArrayList<>();
                setting.task.evaluate(
                    training.network(),
                    test,
                    data.normalization(),
                    TestTimeAugmentation.WHOLE,
                    Progress.NONE,
                    sample -> each.add(sample.score()));
                scores.add(Curve.packed(each));
              }
            }
          });
      Curve curve = new Curve(module, seed, looks, scores, (processorNanos() - start) / NANOS);
      Files.createDirectories(file.getParent());
      Json.write(file, curve);
      double[] last = curve.at(scores.size() - 1);
      System.out.printf(
          Locale.ROOT,
          "%-16s %-5s seed %d  %-24s %.1f %%  %.0f s%n",
          setting.name,
          part,
          seed,
          module,
          100 * IntStream.range(0, last.length).mapToDouble(i -> last[i]).average().orElseThrow(),
          curve.seconds);
    }
  }
}
