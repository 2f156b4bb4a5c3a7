package io.fovea.training;

import io.fovea.data.Batch;
import io.fovea.data.BatchLoader;
import io.fovea.data.DataException;
import io.fovea.errors.SpecException;
import io.fovea.models.Network;
import io.fovea.models.NetworkSpec;
import io.fovea.models.weights.StateDict;
import io.fovea.models.weights.WeightsException;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.LongSupplier;
import java.util.function.Supplier;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.PointerScope;
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
   */
  record Step(Tensor loss, long right, long labels) {}

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
  private Sums sums = new Sums(); // of the running epoch

  /**
   * Prepares a training.
   *
   * @param network the network to train
   * @param optimizers the optimisers of its parameters
   * @param objective computes the loss of a batch
   * @param trainingMode sets training mode
   */
  Loop(
      Network network,
      Optimizers optimizers,
      Objective objective,
      Runnable trainingMode,
      BatchLoader loader,
      TrainingSpec spec) {
    this.network = network;
    this.optimizers = optimizers;
    this.objective = objective;
    this.trainingMode = trainingMode;
    this.loader = loader;
    this.spec = spec;
    double decay = spec.optimization().ema();
    average = decay == 0 ? null : new MovingAverage(StateDict.of(network), decay);
  }

  /**
   * Prepares the training of a task. A {@code PointerScope} must stay open while it is used.
   *
   * @param network the network to train
   * @param start the weights from which the network started; null for new ones
   */
  static <N extends Network> Loop of(
      Task<N, ?> task, N network, Start start, BatchLoader loader, TrainingSpec spec) {
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
        spec);
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
   * @param afterStep called after each step of the optimiser but the last one
   * @throws DataException if the loss is NaN or infinite, or a sample cannot be read
   */
  Epoch epoch(
      int epoch, int epochs, List<Double> scores, TrainingListener listener, Runnable afterStep) {
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
        Step result = learn(batch, sums.batches == first, Math.min(together, batches - first));
        double value = result.loss().item_double();
        if (!Double.isFinite(value)) {
          throw new DataException(
              "the loss is "
                  + value
                  + " in epoch "
                  + epoch
                  + ": the training diverged; try a learning rate below "
                  + spec.learningRate());
        }
        int count = batch.indices().length;
        sums.add(result, value, count);
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
        if (whole && sums.batches < batches) {
          afterStep.run();
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
   * Adds the gradients of a batch.
   *
   * @param first whether it is the first batch of a step
   * @param together the number of batches of the step
   */
  private Step learn(Batch batch, boolean first, int together) {
    Step result = objective.of(batch);
    if (first) {
      optimizers.clear();
    }
    optimizers.add(result.loss(), together);
    return result;
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
        learn(batch, true, 1);
        optimizers.step(rate(new Schedule.Position(0, loader.batches(), 0, List.of())));
      }
      if (done++ == 0 && loader.batches() > 1) {
        start = clock.getAsLong(); // the first batch takes longer
      }
    }
    return (clock.getAsLong() - start) / 1e9 / Math.max(1, done - 1);
  }

  /** Calls with the moving average in the network; null if there is none. */
  <T> T averaged(Supplier<T> body) {
    return average == null ? null : average.in(body);
  }

  /** Copies everything on which the next epoch depends; the tensors belong to the open scope. */
  Map<String, Tensor> state() {
    Map<String, Tensor> state = new LinkedHashMap<>();
    StateDict.of(network)
        .forEach((name, tensor) -> state.put(TrainingState.NETWORK + name, tensor));
    if (average != null) {
      average.tensors().forEach((name, own) -> state.put(TrainingState.AVERAGE + name, own));
    }
    sums.save(state);
    optimizers.state().forEach((name, tensor) -> state.put(TrainingState.OPTIMIZER + name, tensor));
    state.put(LIBTORCH_RANDOM, torch.getDefaultCPUGenerator().get_state());
    state.put(NETWORK_RANDOM, Tensor.create(network.randomState()).squeeze());
    return state;
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
    Tensor random = state.tensor(LIBTORCH_RANDOM);
    Tensor now = torch.getDefaultCPUGenerator().get_state();
    if (random.scalar_type().intern() != now.scalar_type().intern()
        || random.numel() != now.numel()) {
      throw new WeightsException(
          "the state of the random generator is not that of this version of libtorch");
    }
    NetworkSpec.setRandomState(random);
    network.setRandomState(state.tensor(NETWORK_RANDOM).item_long());
  }
}
