package io.fovea.app.study;

import io.fovea.data.Dataset;
import io.fovea.data.Progress;
import io.fovea.data.TrainingData;
import io.fovea.data.source.DataSpec;
import io.fovea.training.PublishedWeights;
import java.nio.file.Path;

/**
 * The trained weights from which networks start: a file or a run, or published weights that are
 * downloaded when they are needed.
 *
 * @param path the file or run; null for published weights
 * @param published the published weights; null for a file or run
 */
public record Origin(Path path, PublishedWeights published) {
  /** A file or a run. */
  public static Origin of(Path path) {
    return new Origin(path, null);
  }

  /** Published weights. */
  public static Origin of(PublishedWeights published) {
    return new Origin(null, published);
  }

  /**
   * Returns the file or the run, which is downloaded if necessary.
   *
   * @throws io.fovea.errors.FoveaException if it cannot be downloaded
   */
  public Path weights(Progress progress) {
    return published == null ? path : published.file(PublishedWeights.cache(), progress);
  }

  /** The name for the user and for the run. */
  public String title() {
    return published == null ? path.toString() : published.title();
  }

  /** The same name whatever the current folder is. */
  String absolute() {
    return published == null ? path.toAbsolutePath().toString() : published.title();
  }

  /** The source with the crop with which published weights are evaluated. */
  public DataSpec cropped(DataSpec source) {
    return published == null || !source.fromFolder() || source.sampling() != null
        ? source
        : source.withResize(published.resize(source.imageSize()));
  }

  /** The data with the normalisation of published weights, if the images have colours. */
  public <D extends Dataset<?>> TrainingData<D> normalized(TrainingData<D> data) {
    return published == null || data.train().channels() != 3
        ? data
        : data.withNormalization(published.normalization());
  }
}
