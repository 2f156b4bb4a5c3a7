package io.fovea.training;

import io.fovea.data.Dataset;
import io.fovea.data.TrainingData;
import io.fovea.errors.SpecException;
import io.fovea.models.Network;
import io.fovea.models.NetworkSpec;
import java.util.List;

/**
 * A training that is about to begin: its network is made, with the initial weights that the seed of its
 * settings says. {@code Run.train} trains it and keeps it in a folder; {@link #start} only trains.
 *
 * <pre>{@code
 * TrainingData<ImageDataset> data = Tasks.CLASSIFICATION.open(source, Progress.NONE);
 * Training<Classifier, ImageDataset> training =
 *     Training.of(Tasks.CLASSIFICATION, spec, data, Tasks.CLASSIFICATION.training().withSeed(1));
 * Run.train(Path.of("runs/mine"), training, source, TrainingListener.NONE);
 * }</pre>
 *
 * @param <N> the network
 * @param <D> the data sets
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
   * Makes the network. This is where the seed becomes initial weights: the same spec, settings and data
   * give the same training bit for bit on one machine with the same number of threads.
   *
   * @param model the network; it gets the classes and channels of the data
   * @param spec how it will be trained
   * @throws io.fovea.errors.SpecException if there is no such network, or the settings do not fit the task
   *     or the data
   */
  public static <N extends Network, D extends Dataset<?>> Training<N, D> of(
      Task<N, D> task, NetworkSpec<N> model, TrainingData<D> data, TrainingSpec spec) {
    NetworkSpec<N> fitting = model.withData(data.classes().size(), data.train().channels());
    return new Training<>(task, fitting, fitting.create(spec.seed()), data, spec);
  }

  /**
   * Takes a network that has weights already.
   *
   * @param model the network's spec
   * @param network for the classes and channels of the data
   * @param spec how it will be trained; its seed decides order and augmentation
   * @throws io.fovea.errors.SpecException if the network is for other classes or channels than the data, or
   *     the settings do not fit the task or the data
   */
  public static <N extends Network, D extends Dataset<?>> Training<N, D> of(
      Task<N, D> task, NetworkSpec<N> model, N network, TrainingData<D> data, TrainingSpec spec) {
    int classes = data.classes().size();
    int channels = data.train().channels();
    if (network.classes() != classes || network.channels() != channels) {
      throw new SpecException(
          String.format(
              "the network is for %d classes and %d channels, the data have %d and %d",
              network.classes(), network.channels(), classes, channels));
    }
    return new Training<>(task, model, network, data, spec);
  }

  /** The network; what is changed before the training begins counts. */
  public N network() {
    return network;
  }

  /** The network's spec, with the classes and channels of the data. */
  public NetworkSpec<N> model() {
    return model;
  }

  /** How it is trained; what depends on the data is worked out. */
  public TrainingSpec spec() {
    return spec;
  }

  /** The data. */
  public TrainingData<D> data() {
    return data;
  }

  /** What it is trained to do. */
  public Task<N, D> task() {
    return task;
  }

  /**
   * Trains, and keeps nothing but the network; see {@link Trainer#train}.
   *
   * @return what each epoch came to
   */
  public List<EpochResult> start(TrainingListener listener) {
    return Trainer.train(task, network, data, spec, listener);
  }
}
