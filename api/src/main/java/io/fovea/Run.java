package io.fovea;

import io.fovea.data.DataException;
import io.fovea.data.Image;
import io.fovea.data.ImageDataset;
import io.fovea.data.Progress;
import io.fovea.data.image.Images.Viewed;
import io.fovea.explain.ExplainPage;
import io.fovea.explain.ExplainedImage;
import io.fovea.explain.LoadedRun;
import io.fovea.explain.Png;
import io.fovea.models.Classifier;
import io.fovea.models.FusedNetwork;
import io.fovea.models.onnx.Onnx;
import io.fovea.training.Tasks;
import io.fovea.training.evaluate.Predictions;
import io.fovea.training.evaluate.TestTimeAugmentation;
import io.fovea.training.run.BuildInfo;
import io.fovea.training.run.ModelCard;
import io.fovea.training.run.Run.Weights;
import io.fovea.training.run.ServingFolder;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import java.util.function.Supplier;

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
  private final io.fovea.training.run.Run<Classifier, ImageDataset> run;
  private final Classifier network;
  private final LoadedRun loaded;
  private final Weights weights;
  private final FusedNetwork fused;
  private final ReentrantReadWriteLock inUse = new ReentrantReadWriteLock();
  private final Object explaining = new Object();
  private boolean closed;

  private Run(io.fovea.training.run.Run<Classifier, ImageDataset> run, Weights weights) {
    this.run = run;
    this.weights = weights;
    network = run.load(weights);
    loaded = LoadedRun.of(run, network);
    fused = network.fuse();
  }

  static Run of(io.fovea.training.run.Run<Classifier, ImageDataset> run) {
    return new Run(run, run.usualWeights());
  }

  /**
   * Opens the folder of a training or of an import, with the weights of its best epoch.
   *
   * @param folder what {@link Model#train}, {@code fovea train} or {@code fovea import} wrote
   * @return the run, to be closed
   * @throws DataException if it is no such folder, is damaged, or has another task than
   *     classification
   */
  public static Run open(Path folder) {
    return of(io.fovea.training.run.Run.open(folder, Tasks.CLASSIFICATION));
  }

  /**
   * Opens the folder of a training with the weights after its last epoch, which are worse on the
   * test images than those of the best one, but were not chosen by them.
   *
   * @throws DataException as for {@link #open}
   */
  public static Run openLast(Path folder) {
    return new Run(io.fovea.training.run.Run.open(folder, Tasks.CLASSIFICATION), Weights.LAST);
  }

  /** The epoch whose weights are used, in words: {@code the best epoch, 7 of 10}. */
  public String weights() {
    return run.describe(weights);
  }

  /**
   * Opens the folder of a training with the moving average of its weights, after its last epoch.
   *
   * @param folder the folder of a training with {@link Training#ema}
   * @return the run, to be closed
   * @throws DataException if it is no such folder, or has no average
   */
  public static Run openAverage(Path folder) {
    return new Run(io.fovea.training.run.Run.open(folder, Tasks.CLASSIFICATION), Weights.EMA);
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
    return using(() -> network.parameterCount());
  }

  /**
   * The results of the epochs; empty for imported weights.
   *
   * @throws DataException if the file is damaged
   */
  public List<Epoch> epochs() {
    return run.config().training() == null
        ? List.of()
        : run.metrics().stream().map(Epoch::of).toList();
  }

  /**
   * Tests the network.
   *
   * @param images images with the classes of the network
   * @throws DataException if they have other classes, or an image cannot be read any more
   */
  public Evaluation evaluate(Images images) {
    run.requireSameClasses(images.classes(), images.source());
    return using(
        () ->
            Evaluation.of(
                Tasks.CLASSIFICATION.evaluate(
                    network,
                    images.dataset(),
                    run.preprocessing().normalization(),
                    TestTimeAugmentation.WHOLE,
                    Progress.NONE),
                classes()));
  }

  /**
   * Predicts the class of an image file of any size. Thread-safe.
   *
   * @param file a JPEG, PNG, BMP or WebP file
   * @throws DataException if it cannot be read
   */
  public Prediction predict(Path file) {
    return predict(run.preprocessing().read(file));
  }

  /**
   * Predicts the class of an image. Thread-safe.
   *
   * @param content the content of a JPEG, PNG, BMP or WebP file
   * @throws DataException if it is damaged or has more than 100 megapixels
   */
  public Prediction predict(byte[] content) {
    return predict(run.preprocessing().decode(content, io.fovea.data.image.Images.MAX_PIXELS));
  }

  /** Predicts the class of a picture of any size. Thread-safe. */
  public Prediction predict(BufferedImage picture) {
    return predict(Png.bytes(picture));
  }

  private Prediction predict(Image image) {
    Predictions predictions =
        using(
            () ->
                fused.infer(
                    () ->
                        Tasks.CLASSIFICATION.predict(
                            network, image, run.preprocessing(), TestTimeAugmentation.WHOLE)));
    return new Prediction(
        predictions.ranked().stream()
            .map(p -> new Prediction.Scored(p.name(), p.probability()))
            .toList());
  }

  /**
   * Shows what the network looks at in an image: the gates and maps of its attention, and Grad-CAM
   * of the predicted class. Thread-safe; one image is explained at a time.
   *
   * @param file a JPEG, PNG, BMP or WebP file
   * @throws DataException if it cannot be read
   */
  public Explanation explain(Path file) {
    Viewed viewed = run.preprocessing().view(file);
    synchronized (explaining) {
      return using(
          () ->
              new Explanation(
                  new ExplainedImage(
                      file.getFileName().toString(),
                      viewed.whole(),
                      loaded.facts(),
                      loaded.explain(
                          viewed.input(),
                          null,
                          null,
                          LoadedRun.Stages.ALL,
                          builder -> builder.grid(ExplainPage.GRID_VALUES)))));
    }
  }

  /**
   * Writes the network as an ONNX file, with its classes and its preprocessing in the metadata. The
   * batch size is free. The file is written whole, or not at all.
   *
   * @param file the file, which may exist
   * @throws DataException if it cannot be written
   * @throws io.fovea.errors.FoveaException if the network has a mechanism that cannot be exported
   */
  public void exportOnnx(Path file) {
    using(
        () -> {
          try {
            Files.createDirectories(file.toAbsolutePath().getParent());
            Onnx.write(file, network, BuildInfo.version(), ModelCard.metadata(run, weights));
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
   * @throws io.fovea.errors.FoveaException if the network has a mechanism that cannot be exported
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
   * @throws io.fovea.errors.FoveaException if the network has a mechanism that cannot be exported
   */
  public void exportTriton(Path folder) {
    export(ServingFolder.TRITON, folder);
  }

  private void export(ServingFolder server, Path folder) {
    using(
        () -> {
          server.write(folder, run, network, weights);
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
        fused.close();
        network.close();
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
