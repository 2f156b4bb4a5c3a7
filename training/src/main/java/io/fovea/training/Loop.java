package io.fovea.training;

import io.fovea.data.Batch;
import io.fovea.data.BatchLoader;
import io.fovea.data.DataException;
import io.fovea.data.Seeds;
import io.fovea.errors.SpecException;
import io.fovea.models.Network;
import io.fovea.models.NetworkSpec;
import io.fovea.models.weights.StateDict;
import io.fovea.models.weights.WeightsException;
import io.fovea.training.processes.Group;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.LongSupplier;
import java.util.function.Supplier;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.StringSharedModuleDict;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/**
 * The training loop for any task: one step of the optimiser for each batch of a loader.
 */
final class Loop {
  /** Computes the loss of a batch. */
  interface Objective {
    Step of(Batch batch);
  }

  /**
   * The result of a batch.
   *
   * @param loss the loss, a single differentiable value
   * @param right the number of labels that had the highest score
   * @param labels the number of labels
   * @param weight the sum of the weights of the labels whose weighted mean the loss is; NaN if the
   *     loss is the mean of the images, which all count the same
   */
  record Step(Tensor loss, long right, long labels, double weight) {
    /** A step whose images all count the same. */
    Step(Tensor loss, long right, long labels) {
      this(loss, right, labels, Double.NaN);
    }
  }

  /** The result of an epoch before its test. */
  record Epoch(
      double loss, double accuracy, double learningRate, double seconds, double imagesPerSecond) {}

  private static final String LIBTORCH_RANDOM = TrainingState.RANDOM + "libtorch";
  private static final String NETWORK_RANDOM = TrainingState.RANDOM + "network";

  private final Network network;
  private final BatchLoader loader;
  private final TrainingSpec spec;
  private final Objective objective;
  private final Runnable trainingMode;
  private final Optimizers optimizers;
  private final MovingAverage average; // null for none
  private final Group group;
  private final Group.Gradients gradients;
  private Sums sums = new Sums(); // of the running epoch

  /**
   * Prepares a training.
   *
   * @param network the network to train
   * @param optimizers the optimisers of its parameters
   * @param objective computes the loss of a batch
   * @param trainingMode sets training mode
   * @param group the processes that train together, of which the loader gives this one its part
   */
  Loop(
      Network network,
      Optimizers optimizers,
      Objective objective,
      Runnable trainingMode,
      BatchLoader loader,
      TrainingSpec spec,
      Group group) {
    this.network = network;
    this.optimizers = optimizers;
    this.objective = objective;
    this.trainingMode = trainingMode;
    this.loader = loader;
    this.spec = spec;
    double decay = spec.optimization().ema();
    average = decay == 0 ? null : new MovingAverage(StateDict.of(network), decay);
    this.group = group;
    gradients = group.gradients(optimizers.parameters());
  }

  /**
   * Prepares the training of a task. A {@code PointerScope} must stay open while it is used.
   *
   * @param network the network to train
   * @param start the weights from which the network started; null for new ones
   */
  static <N extends Network> Loop of(
      Task<N, ?> task, N network, Start start, BatchLoader loader, TrainingSpec spec, Group group) {
    Map<String, Tensor> parameters = StateDict.parameters(network);
    Set<String> frozen = Start.frozen(start, network, parameters.keySet(), spec.transfer());
    parameters.forEach((name, parameter) -> parameter.requires_grad_(!frozen.contains(name)));
    parameters.keySet().removeAll(frozen);
    if (parameters.isEmpty()) {
      throw new SpecException("everything is frozen, so that nothing is left to train");
    }
    Optimizers optimizers = new Optimizers(spec);
    Map<Boolean, Double> rates = new LinkedHashMap<>();
    rates.put(false, 1.0);
    rates.put(true, spec.transfer().headRate());
    rates.forEach(
        (head, rate) -> {
          Map<String, Tensor> decayed = new LinkedHashMap<>();
          // batch norms, biases and gammas, which have one dimension
          Map<String, Tensor> free = new LinkedHashMap<>();
          parameters.forEach(
              (name, parameter) -> {
                boolean fresh = start != null && start.fresh().contains(name);
                if (head == (fresh || task.isHead(name))) {
                  (parameter.dim() > 1 ? decayed : free).put(name, parameter);
                }
              });
          optimizers.add(decayed, spec.weightDecay(), rate);
          optimizers.add(free, 0, rate);
        });
    return new Loop(
        network,
        optimizers,
        task.objective(network, spec),
        () -> {
          task.toTrainingMode(network, spec);
          keepStatistics(network, frozen);
        },
        loader,
        spec,
        group);
  }

  /** Batch norms whose parameters are frozen keep their running statistics, too. */
  private static void keepStatistics(Network network, Set<String> frozen) {
    if (frozen.isEmpty()) {
      return;
    }
    try (PointerScope scope = new PointerScope()) {
      StringSharedModuleDict parts = network.named_modules();
      for (long i = 0; i < parts.size(); i++) {
        BytePointer key = parts.get(i).key(); // null for the network itself
        String name = key == null ? "" : key.getString();
        if (frozen.contains(name + ".weight") || frozen.contains(name + ".bias")) {
          parts.get(i).access().eval();
        }
      }
    }
  }

  /**
   * Trains for one epoch, or for the rest of the one of the restored state.
   *
   * @param epoch the epoch, from 1
   * @param epochs the number of epochs of the training
   * @param scores the scores on the test samples after each epoch before this one
   * @param save called after those steps of the optimiser but the last one after which the listener
   *     of a process wants a state
   * @throws DivergedException if the loss is NaN or infinite
   * @throws DataException if a sample cannot be read
   */
  Epoch epoch(
      int epoch, int epochs, List<Double> scores, TrainingListener listener, Runnable save) {
    trainingMode.run();
    int batches = loader.batches();
    int together = spec.optimization().accumulate();
    int stepsOfEpoch = (batches + together - 1) / together;
    double rate = 0;
    double before = sums.seconds;
    long start = System.nanoTime();
    for (Batch batch : loader.epoch(epoch, sums.batches)) {
      try (batch;
          PointerScope scope = new PointerScope()) {
        int first = sums.batches / together * together; // the first batch of the step
        int ofStep = Math.min(together, batches - first);
        Step result = group.forward(() -> objective.of(batch));
        double share = share(result, batch);
        Group.Sum all = // of all processes, added up while the backward pass runs
            group.sum(
                result.loss().item_double() * share / group.size(),
                (double) result.right(),
                (double) result.labels(),
                batch.indices().length,
                group.size() > 1 && listener.wantsState() ? 1 : 0);
        learn(result, share, sums.batches == first, ofStep, sums.batches - first == ofStep - 1);
        double[] totals = all.get();
        double value = totals[0];
        if (!Double.isFinite(value)) {
          throw new DivergedException(
              "the loss is "
                  + value
                  + " in epoch "
                  + epoch
                  + ": the training diverged; try a learning rate below "
                  + spec.learningRate());
        }
        int count = (int) totals[3];
        sums.add(value, (long) totals[1], (long) totals[2], count);
        boolean whole = sums.batches % together == 0 || sums.batches == batches;
        if (whole) {
          long step = (long) (epoch - 1) * stepsOfEpoch + first / together;
          rate = rate(new Schedule.Position(step, (long) epochs * stepsOfEpoch, epoch - 1, scores));
          optimizers.step(rate);
          if (average != null) {
            average.update(step + 1);
          }
        }
        sums.seconds = before + (System.nanoTime() - start) / 1e9;
        listener.step(count, value);
        if (whole
            && sums.batches < batches
            && (group.size() > 1 ? totals[4] > 0 : listener.wantsState())) {
          save.run();
        }
      }
    }
    sums.seconds = before + (System.nanoTime() - start) / 1e9;
    Epoch done = sums.result(rate);
    sums = new Sums();
    return done;
  }

  private double rate(Schedule.Position at) {
    return spec.schedule().rate(spec.learningRate(), at);
  }

  /**
   * The factor of the loss of this process with which the mean over all processes is the loss of the
   * whole batch.
   */
  private double share(Step step, Batch batch) {
    if (group.size() == 1) {
      return 1;
    }
    if (Double.isNaN(step.weight())) {
      return (double) batch.indices().length * group.size() / loader.batchSize();
    }
    double all = group.sum(step.weight()).get()[0];
    return all == 0 ? 1 : step.weight() * group.size() / all;
  }

  /**
   * Adds the gradients of a batch.
   *
   * @param first whether it is the first batch of a step
   * @param together the number of batches of the step
   * @param last whether it is the last batch of a step
   */
  private void learn(Step step, double share, boolean first, int together, boolean last) {
    if (first && !gradients.clear()) {
      optimizers.clear();
    }
    Tensor loss = step.loss();
    gradients.beforeBackward(loss, last);
    optimizers.add(share == 1 ? loss : loss.mul(new Scalar(share)), together);
  }

  /**
   * Measures the time of a batch on the first ones of an epoch. Weights and random generators
   * change; the caller restores them.
   *
   * @param most the largest number of batches
   * @param clock gives the time in nanoseconds
   * @return the mean time in seconds, without the first batch if there are more
   */
  double secondsOfBatch(int most, LongSupplier clock) {
    trainingMode.run();
    int done = 0;
    long start = clock.getAsLong();
    Iterator<Batch> batches = loader.epoch(1).iterator();
    while (done < most && batches.hasNext()) {
      try (Batch batch = batches.next();
          PointerScope scope = new PointerScope()) {
        Step result = group.forward(() -> objective.of(batch));
        learn(result, share(result, batch), true, 1, true);
        optimizers.step(rate(new Schedule.Position(0, loader.batches(), 0, List.of())));
      }
      if (done++ == 0 && loader.batches() > 1) {
        start = clock.getAsLong(); // the first batch takes longer
      }
    }
    return (clock.getAsLong() - start) / 1e9 / Math.max(1, done - 1);
  }

  /**
   * Gives all processes what only the first one's images changed: the running statistics of batch
   * norms, and their moving average.
   */
  void agree() {
    if (group.size() > 1) {
      Map<String, Tensor> buffers = StateDict.of(network);
      buffers.keySet().removeAll(StateDict.parameters(network).keySet());
      List<Tensor> all = new ArrayList<>(buffers.values());
      if (average != null) {
        buffers.keySet().forEach(name -> all.add(average.tensors().get(name)));
      }
      if (!all.isEmpty()) {
        group.copyFirst(all);
      }
    }
  }

  /** Gives all processes the weights of the first one, and each a random generator of its own. */
  void begin() {
    if (group.size() > 1) {
      group.copyFirst(StateDict.of(network).values());
      if (!group.isFirst()) { // or all would drop the same out of different images
        long seed = Seeds.mix(spec.seed(), group.rank());
        torch.manual_seed(seed);
        network.setRandomState(seed);
      }
    }
  }

  /** Calls with the moving average in the network; null if there is none. */
  <T> T averaged(Supplier<T> body) {
    return average == null ? null : average.in(body);
  }

  /**
   * Copies everything on which the next epoch depends; the tensors belong to the open scope. All
   * processes of a group call it together.
   */
  Map<String, Tensor> state() {
    Map<String, Tensor> state = new LinkedHashMap<>();
    StateDict.of(network)
        .forEach((name, tensor) -> state.put(TrainingState.NETWORK + name, tensor));
    if (average != null) {
      average.tensors().forEach((name, own) -> state.put(TrainingState.AVERAGE + name, own));
    }
    sums.save(state);
    optimizers.state().forEach((name, tensor) -> state.put(TrainingState.OPTIMIZER + name, tensor));
    List<Tensor> libtorch = group.all(torch.getDefaultCPUGenerator().get_state());
    List<Tensor> own = group.all(Tensor.create(network.randomState()).squeeze());
    for (int rank = 0; rank < group.size(); rank++) {
      state.put(of(LIBTORCH_RANDOM, rank), libtorch.get(rank));
      state.put(of(NETWORK_RANDOM, rank), own.get(rank));
    }
    return state;
  }

  /** The name of what each process has. */
  private static String of(String name, int rank) {
    return rank == 0 ? name : name + "." + rank;
  }

  /**
   * Goes back to a state.
   *
   * @throws io.fovea.models.weights.WeightsException if it is that of another network
   */
  void restore(TrainingState state) {
    StateDict.load(network, state.network());
    sums = Sums.of(state);
    optimizers.restore(state.part(TrainingState.OPTIMIZER));
    if (average != null) {
      average.tensors().keySet().forEach(name -> state.tensor(TrainingState.AVERAGE + name));
      StateDict.copy(state.average(), average.tensors());
    }
    Tensor random = state.tensor(of(LIBTORCH_RANDOM, group.rank()));
    Tensor now = torch.getDefaultCPUGenerator().get_state();
    if (random.scalar_type().intern() != now.scalar_type().intern()
        || random.numel() != now.numel()) {
      throw new WeightsException(
          "the state of the random generator is not that of this version of libtorch");
    }
    NetworkSpec.setRandomState(random);
    network.setRandomState(state.tensor(of(NETWORK_RANDOM, group.rank())).item_long());
  }
}
