package io.fovea.training;

import io.fovea.models.Classifier;
import java.nio.LongBuffer;
import java.util.stream.IntStream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.LongOptional;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/**
 * How a network does on labelled images.
 *
 * @param loss the mean cross entropy
 * @param confusion how many images of each class (row) were taken for each class (column)
 */
public record Evaluation(double loss, int[][] confusion) {
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
    int[][] confusion = new int[classes][classes];
    double loss = 0;
    boolean training = network.is_training();
    network.eval();
    try (NoGradGuard guard = new NoGradGuard();
        BatchLoader loader = BatchLoader.builder(images, normalization).batchSize(BATCH).build()) {
      for (Batch batch : loader.epoch(0)) {
        try (batch;
            PointerScope scope = new PointerScope()) {
          Tensor scores = network.forward(batch.images());
          loss +=
              torch.cross_entropy_loss(scores, batch.labels()).item_double()
                  * batch.indices().length;
          long[] predicted = new long[batch.indices().length];
          Tensor best = scores.argmax(new LongOptional(1), false);
          best.<LongBuffer>createBuffer().get(predicted);
          for (int i = 0; i < predicted.length; i++) {
            confusion[images.label(batch.indices()[i])][(int) predicted[i]]++;
          }
          progress.step(predicted.length);
        }
      }
    } finally {
      network.train(training);
    }
    return new Evaluation(loss / images.size(), confusion);
  }

  /** How many images were evaluated. */
  public int images() {
    return IntStream.range(0, confusion.length).map(this::images).sum();
  }

  /** How many images of a class were evaluated. */
  public int images(int label) {
    return IntStream.of(confusion[label]).sum();
  }

  /** The share of images whose class scored highest. */
  public double top1() {
    return (double) IntStream.range(0, confusion.length).map(i -> confusion[i][i]).sum() / images();
  }
}
