package io.fovea.explain;

import io.fovea.models.Classifier;
import io.fovea.models.Network;
import io.fovea.models.Segmenter;
import io.fovea.tensor.internal.DidYouMean;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.BiConsumer;
import java.util.function.Supplier;
import java.util.function.UnaryOperator;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.GradMode;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.ScalarTypeOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;

/**
 * Grad-CAM shows where in an image a block or stage of a network finds evidence for a class. It is
 * the positive part of a sum over the channels, each weighted by the gradient of the class's score.
 *
 * <p>Selvaraju and others: <a href="https://arxiv.org/abs/1610.02391">Grad-CAM</a>, equations 1 and
 * 2; Chattopadhyay and others: <a href="https://arxiv.org/abs/1710.11063">Grad-CAM++</a>, equation
 * 19. The CBAM paper uses it to compare networks with and without attention (section 4.4). The
 * values equal those of the public pytorch-grad-cam.
 *
 * @param layer the block or stage, named as in {@link Classifier#observing}
 * @param label the class
 * @param height the height of the map
 * @param width the width of the map
 * @param gradCam Grad-CAM, {@code [height * width]}; non-negative, in units of the score
 * @param plusPlus Grad-CAM++, {@code [height * width]}
 */
public record GradCam(
    String layer, int label, int height, int width, float[] gradCam, float[] plusPlus) {
  private static final double EPSILON = 1e-6; // epsilon of pytorch-grad-cam in the weights
  // epsilon of pytorch-grad-cam when it scales maps
  private static final double SCALE_EPSILON = 1e-7;

  /**
   * Computes Grad-CAM of a class for one image. The network computes in evaluation mode and its
   * mode is restored. No gradients of its parameters are kept.
   *
   * @param image {@code [1, C, H, W]}, normalised as in training
   * @param label the class, from 0
   * @param layers the blocks or stages; further ones take almost no additional time
   * @return one result for each of the layers, in their order
   * @throws IllegalArgumentException if the shape of the image is wrong, or the class or a layer
   *     does not exist
   */
  public static List<GradCam> of(Classifier network, Tensor image, int label, List<String> layers) {
    return of(network, image, label, scores -> scores.select(1, label).sum(), layers);
  }

  /**
   * Computes Seg-Grad-CAM: the evidence for a class in a region of the image, which is the sum of the
   * class's scores over the pixels of the region (Vinogradova, Dibrov, Myers: <a
   * href="https://arxiv.org/abs/2002.11434">Towards Interpretable Semantic Segmentation via
   * Gradient-weighted Class Activation Mapping</a>, equation 2).
   *
   * @param image {@code [1, C, H, W]}, normalised as in training
   * @param label the class, from 0
   * @param region the pixels whose scores are summed
   * @param layers the blocks or stages
   * @return one result for each of the layers, in their order
   * @throws IllegalArgumentException if the shape of the image is wrong, the class or a layer does
   *     not exist, or the region is not inside the image
   */
  public static List<GradCam> of(
      Segmenter network, Tensor image, int label, Region region, List<String> layers) {
    network.requireOne(image);
    region.requireInside((int) image.size(2), (int) image.size(3));
    return of(network, image, label, scores -> region.of(scores.select(1, label)).sum(), layers);
  }

  private static List<GradCam> of(
      Network network, Tensor image, int label, UnaryOperator<Tensor> score, List<String> layers) {
    network.requireOne(image);
    requireClass(network, label);
    return network.inEvaluationMode(
        () -> {
          try (PointerScope scope = new PointerScope();
              NoGradGuard guard = new NoGradGuard()) {
            Outputs outputs = new Outputs(layers, scope);
            Tensor scores = Classifier.observing(outputs, () -> network.scores(image));
            return outputs.of(() -> score.apply(scores), label);
          }
        });
  }

  static void requireClass(Network network, int label) {
    if (label < 0 || label >= network.classes()) {
      throw new IllegalArgumentException(
          "expected a class from 0 to " + (network.classes() - 1) + ", got " + label);
    }
  }

  /**
   * Observes a network that computes without gradients, and turns gradients on at the output of the
   * first of the layers. No gradients are computed before it, and its weights may be frozen.
   */
  static final class Outputs implements BiConsumer<String, Tensor> {
    private final List<String> layers;
    private final PointerScope scope;
    private final List<String> known = new ArrayList<>();
    private final Map<String, Tensor> outputs = new LinkedHashMap<>();

    /**
     * @param scope stays open until the maps are computed; the code that opened it restores the
     *     gradient mode
     */
    Outputs(List<String> layers, PointerScope scope) {
      if (layers.isEmpty()) {
        throw new IllegalArgumentException("expected at least one layer");
      }
      this.layers = layers;
      this.scope = scope;
    }

    @Override
    public void accept(String name, Tensor output) {
      known.add(name);
      if (layers.contains(name)) {
        if (outputs.isEmpty()) {
          output.requires_grad_(true);
          GradMode.set_enabled(true);
        }
        Tensor kept = new Tensor(output); // the same tensor, with a pointer of its own
        scope.attach(kept);
        outputs.put(name, kept);
      }
    }

    /**
     * Computes one map for each of the layers, in their order.
     *
     * @param score computes the score that is explained, a single value
     */
    List<GradCam> of(Supplier<Tensor> score, int label) {
      for (String layer : layers) {
        if (!outputs.containsKey(layer)) {
          throw DidYouMean.unknown("layer", layer, known);
        }
      }
      GradMode.set_enabled(true); // the selection of the score must be recorded, too
      TensorVector wanted = new TensorVector(outputs.values().toArray(new Tensor[0]));
      TensorVector found = torch.grad(new TensorVector(score.get()), wanted);
      Map<String, GradCam> maps = new LinkedHashMap<>();
      int i = 0;
      for (Map.Entry<String, Tensor> output : outputs.entrySet()) {
        maps.put(
            output.getKey(),
            GradCam.of(output.getKey(), label, output.getValue().detach(), found.get(i++)));
      }
      return layers.stream().map(maps::get).toList();
    }
  }

  private static GradCam of(String layer, int label, Tensor activations, Tensor gradients) {
    Tensor gradCam = positive(gradients.mean(2, 3).unsqueeze(2).unsqueeze(3), activations);
    Tensor plusPlus = positive(plusPlusWeights(activations, gradients), activations);
    return new GradCam(
        layer,
        label,
        (int) activations.size(2),
        (int) activations.size(3),
        Values.of(gradCam),
        Values.of(plusPlus));
  }

  /**
   * The weights of Grad-CAM++, by equation 19 of the second paper and the sum of equation 7: {@code
   * [1, C, 1, 1]}.
   */
  private static Tensor plusPlusWeights(Tensor activations, Tensor gradients) {
    Tensor squares = gradients.pow(new Scalar(2L));
    Tensor cubes = squares.mul(gradients);
    long[] positions = {2, 3};
    Tensor sums = sum(activations, positions);
    Tensor alpha =
        squares.div(squares.mul(new Scalar(2.0)).add(sums.mul(cubes)).add(new Scalar(EPSILON)));
    return sum(
        gradients.relu().mul(alpha), positions); // 0 where the gradient is 0, as alpha would be
  }

  private static Tensor sum(Tensor x, long[] dimensions) {
    return x.sum(dimensions, true, new ScalarTypeOptional());
  }

  private static Tensor positive(Tensor weights, Tensor activations) {
    return activations.mul(weights).sum(1).relu();
  }

  /**
   * Scales a map to the range from 0 to 1: subtracts its minimum and divides by the new maximum. A
   * map without evidence stays 0 everywhere.
   *
   * @param map {@link #gradCam} or {@link #plusPlus}
   */
  public static float[] scaled(float[] map) {
    double least = Double.POSITIVE_INFINITY;
    double most = Double.NEGATIVE_INFINITY;
    for (float value : map) {
      least = Math.min(least, value);
      most = Math.max(most, value);
    }
    float[] scaled = new float[map.length];
    for (int i = 0; i < map.length; i++) {
      scaled[i] = (float) ((map[i] - least) / (SCALE_EPSILON + most - least));
    }
    return scaled;
  }
}
