package io.fovea.app.study;

import io.fovea.data.Dataset;
import io.fovea.data.Progress;
import io.fovea.data.source.DataSpec;
import io.fovea.models.Network;
import io.fovea.models.NetworkSpec;
import io.fovea.training.Task;
import io.fovea.training.TrainingSpec;
import java.nio.file.Path;
import org.bytedeco.javacpp.PointerScope;

/**
 * A task with its options chosen: which data, which network, how it is trained. {@code train}, {@code
 * compare} and {@code ablate} know no more of a task than this.
 *
 * @param <N> the networks
 * @param <D> the data sets
 * @param task what the networks do
 * @param data where the samples come from
 * @param network the network, without attention; classes and channels are those of the data
 * @param training how it is trained; the seed is replaced by each run's
 * @param initial weights that every network starts from: a file or a run; null for fresh ones
 */
public record TaskSetup<N extends Network, D extends Dataset<?>>(
    Task<N, D> task, DataSpec data, NetworkSpec<N> network, TrainingSpec training, Path initial) {
  /**
   * Fails early, before data are read, if a module cannot be in the network, or the initial weights do not
   * fit it.
   *
   * @throws io.fovea.errors.FoveaException if it cannot
   */
  public void check(String module) {
    try (PointerScope scope = new PointerScope()) {
      N made = network.withAttention(module).create();
      if (initial != null) {
        task.initialise(made, initial);
      }
    }
  }

  /**
   * Reads the data.
   *
   * @throws io.fovea.data.DataException if they are not there or not usable
   */
  public LoadedTask<N, D> open(Progress progress) {
    return new LoadedTask<>(this, task.open(data, progress));
  }
}
