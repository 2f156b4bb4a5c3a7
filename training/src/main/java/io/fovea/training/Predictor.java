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
import java.util.function.UnaryOperator;
import org.bytedeco.pytorch.Tensor;

/**
 * Predicts many files with one network. Files are read ahead by several threads, and images of one
 * size are predicted together. A file that cannot be read does not stop the others.
 *
 * <pre>{@code
 * try (Predictor predictor =
 *     new Predictor(run.task(), run.load(Run.Weights.BEST), run.preprocessing(), TestTimeAugmentation.WHOLE)) {
 *   predictor.predict(files.iterator(), result -> System.out.println(result.file()));
 * }
 * }</pre>
 *
 * <p>It is not thread-safe.
 */
public final class Predictor implements AutoCloseable {
  private static final int BATCH = 32;

  /** The pixels of one batch, so that large images are predicted one by one: 32 of 224 x 224. */
  private static final long PIXELS = 32L * 224 * 224;

  private static final int MAX_READERS = 4;

  private final Task<?, ?> task;
  private final UnaryOperator<Tensor> scores;
  private final Preprocessing preprocessing;
  private final TestTimeAugmentation inference;
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
   * @param file the file
   * @param predictions the predictions, or null if the file cannot be read
   * @param failure the reason, or null
   */
  public record Result(Path file, Predictions predictions, DataException failure) {}

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
    this(task, x -> fused.infer(() -> network.scores(x)), preprocessing, inference, fused::close);
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
    this(task, scores, preprocessing, inference, () -> {});
  }

  private Predictor(
      Task<?, ?> task,
      UnaryOperator<Tensor> scores,
      Preprocessing preprocessing,
      TestTimeAugmentation inference,
      Runnable release) {
    this.task = task;
    this.scores = scores;
    this.preprocessing = preprocessing;
    this.inference = inference;
    this.release = release;
  }

  /**
   * Predicts files.
   *
   * @param files the files; the iterator is read as the predictions proceed
   * @param each receives the result of each file, in the order of the files, in this thread
   */
  public void predict(Iterator<Path> files, Consumer<Result> each) {
    if (!task.predictsImages()) {
      files.forEachRemaining(file -> each.accept(one(file)));
      return;
    }
    Deque<Reading> ahead = new ArrayDeque<>();
    List<Loaded> batch = new ArrayList<>();
    while (files.hasNext() || !ahead.isEmpty()) {
      while (files.hasNext() && ahead.size() < 2 * readersCount) {
        Path file = files.next();
        ahead.add(
            new Reading(
                file, CompletableFuture.supplyAsync(() -> preprocessing.read(file), readers)));
      }
      Loaded next = ahead.remove().await();
      if (!batch.isEmpty() && !fits(batch, next)) {
        flush(batch, each);
      }
      batch.add(next);
    }
    flush(batch, each);
  }

  private Result one(Path file) {
    try {
      return new Result(file, task.predict(scores, file, preprocessing, inference), null);
    } catch (DataException e) {
      return new Result(file, null, e);
    }
  }

  private record Reading(Path file, CompletableFuture<Image> image) {
    Loaded await() {
      try {
        return new Loaded(file, image.join(), null);
      } catch (CompletionException e) {
        if (e.getCause() instanceof DataException failure) {
          return new Loaded(file, null, failure);
        }
        throw e.getCause() instanceof RuntimeException cause ? cause : e;
      }
    }
  }

  /** A file that was read, or the reason why it could not be. */
  private record Loaded(Path file, Image image, DataException failure) {}

  private static boolean fits(List<Loaded> batch, Loaded next) {
    if (batch.size() >= BATCH) {
      return false;
    }
    List<Image> images = images(batch);
    if (next.image() == null || images.isEmpty()) {
      return true;
    }
    long pixels = (long) next.image().height() * next.image().width();
    return Arrays.equals(images.get(0).shape(), next.image().shape())
        && (images.size() + 1) * pixels <= PIXELS;
  }

  private static List<Image> images(List<Loaded> batch) {
    return batch.stream().filter(one -> one.image() != null).map(Loaded::image).toList();
  }

  private void flush(List<Loaded> batch, Consumer<Result> each) {
    List<Image> images = images(batch);
    List<Predictions> predictions =
        images.isEmpty() ? List.of() : task.predict(scores, images, preprocessing, inference);
    Iterator<Predictions> found = predictions.iterator();
    for (Loaded one : batch) {
      each.accept(new Result(one.file(), one.image() == null ? null : found.next(), one.failure()));
    }
    batch.clear();
  }

  /** Stops the threads and restores the network. */
  @Override
  public void close() {
    readers.shutdownNow();
    release.run();
  }
}
