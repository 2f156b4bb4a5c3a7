package io.fovea.training.evaluate;

import io.fovea.training.Task;
import java.util.Arrays;
import java.util.stream.IntStream;
import java.util.stream.LongStream;

/**
 * How a network does on test samples: of images, of clips, or of pixels. {@link Task#evaluate} makes it.
 *
 * @param loss the mean cross entropy
 * @param confusion how many labels of each class (row) were taken for each class (column)
 */
public record Evaluation(double loss, long[][] confusion) {
  /** How many labels were evaluated: images, or the pixels of a segmentation. */
  public long labels() {
    return IntStream.range(0, confusion.length).mapToLong(this::labels).sum();
  }

  /** How many labels of a class were evaluated. */
  public long labels(int label) {
    return LongStream.of(confusion[label]).sum();
  }

  /** The share of labels that scored highest: of pixels, this is the pixel accuracy. */
  public double top1() {
    return (double) IntStream.range(0, confusion.length).mapToLong(i -> confusion[i][i]).sum()
        / labels();
  }

  /**
   * A class's intersection over union: labels that were predicted right, of those that have the class
   * or were taken for it; NaN if there are none.
   */
  public double iou(int label) {
    long right = confusion[label][label];
    long predicted = LongStream.of(column(label)).sum();
    return (double) right / (labels(label) + predicted - right);
  }

  /** The class that a class is most often taken for, -1 if it never is taken for another. */
  public int mostOftenTakenFor(int label) {
    long[] row = confusion[label];
    int wrong = -1;
    for (int j = 0; j < row.length; j++) {
      if (j != label && row[j] > 0 && (wrong < 0 || row[j] > row[wrong])) {
        wrong = j;
      }
    }
    return wrong;
  }

  private long[] column(int label) {
    return Arrays.stream(confusion).mapToLong(row -> row[label]).toArray();
  }

  /** The mean intersection over union of the classes that have one. */
  public double miou() {
    return IntStream.range(0, confusion.length)
        .mapToDouble(this::iou)
        .filter(Double::isFinite)
        .average()
        .orElse(Double.NaN);
  }
}
