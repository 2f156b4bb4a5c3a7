package io.fovea.training;

import io.fovea.data.Batch;
import io.fovea.data.BatchLoader;
import io.fovea.data.DataException;
import io.fovea.data.ImageData;
import io.fovea.data.Progress;
import io.fovea.models.Classifier;
import io.fovea.training.evaluate.Evaluation;
import java.util.ArrayList;
import java.util.List;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.LongOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
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
      Loop loop = new Loop(network, loader, descent(spec), batch -> step(network, batch, spec));
      List<EpochMetrics> history = new ArrayList<>();
      for (int number = 1; number <= spec.epochs(); number++) {
        network.train(true);
        Loop.Epoch epoch = loop.epoch(number, listener);
        Evaluation test = Evaluation.of(network, data.test(), data.normalization(), Progress.NONE);
        EpochMetrics metrics =
            new EpochMetrics(
                number,
                epoch.loss(),
                epoch.accuracy(),
                test.loss(),
                test.top1(),
                epoch.learningRate(),
                epoch.seconds(),
                epoch.imagesPerSecond());
        listener.epoch(metrics, test);
        history.add(metrics);
      }
      network.eval();
      return history;
    }
  }

  private static Loop.SgdSettings descent(TrainingSpec spec) {
    return new Loop.SgdSettings(
        spec.epochs(),
        spec.learningRate(),
        spec::learningRate,
        spec.momentum(),
        spec.weightDecay());
  }

  private static Loop.Step step(Classifier network, Batch batch, TrainingSpec spec) {
    Tensor scores = network.forward(batch.images());
    Tensor mean =
        torch.cross_entropy_loss(
            scores,
            batch.labels(),
            new TensorOptional(),
            MEAN_REDUCTION,
            NO_IGNORED_LABEL,
            spec.labelSmoothing());
    long right = scores.argmax(new LongOptional(1), false).eq(batch.labels()).sum().item_long();
    return new Loop.Step(mean, right, batch.indices().length);
  }
}
