package io.fovea.training;

import io.fovea.data.DataException;
import io.fovea.data.Image;
import io.fovea.data.source.Preprocessing;
import io.fovea.models.FusedNetwork;
import io.fovea.models.Network;
import io.fovea.training.evaluate.Predictions;
import io.fovea.training.evaluate.TestTimeAugmentation;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.Iterator;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.UnaryOperator;
import org.bytedeco.pytorch.Tensor;

/**
 * Predicts many files with one network. Files are read ahead by several threads, and images of one
 * size are predicted together. A file that cannot be read does not stop the others.
 *
 * <pre>{@code
 * try (Predictor predictor =
 *     new Predictor(run.task(), run.load(Run.Weights.BEST), run.preprocessing(), TestTimeAugmentation.WHOLE)) {
 *   predictor.predict(files.iterator(), result -> System.out.println(result.item()));
 * }
 * }</pre>
 *
 * <p>It is not thread-safe.
 */
public final class Predictor implements AutoCloseable {
  /** The largest number of images that are predicted together, if no other is given. */
  public static final int BATCH = 32;

  /** The usual pixels of an image; a batch has that many for each of its images. */
  private static final long PIXELS = 224 * 224;

  private static final int MAX_READERS = 4;

  private final Task<?, ?> task;
  private final UnaryOperator<Tensor> scores;
  private final Preprocessing preprocessing;
  private final TestTimeAugmentation inference;
  private final int batch;
  private final Runnable release;
  private final int readersCount =
      Math.min(MAX_READERS, Runtime.getRuntime().availableProcessors());
  private final ExecutorService readers =
      Executors.newFixedThreadPool(
          readersCount,
          body -> {
            Thread thread = new Thread(body, "fovea-predict");
            thread.setDaemon(true);
            return thread;
          });

  /**
   * The result for a file: predictions, or the reason why there are none.
   *
   * @param <T> the type of what is predicted
   * @param item the file, or what stands for it
   * @param predictions the predictions, or null if the file cannot be read
   * @param failure the reason, or null
   */
  public record Result<T>(T item, Predictions predictions, DataException failure) {}

  /**
   * Creates a predictor.
   *
   * @param network the network, in evaluation mode; it must not be changed before the predictor is
   *     closed
   * @param preprocessing the preprocessing of its training
   * @param inference the test-time augmentation of segmentation networks; {@link
   *     TestTimeAugmentation#WHOLE} for others
   */
  public <N extends Network> Predictor(
      Task<N, ?> task, N network, Preprocessing preprocessing, TestTimeAugmentation inference) {
    this(task, network.fuse(), network, preprocessing, inference);
  }

  private Predictor(
      Task<?, ?> task,
      FusedNetwork fused,
      Network network,
      Preprocessing preprocessing,
      TestTimeAugmentation inference) {
    this(
        task,
        x -> fused.infer(() -> network.scores(x)),
        preprocessing,
        inference,
        BATCH,
        fused::close);
  }

  /**
   * Creates a predictor for a network that runs elsewhere, such as an exported one.
   *
   * @param scores images {@code [B, C, H, W]}, or clips {@code [B, C, T, H, W]}, to unnormalised
   *     scores, as {@link Network#scores}
   * @param preprocessing the preprocessing of its training
   * @param inference the test-time augmentation of segmentation networks; {@link
   *     TestTimeAugmentation#WHOLE} for others
   */
  public Predictor(
      Task<?, ?> task,
      UnaryOperator<Tensor> scores,
      Preprocessing preprocessing,
      TestTimeAugmentation inference) {
    this(task, scores, preprocessing, inference, BATCH);
  }

  /**
   * Creates a predictor as {@link #Predictor(Task, UnaryOperator, Preprocessing,
   * TestTimeAugmentation)}, with another batch size.
   *
   * @param batch the largest number of images that are predicted together, at least 1; fewer if they
   *     have more than 224 x 224 pixels
   */
  public Predictor(
      Task<?, ?> task,
      UnaryOperator<Tensor> scores,
      Preprocessing preprocessing,
      TestTimeAugmentation inference,
      int batch) {
    this(task, scores, preprocessing, inference, batch, () -> {});
  }

  private Predictor(
      Task<?, ?> task,
      UnaryOperator<Tensor> scores,
      Preprocessing preprocessing,
      TestTimeAugmentation inference,
      int batch,
      Runnable release) {
    if (batch < 1) {
      throw new IllegalArgumentException("the batch size must be at least 1, got " + batch);
    }
    this.task = task;
    this.scores = scores;
    this.preprocessing = preprocessing;
    this.inference = inference;
    this.batch = batch;
    this.release = release;
  }

  /**
   * Predicts files.
   *
   * @param files the files; the iterator is read as the predictions proceed
   * @param each receives the result of each file, in the order of the files, in this thread
   */
  public void predict(Iterator<Path> files, Consumer<Result<Path>> each) {
    if (!task.predictsImages()) {
      files.forEachRemaining(file -> each.accept(one(file)));
      return;
    }
    new Batches<>(new ReadAhead(files)).forEachRemaining(each);
  }

  /**
   * Predicts images of any source. Nothing is read ahead but the batch that is predicted, and
   * everything is computed by the thread that asks for a result.
   *
   * @param <T> the type of what is predicted
   * @param items what is predicted; the iterator is read as the results are asked for
   * @param read reads the image of an item, as {@link Preprocessing} prepares it; a {@link
   *     DataException} becomes the failure of the item
   * @return the result of each item, in the order of the items; until the predictor is closed
   */
  public <T> Iterator<Result<T>> results(Iterator<T> items, Function<T, Image> read) {
    return new Batches<>(
        new Iterator<>() {
          @Override
          public boolean hasNext() {
            return items.hasNext();
          }

          @Override
          public Loaded<T> next() {
            T item = items.next();
            try {
              return new Loaded<>(item, read.apply(item), null);
            } catch (DataException e) {
              return new Loaded<>(item, null, e);
            }
          }
        });
  }

  private Result<Path> one(Path file) {
    try {
      return new Result<>(file, task.predict(scores, file, preprocessing, inference), null);
    } catch (DataException e) {
      return new Result<>(file, null, e);
    }
  }

  /** Reads files with several threads, a few more than the next one. */
  private final class ReadAhead implements Iterator<Loaded<Path>> {
    private final Iterator<Path> files;
    private final Deque<Reading> ahead = new ArrayDeque<>();

    ReadAhead(Iterator<Path> files) {
      this.files = files;
    }

    @Override
    public boolean hasNext() {
      return files.hasNext() || !ahead.isEmpty();
    }

    @Override
    public Loaded<Path> next() {
      while (files.hasNext() && ahead.size() < 2 * readersCount) {
        Path file = files.next();
        ahead.add(
            new Reading(
                file, CompletableFuture.supplyAsync(() -> preprocessing.read(file), readers)));
      }
      return ahead.remove().await();
    }
  }

  private record Reading(Path file, CompletableFuture<Image> image) {
    Loaded<Path> await() {
      try {
        return new Loaded<>(file, image.join(), null);
      } catch (CompletionException e) {
        if (e.getCause() instanceof DataException failure) {
          return new Loaded<>(file, null, failure);
        }
        throw e.getCause() instanceof RuntimeException cause ? cause : e;
      }
    }
  }

  /** An item whose image was read, or the reason why it could not be. */
  private record Loaded<T>(T item, Image image, DataException failure) {}

  /** The results of items, which are predicted batch by batch. */
  private final class Batches<T> implements Iterator<Result<T>> {
    private final Iterator<Loaded<T>> items;
    private final Deque<Result<T>> results = new ArrayDeque<>();
    private Loaded<T> next; // did not fit into the batch before

    Batches(Iterator<Loaded<T>> items) {
      this.items = items;
    }

    @Override
    public boolean hasNext() {
      return !results.isEmpty() || next != null || items.hasNext();
    }

    @Override
    public Result<T> next() {
      if (results.isEmpty()) {
        results.addAll(predicted(batch()));
      }
      return results.remove();
    }

    private List<Loaded<T>> batch() {
      List<Loaded<T>> together = new ArrayList<>();
      while (next != null || items.hasNext()) {
        Loaded<T> one = next != null ? next : items.next();
        if (!together.isEmpty() && !fits(together, one)) {
          next = one;
          break;
        }
        next = null;
        together.add(one);
      }
      return together;
    }

    private boolean fits(List<Loaded<T>> together, Loaded<T> one) {
      if (together.size() >= batch) {
        return false;
      }
      List<Image> images = images(together);
      if (one.image() == null || images.isEmpty()) {
        return true;
      }
      long pixels = (long) one.image().height() * one.image().width();
      return Arrays.equals(images.get(0).shape(), one.image().shape())
          && (images.size() + 1) * pixels <= batch * PIXELS;
    }

    private List<Image> images(List<Loaded<T>> together) {
      return together.stream().filter(one -> one.image() != null).map(Loaded::image).toList();
    }

    private List<Result<T>> predicted(List<Loaded<T>> together) {
      List<Image> images = images(together);
      List<Predictions> predictions =
          images.isEmpty() ? List.of() : task.predict(scores, images, preprocessing, inference);
      Iterator<Predictions> found = predictions.iterator();
      return together.stream()
          .map(
              one ->
                  new Result<>(
                      one.item(), one.image() == null ? null : found.next(), one.failure()))
          .toList();
    }
  }

  /** Stops the threads and restores the network. */
  @Override
  public void close() {
    readers.shutdownNow();
    release.run();
  }
}
