package io.fovea.training.evaluate;

import io.fovea.data.Batch;
import io.fovea.data.BatchLoader;
import io.fovea.data.ImageDataset;
import io.fovea.data.Normalization;
import io.fovea.data.Progress;
import io.fovea.models.Classifier;
import io.fovea.models.FusedNetwork;
import java.nio.LongBuffer;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.LongOptional;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/**
 * How a network does on labelled images, or on pixels.
 *
 * @param loss the mean cross entropy
 * @param confusion how many labels of each class (row) were taken for each class (column)
 */
public record Evaluation(double loss, long[][] confusion) {
  private static final int BATCH = 200;

  /**
   * Evaluates a network, in evaluation mode; it is left in the mode it was in.
   *
   * @param network takes the images' channels and scores their classes
   * @param images what to classify
   * @param normalization as in training
   * @param progress told of each image
   */
  public static Evaluation of(
      Classifier network, ImageDataset images, Normalization normalization, Progress progress) {
    int classes = images.classes().size();
    long[][] confusion = new long[classes][classes];
    double loss = 0;
    boolean training = network.is_training();
    network.eval();
    try (NoGradGuard guard = new NoGradGuard();
        FusedNetwork frozen = network.fuse();
        BatchLoader loader =
            BatchLoader.builder(new Views(images), normalization)
                .batchSize(
                    Math.max(1, BATCH / images.views() / Math.max(1, images.frames()))
                        * images.views())
                .build()) {
      for (Batch batch : loader.epoch(0)) {
        try (batch;
            PointerScope scope = new PointerScope()) {
          int views = images.views();
          long[] predicted = new long[batch.indices().length / views];
          Tensor scores = frozen.infer(() -> network.forward(batch.images()));
          Tensor labels = batch.labels();
          if (views > 1) { // the mean of the views' probabilities
            Tensor each = scores.softmax(1).view(predicted.length, views, classes);
            scores = each.mean(1).log();
            labels = labels.view(predicted.length, views).select(1, 0);
          }
          loss += torch.cross_entropy_loss(scores, labels).item_double() * predicted.length;
          Tensor best = scores.argmax(new LongOptional(1), false);
          best.<LongBuffer>createBuffer().get(predicted);
          for (int i = 0; i < predicted.length; i++) {
            confusion[images.label(batch.indices()[i * views] / views)][(int) predicted[i]]++;
          }
          progress.step(predicted.length);
        }
      }
    } finally {
      network.train(training);
    }
    return new Evaluation(loss / images.size(), confusion);
  }

  /** All views of all samples, those of a sample one after the other. */
  private record Views(ImageDataset source) implements ImageDataset {
    @Override
    public List<String> classes() {
      return source.classes();
    }

    @Override
    public int size() {
      return Math.multiplyExact(source.size(), source.views());
    }

    @Override
    public int channels() {
      return source.channels();
    }

    @Override
    public int frames() {
      return source.frames();
    }

    @Override
    public int height() {
      return source.height();
    }

    @Override
    public int width() {
      return source.width();
    }

    @Override
    public int label(int index) {
      return source.label(index / source.views());
    }

    @Override
    public String id(int index) {
      return source.id(index / source.views());
    }

    @Override
    public byte[] pixels(int index) {
      return source.view(index / source.views(), index % source.views());
    }
  }

  /** How many labels were evaluated: images, or the pixels of a segmentation. */
  public long labels() {
    return IntStream.range(0, confusion.length).mapToLong(this::labels).sum();
  }

  /** How many labels of a class were evaluated. */
  public long labels(int label) {
    return LongStream.of(confusion[label]).sum();
  }

  /** The share of labels that scored highest: of pixels, this is the pixel accuracy. */
  public double top1() {
    return (double) IntStream.range(0, confusion.length).mapToLong(i -> confusion[i][i]).sum()
        / labels();
  }

  /**
   * A class's intersection over union: labels that were predicted right, of those that have the class
   * or were taken for it; NaN if there are none.
   */
  public double iou(int label) {
    long right = confusion[label][label];
    long predicted = LongStream.of(column(label)).sum();
    return (double) right / (labels(label) + predicted - right);
  }

  private long[] column(int label) {
    return Arrays.stream(confusion).mapToLong(row -> row[label]).toArray();
  }

  /** The mean intersection over union of the classes that have one. */
  public double miou() {
    return IntStream.range(0, confusion.length)
        .mapToDouble(this::iou)
        .filter(Double::isFinite)
        .average()
        .orElse(Double.NaN);
  }
}
