package io.fovea.training.evaluate;

/** A metric of a network's quality, from 0 to 1, computed from the confusion matrix. */
public enum Metric {
  /** The share of images whose class had the highest score. */
  TOP1("top1", "top-1"),
  /** The mean over classes of intersection over union. */
  MIOU("miou", "mIoU"),
  /** The share of labelled pixels whose class had the highest score. */
  PIXEL_ACCURACY("pixel_accuracy", "pixel accuracy");

  private final String key;
  private final String title;

  Metric(String key, String title) {
    this.key = key;
    this.title = title;
  }

  /** The key in JSON. */
  public String key() {
    return key;
  }

  /** The name for readers. */
  public String title() {
    return title;
  }

  /**
   * Computes the metric from a confusion matrix.
   *
   * @param confusion the confusion matrix: rows are true classes, columns are predicted classes
   */
  public double of(long[][] confusion) {
    Evaluation evaluation = new Evaluation(0, confusion);
    return this == MIOU ? evaluation.miou() : evaluation.top1();
  }
}
