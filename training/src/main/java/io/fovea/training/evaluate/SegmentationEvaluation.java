package io.fovea.training.evaluate;

import io.fovea.data.DataException;
import io.fovea.data.Normalization;
import io.fovea.data.Progress;
import io.fovea.data.mask.LabelledImage;
import io.fovea.data.mask.SegmentationDataset;
import io.fovea.models.FusedNetwork;
import io.fovea.models.Segmenter;
import java.nio.FloatBuffer;
import java.nio.LongBuffer;
import java.util.ArrayList;
import java.util.List;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.LongOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/** How a segmentation network does on labelled images: a confusion matrix over pixels. */
public final class SegmentationEvaluation {
  /** How many pixels go through the network at once, where images are small. */
  private static final int PIXELS = 1 << 18;

  private SegmentationEvaluation() {}

  /**
   * Evaluates a network, in evaluation mode; it is left in the mode it was in.
   *
   * @param network takes the images' channels and scores their classes
   * @param data whose pixels are counted, but for those of the {@link LabelledImage#IGNORED} label
   * @param normalization as in training
   * @param inference how it looks at an image
   * @param progress told of each image
   * @return the mean cross entropy and the confusion matrix of all pixels
   * @throws DataException if an image cannot be read
   */
  public static Evaluation of(
      Segmenter network,
      SegmentationDataset data,
      Normalization normalization,
      TestTimeAugmentation inference,
      Progress progress) {
    int classes = data.classes().size();
    Sums sums = new Sums(new long[classes][classes]);
    boolean training = network.is_training();
    network.eval();
    try (FusedNetwork frozen = network.fuse()) {
      List<LabelledImage> alike = new ArrayList<>();
      for (int i = 0; i < data.size(); i++) {
        LabelledImage image = data.read(i);
        if (!alike.isEmpty() && !fits(alike, image)) {
          sums.add(frozen, network, alike, normalization, inference);
          alike.clear();
        }
        alike.add(image);
        progress.step(1);
      }
      sums.add(frozen, network, alike, normalization, inference);
    } finally {
      network.train(training);
    }
    return new Evaluation(sums.loss / Math.max(1, sums.pixels), sums.confusion);
  }

  private static boolean fits(List<LabelledImage> alike, LabelledImage image) {
    LabelledImage first = alike.get(0);
    return first.height() == image.height()
        && first.width() == image.width()
        && (alike.size() + 1L) * image.labels().length <= PIXELS;
  }

  /**
   * The most probable class of each pixel.
   *
   * @param network in evaluation mode
   * @param image its labels do not matter
   * @return {@code [H, W]}, each byte unsigned
   */
  public static byte[] predict(
      Segmenter network,
      LabelledImage image,
      Normalization normalization,
      TestTimeAugmentation inference) {
    try (PointerScope scope = new PointerScope()) {
      Tensor probabilities =
          inference.probabilities(network, tensor(List.of(image), normalization));
      LongBuffer best = best(probabilities);
      byte[] classes = new byte[image.height() * image.width()];
      for (int i = 0; i < classes.length; i++) {
        classes[i] = (byte) best.get(i);
      }
      return classes;
    }
  }

  private static LongBuffer best(Tensor probabilities) {
    return probabilities.argmax(new LongOptional(1), false).contiguous().createBuffer();
  }

  private static Tensor tensor(List<LabelledImage> images, Normalization normalization) {
    LabelledImage first = images.get(0);
    int channels = normalization.mean().size();
    Tensor tensor = torch.empty(images.size(), channels, first.height(), first.width());
    FloatBuffer values = tensor.createBuffer();
    images.forEach(image -> values.put(normalization.apply(image.pixels())));
    return tensor;
  }

  private static final class Sums {
    private final long[][] confusion;
    private double loss;
    private long pixels;

    Sums(long[][] confusion) {
      this.confusion = confusion;
    }

    void add(
        FusedNetwork frozen,
        Segmenter network,
        List<LabelledImage> images,
        Normalization normalization,
        TestTimeAugmentation inference) {
      try (PointerScope scope = new PointerScope()) {
        Tensor probabilities =
            frozen
                .infer(() -> inference.probabilities(network, tensor(images, normalization)))
                .contiguous();
        LongBuffer best = best(probabilities);
        FloatBuffer all = probabilities.createBuffer();
        int plane = images.get(0).labels().length;
        for (int i = 0; i < images.size(); i++) {
          byte[] labels = images.get(i).labels();
          for (int at = 0; at < plane; at++) {
            int label = Byte.toUnsignedInt(labels[at]);
            if (label != LabelledImage.IGNORED) {
              confusion[label][(int) best.get(i * plane + at)]++;
              float probability = all.get((i * confusion.length + label) * plane + at);
              loss -= Math.log(Math.max(probability, Float.MIN_NORMAL));
              pixels++;
            }
          }
        }
      }
    }
  }
}
