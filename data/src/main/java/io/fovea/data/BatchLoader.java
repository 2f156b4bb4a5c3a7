package io.fovea.data;

import java.nio.FloatBuffer;
import java.nio.LongBuffer;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Deque;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.Random;
import java.util.TreeMap;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * Prepares the batches of an epoch in the background, so that a few batches are always ready before
 * the training needs them.
 *
 * <pre>{@code
 * try (BatchLoader loader =
 *     BatchLoader.builder(data.train(), data.normalization())
 *         .batchSize(128)
 *         .augmentation(new Augmentation(2, true))
 *         .shuffle(true)
 *         .seed(1)
 *         .build()) {
 *   for (Batch batch : loader.epoch(0)) {
 *     try (batch) {
 *       ...
 *     }
 *   }
 * }
 * }</pre>
 *
 * <p>The order of the images depends on seed and epoch, and the augmentation of an image depends on
 * seed, epoch and index. So the batches are the same bit for bit, whatever the timing of the
 * threads.
 *
 * <p>A loader is for one thread; it is not thread-safe.
 */
public final class BatchLoader implements AutoCloseable {

  private static final int AHEAD = 4;

  private final SampleSource samples;
  private final int batchSize;
  private final boolean shuffle;
  private final boolean dropLast;
  private final long seed;
  private final int[] balanced;
  private final int part;
  private final int parts;
  private final ExecutorService workers;
  private Epoch current;

  private BatchLoader(Builder builder) {
    samples = builder.samples();
    batchSize = builder.batchSize;
    shuffle = builder.shuffle;
    dropLast = builder.dropLast;
    seed = builder.seed;
    balanced = builder.balanced;
    part = builder.part;
    parts = builder.parts;
    // One thread is fast enough for images in memory. Images that are decoded from files need more
    // threads.
    workers =
        Executors.newFixedThreadPool(
            Math.min(AHEAD, Runtime.getRuntime().availableProcessors()), BatchLoader::worker);
  }

  private static Thread worker(Runnable task) {
    Thread thread = new Thread(task, "fovea-batches");
    thread.setDaemon(true);
    return thread;
  }

  /** Builds loaders. */
  public static final class Builder {

    private final SampleSource samples;
    private final ImageDataset dataset;
    private final Normalization normalization;
    private int batchSize = 128;
    private Augmentation augmentation = Augmentation.NONE;
    private boolean shuffle;
    private boolean dropLast;
    private long seed;
    private int[] balanced;
    private int part;
    private int parts = 1;

    private Builder(ImageDataset dataset, Normalization normalization) {
      this.samples = null;
      this.dataset = dataset;
      this.normalization = normalization;
    }

    private Builder(SampleSource samples) {
      this.samples = samples;
      this.dataset = null;
      this.normalization = null;
    }

    private SampleSource samples() {
      return samples != null
          ? samples
          : new ImageSamples(dataset, normalization.table(), augmentation);
    }

    private int size() {
      return samples != null ? samples.size() : dataset.size();
    }

    /**
     * Sets the number of images of a batch.
     *
     * @param value at least 1; 128 if not set
     * @return this
     */
    public Builder batchSize(int value) {
      batchSize = value;
      return this;
    }

    /**
     * Sets the augmentation.
     *
     * @param value {@link Augmentation#NONE} if not set
     * @return this
     */
    public Builder augmentation(Augmentation value) {
      augmentation = value;
      return this;
    }

    /**
     * Sets whether every epoch has a new random order.
     *
     * @param value false if not set: the order of the data set
     * @return this
     */
    public Builder shuffle(boolean value) {
      shuffle = value;
      return this;
    }

    /**
     * Sets whether an incomplete last batch is left out of the epoch.
     *
     * @param value false if not set: the last batch is smaller
     * @return this
     */
    public Builder dropLast(boolean value) {
      dropLast = value;
      return this;
    }

    /**
     * Shows each class equally often, in a new random order in each epoch. An epoch keeps its number
     * of samples: those of rare classes are repeated, with another augmentation each time, and some
     * of the others are left out, other ones in each epoch.
     *
     * @param labels the class of each sample, from 0; null, the default, for each sample once
     * @return this
     */
    public Builder balanced(int[] labels) {
      balanced = labels == null ? null : labels.clone();
      return this;
    }

    /**
     * Sets the seed of order and augmentation.
     *
     * @param value 0 if not set
     * @return this
     */
    public Builder seed(long value) {
      seed = value;
      return this;
    }

    /**
     * Prepares only a part of each batch. The loaders of all parts together give the batches of a
     * loader of the whole, with the same augmentation.
     *
     * @param number the number of the part, from 0
     * @param of the number of parts, which differ by at most one image; 1 if not set
     * @return this
     * @throws IllegalArgumentException if there is no such part
     */
    public Builder part(int number, int of) {
      if (number < 0 || number >= of) {
        throw new IllegalArgumentException(
            String.format("loader: expected a part from 0 to %d, got %d", of - 1, number));
      }
      part = number;
      parts = of;
      return this;
    }

    /**
     * Creates the loader.
     *
     * @return the loader, which must be closed
     * @throws IllegalArgumentException if the batch size is less than 1 or than the number of
     *     parts, the normalization has another number of channels than the data set, no batch would
     *     be left without the last one, or there is not a class for each sample
     */
    public BatchLoader build() {
      if (batchSize < 1) {
        throw new IllegalArgumentException(
            "loader: expected a batch size of at least 1, got " + batchSize);
      }
      if (batchSize < parts) {
        throw new IllegalArgumentException(
            String.format(
                "loader: expected a batch of at least one image for each of %d parts, got %d",
                parts, batchSize));
      }
      if (samples == null && normalization.mean().size() != dataset.channels()) {
        throw new IllegalArgumentException(
            String.format(
                "loader: expected a normalization of %d channels, got %d",
                dataset.channels(), normalization.mean().size()));
      }
      if (dropLast && size() < batchSize) {
        throw new IllegalArgumentException(
            String.format(
                "loader: expected at least one batch of %d images, got %d images",
                batchSize, size()));
      }
      if (balanced != null && balanced.length != size()) {
        throw new IllegalArgumentException(
            String.format(
                "loader: expected a class for each of %d images, got %d", size(), balanced.length));
      }
      return new BatchLoader(this);
    }
  }

  /**
   * Creates a builder.
   *
   * @param dataset the images
   * @param normalization the normalisation of the pixels
   * @return a builder with the defaults
   */
  public static Builder builder(ImageDataset dataset, Normalization normalization) {
    return new Builder(dataset, normalization);
  }

  /** Creates a builder for images with one class each. */
  public static SampleSource samples(
      ImageDataset dataset, Normalization normalization, Augmentation augmentation) {
    return new ImageSamples(dataset, normalization.table(), augmentation);
  }

  /** Creates a builder for samples that do their own augmentation. */
  public static Builder builder(SampleSource samples) {
    return new Builder(samples);
  }

  /**
   * Converts one image or one clip to a tensor, normalised like the batches of a loader.
   *
   * @param normalization the normalisation of the channels
   * @return float32 {@code [1, C, H, W]}, or {@code [1, C, T, H, W]} for a clip; it belongs to the
   *     caller's {@code PointerScope}, if there is one
   * @throws IllegalArgumentException if the normalization has another number of channels
   */
  public static Tensor toTensor(Image image, Normalization normalization) {
    if (image.channels() != normalization.mean().size()) {
      throw new IllegalArgumentException(
          String.format(
              "image: expected %d channels, got %d",
              normalization.mean().size(), image.channels()));
    }
    float[] values = new float[image.pixels().length];
    place(
        image.pixels(), image.height(), image.width(), normalization.table(), 0, 0, false, values);
    Tensor tensor = empty(ScalarType.Float, batch(1, image.shape()));
    tensor.<FloatBuffer>createBuffer().put(values);
    return tensor;
  }

  private static long[] batch(int count, long[] shape) {
    return LongStream.concat(LongStream.of(count), LongStream.of(shape)).toArray();
  }

  /** The number of images of a batch, all parts together. */
  public int batchSize() {
    return batchSize;
  }

  /**
   * The number of batches of an epoch.
   *
   * @return at least 1
   */
  public int batches() {
    int whole = samples.size() / batchSize;
    return dropLast || samples.size() % batchSize == 0 ? whole : whole + 1;
  }

  /**
   * Returns the batches of an epoch. The preparation begins when the iterator is created. A new
   * iterator ends the previous one and frees its batches.
   *
   * <p>If the preparation of a batch fails, {@code next()} throws its exception, such as a {@link
   * DataException}, and the epoch ends.
   *
   * @param epoch the index of the epoch, on which order and augmentation depend
   * @return the batches, each of which the caller must close
   * @throws IllegalStateException from the iterator, if the loader is closed
   */
  public Iterable<Batch> epoch(int epoch) {
    return epoch(epoch, 0);
  }

  /**
   * Returns the batches of an epoch without the first ones, which are otherwise the same.
   *
   * @param epoch as for {@link #epoch(int)}
   * @param from the number of batches that are left out
   * @throws IllegalArgumentException if the epoch has fewer batches
   */
  public Iterable<Batch> epoch(int epoch, int from) {
    if (from < 0 || from > batches()) {
      throw new IllegalArgumentException(
          String.format("loader: expected 0 to %d batches to leave out, got %d", batches(), from));
    }
    return () -> {
      if (workers.isShutdown()) {
        throw new IllegalStateException("loader: the loader is closed");
      }
      endEpoch();
      current = new Epoch(Seeds.mix(seed, epoch), from);
      return current;
    };
  }

  /**
   * Ends the current epoch, frees its batches, and waits for the threads, which stop after their
   * current image.
   */
  @Override
  public void close() {
    endEpoch();
    workers.shutdown();
    try {
      workers.awaitTermination(1, TimeUnit.MINUTES);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private void endEpoch() {
    if (current != null) {
      current.end();
    }
  }

  /** The batches that are being prepared, in order. One thread prepares a whole batch. */
  private final class Epoch implements Iterator<Batch> {

    private final long epochSeed;
    private final int[] order;
    private final int[] turns; // how often the sample was shown before in this epoch
    private final Deque<CompletableFuture<Batch>> ahead = new ArrayDeque<>();
    private int submitted;
    private volatile boolean ended;

    Epoch(long epochSeed, int from) {
      submitted = from;
      this.epochSeed = epochSeed;
      // This uses Random instead of a newer generator, because its documentation fixes every bit
      // for all versions of Java.
      Random random = new Random(epochSeed);
      int[] all = IntStream.range(0, samples.size()).toArray();
      order = balanced == null ? all : equalShares(random);
      if (shuffle || balanced != null) {
        shuffle(order, random);
      }
      turns = turns(order);
      submit();
    }

    private void submit() {
      while (ahead.size() < AHEAD && submitted < batches()) {
        int start = submitted++ * batchSize;
        int size = Math.min(batchSize, order.length - start);
        int from = start + boundary(size, part);
        int[] indices = Arrays.copyOfRange(order, from, start + boundary(size, part + 1));
        ahead.add(CompletableFuture.supplyAsync(() -> prepare(indices, from), workers));
      }
    }

    @Override
    public boolean hasNext() {
      return !ahead.isEmpty();
    }

    @Override
    public Batch next() {
      CompletableFuture<Batch> first = ahead.poll();
      if (first == null) {
        throw new NoSuchElementException("the epoch is over");
      }
      submit();
      try {
        return first.join();
      } catch (CompletionException e) {
        end();
        throw e.getCause() instanceof RuntimeException cause ? cause : e;
      }
    }

    void end() {
      ended = true;
      for (CompletableFuture<Batch> batch : ahead) {
        // Unfinished batches are closed by their threads when they are finished.
        CompletableFuture<Void> unused = batch.thenAccept(Batch::close);
      }
      ahead.clear();
    }

    private Batch prepare(int[] indices, int from) {
      // The scope frees everything if a sample fails; retained tensors outlive it.
      try (PointerScope scope = new PointerScope()) {
        Tensor images = empty(ScalarType.Float, batch(indices.length, samples.inputShape()));
        Tensor labels = empty(ScalarType.Long, batch(indices.length, samples.labelShape()));
        FloatBuffer values = images.createBuffer();
        LongBuffer classes = labels.createBuffer();
        float[] image = new float[values.capacity() / indices.length];
        long[] label = new long[classes.capacity() / indices.length];
        for (int i = 0; i < indices.length; i++) {
          int index = indices[i];
          long own = Seeds.mix(epochSeed, index);
          int turn = turns[from + i];
          if (ended) {
            throw new CancellationException("the epoch was ended");
          }
          samples.read(index, new Random(turn == 0 ? own : Seeds.mix(own, turn)), image, label);
          values.put(image);
          classes.put(label);
        }
        images.retainReference();
        labels.retainReference();
        return new Batch(images, labels, indices);
      }
    }
  }

  /** Where a part of a batch begins. */
  private int boundary(int size, int number) {
    return (int) ((long) size * number / parts);
  }

  private static void shuffle(int[] order, Random random) {
    for (int left = order.length; left > 1; left--) {
      int chosen = random.nextInt(left);
      int index = order[chosen];
      order[chosen] = order[left - 1];
      order[left - 1] = index;
    }
  }

  /** As many samples as there are, of each class equally many, give or take one. */
  private int[] equalShares(Random random) {
    Map<Integer, List<Integer>> byClass = new TreeMap<>();
    for (int i = 0; i < balanced.length; i++) {
      byClass.computeIfAbsent(balanced[i], label -> new ArrayList<>()).add(i);
    }
    List<int[]> classes = new ArrayList<>();
    byClass.values().forEach(own -> classes.add(own.stream().mapToInt(i -> i).toArray()));
    Collections.shuffle(classes, random); // so that it is not always the same that have one more
    int[] order = new int[balanced.length];
    for (int i = 0; i < order.length; i++) {
      int[] own = classes.get(i % classes.size());
      int at = i / classes.size() % own.length;
      if (at == 0) {
        shuffle(own, random);
      }
      order[i] = own[at];
    }
    return order;
  }

  private static int[] turns(int[] order) {
    int[] shown = new int[order.length];
    int[] turns = new int[order.length];
    for (int i = 0; i < order.length; i++) {
      turns[i] = shown[order[i]]++;
    }
    return turns;
  }

  /** Images with one class each. */
  private record ImageSamples(ImageDataset dataset, float[][] table, Augmentation augmentation)
      implements SampleSource {
    @Override
    public int size() {
      return dataset.size();
    }

    @Override
    public long[] inputShape() {
      return dataset.frames() == 0
          ? new long[] {dataset.channels(), dataset.height(), dataset.width()}
          : new long[] {dataset.channels(), dataset.frames(), dataset.height(), dataset.width()};
    }

    @Override
    public long[] labelShape() {
      return augmentation.spec().mixing() == null ? new long[0] : new long[] {MixedLabels.LENGTH};
    }

    @Override
    public void read(int index, Random random, float[] input, long[] label) {
      int padding = augmentation.padding();
      int down = random.nextInt(2 * padding + 1) - padding;
      int right = random.nextInt(2 * padding + 1) - padding;
      boolean flip = augmentation.flip() && random.nextBoolean();
      byte[] pixels = dataset.pixels(index, random);
      requireLength(index, pixels);
      if (!augmentation.spec().isEmpty()) {
        Image image = new Image(dataset.channels(), dataset.height(), dataset.width(), pixels);
        pixels = augmentation.spec().apply(image, random, mean()).pixels();
      }
      place(pixels, dataset.height(), dataset.width(), table, down, right, flip, input);
      label[0] = dataset.label(index);
      Mixing mixing = augmentation.spec().mixing();
      if (mixing != null && label.length == MixedLabels.LENGTH) {
        int partner = random.nextInt(dataset.size());
        float[] other = new float[input.length];
        long[] otherLabel = new long[1];
        read(partner, new Random(random.nextLong()), other, otherLabel);
        double share = mixing.apply(input, other, dataset.height(), dataset.width(), random);
        MixedLabels.write(label, otherLabel[0], share);
      }
    }

    /** Refuses a data set that does not keep its word, whose images would be trained on shifted. */
    private void requireLength(int index, byte[] pixels) {
      long[] shape = inputShape();
      long expected = Arrays.stream(shape).reduce(1, (a, b) -> a * b);
      if (pixels.length != expected) {
        throw new DataException(
            String.format(
                "%s: expected the %d pixels of %s, got %d",
                dataset.id(index), expected, Arrays.toString(shape), pixels.length));
      }
    }

    /** The byte of each channel that is normalised to about 0. */
    private int[] mean() {
      int[] mean = new int[table.length];
      for (int channel = 0; channel < mean.length; channel++) {
        for (int value = 1; value < 256; value++) {
          if (Math.abs(table[channel][value]) < Math.abs(table[channel][mean[channel]])) {
            mean[channel] = value;
          }
        }
      }
      return mean;
    }
  }

  /**
   * Normalises a window of an image or of all frames of a clip.
   *
   * @param pixels [C, H, W] or [C, T, H, W]
   * @param table the normalised value of every byte, [C][256]
   * @param down the vertical offset of the window in rows; outside the image, pixels are black
   * @param right the horizontal offset of the window in columns
   * @param flip whether the window is mirrored
   * @param result receives the values, with the shape of {@code pixels}
   */
  static void place(
      byte[] pixels,
      int height,
      int width,
      float[][] table,
      int down,
      int right,
      boolean flip,
      float[] result) {
    int planes = pixels.length / (height * width); // one plane for each channel and frame
    // the columns of the window that show the image
    int from = Math.max(0, flip ? right : -right);
    int to = Math.min(width, flip ? width + right : width - right);
    for (int plane = 0; plane < planes; plane++) {
      float[] values = table[plane / (planes / table.length)];
      for (int y = 0; y < height; y++) {
        int at = (plane * height + y) * width;
        if (y + down < 0 || y + down >= height || from >= to) {
          Arrays.fill(result, at, at + width, values[0]);
          continue;
        }
        Arrays.fill(result, at, at + from, values[0]);
        Arrays.fill(result, at + to, at + width, values[0]);
        int row = (plane * height + y + down) * width + right;
        if (flip) {
          for (int x = from; x < to; x++) {
            result[at + x] = values[pixels[row + width - 1 - x] & 0xff];
          }
        } else {
          for (int x = from; x < to; x++) {
            result[at + x] = values[pixels[row + x] & 0xff];
          }
        }
      }
    }
  }

  private static Tensor empty(ScalarType type, long... shape) {
    try (TensorOptions options = new TensorOptions(type)) {
      return torch.empty(shape, options, null);
    }
  }
}
