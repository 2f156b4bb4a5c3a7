package io.fovea;

import io.fovea.data.DataException;
import io.fovea.data.Dataset;
import io.fovea.data.Image;
import io.fovea.data.Progress;
import io.fovea.data.image.Images.Viewed;
import io.fovea.errors.FoveaException;
import io.fovea.explain.ExplainPage;
import io.fovea.explain.Explained;
import io.fovea.explain.ExplainedImage;
import io.fovea.explain.LoadedRun;
import io.fovea.explain.LoadedVideoRun;
import io.fovea.explain.Png;
import io.fovea.models.Classifier;
import io.fovea.models.FusedNetwork;
import io.fovea.models.Network;
import io.fovea.models.onnx.Onnx;
import io.fovea.training.Task;
import io.fovea.training.Tasks;
import io.fovea.training.evaluate.Predictions;
import io.fovea.training.evaluate.TestTimeAugmentation;
import io.fovea.training.run.BuildInfo;
import io.fovea.training.run.ModelCard;
import io.fovea.training.run.Run.Weights;
import io.fovea.training.run.ServingFolder;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import java.util.function.Supplier;
import org.bytedeco.pytorch.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * A trained network and its folder. Thread-safe: many threads can predict with one run at the same
 * time. The network is in native memory until the run is closed.
 *
 * <pre>{@code
 * try (Run run = Run.open(Path.of("runs/mine"))) {
 *   System.out.println(run.predict(Path.of("boot.jpg")).best());
 * }
 * }</pre>
 */
public final class Run implements AutoCloseable {
  private final Opened<?, ?> opened;
  private final io.fovea.training.run.Run<?, ?> run;
  private final Weights weights;
  private final ReentrantReadWriteLock inUse = new ReentrantReadWriteLock();
  private final Object explaining = new Object();
  private boolean closed;

  /** A run of one task with its network. */
  private record Opened<N extends Network, D extends Dataset<?>>(
      io.fovea.training.run.Run<N, D> run,
      N network,
      FusedNetwork fused,
      @Nullable LoadedRun ofImages) {
    static <N extends Network, D extends Dataset<?>> Opened<N, D> of(
        io.fovea.training.run.Run<N, D> run, Weights weights) {
      N network = run.load(weights);
      LoadedRun ofImages = run.task().predictsImages() ? LoadedRun.of(run, network) : null;
      return new Opened<>(run, network, network.fuse(), ofImages);
    }

    Task<N, D> task() {
      return run.task();
    }

    Evaluation evaluate(Images images) {
      D samples = images.of(task());
      return Evaluation.of(
          task(),
          images.size(),
          task()
              .evaluate(
                  network,
                  samples,
                  run.preprocessing().normalization(),
                  TestTimeAugmentation.WHOLE,
                  Progress.NONE),
          images.classes());
    }

    Predictions predict(Path file) {
      return task().predict(this::scores, file, run.preprocessing(), TestTimeAugmentation.WHOLE);
    }

    Predictions predict(Image image) {
      return task().predict(this::scores, image, run.preprocessing(), TestTimeAugmentation.WHOLE);
    }

    private Tensor scores(Tensor x) {
      return fused.infer(() -> network.scores(x));
    }

    Explained explain(Path file) throws IOException {
      if (ofImages == null) {
        return new LoadedVideoRun(run.as(Tasks.VIDEO), (Classifier) (Network) network)
            .explain(file, null, null, List.of());
      }
      Viewed viewed = run.preprocessing().view(file);
      return new ExplainedImage(
          file.getFileName().toString(),
          viewed.whole(),
          ofImages.facts(),
          ofImages.explain(
              viewed.input(),
              null,
              null,
              LoadedRun.Stages.ALL,
              builder -> builder.grid(ExplainPage.GRID_VALUES)));
    }

    void export(ServingFolder server, Path folder, Weights weights) {
      server.write(folder, run.as(Tasks.CLASSIFICATION), (Classifier) (Network) network, weights);
    }

    void close() {
      fused.close();
      network.close();
    }
  }

  private Run(io.fovea.training.run.Run<?, ?> run, Weights weights) {
    this.run = run;
    this.weights = weights;
    opened = Opened.of(run, weights);
  }

  static Run of(io.fovea.training.run.Run<?, ?> run) {
    return new Run(run, run.usualWeights());
  }

  /**
   * Opens the folder of a training or of an import, with the weights of its best epoch.
   *
   * @param folder what {@link Model#train}, {@code fovea train} or {@code fovea import} wrote
   * @return the run, to be closed
   * @throws DataException if it is no such folder, or is damaged
   */
  public static Run open(Path folder) {
    return of(io.fovea.training.run.Run.open(folder));
  }

  /**
   * Opens the folder of a training with the weights after its last epoch, which are worse on the
   * test images than those of the best one, but were not chosen by them.
   *
   * @throws DataException as for {@link #open}
   */
  public static Run openLast(Path folder) {
    return new Run(io.fovea.training.run.Run.open(folder), Weights.LAST);
  }

  /**
   * Opens the folder of a training with the moving average of its weights, after its last epoch.
   *
   * @param folder the folder of a training with {@link Training#ema}
   * @return the run, to be closed
   * @throws DataException if it is no such folder, or has no average
   */
  public static Run openAverage(Path folder) {
    return new Run(io.fovea.training.run.Run.open(folder), Weights.EMA);
  }

  /** The task of the network: {@code classification}, {@code segmentation} or {@code video}. */
  public String task() {
    return run.task().toString();
  }

  /** The epoch whose weights are used, in words: {@code the best epoch, 7 of 10}. */
  public String weights() {
    return run.describe(weights);
  }

  /** The folder. */
  public Path folder() {
    return run.path();
  }

  /** The names of the classes, in the order of the network's scores. */
  public List<String> classes() {
    return run.preprocessing().classes();
  }

  /** The number of parameters of the network. */
  public long parameters() {
    return using(() -> opened.network().parameterCount());
  }

  /**
   * The results of the epochs; empty for imported weights.
   *
   * @throws DataException if the file is damaged
   */
  public List<Epoch> epochs() {
    return run.config().training() == null
        ? List.of()
        : run.metrics().stream().map(result -> Epoch.of(result, run.task())).toList();
  }

  /**
   * Tests the network.
   *
   * @param images samples of its task with the classes of the network
   * @throws DataException if they have other classes, or an image cannot be read any more
   * @throws io.fovea.errors.SpecException if they are samples of another task
   */
  public Evaluation evaluate(Images images) {
    run.requireSameClasses(images.classes(), images.source());
    return using(() -> opened.evaluate(images));
  }

  /**
   * Predicts an image file of any size, or a video. Thread-safe.
   *
   * @param file a JPEG, PNG, BMP or WebP file; for a video network a video file, or a folder of
   *     frames
   * @throws DataException if it cannot be read
   */
  public Prediction predict(Path file) {
    return using(() -> Prediction.of(opened.predict(file), classes()));
  }

  /**
   * Predicts an image. Thread-safe.
   *
   * @param content the content of a JPEG, PNG, BMP or WebP file
   * @throws DataException if it is damaged or has more than 100 megapixels
   * @throws FoveaException if the network is for videos
   */
  public Prediction predict(byte[] content) {
    if (!run.task().predictsImages()) {
      throw new FoveaException(run.path() + " is for " + run.task().units() + ", not for images");
    }
    Image image = run.preprocessing().decode(content, io.fovea.data.image.Images.MAX_PIXELS);
    return using(() -> Prediction.of(opened.predict(image), classes()));
  }

  /**
   * Predicts a picture of any size. Thread-safe.
   *
   * @throws FoveaException if the network is for videos
   */
  public Prediction predict(BufferedImage picture) {
    return predict(Png.bytes(picture));
  }

  /**
   * Shows what the network looks at: in an image the gates and maps of its attention, and Grad-CAM of
   * the predicted class, with the mask of a segmentation network; in a clip from the middle of a
   * video what positions attend to across the frames. Thread-safe; one file is explained at a time.
   *
   * @param file as for {@link #predict(Path)}
   * @throws DataException if it cannot be read
   * @throws FoveaException if a video network has no attention between positions
   */
  public Explanation explain(Path file) {
    synchronized (explaining) {
      return using(
          () -> {
            try {
              return new Explanation(opened.explain(file));
            } catch (IOException e) {
              throw new DataException(file + ": cannot be read: " + e.getMessage(), e);
            }
          });
    }
  }

  /**
   * Writes the network as an ONNX file, with its classes and its preprocessing in the metadata. The
   * batch size is free. The file is written whole, or not at all.
   *
   * @param file the file, which may exist
   * @throws DataException if it cannot be written
   * @throws FoveaException if the network has a mechanism that cannot be exported
   */
  public void exportOnnx(Path file) {
    using(
        () -> {
          try {
            Onnx.write(
                file, opened.network(), BuildInfo.version(), ModelCard.metadata(run, weights));
            return file;
          } catch (IOException e) {
            throw new DataException(file + ": cannot be written: " + e.getMessage(), e);
          }
        });
  }

  /**
   * Writes a folder from which DJL loads the network without code for it, as a {@code Criteria<Image,
   * Classifications>}: {@code model.onnx}, {@code synset.txt} and {@code serving.properties}. The
   * network in it takes images of any size as they are decoded.
   *
   * @param folder the folder, which may exist; its files are replaced
   * @throws DataException if it cannot be written
   * @throws FoveaException if the network has a mechanism that cannot be exported, or has another task
   *     than classification
   */
  public void exportDjl(Path folder) {
    export(ServingFolder.DJL, folder);
  }

  /**
   * Writes a model repository of NVIDIA Triton Inference Server with this network, under the name of
   * the run.
   *
   * @param folder the repository, which may have other networks; the files of this one are replaced
   * @throws DataException if it cannot be written
   * @throws FoveaException if the network has a mechanism that cannot be exported, or has another task
   *     than classification
   */
  public void exportTriton(Path folder) {
    export(ServingFolder.TRITON, folder);
  }

  private void export(ServingFolder server, Path folder) {
    using(
        () -> {
          opened.export(server, folder, weights);
          return folder;
        });
  }

  /** Calls with the network, which is not freed meanwhile. */
  private <T> T using(Supplier<T> body) {
    inUse.readLock().lock();
    try {
      if (closed) {
        throw new IllegalStateException(run.path() + ": this run is closed");
      }
      return body.get();
    } finally {
      inUse.readLock().unlock();
    }
  }

  /** Frees the network, when no thread uses it any more. The folder stays. */
  @Override
  public void close() {
    inUse.writeLock().lock();
    try {
      if (!closed) {
        closed = true;
        opened.close();
      }
    } finally {
      inUse.writeLock().unlock();
    }
  }

  /** The folder, the backbone, the attention and the epoch of the weights. */
  @Override
  public String toString() {
    return run.path() + ": " + run.config().model().title() + ", weights of " + weights();
  }
}
