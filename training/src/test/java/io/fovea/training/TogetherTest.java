package io.fovea.training;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.fovea.data.Batch;
import io.fovea.data.BatchLoader;
import io.fovea.data.DataException;
import io.fovea.data.Dataset;
import io.fovea.data.ImageDataset;
import io.fovea.data.TrainingData;
import io.fovea.models.Classifier;
import io.fovea.models.Network;
import io.fovea.models.Precision;
import io.fovea.models.weights.StateDict;
import io.fovea.training.processes.Group;
import io.fovea.training.processes.Groups;
import io.fovea.training.run.Json;
import io.fovea.training.run.Run;
import io.fovea.training.run.StateFile;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;
import java.util.function.Supplier;
import org.bytedeco.javacpp.DoublePointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Several processes against one. Each is a thread here, with connections of its own; {@code
 * ProcessesTest} of the command line has processes.
 */
class TogetherTest {
  private static final double EXACT = 1e-12;

  /** After few steps with weights about 1, in float32; the sums have another order. */
  private static final double ROUNDED = 1e-5;

  private static final String RESULTS = "loss and accuracy";

  @TempDir Path folder;

  /**
   * The parameters and buffers after two epochs, by one member of a group.
   *
   * @param made creates the network; called by one thread at a time
   * @param type the type of the network
   * @param train whether batch norms are in training mode
   */
  private static <N extends Network, D extends Dataset<?>> Map<String, double[]> trained(
      Task<N, D> task,
      Supplier<N> made,
      TrainingData<D> data,
      TrainingSpec spec,
      ScalarType type,
      boolean train,
      Group group) {
    N network;
    synchronized (TogetherTest.class) {
      network = made.get();
    }
    TrainingSpec settings = task.completed(spec, data);
    try (PointerScope scope = new PointerScope();
        BatchLoader loader =
            BatchLoader.builder(task.samples(data.train(), data.normalization(), settings))
                .batchSize(settings.batchSize())
                .part(group.rank(), group.size())
                .shuffle(true)
                .dropLast(true)
                .seed(settings.seed())
                .build()) {
      network.to(type, false);
      Optimizers optimizers = new Optimizers(settings);
      optimizers.add(StateDict.parameters(network), 0.01, 1);
      Loop.Objective objective = task.objective(network, settings);
      Loop loop =
          new Loop(
              network,
              optimizers,
              batch ->
                  objective.of(new Batch(batch.images().to(type), batch.labels(), batch.indices())),
              () -> network.train(train),
              loader,
              settings,
              group);
      loop.epoch(1, 2, List.of(), TrainingListener.NONE, () -> {});
      Loop.Epoch last = loop.epoch(2, 2, List.of(), TrainingListener.NONE, () -> {});
      Map<String, double[]> values = new LinkedHashMap<>();
      StateDict.of(network).forEach((name, tensor) -> values.put(name, doubles(tensor)));
      values.put(RESULTS, new double[] {last.loss(), last.accuracy()});
      return values;
    }
  }

  private static double[] doubles(Tensor tensor) {
    Tensor flat = tensor.detach().to(ScalarType.Double).contiguous();
    double[] values = new double[Math.toIntExact(flat.numel())];
    new DoublePointer(flat.data_ptr()).get(values);
    return values;
  }

  private static void assertClose(
      Map<String, double[]> got, Map<String, double[]> expected, double tolerance) {
    assertThat(got.keySet()).isEqualTo(expected.keySet());
    expected.forEach(
        (name, values) ->
            assertThat(got.get(name)).as(name).containsExactly(values, within(tolerance)));
  }

  private static TrainingSpec spec(int batch, int accumulate) {
    return new TrainingSpec(2, batch, 0.05, 0.9, 5e-4, true, 1, new ClassificationExtras(0.1, 2))
        .withOptimization(Optimization.DEFAULT.withAccumulate(accumulate).withClip(1).withEma(0.9));
  }

  /** Augmented, with uneven parts of a batch, and all gradients clipped together. */
  @ParameterizedTest
  @CsvSource({"2, 16, 1, false", "3, 10, 2, true", "4, 13, 1, true"})
  void severalProcessesAreOneLargeBatch(int size, int batch, int accumulate, boolean synced) {
    TrainingSpec spec = spec(batch, accumulate);
    Function<Group, Map<String, double[]>> training =
        group -> {
          group.setSyncedBatchNorms(synced);
          return trained(
              Tasks.CLASSIFICATION,
              () -> Shades.network(1),
              Shades.data(),
              spec,
              ScalarType.Double,
              synced,
              group);
        };
    Map<String, double[]> one = training.apply(Group.ALONE);

    List<Map<String, double[]>> several = Groups.of(size, training);

    several.forEach(own -> assertClose(own, one, EXACT));
    assertThat(one.get("fc.weight"))
        .isNotEqualTo(Shades.values(Shades.network(1)).get("fc.weight"));
  }

  /** In bfloat16 it is one training but for bfloat16's own rounding, and all processes have the same bits. */
  @Test
  void severalProcessesTrainInBfloat16() {
    Map<String, double[]> exact = precise(Precision.FLOAT32).apply(Group.ALONE);
    Map<String, double[]> one = precise(Precision.BF16).apply(Group.ALONE);

    List<Map<String, double[]>> several = Groups.of(2, precise(Precision.BF16));

    double rounding = distance(one, exact);
    assertThat(rounding).isPositive();
    assertThat(distance(several.get(0), one)).isLessThan(2 * rounding);
    Set<String> weights = new LinkedHashSet<>(one.keySet());
    weights.remove(RESULTS);
    weights.forEach(
        name -> assertThat(several.get(1).get(name)).as(name).isEqualTo(several.get(0).get(name)));
  }

  private static Function<Group, Map<String, double[]>> precise(Precision precision) {
    return group ->
        trained(
            Tasks.CLASSIFICATION,
            () -> {
              Classifier network = Shades.network(1);
              network.setPrecision(precision);
              return network;
            },
            Shades.data(),
            spec(16, 1),
            ScalarType.Float,
            false,
            group);
  }

  private static double distance(Map<String, double[]> one, Map<String, double[]> other) {
    double sum = 0;
    for (Map.Entry<String, double[]> entry : one.entrySet()) {
      double[] expected = other.get(entry.getKey());
      for (int i = 0; i < expected.length; i++) {
        sum += Math.pow(entry.getValue()[i] - expected[i], 2);
      }
    }
    return Math.sqrt(sum);
  }

  /** Pixels that are ignored, and weights of classes, which are not equally many in all parts. */
  @Test
  void theLossOfPixelsIsThatOfAllProcesses() {
    TrainingSpec spec =
        Blocks.SPEC
            .withBatchSize(8)
            .withExtras(Blocks.EXTRAS.withClassWeights(ClassWeights.of(List.of(0.5, 3.0))));
    Function<Group, Map<String, double[]>> training =
        group ->
            trained(
                Tasks.SEGMENTATION,
                Blocks::network,
                Blocks.data(),
                spec,
                ScalarType.Float,
                false,
                group);
    Map<String, double[]> one = training.apply(Group.ALONE);

    Groups.of(3, training).forEach(own -> assertClose(own, one, ROUNDED));
  }

  private static Map<String, double[]> start(
      Group group, TrainingSpec spec, TrainingState from, TrainingListener listener) {
    Training<Classifier, ImageDataset> training;
    synchronized (TogetherTest.class) {
      training = Shades.training(spec).together(group);
    }
    List<EpochResult> history = training.start(from, listener);
    Map<String, double[]> values = Shades.values(training.network());
    EpochResult last = history.get(history.size() - 1);
    values.put(
        "results",
        new double[] {last.trainLoss(), last.testLoss(), last.test(Tasks.CLASSIFICATION.score())});
    return values;
  }

  /** All that a training does, with class weights, whose sums differ between the parts. */
  @Test
  void aTrainingWithItsTestsIsThatOfOneProcess() {
    TrainingSpec spec =
        spec(10, 1)
            .withExtras(
                new ClassificationExtras(0.1, 2)
                    .withClassWeights(ClassWeights.of(List.of(0.5, 3.0))));
    Map<String, double[]> one = start(Group.ALONE, spec, null, TrainingListener.NONE);

    List<Map<String, double[]>> several =
        Groups.of(
            2,
            group -> {
              group.setSyncedBatchNorms(true);
              return start(group, spec.withBatchSize(5), null, TrainingListener.NONE);
            });

    several.forEach(own -> assertClose(own, one, ROUNDED));
  }

  /** Without their exchange, each process has the batch norms of its own images. */
  @Test
  void allProcessesEndWithTheStatisticsOfTheFirst() {
    List<Map<String, double[]>> several =
        Groups.of(3, group -> start(group, spec(4, 1), null, TrainingListener.NONE));

    several.forEach(own -> assertClose(own, several.get(0), 0));
  }

  /** The state of each random generator travels with it, and so does the place within an epoch. */
  @Test
  void goesOnBitForBit() throws IOException {
    int epochs = 1;
    int batches = 2;
    TrainingSpec spec = spec(4, 1).withEpochs(3);
    Path file = folder.resolve("state.safetensors");
    List<Map<String, double[]>> whole =
        Groups.of(3, group -> start(group, spec, null, new Keeping(group, file, epochs, batches)));
    assertThat(file).exists();

    List<Map<String, double[]>> continued =
        Groups.of(
            3,
            group -> {
              try (PointerScope scope = new PointerScope()) {
                Path copy = folder.resolve("copy" + group.rank());
                assertThat(group.first(group.isFirst() ? file : null, copy)).isTrue();
                return start(
                    group,
                    spec,
                    StateFile.read(group.isFirst() ? file : copy),
                    TrainingListener.NONE);
              }
            });

    for (int rank = 0; rank < 3; rank++) {
      assertClose(continued.get(rank), whole.get(rank), 0);
    }
  }

  /** Writes the state after some epochs and batches, as the first process. */
  private static final class Keeping implements TrainingListener {
    private final Group group;
    private final Path file;
    private final int epochs;
    private final int batches;

    Keeping(Group group, Path file, int epochs, int batches) {
      this.group = group;
      this.file = file;
      this.epochs = epochs;
      this.batches = batches;
    }

    @Override
    public boolean wantsState() {
      return group.isFirst() && batches > 0;
    }

    @Override
    public void state(Supplier<TrainingState> state) {
      TrainingState reached = state.get();
      if (group.isFirst() && reached.history().size() == epochs && reached.batches() == batches) {
        try {
          StateFile.write(file, reached);
        } catch (IOException e) {
          throw new UncheckedIOException(e);
        }
      }
    }
  }

  /** The first process sends its settings and the fingerprint of its data; each other compares them with its own. */
  @ParameterizedTest
  @CsvSource({"20, 0.05, data identity", "40, 0.1, learning_rate"})
  void aProcessWithOtherDataOrSettingsIsRefused(int images, double rate, String what) {
    TrainingSpec spec = spec(4, 1).withEpochs(1);
    Path run = folder.resolve("run");
    Shades.train(run, spec);
    ObjectNode first = Json.read(run.resolve("config.json"), ObjectNode.class);
    first.putObject("together").put("processes", 2).put("sync_bn", false);
    TrainingData<ImageDataset> all = Shades.data();
    TrainingData<ImageDataset> own =
        new TrainingData<>(
            all.name(),
            all.description(),
            Shades.images(images),
            all.test(),
            all.normalization(),
            List.of());

    List<RuntimeException> ends =
        Groups.of(
            2,
            group -> {
              if (group.isFirst()) {
                group.first(first.toString());
                return null;
              }
              Training<Classifier, ImageDataset> training =
                  Training.of(Tasks.CLASSIFICATION, Shades.MODEL, own, spec.withLearningRate(rate));
              try {
                Run.join(training.together(group), Shades.SPEC, TrainingListener.NONE);
                return null;
              } catch (DataException e) {
                return e;
              }
            });

    assertThat(ends.get(1))
        .isNotNull()
        .hasMessageStartingWith("process 1 has other settings or data than the first one (")
        .hasMessageContaining(what);
  }

  @Test
  void moreProcessesThanImagesAreRefused() {
    List<Throwable> failures =
        Groups.of(
            2,
            group -> {
              ImageDataset few = Shades.images(1);
              TrainingData<ImageDataset> data =
                  new TrainingData<>(
                      "few", "few", few, few, Shades.data().normalization(), List.of());
              try {
                Training.of(Tasks.CLASSIFICATION, Shades.MODEL, data, Shades.TRAINING)
                    .together(group)
                    .start(TrainingListener.NONE);
                return null;
              } catch (RuntimeException e) {
                return e;
              }
            });

    failures.forEach(e -> assertThat(e).hasMessage("few: has 1 training images for 2 processes"));
  }
}
