package io.fovea.training;

import io.fovea.training.evaluate.Metric;
import java.util.List;
import java.util.Locale;

/** What a network is trained to do. */
public enum Task {
  /** To name the class of an image. */
  CLASSIFICATION,
  /** To name the class of each pixel of an image. */
  SEGMENTATION,
  /** To name the class of a video. */
  VIDEO;

  /** What it is measured by: first what it is judged by, last the share of labels that were right. */
  public List<Metric> metrics() {
    return switch (this) {
      case CLASSIFICATION, VIDEO -> List.of(Metric.TOP1);
      case SEGMENTATION -> List.of(Metric.MIOU, Metric.PIXEL_ACCURACY);
    };
  }

  /** What it is judged by: the first of {@link #metrics}. */
  public Metric score() {
    return metrics().get(0);
  }

  /** The share of labels that were right: the last of {@link #metrics}. */
  public Metric accuracy() {
    return metrics().get(metrics().size() - 1);
  }

  /** As on the command line and in files. */
  @Override
  public String toString() {
    return name().toLowerCase(Locale.ROOT);
  }
}
