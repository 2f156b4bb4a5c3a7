package io.fovea.training;

import io.fovea.models.Classifier;
import io.fovea.models.State;
import java.util.ArrayList;
import java.util.List;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.LongOptional;
import org.bytedeco.pytorch.SGD;
import org.bytedeco.pytorch.SGDOptions;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;

/** Trains classifiers. */
public final class Trainer {
  private static final long MEAN_REDUCTION = 1;
  private static final long NO_IGNORED_LABEL = -100;

  private Trainer() {}

  /**
   * Trains a network and tests it after each epoch. The same network, data, spec and number of threads
   * give the same weights bit for bit on one machine.
   *
   * @param network trained in place; left in evaluation mode
   * @param data the images
   * @param spec how
   * @param listener told of steps and epochs
   * @return what each epoch came to
   * @throws DataException if the loss stops being a number, or an image cannot be read
   */
  public static List<EpochMetrics> train(
      Classifier network, ImageData data, TrainingSpec spec, TrainingListener listener) {
    try (PointerScope scope = new PointerScope();
        BatchLoader loader =
            BatchLoader.builder(data.train(), data.normalization())
                .batchSize(Math.min(spec.batchSize(), data.train().size()))
                .augmentation(spec.augmentation())
                .shuffle(true)
                .dropLast(true)
                .seed(spec.seed())
                .build()) {
      Optimizer optimizer = new Optimizer(network, spec);
      List<EpochMetrics> history = new ArrayList<>();
      for (int epoch = 1; epoch <= spec.epochs(); epoch++) {
        network.train(true);
        history.add(epoch(network, data, spec, listener, loader, optimizer, epoch));
      }
      network.eval();
      return history;
    }
  }

  private static EpochMetrics epoch(
      Classifier network,
      ImageData data,
      TrainingSpec spec,
      TrainingListener listener,
      BatchLoader loader,
      Optimizer optimizer,
      int epoch) {
    long steps = (long) spec.epochs() * loader.batches();
    long step = (long) (epoch - 1) * loader.batches();
    double loss = 0;
    long right = 0;
    long images = 0;
    double rate = 0;
    long start = System.nanoTime();
    for (Batch batch : loader.epoch(epoch)) {
      try (batch;
          PointerScope scope = new PointerScope()) {
        rate = spec.learningRate(step++, steps);
        Tensor scores = network.forward(batch.images());
        Tensor mean =
            torch.cross_entropy_loss(
                scores,
                batch.labels(),
                new TensorOptional(),
                MEAN_REDUCTION,
                NO_IGNORED_LABEL,
                spec.labelSmoothing());
        double value = mean.item_double();
        if (!Double.isFinite(value)) {
          throw new DataException(
              "the loss is "
                  + value
                  + " in epoch "
                  + epoch
                  + ": the training diverged; try a learning rate below "
                  + spec.learningRate());
        }
        optimizer.step(mean, rate);
        int count = batch.indices().length;
        loss += value * count;
        right += scores.argmax(new LongOptional(1), false).eq(batch.labels()).sum().item_long();
        images += count;
        listener.step(count, value);
      }
    }
    double seconds = (System.nanoTime() - start) / 1e9;
    Evaluation test = Evaluation.of(network, data.test(), data.normalization(), Progress.NONE);
    EpochMetrics metrics =
        new EpochMetrics(
            epoch,
            loss / images,
            (double) right / images,
            test.loss(),
            test.top1(),
            rate,
            seconds,
            images / seconds);
    listener.epoch(metrics, test);
    return metrics;
  }

  /** Two groups, since batch norms, biases and gammas (all of one dimension) do not decay. */
  private static final class Optimizer {
    private final List<SGD> groups;

    Optimizer(Classifier network, TrainingSpec spec) {
      List<Tensor> decayed = new ArrayList<>();
      List<Tensor> free = new ArrayList<>();
      for (Tensor parameter : State.parameters(network).values()) {
        (parameter.dim() > 1 ? decayed : free).add(parameter);
      }
      groups = List.of(sgd(decayed, spec, spec.weightDecay()), sgd(free, spec, 0));
    }

    private static SGD sgd(List<Tensor> parameters, TrainingSpec spec, double decay) {
      SGDOptions options = new SGDOptions(spec.learningRate());
      options.momentum().put(spec.momentum());
      options.weight_decay().put(decay);
      return new SGD(new TensorVector(parameters.toArray(new Tensor[0])), options);
    }

    void step(Tensor loss, double learningRate) {
      groups.forEach(SGD::zero_grad);
      loss.backward();
      for (SGD group : groups) {
        group.param_groups().get(0).options().set_lr(learningRate);
        group.step();
      }
    }
  }
}
