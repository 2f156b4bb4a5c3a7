package io.fovea.training;

import io.fovea.data.BatchLoader;
import io.fovea.data.DataException;
import io.fovea.data.Dataset;
import io.fovea.data.Progress;
import io.fovea.data.TrainingData;
import io.fovea.models.Network;
import io.fovea.models.NetworkSpec;
import io.fovea.models.weights.StateDict;
import io.fovea.training.evaluate.Evaluation;
import io.fovea.training.evaluate.TestTimeAugmentation;
import io.fovea.training.processes.Group;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.LongSupplier;
import java.util.function.Supplier;
import java.util.stream.IntStream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/** Trains existing networks; {@link Training} also creates them. */
public final class Trainer {
  private static final int MEASURED_BATCHES = 10;

  private Trainer() {}

  /**
   * Trains a network and tests it after each epoch. The same network, data, spec and number of threads
   * give the same weights bit for bit on one machine.
   *
   * @param network the network, which is trained in place and left in evaluation mode
   * @param data the samples
   * @param spec the settings; their seed determines order and augmentation
   * @param listener receives steps and epochs
   * @return the result of each epoch
   * @throws DataException if the loss stops being a number, or a sample cannot be read
   * @throws io.fovea.errors.SpecException if the settings do not fit the task or the data
   */
  public static <N extends Network, D extends Dataset<?>> List<EpochResult> train(
      Task<N, D> task,
      N network,
      TrainingData<D> data,
      TrainingSpec spec,
      TrainingListener listener) {
    return train(task, network, null, data, spec, null, listener);
  }

  /**
   * Goes on with a training from a state that {@link TrainingListener#state} received. The weights
   * are bit for bit those of the training without the interruption, on one machine and with the
   * same number of threads.
   *
   * @param network a network with the same parts as the one of the state; its weights are replaced
   * @param start the weights from which the network started; null for new ones
   * @param state the state; null to begin
   * @return the results of all epochs, including those of the state
   * @throws io.fovea.models.weights.WeightsException if the state is that of another network
   * @throws DataException as for {@link #train(Task, Network, TrainingData, TrainingSpec,
   *     TrainingListener)}
   */
  public static <N extends Network, D extends Dataset<?>> List<EpochResult> train(
      Task<N, D> task,
      N network,
      Start start,
      TrainingData<D> data,
      TrainingSpec spec,
      TrainingState state,
      TrainingListener listener) {
    return train(task, network, start, data, spec, state, listener, System::nanoTime, Group.ALONE);
  }

  /**
   * The same for one of several processes that train together.
   *
   * @param clock gives the time in nanoseconds
   */
  static <N extends Network, D extends Dataset<?>> List<EpochResult> train(
      Task<N, D> task,
      N network,
      Start start,
      TrainingData<D> data,
      TrainingSpec spec,
      TrainingState state,
      TrainingListener listener,
      LongSupplier clock,
      Group group) {
    TrainingSpec settings = task.completed(spec, data);
    Plan plan = new Plan(settings, clock);
    try (PointerScope scope = new PointerScope();
        BatchLoader loader = loader(task, data, settings, group)) {
      if (plan.isTimed() && state == null) {
        plan.begin(secondsOfEpoch(task, network, start, data, loader, settings, clock, group));
        plan.agree(group);
      }
      Loop loop = Loop.of(task, network, start, loader, settings, group);
      loop.begin();
      List<EpochResult> history = new ArrayList<>();
      if (state != null) {
        loop.restore(state);
        plan.restore(state);
        history.addAll(state.history());
      }
      Runnable save =
          () -> {
            try (PointerScope own = new PointerScope()) {
              Supplier<TrainingState> reached =
                  () -> {
                    Map<String, Tensor> tensors = loop.state();
                    plan.save(tensors);
                    return new TrainingState(history, tensors);
                  };
              // all processes take part in it, whoever listens
              TrainingState together = group.size() > 1 ? reached.get() : null;
              listener.state(together == null ? reached : () -> together);
            }
          };
      listener.planned(plan.epochs());
      for (int number = history.size() + 1;
          number <= plan.epochs() && !isExhausted(task, settings, history);
          number++) {
        int planned = plan.epochs();
        Loop.Epoch epoch = loop.epoch(number, planned, scores(task, history), listener, save);
        loop.agree();
        Supplier<Evaluation> evaluation = () -> evaluate(task, network, data, group);
        Evaluation test = evaluation.get();
        EpochResult result = EpochResult.of(task, number, epoch, test, loop.averaged(evaluation));
        history.add(result);
        plan.after(number);
        plan.agree(group);
        save.run();
        if (plan.epochs() != planned) {
          listener.planned(plan.epochs());
        }
        listener.epoch(result, test);
      }
      network.eval();
      return history;
    } catch (RuntimeException e) {
      throw group.explained(e);
    }
  }

  /** Each process evaluates its part of the test samples, and gets the result of all. */
  private static <N extends Network, D extends Dataset<?>> Evaluation evaluate(
      Task<N, D> task, N network, TrainingData<D> data, Group group) {
    int[] part = group.part(data.test().size());
    D own = data.test();
    if (group.size() > 1 && part[0] < part[1]) {
      @SuppressWarnings("unchecked") // a part of a data set is a data set of the same kind
      D chosen = (D) own.select(IntStream.range(part[0], part[1]).toArray());
      own = chosen;
    }
    int classes = data.classes().size();
    Evaluation test =
        part[0] == part[1]
            ? new Evaluation(0, new long[classes][classes])
            : task.evaluate(
                network, own, data.normalization(), TestTimeAugmentation.WHOLE, Progress.NONE);
    if (group.size() == 1) {
      return test;
    }
    double[] sums = new double[1 + classes * classes];
    sums[0] = test.labels() == 0 ? 0 : test.loss() * test.labels();
    for (int i = 0; i < classes * classes; i++) {
      sums[1 + i] = test.confusion()[i / classes][i % classes];
    }
    try (PointerScope scope = new PointerScope()) {
      sums = group.sum(sums).get();
    }
    long[][] confusion = new long[classes][classes];
    for (int i = 0; i < classes * classes; i++) {
      confusion[i / classes][i % classes] = (long) sums[1 + i];
    }
    Evaluation all = new Evaluation(Double.NaN, confusion);
    return new Evaluation(sums[0] / Math.max(1, all.labels()), confusion);
  }

  private static <D extends Dataset<?>> BatchLoader loader(
      Task<?, D> task, TrainingData<D> data, TrainingSpec settings, Group group) {
    int images = data.train().size();
    if (images < group.size()) {
      throw new DataException(
          data.name() + ": has " + images + " training images for " + group.size() + " processes");
    }
    return BatchLoader.builder(task.samples(data.train(), data.normalization(), settings))
        .batchSize((int) Math.min((long) settings.batchSize() * group.size(), images))
        .part(group.rank(), group.size())
        .shuffle(true)
        .dropLast(true)
        .balanced(task.balanced(data.train(), settings))
        .seed(settings.seed())
        .build();
  }

  /** As {@link Training#secondsOfEpoch}, with complete settings. */
  static <N extends Network, D extends Dataset<?>> double secondsOfEpoch(
      Task<N, D> task,
      N network,
      Start start,
      TrainingData<D> data,
      TrainingSpec settings,
      Group group) {
    try (BatchLoader loader = loader(task, data, settings, group)) {
      return secondsOfEpoch(task, network, start, data, loader, settings, System::nanoTime, group);
    }
  }

  /**
   * Estimates the time of an epoch with its test from a few steps, after which network and random
   * generators are as they were. An image of the test takes about a third of the time of a training
   * image, of whose three passes it has one.
   */
  private static <N extends Network, D extends Dataset<?>> double secondsOfEpoch(
      Task<N, D> task,
      N network,
      Start start,
      TrainingData<D> data,
      BatchLoader loader,
      TrainingSpec spec,
      LongSupplier clock,
      Group group) {
    try (PointerScope scope = new PointerScope()) {
      Map<String, Tensor> before = StateDict.clones(StateDict.of(network));
      Tensor random = torch.getDefaultCPUGenerator().get_state();
      long own = network.randomState();
      Loop probe = Loop.of(task, network, start, loader, spec, group);
      double batch = probe.secondsOfBatch(MEASURED_BATCHES, clock);
      StateDict.copy(before, StateDict.of(network));
      NetworkSpec.setRandomState(random);
      network.setRandomState(own);
      double images = data.train().size() + data.test().size() / 3.0;
      return batch * loader.batches() * images / data.train().size();
    }
  }

  private static List<Double> scores(Task<?, ?> task, List<EpochResult> history) {
    return history.stream().map(result -> result.test(task.score())).toList();
  }

  /** Whether the score has not become better for as many epochs as the patience allows. */
  private static boolean isExhausted(
      Task<?, ?> task, TrainingSpec spec, List<EpochResult> history) {
    int patience = spec.optimization().patience();
    return patience > 0
        && history.size() - EpochResult.best(task, history) >= patience
        && !history.isEmpty();
  }
}
