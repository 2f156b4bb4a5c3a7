package io.fovea;

import io.fovea.data.Dataset;
import io.fovea.data.ImageDataset;
import io.fovea.errors.SpecException;
import io.fovea.models.Network;
import io.fovea.training.Task;
import java.util.List;

/** Images or clips with one class each, or images with masks. Immutable and thread-safe. */
public final class Images {
  private final Task<?, ?> task;
  private final Dataset<?> dataset;
  private final String source;

  Images(Task<?, ?> task, Dataset<?> dataset, String source) {
    this.task = task;
    this.dataset = dataset;
    this.source = source;
  }

  /** The number of images, or of videos. */
  public int size() {
    return dataset.size();
  }

  /** The names of the classes. */
  public List<String> classes() {
    return dataset.classes();
  }

  /**
   * The class of an image or video.
   *
   * @param index 0 to {@code size() - 1}
   * @throws IndexOutOfBoundsException if there is no such image
   * @throws IllegalStateException if each pixel has a class of its own
   */
  public String classOf(int index) {
    if (!(dataset instanceof ImageDataset labelled)) {
      throw new IllegalStateException("images with masks have a class for each pixel");
    }
    return dataset.classes().get(labelled.label(index));
  }

  /**
   * The name of an image: the path of its file in the folder, or its number in a bundled set.
   *
   * @param index 0 to {@code size() - 1}
   * @throws IndexOutOfBoundsException if there is no such image
   */
  public String name(int index) {
    return dataset.id(index);
  }

  /**
   * The samples for the networks of a task.
   *
   * @throws SpecException if they are samples of another task
   */
  <N extends Network, D extends Dataset<?>> D of(Task<N, D> wanted) {
    if (task != wanted) {
      throw new SpecException(
          "the network is for " + wanted + ", but " + source + " has samples for " + task);
    }
    @SuppressWarnings("unchecked") // a task has one type of data sets
    D samples = (D) dataset;
    return samples;
  }

  String source() {
    return source;
  }

  /** How many there are, and where they come from. */
  @Override
  public String toString() {
    return size() + " " + task.units() + " of " + source;
  }
}
