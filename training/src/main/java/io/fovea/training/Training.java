package io.fovea.training;

import io.fovea.data.Dataset;
import io.fovea.data.TrainingData;
import io.fovea.errors.SpecException;
import io.fovea.models.Network;
import io.fovea.models.NetworkSpec;
import java.util.List;

/**
 * A training that is ready to start: its network is created with the initial weights of the
 * settings' seed. {@code Run.train} trains it and saves it in a folder; {@link #start} only trains.
 *
 * <pre>{@code
 * TrainingData<ImageDataset> data = Tasks.CLASSIFICATION.open(source, Progress.NONE);
 * Training<Classifier, ImageDataset> training =
 *     Training.of(Tasks.CLASSIFICATION, spec, data, Tasks.CLASSIFICATION.training().withSeed(1));
 * Run.train(Path.of("runs/mine"), training, source, TrainingListener.NONE);
 * }</pre>
 *
 * @param <N> the type of the network
 * @param <D> the type of the data sets
 */
public final class Training<N extends Network, D extends Dataset<?>> {
  private final Task<N, D> task;
  private final NetworkSpec<N> model;
  private final TrainingData<D> data;
  private final TrainingSpec spec;
  private final N network;

  private Training(
      Task<N, D> task, NetworkSpec<N> model, N network, TrainingData<D> data, TrainingSpec spec) {
    this.task = task;
    this.model = model;
    this.data = data;
    this.spec = task.completed(spec, data);
    this.network = network;
  }

  /**
   * Creates the network with the initial weights of the seed. The same spec, settings and data give
   * the same training bit for bit on one machine with the same number of threads.
   *
   * @param model the spec of the network, which gets the classes and channels of the data
   * @param spec the settings of the training
   * @throws io.fovea.errors.SpecException if the network does not exist, or the settings do not fit
   *     the task or the data
   */
  public static <N extends Network, D extends Dataset<?>> Training<N, D> of(
      Task<N, D> task, NetworkSpec<N> model, TrainingData<D> data, TrainingSpec spec) {
    NetworkSpec<N> fitting = model.withData(data.classes().size(), data.train().channels());
    return new Training<>(task, fitting, fitting.create(spec.seed()), data, spec);
  }

  /**
   * Uses a network that has weights already.
   *
   * @param model the spec of the network
   * @param network the network, with the classes and channels of the data
   * @param spec the settings of the training; their seed determines order and augmentation
   * @throws io.fovea.errors.SpecException if the network has other classes or channels than the
   *     data, or the settings do not fit the task or the data
   */
  public static <N extends Network, D extends Dataset<?>> Training<N, D> of(
      Task<N, D> task, NetworkSpec<N> model, N network, TrainingData<D> data, TrainingSpec spec) {
    int classes = data.classes().size();
    int channels = data.train().channels();
    if (network.classes() != classes || network.channels() != channels) {
      throw new SpecException(
          String.format(
              "the network has %d classes and %d channels, but the data has %d and %d",
              network.classes(), network.channels(), classes, channels));
    }
    return new Training<>(task, model, network, data, spec);
  }

  /** The network. It may be changed before the training begins. */
  public N network() {
    return network;
  }

  /** The spec of the network, with the classes and channels of the data. */
  public NetworkSpec<N> model() {
    return model;
  }

  /** The complete settings of the training. */
  public TrainingSpec spec() {
    return spec;
  }

  /** The data. */
  public TrainingData<D> data() {
    return data;
  }

  /** The task of the network. */
  public Task<N, D> task() {
    return task;
  }

  /**
   * Trains the network without saving anything; see {@link Trainer#train}.
   *
   * @return the result of each epoch
   */
  public List<EpochResult> start(TrainingListener listener) {
    return Trainer.train(task, network, data, spec, listener);
  }

  /**
   * Goes on with the training from a state, without saving anything; see {@link Trainer}.
   *
   * @param from the state that {@link TrainingListener#state} received; null to begin
   * @return the results of all epochs, including those of the state
   * @throws io.fovea.models.weights.WeightsException if the state is that of another network
   */
  public List<EpochResult> start(TrainingState from, TrainingListener listener) {
    return Trainer.train(task, network, data, spec, from, listener);
  }
}
