package io.fovea;

import io.fovea.training.Task;
import io.fovea.training.Tasks;
import io.fovea.training.run.Json;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;

/**
 * How well a network does on test images or videos. What is counted are images, videos or, for a
 * segmentation network, pixels that have a class.
 *
 * <p>Immutable and thread-safe.
 *
 * @param task {@code classification}, {@code segmentation} or {@code video}
 * @param images the number of images or videos
 * @param loss the mean cross entropy
 * @param top1 the share whose class had the highest score, 0 to 1
 * @param classes the names of the classes
 * @param confusion how many of each class (row) were predicted as each class (column)
 */
public record Evaluation(
    String task, long images, double loss, double top1, List<String> classes, long[][] confusion) {
  static Evaluation of(
      Task<?, ?> task,
      long images,
      io.fovea.training.evaluate.Evaluation evaluation,
      List<String> classes) {
    return new Evaluation(
        task.toString(),
        images,
        evaluation.loss(),
        evaluation.top1(),
        classes,
        evaluation.confusion());
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
   * The intersection over union of a class: how many were correctly predicted as it, divided by how
   * many have it or were predicted as it; NaN if there are none.
   *
   * @throws io.fovea.errors.SpecException if there is no such class
   */
  public double iou(String name) {
    return whole().iou(label(name));
  }

  /** The mean of {@link #iou} over the classes for which it exists (mIoU). */
  public double meanIou() {
    return whole().miou();
  }

  /**
   * The Dice coefficient of a class, {@code 2 · right / (have it + predicted as it)}; NaN if there
   * are none.
   *
   * @throws io.fovea.errors.SpecException if there is no such class
   */
  public double dice(String name) {
    return whole().dice(label(name));
  }

  private io.fovea.training.evaluate.Evaluation whole() {
    return new io.fovea.training.evaluate.Evaluation(loss, confusion);
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

  /** The metrics of the task, and the number of images or videos. */
  @Override
  public String toString() {
    Task<?, ?> of = Tasks.of(task);
    return of.metrics().stream()
            .map(m -> String.format(Locale.ROOT, "%s %.1f %%", m.title(), 100 * m.of(confusion)))
            .collect(Collectors.joining(", "))
        + " of "
        + images
        + " "
        + of.units();
  }
}
