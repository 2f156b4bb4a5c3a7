package io.fovea.training.run;

import io.fovea.data.BatchLoader;
import io.fovea.data.image.Images;
import io.fovea.data.video.VideoSource;
import io.fovea.models.Classifier;
import java.nio.FloatBuffer;
import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;

/**
 * A class for an image, with its probability.
 *
 * @param label the class's index
 * @param name its name
 * @param probability the softmax of the scores, 0 to 1
 */
public record Prediction(int label, String name, double probability) {

  /**
   * Classifies one image, or one clip.
   *
   * @param network in evaluation mode
   * @param pixels {@code [C, size, size]}, unsigned bytes, as {@link Images#read} gives them; of a network
   *     for video {@code [C, T, size, size]}, as {@link VideoSource#clip} does
   * @param data what the network was trained on
   * @return all classes, the most probable first
   */
  public static List<Prediction> of(Classifier network, byte[] pixels, RunFolder.Data data) {
    try (PointerScope scope = new PointerScope();
        NoGradGuard guard = new NoGradGuard()) {
      int size = data.size();
      Tensor x =
          network.frames() > 0
              ? BatchLoader.toTensor(pixels, network.frames(), size, size, data.normalization())
              : BatchLoader.toTensor(pixels, size, size, data.normalization());
      float[] probabilities = new float[data.classes().size()];
      network.forward(x).softmax(1).<FloatBuffer>createBuffer().get(probabilities);
      return ranked(
          data.classes(),
          IntStream.range(0, probabilities.length).mapToDouble(i -> probabilities[i]).toArray());
    }
  }

  /**
   * Puts names to probabilities.
   *
   * @param classes the names, in the order of the probabilities
   * @return all classes, the most probable first
   */
  public static List<Prediction> ranked(List<String> classes, double[] probabilities) {
    return IntStream.range(0, probabilities.length)
        .mapToObj(i -> new Prediction(i, classes.get(i), probabilities[i]))
        .sorted(Comparator.comparingDouble(Prediction::probability).reversed())
        .toList();
  }
}
