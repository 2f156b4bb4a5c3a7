package io.fovea.training;

import io.fovea.data.Dataset;
import io.fovea.data.SampleSource;
import io.fovea.data.TrainingData;
import io.fovea.data.source.DataIdentity;
import io.fovea.errors.SpecException;
import io.fovea.models.Network;
import io.fovea.models.NetworkSpec;
import io.fovea.models.placement.PlacedAttention;
import io.fovea.models.weights.StateDict;
import io.fovea.training.processes.Group;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.function.Function;

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
  private final Start from;
  private final Group group;
  private DataIdentity.Contents contents;

  private Training(
      Task<N, D> task,
      NetworkSpec<N> model,
      N network,
      TrainingData<D> data,
      TrainingSpec spec,
      Start from,
      Group group) {
    this.group = group;
    spec.transfer().check(network);
    this.from = from;
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
    return new Training<>(
        task, fitting, fitting.create(spec.seed()), data, spec, null, Group.ALONE);
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
    return new Training<>(task, model, network, data, spec, null, Group.ALONE);
  }

  /**
   * Creates a training whose backbone depends on the seed alone, not on its attention: where a
   * network without attention has the same weights, it gets those. Only one network is created at a
   * time, because libtorch has one random generator for all weights.
   *
   * @param attention the attention of the network, or {@link PlacedAttention#NONE}
   * @param of prepares the training with an attention, each time with the same seed
   */
  public static synchronized <N extends Network, D extends Dataset<?>>
      Training<N, D> withSameBackbone(String attention, Function<String, Training<N, D>> of) {
    Training<N, D> plain = of.apply(PlacedAttention.NONE);
    if (attention.equals(PlacedAttention.NONE)) {
      return plain;
    }
    Training<N, D> training = of.apply(attention);
    StateDict.copyShared(plain.network(), training.network());
    return training;
  }

  /**
   * Starts from trained weights, which are loaded into the network. The classifier starts fresh if
   * the classes differ, and attention that the weights lack starts fresh; everything else must fit.
   *
   * @param weights a {@code .safetensors} or {@code .pth} file in any layout that Fovea knows, or
   *     the folder of a run. A segmentation network also starts from the network of its backbone,
   *     and a video network from the same network for images, whose kernels are inflated.
   * @param lines receives what was loaded and what starts fresh, in lines for the user
   * @return a training of the same network
   * @throws io.fovea.models.weights.WeightsException if the weights do not fit; then the network is
   *     unchanged
   * @throws io.fovea.data.DataException if they cannot be read
   */
  public Training<N, D> startFrom(Path weights, Consumer<String> lines) {
    return startFrom(weights, weights.toString(), false, lines);
  }

  /**
   * As {@link #startFrom(Path, Consumer)}.
   *
   * @param title the name of the weights for the user and for the run
   * @param backboneOnly whether the head of a segmentation network starts fresh in any case, so
   *     that networks with different heads start alike
   */
  public Training<N, D> startFrom(
      Path weights, String title, boolean backboneOnly, Consumer<String> lines) {
    Start start =
        new InitialWeights<>(task, model, network, lines)
            .load(weights, title, data.classes(), backboneOnly);
    return startedFrom(start);
  }

  /**
   * Checks that weights fit a network, whatever the classes of the data are and whether they are in
   * colour, and loads them.
   *
   * @throws io.fovea.models.weights.WeightsException if the weights do not fit
   * @throws io.fovea.data.DataException if they cannot be read
   */
  public static <N extends Network> void requireFitting(
      Task<N, ?> task, NetworkSpec<N> model, N network, Path weights) {
    new InitialWeights<>(task, model, network, line -> {})
        .load(weights, weights.toString(), null, false);
  }

  /**
   * Returns the same training with the information from which weights the network started, when it
   * has them already.
   *
   * @param start the start of a run, or null for new weights
   */
  public Training<N, D> startedFrom(Start start) {
    return new Training<>(task, model, network, data, spec, start, group);
  }

  /** The weights from which the network started; empty for new ones. */
  public Optional<Start> startedFrom() {
    return Optional.ofNullable(from);
  }

  /**
   * Returns the same training as one of several processes that train one network together. Each
   * batch has the batch size of the settings for each process; the result is that of one process with
   * the batch size times the number of processes, apart from rounding and from batch norms, which see
   * the images of their own process.
   *
   * @param together the processes, all of which start the same training
   */
  public Training<N, D> together(Group together) {
    return new Training<>(task, model, network, data, spec, from, together);
  }

  /** The processes that train together: one alone, unless {@link #together} said otherwise. */
  public Group group() {
    return group;
  }

  /** The number of images of a batch, those of all processes together. */
  public int imagesOfBatch() {
    return (int) Math.min((long) spec.batchSize() * group.size(), data.train().size());
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

  /** The training samples as the network gets them: augmented and normalised. */
  public SampleSource samples() {
    return task.samples(data.train(), data.normalization(), spec);
  }

  /**
   * The identity of the data. All files are read at the first call.
   *
   * @throws io.fovea.data.DataException if a file cannot be read any more
   */
  public DataIdentity identity() {
    return contents().identity();
  }

  /**
   * What the files of the data show. All files are read at the first call.
   *
   * @throws io.fovea.data.DataException if a file cannot be read any more
   */
  public synchronized DataIdentity.Contents contents() {
    if (contents == null) {
      contents = DataIdentity.contents(data);
    }
    return contents;
  }

  /** The task of the network. */
  public Task<N, D> task() {
    return task;
  }

  /**
   * Estimates the time of an epoch with its test from a few steps, after which network and random
   * generators are as they were.
   *
   * @return seconds
   */
  public double secondsOfEpoch() {
    return Trainer.secondsOfEpoch(task, network, from, data, spec, group);
  }

  /**
   * Trains the network without saving anything; see {@link Trainer#train}.
   *
   * @return the result of each epoch
   */
  public List<EpochResult> start(TrainingListener listener) {
    return start(null, listener);
  }

  /**
   * Goes on with the training from a state, without saving anything; see {@link Trainer}.
   *
   * @param state the state that {@link TrainingListener#state} received; null to begin
   * @return the results of all epochs, including those of the state
   * @throws io.fovea.models.weights.WeightsException if the state is that of another network
   */
  public List<EpochResult> start(TrainingState state, TrainingListener listener) {
    return Trainer.train(task, network, from, data, spec, state, listener, System::nanoTime, group);
  }
}
