package io.fovea.data;

import java.nio.FloatBuffer;
import java.nio.LongBuffer;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.Deque;
import java.util.Iterator;
import java.util.NoSuchElementException;
import java.util.Random;
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
 * Prepares the batches of an epoch beside the training: a few of them are always ahead of the one
 * that is trained on.
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
 * <p>The order of the images is a function of seed and epoch, and what augmentation does to an
 * image is a function of seed, epoch and index, so that the batches are the same bit for bit,
 * however the threads run.
 *
 * <p>A loader serves one thread.
 */
public final class BatchLoader implements AutoCloseable {

  private static final int AHEAD = 4;

  private final SampleSource samples;
  private final int batchSize;
  private final boolean shuffle;
  private final boolean dropLast;
  private final long seed;
  private final ExecutorService workers;
  private Epoch current;

  private BatchLoader(Builder builder) {
    samples = builder.samples();
    batchSize = builder.batchSize;
    shuffle = builder.shuffle;
    dropLast = builder.dropLast;
    seed = builder.seed;
    // One keeps up with training when the images lie in memory. Images that are decoded on the way
    // need more.
    workers =
        Executors.newFixedThreadPool(
            Math.min(AHEAD, Runtime.getRuntime().availableProcessors()), BatchLoader::worker);
  }

  private static Thread worker(Runnable task) {
    Thread thread = new Thread(task, "fovea-batches");
    thread.setDaemon(true);
    return thread;
  }

  /** Collects what a loader is made of. */
  public static final class Builder {

    private final SampleSource samples;
    private final ImageDataset dataset;
    private final Normalization normalization;
    private int batchSize = 128;
    private Augmentation augmentation = Augmentation.NONE;
    private boolean shuffle;
    private boolean dropLast;
    private long seed;

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
     * How many images a batch has.
     *
     * @param value at least 1; 128 if not set
     * @return this
     */
    public Builder batchSize(int value) {
      batchSize = value;
      return this;
    }

    /**
     * How images are varied.
     *
     * @param value {@link Augmentation#NONE} if not set
     * @return this
     */
    public Builder augmentation(Augmentation value) {
      augmentation = value;
      return this;
    }

    /**
     * Whether every epoch has an order of its own.
     *
     * @param value false if not set: the order of the data set
     * @return this
     */
    public Builder shuffle(boolean value) {
      shuffle = value;
      return this;
    }

    /**
     * Whether the images that do not fill a last batch are left out of the epoch.
     *
     * @param value false if not set: the last batch is smaller
     * @return this
     */
    public Builder dropLast(boolean value) {
      dropLast = value;
      return this;
    }

    /**
     * What order and augmentation depend on.
     *
     * @param value 0 if not set
     * @return this
     */
    public Builder seed(long value) {
      seed = value;
      return this;
    }

    /**
     * Makes the loader.
     *
     * @return a loader, to be closed
     * @throws IllegalArgumentException if the batch size is less than 1, the normalization has
     *     other channels than the data set, or nothing would be left without the last batch
     */
    public BatchLoader build() {
      if (batchSize < 1) {
        throw new IllegalArgumentException(
            "loader: expected a batch size of at least 1, got " + batchSize);
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
      return new BatchLoader(this);
    }
  }

  /**
   * Begins a loader.
   *
   * @param dataset where the images come from
   * @param normalization how pixels become numbers
   * @return a builder with all defaults
   */
  public static Builder builder(ImageDataset dataset, Normalization normalization) {
    return new Builder(dataset, normalization);
  }

  /** Images with a class each, to make batches of. */
  public static SampleSource samples(
      ImageDataset dataset, Normalization normalization, Augmentation augmentation) {
    return new ImageSamples(dataset, normalization.table(), augmentation);
  }

  /** Begins a loader of samples, which augment themselves. */
  public static Builder builder(SampleSource samples) {
    return new Builder(samples);
  }

  /**
   * One image or one clip as the model expects it, normalised like the batches of a loader.
   *
   * @param normalization of as many channels
   * @return float32 {@code [1, C, H, W]}, or {@code [1, C, T, H, W]} of a clip; belongs to the caller's
   *     {@code PointerScope}, if there is one
   * @throws IllegalArgumentException if the normalization has other channels
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

  /**
   * How many batches an epoch has.
   *
   * @return at least 1
   */
  public int batches() {
    int whole = samples.size() / batchSize;
    return dropLast || samples.size() % batchSize == 0 ? whole : whole + 1;
  }

  /**
   * The batches of an epoch. Preparing begins with the iterator; a new iterator ends the one
   * before, and frees what it has prepared.
   *
   * <p>{@code next()} throws what went wrong while the batch was prepared, such as a {@link
   * DataException}; the epoch is over then.
   *
   * @param epoch which epoch; another epoch has another order and other augmentation
   * @return the batches; the caller closes each
   * @throws IllegalStateException by the iterator, if the loader is closed
   */
  public Iterable<Batch> epoch(int epoch) {
    return () -> {
      if (workers.isShutdown()) {
        throw new IllegalStateException("loader: it is closed");
      }
      endEpoch();
      current = new Epoch(Seeds.mix(seed, epoch));
      return current;
    };
  }

  /**
   * Ends the epoch under way, frees what is prepared, and waits for the threads, which stop after
   * their image.
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

  /**
   * The batches that are ahead, in order. Every batch is prepared by one thread, from start to end.
   */
  private final class Epoch implements Iterator<Batch> {

    private final long epochSeed;
    private final int[] order;
    private final Deque<CompletableFuture<Batch>> ahead = new ArrayDeque<>();
    private int submitted;
    private volatile boolean ended;

    Epoch(long epochSeed) {
      this.epochSeed = epochSeed;
      order = IntStream.range(0, samples.size()).toArray();
      if (shuffle) {
        // Random and not a newer generator: its documentation fixes every bit, for all versions of
        // Java.
        Random random = new Random(epochSeed);
        for (int left = order.length; left > 1; left--) {
          int chosen = random.nextInt(left);
          int index = order[chosen];
          order[chosen] = order[left - 1];
          order[left - 1] = index;
        }
      }
      submit();
    }

    private void submit() {
      while (ahead.size() < AHEAD && submitted < batches()) {
        int from = submitted++ * batchSize;
        int[] indices = Arrays.copyOfRange(order, from, Math.min(from + batchSize, order.length));
        ahead.add(CompletableFuture.supplyAsync(() -> prepare(indices), workers));
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
        // What is not done yet is closed by its thread, as soon as it is.
        CompletableFuture<Void> unused = batch.thenAccept(Batch::close);
      }
      ahead.clear();
    }

    private Batch prepare(int[] indices) {
      // The scope frees everything if a sample fails; what is retained outlives it.
      try (PointerScope scope = new PointerScope()) {
        Tensor images = empty(ScalarType.Float, batch(indices.length, samples.inputShape()));
        Tensor labels = empty(ScalarType.Long, batch(indices.length, samples.labelShape()));
        FloatBuffer values = images.createBuffer();
        LongBuffer classes = labels.createBuffer();
        float[] image = new float[values.capacity() / indices.length];
        long[] label = new long[classes.capacity() / indices.length];
        for (int index : indices) {
          if (ended) {
            throw new CancellationException("the epoch was ended");
          }
          samples.read(index, new Random(Seeds.mix(epochSeed, index)), image, label);
          values.put(image);
          classes.put(label);
        }
        images.retainReference();
        labels.retainReference();
        return new Batch(images, labels, indices);
      }
    }
  }

  /** Images with a class each. */
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
      return new long[0];
    }

    @Override
    public void read(int index, Random random, float[] input, long[] label) {
      int padding = augmentation.padding();
      int down = random.nextInt(2 * padding + 1) - padding;
      int right = random.nextInt(2 * padding + 1) - padding;
      boolean flip = augmentation.flip() && random.nextBoolean();
      byte[] pixels = dataset.pixels(index, random);
      place(pixels, dataset.height(), dataset.width(), table, down, right, flip, input);
      label[0] = dataset.label(index);
    }
  }

  /**
   * Normalises an image, or all frames of a clip, seen through a window.
   *
   * @param pixels [C, H, W] or [C, T, H, W]
   * @param table what every byte becomes, [C][256]
   * @param down how many rows the window lies below the image; outside of the image all is black
   * @param right how many columns the window lies right of the image
   * @param flip whether what the window shows is mirrored
   * @param result as {@code pixels}
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
    int at = 0;
    int planes = pixels.length / (height * width); // of each channel as many as there are frames
    for (int channel = 0; channel < planes; channel++) {
      float[] values = table[channel / (planes / table.length)];
      for (int y = down; y < height + down; y++) {
        int row = (channel * height + y) * width;
        boolean inside = y >= 0 && y < height;
        for (int step = 0; step < width; step++) {
          int x = right + (flip ? width - 1 - step : step);
          boolean seen = inside && x >= 0 && x < width;
          result[at++] = values[seen ? Byte.toUnsignedInt(pixels[row + x]) : 0];
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
