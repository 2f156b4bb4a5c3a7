package io.fovea.training;

import java.util.Map;
import org.bytedeco.pytorch.Tensor;

/** What the batches of an epoch add up to. */
final class Sums {
  static final String BATCHES = TrainingState.EPOCH + "batches";
  private static final String LOSS = TrainingState.EPOCH + "loss";
  private static final String RIGHT = TrainingState.EPOCH + "right";
  private static final String LABELS = TrainingState.EPOCH + "labels";
  private static final String IMAGES = TrainingState.EPOCH + "images";
  private static final String SECONDS = TrainingState.EPOCH + "seconds";

  int batches;
  double loss;
  long right;
  long labels;
  long images;
  double seconds;

  void add(double value, long rightOnes, long all, int count) {
    batches++;
    loss += value * count;
    right += rightOnes;
    labels += all;
    images += count;
  }

  Loop.Epoch result(double rate) {
    return new Loop.Epoch(
        loss / images, (double) right / Math.max(1, labels), rate, seconds, images / seconds);
  }

  /** Adds the sums to a state, if it is one within an epoch. */
  void save(Map<String, Tensor> state) {
    if (batches > 0) {
      state.put(BATCHES, number(batches));
      state.put(LOSS, Tensor.create(loss).squeeze());
      state.put(RIGHT, number(right));
      state.put(LABELS, number(labels));
      state.put(IMAGES, number(images));
      state.put(SECONDS, Tensor.create(seconds).squeeze());
    }
  }

  private static Tensor number(long value) {
    return Tensor.create(value).squeeze();
  }

  static Sums of(TrainingState state) {
    Sums sums = new Sums();
    sums.batches = state.batches();
    if (sums.batches > 0) {
      sums.loss = state.tensor(LOSS).item_double();
      sums.right = state.tensor(RIGHT).item_long();
      sums.labels = state.tensor(LABELS).item_long();
      sums.images = state.tensor(IMAGES).item_long();
      sums.seconds = state.tensor(SECONDS).item_double();
    }
    return sums;
  }
}
