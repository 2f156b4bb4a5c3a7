package io.fovea.training;

import io.fovea.data.Batch;
import io.fovea.data.BatchLoader;
import io.fovea.data.DataException;
import io.fovea.data.Progress;
import io.fovea.data.mask.LabelledImage;
import io.fovea.data.mask.SegmentationData;
import io.fovea.models.Segmenter;
import io.fovea.training.evaluate.Evaluation;
import io.fovea.training.evaluate.SegmentationEvaluation;
import io.fovea.training.evaluate.TestTimeAugmentation;
import java.util.ArrayList;
import java.util.List;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.LongOptional;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.global.torch;

/** Trains segmentation networks, as DANet's paper does. */
public final class SegmentationTrainer {
  private static final long MEAN_REDUCTION = 1;

  private SegmentationTrainer() {}

  /**
   * Trains a network and tests it after each epoch, on whole images at one scale. The same network,
   * data, spec and number of threads give the same weights bit for bit on one machine.
   *
   * @param network trained in place; left in evaluation mode
   * @param data the images
   * @param spec how
   * @param listener told of steps and epochs
   * @return what each epoch came to
   * @throws DataException if the loss stops being a number, or an image cannot be read
   * @throws IllegalArgumentException if there is not one class weight for each class
   */
  public static List<SegmentationMetrics> train(
      Segmenter network, SegmentationData data, SegmentationSpec spec, TrainingListener listener) {
    int classes = data.train().classes().size();
    if (spec.classWeights() != null && spec.classWeights().size() != classes) {
      throw new IllegalArgumentException(
          "expected a weight for each of the "
              + classes
              + " classes, got "
              + spec.classWeights().size());
    }
    try (PointerScope scope = new PointerScope();
        BatchLoader loader =
            BatchLoader.builder(new SegmentationSamples(data.train(), data.normalization(), spec))
                .batchSize(Math.min(spec.batchSize(), data.train().size()))
                .shuffle(true)
                .dropLast(true)
                .seed(spec.seed())
                .build()) {
      TensorOptional weights = weights(spec);
      Loop loop =
          new Loop(
              network,
              loader,
              new Loop.SgdSettings(
                  spec.epochs(),
                  spec.learningRate(),
                  spec::learningRate,
                  spec.momentum(),
                  spec.weightDecay()),
              batch -> step(network, batch, spec, weights),
              name -> name.startsWith("head.") ? spec.headRate() : 1);
      List<SegmentationMetrics> history = new ArrayList<>();
      for (int number = 1; number <= spec.epochs(); number++) {
        if (spec.keepStatistics()) {
          network.trainWithFrozenBatchNorm();
        } else {
          network.train(true);
        }
        Loop.Epoch epoch = loop.epoch(number, listener);
        Evaluation test =
            SegmentationEvaluation.of(
                network,
                data.test(),
                data.normalization(),
                TestTimeAugmentation.WHOLE,
                Progress.NONE);
        SegmentationMetrics metrics =
            new SegmentationMetrics(
                number,
                epoch.loss(),
                epoch.accuracy(),
                test.loss(),
                test.miou(),
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

  private static TensorOptional weights(SegmentationSpec spec) {
    if (spec.classWeights() == null) {
      return new TensorOptional();
    }
    float[] values = new float[spec.classWeights().size()];
    for (int i = 0; i < values.length; i++) {
      values[i] = spec.classWeights().get(i).floatValue();
    }
    return new TensorOptional(Tensor.create(values));
  }

  private static Loop.Step step(
      Segmenter network, Batch batch, SegmentationSpec spec, TensorOptional weights) {
    Segmenter.Scores scores = network.forward(batch.images());
    Tensor labels = batch.labels();
    long counted = labels.ne(new Scalar(LabelledImage.IGNORED)).sum().item_long();
    long right = scores.main().argmax(new LongOptional(1), false).eq(labels).sum().item_long();
    return new Loop.Step(loss(scores, labels, spec.auxiliaryWeight(), weights), right, counted);
  }

  /**
   * The mean cross entropy over the pixels that are not ignored, and the same of each branch.
   *
   * @param scores of {@code [B, classes, H, W]}
   * @param labels int64 {@code [B, H, W]}
   * @param auxiliary what the branches' losses are multiplied by
   * @param weights of the classes, or none
   * @return a single value; 0 where all pixels are ignored or of classes without weight
   */
  static Tensor loss(
      Segmenter.Scores scores, Tensor labels, double auxiliary, TensorOptional weights) {
    Tensor loss = entropy(scores.main(), labels, weights);
    if (auxiliary > 0) {
      for (Tensor branch : scores.auxiliary()) {
        loss = loss.add(entropy(branch, labels, weights).mul(new Scalar(auxiliary)));
      }
    }
    return loss;
  }

  private static Tensor entropy(Tensor scores, Tensor labels, TensorOptional weights) {
    Tensor mean =
        torch.cross_entropy_loss(scores, labels, weights, MEAN_REDUCTION, LabelledImage.IGNORED, 0);
    boolean nothing = // then libtorch divides by zero
        !torch.isfinite(mean).item_bool() && torch.isfinite(scores).all().item_bool();
    return nothing ? scores.sum().mul(new Scalar(0)) : mean;
  }
}
