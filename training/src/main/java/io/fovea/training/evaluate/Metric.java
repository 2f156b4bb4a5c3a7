package io.fovea.training.evaluate;

/** A figure that says how well a network does, 0 to 1; all are taken from the confusion matrix. */
public enum Metric {
  /** The share of images whose class scored highest. */
  TOP1("top1", "top-1"),
  /** The mean over classes of intersection over union. */
  MIOU("miou", "mIoU"),
  /** The share of labelled pixels whose class scored highest. */
  PIXEL_ACCURACY("pixel_accuracy", "pixel accuracy");

  private final String key;
  private final String title;

  Metric(String key, String title) {
    this.key = key;
    this.title = title;
  }

  /** What JSON calls it. */
  public String key() {
    return key;
  }

  /** What a reader calls it. */
  public String title() {
    return title;
  }

  /**
   * Takes it from a confusion matrix.
   *
   * @param confusion true class by row, predicted class by column
   */
  public double of(long[][] confusion) {
    Evaluation evaluation = new Evaluation(0, confusion);
    return this == MIOU ? evaluation.miou() : evaluation.top1();
  }
}
