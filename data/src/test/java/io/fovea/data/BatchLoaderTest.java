package io.fovea.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.fovea.testing.MemoryGrowth;
import java.nio.FloatBuffer;
import java.nio.LongBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.IntFunction;
import java.util.stream.IntStream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;

class BatchLoaderTest {

  /** Leaves a pixel what it is, but for the scale. */
  private static final Normalization PLAIN = new Normalization(List.of(0.0), List.of(1.0 / 255));

  private static ImageDataset dataset(int size, int height, int width, IntFunction<byte[]> pixels) {
    int[] labels = IntStream.range(0, size).map(index -> index % 3).toArray();
    return new ArrayDataset(
        List.of("a", "b", "c"), 1, height, width, labels, Integer::toString, pixels);
  }

  /** Images of 2 x 3 pixels; image 10 has the values 100, 101, 102 and so on. */
  private static ImageDataset counting(int size) {
    return dataset(
        size,
        2,
        3,
        index -> {
          byte[] pixels = new byte[6];
          for (int at = 0; at < 6; at++) {
            pixels[at] = (byte) (10 * (index % 20) + at);
          }
          return pixels;
        });
  }

  private static float[] floats(Tensor tensor) {
    float[] values = new float[Math.toIntExact(tensor.numel())];
    tensor.<FloatBuffer>createBuffer().get(values);
    return values;
  }

  private static long[] longs(Tensor tensor) {
    long[] values = new long[Math.toIntExact(tensor.numel())];
    tensor.<LongBuffer>createBuffer().get(values);
    return values;
  }

  /** What an epoch consists of, in order. */
  private record Taken(List<Integer> indices, List<Long> labels, List<List<Float>> images) {}

  private static Taken take(BatchLoader.Builder builder, int epoch) {
    Taken taken = new Taken(new ArrayList<>(), new ArrayList<>(), new ArrayList<>());
    try (BatchLoader loader = builder.build()) {
      for (Batch batch : loader.epoch(epoch)) {
        try (batch) {
          float[] values = floats(batch.images());
          int area = values.length / batch.indices().length;
          for (int at = 0; at < batch.indices().length; at++) {
            taken.indices().add(batch.indices()[at]);
            taken.labels().add(longs(batch.labels())[at]);
            List<Float> image = new ArrayList<>();
            for (float value : Arrays.copyOfRange(values, at * area, (at + 1) * area)) {
              image.add(value);
            }
            taken.images().add(image);
          }
        }
      }
    }
    return taken;
  }

  /** The parts of a batch, which the processes of a training have, make up the batch. */
  @Test
  void partsTogetherAreTheWhole() {
    Normalization plain = PLAIN;
    List<List<Integer>> whole = new ArrayList<>();
    List<float[]> pixels = new ArrayList<>();
    for (int part = -1; part < 3; part++) {
      BatchLoader.Builder builder =
          BatchLoader.builder(counting(17), plain)
              .batchSize(7)
              .augmentation(new Augmentation(1, true))
              .shuffle(true)
              .seed(3);
      try (BatchLoader loader = (part < 0 ? builder : builder.part(part, 3)).build()) {
        int number = 0;
        int at = 0;
        for (Batch batch : loader.epoch(2)) {
          try (batch) {
            List<Integer> indices = Arrays.stream(batch.indices()).boxed().toList();
            if (part < 0) {
              whole.add(new ArrayList<>(indices));
              pixels.add(floats(batch.images()));
            } else {
              // batches of 7, 7 and 3 in parts of 2, 2, 3 and 1, 1, 1
              assertThat(indices).hasSize(number < 2 ? (part == 2 ? 3 : 2) : 1);
              at = number < 2 ? part * 2 : part;
              assertThat(indices).isEqualTo(whole.get(number).subList(at, at + indices.size()));
              assertThat(floats(batch.images()))
                  .isEqualTo(
                      Arrays.copyOfRange(pixels.get(number), at * 6, (at + indices.size()) * 6));
            }
            number++;
          }
        }
        assertThat(number).isEqualTo(3);
      }
    }
  }

  @Test
  void givesTheDataSetInItsOrder() {
    try (BatchLoader loader = BatchLoader.builder(counting(5), PLAIN).batchSize(2).build()) {
      assertThat(loader.batches()).isEqualTo(3);
      Iterator<Batch> batches = loader.epoch(0).iterator();
      try (Batch first = batches.next()) {
        assertThat(first.images().shape()).containsExactly(2, 1, 2, 3);
        assertThat(first.images().scalar_type().intern()).isEqualTo(ScalarType.Float);
        assertThat(floats(first.images()))
            .containsExactly(0, 1, 2, 3, 4, 5, 10, 11, 12, 13, 14, 15);
        assertThat(first.labels().shape()).containsExactly(2);
        assertThat(first.labels().scalar_type().intern()).isEqualTo(ScalarType.Long);
        assertThat(longs(first.labels())).containsExactly(0, 1);
        assertThat(first.indices()).containsExactly(0, 1);
      }
      batches.next().close();
      try (Batch last = batches.next()) {
        assertThat(last.images().shape()).containsExactly(1, 1, 2, 3);
        assertThat(last.indices()).containsExactly(4);
        assertThat(longs(last.labels())).containsExactly(1);
      }
      assertThat(batches.hasNext()).isFalse();
      assertThatThrownBy(batches::next).isInstanceOf(NoSuchElementException.class);
    }
  }

  @Test
  void aDataSetWithTooFewOrTooManyPixelsIsRefused() {
    for (int length : new int[] {0, 1, 5, 7}) {
      ImageDataset wrong =
          new ArrayDataset(
              List.of("a"), 3, 1, 2, new int[1], index -> "file", index -> new byte[length]);
      try (BatchLoader loader = BatchLoader.builder(wrong, Normalization.IMAGENET).build()) {
        assertThatThrownBy(() -> loader.epoch(0).iterator().next().close())
            .isInstanceOf(DataException.class)
            .hasMessage("file: expected the 6 pixels of [3, 1, 2], got " + length);
      }
    }
  }

  @Test
  void normalizesEachChannel() {
    byte[] pixels = {0, (byte) 255, 51, 102, (byte) 128, (byte) 200};
    ImageDataset one =
        new ArrayDataset(List.of("a"), 3, 1, 2, new int[1], Integer::toString, index -> pixels);
    double[] expected = new double[6];
    for (int at = 0; at < 6; at++) {
      double mean = Normalization.IMAGENET.mean().get(at / 2);
      double std = Normalization.IMAGENET.std().get(at / 2);
      expected[at] = (Byte.toUnsignedInt(pixels[at]) / 255.0 - mean) / std;
    }

    List<Float> loaded = take(BatchLoader.builder(one, Normalization.IMAGENET), 0).images().get(0);

    try (Tensor tensor = BatchLoader.toTensor(new Image(3, 1, 2, pixels), Normalization.IMAGENET)) {
      assertThat(tensor.shape()).containsExactly(1, 3, 1, 2);
      for (int at = 0; at < 6; at++) {
        assertThat(floats(tensor)[at]).isEqualTo((float) expected[at]);
        assertThat(loaded.get(at)).isEqualTo((float) expected[at]);
      }
    }
  }

  @Test
  void aTensorBelongsToTheScopeOfTheCaller() {
    Tensor tensor;
    try (PointerScope scope = new PointerScope()) {
      tensor = BatchLoader.toTensor(new Image(1, 2, 3, new byte[6]), PLAIN);
      assertThat(tensor.isNull()).isFalse();
    }
    assertThat(tensor.isNull()).isTrue();
  }

  @Test
  void aBatchOutlivesTheScopeOfTheConsumer() {
    try (BatchLoader loader = BatchLoader.builder(counting(4), PLAIN).batchSize(2).build()) {
      Batch batch;
      try (PointerScope scope = new PointerScope()) {
        batch = loader.epoch(0).iterator().next();
      }
      assertThat(floats(batch.images())[11]).isEqualTo(15);
      batch.close();
      assertThat(batch.images().isNull()).isTrue();
      assertThat(batch.labels().isNull()).isTrue();
    }
  }

  @Test
  void shufflesEveryEpochAnew() {
    BatchLoader.Builder builder =
        BatchLoader.builder(counting(100), PLAIN).batchSize(7).shuffle(true).seed(3);

    Taken first = take(builder, 0);
    Taken second = take(builder, 1);

    Integer[] all = IntStream.range(0, 100).boxed().toArray(Integer[]::new);
    assertThat(first.indices()).containsExactlyInAnyOrder(all).doesNotContainSequence(all);
    assertThat(second.indices()).containsExactlyInAnyOrder(all);
    assertThat(second.indices()).isNotEqualTo(first.indices());
    for (int at = 0; at < 100; at++) {
      assertThat(first.labels().get(at)).isEqualTo(first.indices().get(at) % 3);
      assertThat(first.images().get(at).get(0)).isEqualTo(10f * (first.indices().get(at) % 20));
    }
  }

  @Test
  void dropsTheLast() {
    BatchLoader.Builder builder =
        BatchLoader.builder(counting(100), PLAIN).batchSize(7).shuffle(true).dropLast(true);

    assertThat(new HashSet<>(take(builder, 0).indices())).hasSize(98);
    try (BatchLoader loader = builder.build()) {
      assertThat(loader.batches()).isEqualTo(14);
    }
  }

  @Test
  void aSeedRepeats() {
    BatchLoader.Builder builder =
        BatchLoader.builder(counting(200), PLAIN)
            .batchSize(8)
            .shuffle(true)
            .augmentation(new Augmentation(1, true));

    Taken taken = take(builder.seed(1), 5);

    assertThat(take(builder.seed(1), 5)).isEqualTo(taken);
    assertThat(take(builder.seed(1), 6)).isNotEqualTo(taken);
    assertThat(take(builder.seed(2), 5)).isNotEqualTo(taken);
  }

  @Test
  void theOrderAndTheAugmentationOfASeedNeverChange() {
    Taken taken =
        take(
            BatchLoader.builder(counting(8), PLAIN)
                .shuffle(true)
                .augmentation(new Augmentation(1, true))
                .seed(42),
            2);

    // Recorded once. A change here changes every result that was published with a seed.
    assertThat(taken.indices()).containsExactly(5, 3, 0, 1, 2, 7, 4, 6);
    assertThat(taken.images().get(0)).containsExactly(51f, 52f, 0f, 54f, 55f, 0f);
  }

  @Test
  void theAugmentationOfAnImageDependsOnItsIndexOnly() {
    BatchLoader.Builder builder =
        BatchLoader.builder(counting(60), PLAIN).augmentation(new Augmentation(1, true)).seed(9);

    List<List<Float>> images = take(builder.batchSize(60), 0).images();
    Taken shuffled = take(builder.batchSize(7).shuffle(true), 0);

    for (int at = 0; at < 60; at++) {
      assertThat(shuffled.images().get(at)).isEqualTo(images.get(shuffled.indices().get(at)));
    }
  }

  @Test
  void cropsAndFlipsExactly() {
    byte[] pixels = {
      1, 2, 3, //
      4, 5, 6
    };
    float[][] table = new Normalization(List.of(-1.0 / 255), List.of(1.0 / 255)).table();

    // Black is 1 after this normalization, the pixels 2 to 7.
    assertThat(placed(pixels, table, 0, 0, false)).containsExactly(2, 3, 4, 5, 6, 7);
    assertThat(placed(pixels, table, 0, 0, true)).containsExactly(4, 3, 2, 7, 6, 5);
    assertThat(placed(pixels, table, 1, 0, false)).containsExactly(5, 6, 7, 1, 1, 1);
    assertThat(placed(pixels, table, -1, 0, false)).containsExactly(1, 1, 1, 2, 3, 4);
    assertThat(placed(pixels, table, 0, 1, false)).containsExactly(3, 4, 1, 6, 7, 1);
    assertThat(placed(pixels, table, 0, -2, false)).containsExactly(1, 1, 2, 1, 1, 5);
    assertThat(placed(pixels, table, 1, 1, true)).containsExactly(1, 7, 6, 1, 1, 1);
    assertThat(placed(pixels, table, 5, 0, false)).containsOnly(1);
  }

  private static float[] placed(byte[] pixels, float[][] table, int down, int right, boolean flip) {
    float[] result = new float[6];
    BatchLoader.place(pixels, 2, 3, table, down, right, flip, result);
    return result;
  }

  @Test
  void everyCropAndFlipOccursAboutAsOften() {
    byte[] pixels = {1, 2, 3, 4, 5, 6};
    float[][] table = PLAIN.table();
    Map<List<Float>, Integer> counts = new HashMap<>();
    for (int down = -1; down <= 1; down++) {
      for (int right = -1; right <= 1; right++) {
        for (boolean flip : new boolean[] {false, true}) {
          List<Float> image = new ArrayList<>();
          for (float value : placed(pixels, table, down, right, flip)) {
            image.add(value);
          }
          counts.put(image, 0);
        }
      }
    }
    assertThat(counts).hasSize(18);

    Taken taken =
        take(
            BatchLoader.builder(dataset(18_000, 2, 3, index -> pixels.clone()), PLAIN)
                .augmentation(new Augmentation(1, true)),
            0);

    for (List<Float> image : taken.images()) {
      assertThat(counts).containsKey(image);
      counts.merge(image, 1, Integer::sum);
    }
    // A thousand of each; six standard deviations.
    assertThat(counts.values()).allSatisfy(count -> assertThat(count).isBetween(815, 1185));
  }

  @Test
  void whatGoesWrongReachesTheConsumerInItsPlace() {
    ImageDataset broken =
        dataset(
            100,
            1,
            1,
            index -> {
              if (index == 5) {
                throw new DataException("image 5: broken");
              }
              return new byte[1];
            });
    try (BatchLoader loader = BatchLoader.builder(broken, PLAIN).batchSize(2).build()) {
      Iterator<Batch> batches = loader.epoch(0).iterator();
      batches.next().close();
      batches.next().close();
      assertThatThrownBy(batches::next)
          .isInstanceOf(DataException.class)
          .hasMessage("image 5: broken");
      assertThat(batches.hasNext()).isFalse();
    }
  }

  @Test
  void preparesAFewBatchesAhead() {
    AtomicInteger read = new AtomicInteger();
    ImageDataset counted =
        dataset(
            1000,
            1,
            1,
            index -> {
              read.incrementAndGet();
              return new byte[1];
            });
    try (BatchLoader loader = BatchLoader.builder(counted, PLAIN).batchSize(10).build()) {
      loader.epoch(0).iterator().next().close();
    }
    assertThat(read.get()).isBetween(10, 50);
  }

  @Test
  void closingEarlyStopsTheThreads() throws InterruptedException {
    AtomicInteger read = new AtomicInteger();
    ImageDataset counted =
        dataset(
            100_000,
            1,
            1,
            index -> {
              read.incrementAndGet();
              return new byte[1];
            });
    BatchLoader loader = BatchLoader.builder(counted, PLAIN).batchSize(20_000).build();
    loader.epoch(0).iterator().next().close();
    loader.close();
    int afterClose = read.get();
    assertThatThrownBy(() -> loader.epoch(1).iterator())
        .isInstanceOf(IllegalStateException.class)
        .hasMessage("loader: the loader is closed");

    Set<Thread> threads = Thread.getAllStackTraces().keySet();
    for (Thread thread : threads) {
      if (thread.getName().equals("fovea-batches")) {
        thread.join(60_000);
        assertThat(thread.isAlive()).isFalse();
      }
    }
    assertThat(read.get()).isEqualTo(afterClose);
  }

  @Test
  void closingEarlyFreesTheMemory() throws Exception {
    // A megabyte a batch, of which some are ahead.
    ImageDataset large = dataset(64, 128, 128, index -> new byte[128 * 128]);
    MemoryGrowth.assertNone(
        100,
        4 << 20,
        () -> {
          try (BatchLoader loader = BatchLoader.builder(large, PLAIN).batchSize(16).build()) {
            Iterator<Batch> abandoned = loader.epoch(0).iterator();
            abandoned.next().close();
            loader.epoch(1).iterator().next().close();
          }
        });
  }

  @Test
  void refusesWhatCannotBeLoaded() {
    ImageDataset ten = counting(10);
    assertThatThrownBy(() -> BatchLoader.builder(ten, PLAIN).batchSize(0).build())
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("loader: expected a batch size of at least 1, got 0");
    assertThatThrownBy(() -> BatchLoader.builder(ten, Normalization.IMAGENET).build())
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("loader: expected a normalization of 1 channels, got 3");
    assertThatThrownBy(() -> BatchLoader.builder(ten, PLAIN).dropLast(true).build())
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("loader: expected at least one batch of 128 images, got 10 images");
    assertThatThrownBy(() -> new Augmentation(-1, false))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("augmentation: expected a padding of at least 0, got -1");
    assertThatThrownBy(() -> new Image(1, 2, 3, new byte[7]))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("image: expected 1 x 2 x 3 bytes, got 7");
  }

  /** Nine of the first class, two of the second and one of the third: four of each are shown. */
  @Test
  void aBalancedEpochShowsEachClassEquallyOften() {
    int[] labels = {0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 2};
    ImageDataset images = counting(12);
    BatchLoader.Builder builder =
        BatchLoader.builder(images, PLAIN)
            .augmentation(new Augmentation(1, true))
            .batchSize(12)
            .balanced(labels)
            .seed(3);

    Taken taken = take(builder, 1);

    Map<Integer, Integer> counts = new HashMap<>();
    taken.indices().forEach(index -> counts.merge(index, 1, Integer::sum));
    assertThat(counts).hasSize(7).containsEntry(9, 2).containsEntry(10, 2).containsEntry(11, 4);
    assertThat(counts.keySet().stream().filter(index -> index < 9)).hasSize(4);
    Set<List<Float>> shown = new HashSet<>();
    for (int i = 0; i < 12; i++) {
      if (taken.indices().get(i) == 11) {
        shown.add(taken.images().get(i));
      }
    }
    assertThat(shown).as("augmented differently").hasSizeGreaterThan(1);
    assertThat(take(builder, 1)).isEqualTo(taken);
    assertThat(take(builder, 2)).isNotEqualTo(taken);
    assertThatThrownBy(() -> builder.balanced(new int[3]).build())
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("loader: expected a class for each of 12 images, got 3");
  }
}
