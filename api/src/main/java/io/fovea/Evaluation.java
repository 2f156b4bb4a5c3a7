package io.fovea;

import io.fovea.training.run.Json;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/**
 * How well a network does on test images.
 *
 * @param images the number of images
 * @param loss the mean cross entropy
 * @param top1 the share of images whose class had the highest score, 0 to 1
 * @param classes the names of the classes
 * @param confusion the number of images of each class (row) that were predicted as each class
 *     (column)
 */
public record Evaluation(
    long images, double loss, double top1, List<String> classes, long[][] confusion) {
  static Evaluation of(io.fovea.training.evaluate.Evaluation evaluation, List<String> classes) {
    return new Evaluation(
        evaluation.labels(), evaluation.loss(), evaluation.top1(), classes, evaluation.confusion());
  }

  /** Copies the list and the matrix. */
  public Evaluation {
    classes = List.copyOf(classes);
    confusion = copy(confusion);
  }

  private static long[][] copy(long[][] matrix) {
    return Arrays.stream(matrix).map(long[]::clone).toArray(long[][]::new);
  }

  /** A copy of the confusion matrix. */
  @Override
  public long[][] confusion() {
    return copy(confusion);
  }

  /**
   * The share of the images of a class that were predicted as it; 0 if there are none.
   *
   * @throws io.fovea.errors.SpecException if there is no such class
   */
  public double recall(String name) {
    int label = label(name);
    return share(label, Arrays.stream(confusion[label]).sum());
  }

  /**
   * The share of the images that were predicted as a class and have it; 0 if there are none.
   *
   * @throws io.fovea.errors.SpecException if there is no such class
   */
  public double precision(String name) {
    int label = label(name);
    return share(label, Arrays.stream(confusion).mapToLong(row -> row[label]).sum());
  }

  private double share(int label, long whole) {
    return whole == 0 ? 0 : (double) confusion[label][label] / whole;
  }

  private int label(String name) {
    int label = classes.indexOf(name);
    if (label < 0) {
      throw new io.fovea.errors.SpecException(
          "unknown class: \"" + name + "\"; available: " + String.join(", ", classes));
    }
    return label;
  }

  /** The evaluation as JSON, in one line. */
  public String json() {
    return Json.line(this);
  }

  /** The share of correct images, and their number. */
  @Override
  public String toString() {
    return String.format(Locale.ROOT, "top-1 %.1f %% of %d images", 100 * top1, images);
  }
}
