package io.fovea.training;

import io.fovea.data.ImageDataset;
import io.fovea.data.SegmentationDataset;
import io.fovea.errors.SpecException;
import io.fovea.models.Classifier;
import io.fovea.models.Segmenter;
import java.util.List;

/** The tasks. */
public final class Tasks {
  /** To name the class of an image. */
  public static final Task<Classifier, ImageDataset> CLASSIFICATION = new ClassificationTask();

  /** To name the class of each pixel of an image. */
  public static final Task<Segmenter, SegmentationDataset> SEGMENTATION = new SegmentationTask();

  /** To name the class of a video. */
  public static final Task<Classifier, ImageDataset> VIDEO = new VideoTask();

  private static final List<Task<?, ?>> ALL = List.of(CLASSIFICATION, SEGMENTATION, VIDEO);

  private Tasks() {}

  /** All tasks. */
  public static List<Task<?, ?>> all() {
    return ALL;
  }

  /** What a backbone of this name is for, unless it is said: videos or images. */
  public static Task<?, ?> ofBackbone(String backbone) {
    return Classifier.builder(backbone).isVideo() ? VIDEO : CLASSIFICATION;
  }

  /**
   * The task of a name.
   *
   * @throws SpecException if there is none
   */
  public static Task<?, ?> of(String name) {
    return ALL.stream()
        .filter(task -> task.toString().equals(name))
        .findFirst()
        .orElseThrow(() -> new SpecException("unknown task \"" + name + "\""));
  }
}
