package io.fovea.app.study;

import io.fovea.data.Dataset;
import io.fovea.data.Progress;
import io.fovea.data.TrainingData;
import io.fovea.data.source.DataSpec;
import io.fovea.models.Network;
import io.fovea.models.NetworkSpec;
import io.fovea.training.Task;
import io.fovea.training.Training;
import io.fovea.training.TrainingSpec;
import org.bytedeco.javacpp.PointerScope;

/**
 * A task with its options: the data, the network and the training. {@code train}, {@code compare}
 * and {@code ablate} use tasks only through this class.
 *
 * @param <N> the type of the networks
 * @param <D> the type of the data sets
 * @param task the task of the networks
 * @param data the source of the samples
 * @param network the network, without attention; classes and channels are those of the data
 * @param training how it is trained; the seed is replaced by each run's
 * @param initial the weights from which every network starts, null for new weights
 */
public record TaskSetup<N extends Network, D extends Dataset<?>>(
    Task<N, D> task, DataSpec data, NetworkSpec<N> network, TrainingSpec training, Origin initial) {
  /**
   * Checks before any data is read that the network can have a module and that the initial weights
   * fit it.
   *
   * @param progress receives the progress of a download
   * @throws io.fovea.errors.FoveaException if this is not the case
   */
  public void check(String module, Progress progress) {
    try (PointerScope scope = new PointerScope()) {
      NetworkSpec<N> spec = network.withAttention(module);
      N made = spec.create();
      training.transfer().check(made);
      if (initial != null) {
        Training.requireFitting(task, spec, made, initial.weights(progress));
      }
    }
  }

  /**
   * Reads the data.
   *
   * @throws io.fovea.data.DataException if the data does not exist or cannot be used
   */
  public LoadedTask<N, D> open(Progress progress) {
    TrainingData<D> read = task.open(data, progress);
    return new LoadedTask<>(this, initial == null ? read : initial.normalized(read));
  }
}
