package io.fovea.training.evaluate;

import io.fovea.training.Task;
import java.util.Arrays;
import java.util.stream.IntStream;
import java.util.stream.LongStream;

/**
 * The evaluation of a network on test samples: on images, clips or pixels. {@link Task#evaluate}
 * creates it.
 *
 * @param loss the mean cross entropy
 * @param confusion the confusion matrix: the number of labels of each true class (row) that were
 *     predicted as each class (column)
 */
public record Evaluation(double loss, long[][] confusion) {
  /**
   * Whether a matrix that was read from a file can be the confusion matrix of some labels.
   *
   * @param confusion the matrix, or null if the file has none
   * @param classes the number of classes
   */
  public static boolean isConfusion(long[][] confusion, int classes) {
    return confusion != null
        && confusion.length == classes
        && Arrays.stream(confusion)
            .allMatch(
                row ->
                    row != null
                        && row.length == classes
                        && LongStream.of(row).allMatch(count -> count >= 0))
        && Arrays.stream(confusion).flatMapToLong(LongStream::of).anyMatch(count -> count > 0);
  }

  /** The number of evaluated labels: images, or pixels for segmentation. */
  public long labels() {
    return IntStream.range(0, confusion.length).mapToLong(this::labels).sum();
  }

  /** The number of evaluated labels of a class. */
  public long labels(int label) {
    return LongStream.of(confusion[label]).sum();
  }

  /** The share of labels that had the highest score; for pixels, this is the pixel accuracy. */
  public double top1() {
    return (double) IntStream.range(0, confusion.length).mapToLong(i -> confusion[i][i]).sum()
        / labels();
  }

  /**
   * The intersection over union of a class: the number of correctly predicted labels divided by the
   * number of labels that have the class or were predicted as it; NaN if there are none.
   */
  public double iou(int label) {
    long right = confusion[label][label];
    long predicted = LongStream.of(column(label)).sum();
    return (double) right / (labels(label) + predicted - right);
  }

  /** The class as which a class is most often mispredicted, or -1 if it never is. */
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

  /** The mean intersection over union of the classes for which it exists. */
  public double miou() {
    return IntStream.range(0, confusion.length)
        .mapToDouble(this::iou)
        .filter(Double::isFinite)
        .average()
        .orElse(Double.NaN);
  }

  /**
   * The Dice coefficient of a class: twice the number of correctly predicted labels, divided by the
   * number of labels that have the class plus those that were predicted as it; NaN if there are none.
   */
  public double dice(int label) {
    long predicted = LongStream.of(column(label)).sum();
    return 2.0 * confusion[label][label] / (labels(label) + predicted);
  }

  /** The mean Dice coefficient of the classes for which it exists. */
  public double dice() {
    return IntStream.range(0, confusion.length)
        .mapToDouble(this::dice)
        .filter(Double::isFinite)
        .average()
        .orElse(Double.NaN);
  }

  /** The mean of the classes' intersections over union, weighted by their numbers of labels. */
  public double frequencyWeightedIou() {
    double sum = 0;
    for (int label = 0; label < confusion.length; label++) {
      sum += labels(label) > 0 ? labels(label) * iou(label) : 0;
    }
    return sum / labels();
  }
}
