package io.fovea.training;

import io.fovea.data.ImageDataset;
import io.fovea.data.SegmentationDataset;
import io.fovea.errors.SpecException;
import io.fovea.models.Classifier;
import io.fovea.models.ModelSpec;
import io.fovea.models.Network;
import io.fovea.models.NetworkSpec;
import io.fovea.models.Segmenter;
import java.util.List;

/** The tasks. */
public final class Tasks {
  /** Predict the class of an image. */
  public static final Task<Classifier, ImageDataset> CLASSIFICATION = new ClassificationTask();

  /** Classification of each pixel of an image. */
  public static final Task<Segmenter, SegmentationDataset> SEGMENTATION = new SegmentationTask();

  /** Predict the class of a video. */
  public static final Task<Classifier, ImageDataset> VIDEO = new VideoTask();

  private static final List<Task<?, ?>> ALL = List.of(CLASSIFICATION, SEGMENTATION, VIDEO);

  private Tasks() {}

  /** All tasks. */
  public static List<Task<?, ?>> all() {
    return ALL;
  }

  /** The default task for a backbone name: video or classification. */
  public static Task<?, ?> ofBackbone(String backbone) {
    return Classifier.builder(backbone).isVideo() ? VIDEO : CLASSIFICATION;
  }

  /** The task of a network. */
  @SuppressWarnings("unchecked") // each kind of spec has networks of one type
  public static <N extends Network> Task<N, ?> of(NetworkSpec<N> network) {
    Task<?, ?> task =
        network instanceof ModelSpec model
            ? (model.frames() > 0 ? VIDEO : CLASSIFICATION)
            : SEGMENTATION;
    return (Task<N, ?>) task;
  }

  /**
   * Finds a task by its name.
   *
   * @throws SpecException if the task does not exist
   */
  public static Task<?, ?> of(String name) {
    return ALL.stream()
        .filter(task -> task.toString().equals(name))
        .findFirst()
        .orElseThrow(() -> new SpecException("unknown task \"" + name + "\""));
  }
}
