package io.fovea.training;

import io.fovea.training.processes.Group;
import java.util.Map;
import java.util.function.LongSupplier;
import org.bytedeco.pytorch.Tensor;

/**
 * How many epochs a training has: those of its settings, or as many as fit into its time. Their
 * number is then planned before the first epoch and again after each one, from the time that the
 * epochs took so far with their tests. The plan is part of the state, so a training that goes on
 * from there has the same learning rates.
 */
final class Plan {
  private static final String EPOCHS = TrainingState.PLAN + "epochs";
  private static final String SECONDS = TrainingState.PLAN + "seconds";

  private final double seconds; // 0 for a fixed number of epochs
  private final LongSupplier clock;
  private long start;
  private int epochs;

  /**
   * Begins to count the time.
   *
   * @param clock gives the time in nanoseconds
   */
  Plan(TrainingSpec spec, LongSupplier clock) {
    seconds = spec.optimization().seconds();
    epochs = spec.epochs();
    this.clock = clock;
    start = clock.getAsLong();
  }

  /** Whether the number of epochs follows from the time. */
  boolean isTimed() {
    return seconds > 0;
  }

  /** The number of epochs of the whole training, as it is planned now. */
  int epochs() {
    return epochs;
  }

  /** Plans with the time that an epoch takes, before the first one. */
  void begin(double secondsOfEpoch) {
    fit(0, secondsOfEpoch);
    epochs = Math.max(1, epochs);
  }

  /** Plans again after some epochs. */
  void after(int done) {
    if (isTimed()) {
      fit(done, elapsed() / done);
    }
  }

  /** Plans as the first process of a group, whose clock counts. */
  void agree(Group group) {
    if (isTimed()) {
      epochs = (int) group.first(epochs);
    }
  }

  private void fit(int done, double secondsOfEpoch) {
    double left = Math.max(0, seconds - elapsed());
    epochs = done + (int) Math.min(1e6, left / secondsOfEpoch);
  }

  private double elapsed() {
    return (clock.getAsLong() - start) / 1e9;
  }

  /** Adds the plan to a state. */
  void save(Map<String, Tensor> state) {
    if (isTimed()) {
      state.put(EPOCHS, Tensor.create((long) epochs).squeeze());
      state.put(SECONDS, Tensor.create(elapsed()).squeeze());
    }
  }

  /** Goes on with the plan of a state, whose time counts. */
  void restore(TrainingState state) {
    if (isTimed()) {
      epochs = (int) state.tensor(EPOCHS).item_long();
      start -= (long) (state.tensor(SECONDS).item_double() * 1e9);
    }
  }
}
