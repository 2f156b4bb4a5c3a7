package io.fovea.models.transfer;

import io.fovea.models.Classifier;
import io.fovea.models.weights.StateDict;
import io.fovea.models.weights.WeightsException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;

/**
 * Creates the weights of a video network from those of the same image network: a kernel {@code k x
 * k} becomes {@code t x k x k}. For a clip of one repeated image, the video network then has the
 * same scores as the image network for the image.
 */
public enum Inflation {
  /**
   * Each of the t planes is the kernel divided by t, as in the paper (section 4; Carreira and
   * Zisserman: <a href="https://arxiv.org/abs/1705.07750">Quo Vadis, Action Recognition?</a>).
   */
  AVERAGE,
  /**
   * The middle plane is the kernel, the others are zeros, so that frames are independent initially.
   */
  CENTRE;

  /**
   * Copies and inflates the weights that both networks have by name. Weights that the image network
   * lacks, such as those of added non-local blocks, stay unchanged, and so does a classifier for
   * another number of classes.
   *
   * @param images the weights and buffers of the image network by name, from {@link StateDict#of}
   *     or a file
   * @param video the video network; its parameters are changed in place
   * @return the names in the video network that were not copied
   * @throws IllegalArgumentException if no name matches, or a kernel has another shape; then
   *     nothing is copied
   */
  public List<String> load(Map<String, Tensor> images, Classifier video) {
    if (video.frames() == 0) {
      throw new IllegalArgumentException("inflation needs a video network, got an image network");
    }
    try (PointerScope scope = new PointerScope();
        NoGradGuard guard = new NoGradGuard()) {
      Map<String, Tensor> state = StateDict.of(video);
      List<String> missing = new ArrayList<>();
      List<Runnable> copies = new ArrayList<>();
      state.forEach(
          (name, target) -> {
            Tensor image = images.get(name);
            if (image != null && Arrays.equals(image.shape(), target.shape())) {
              copies.add(() -> target.copy_(image));
            } else if (image != null && isInflated(image.shape(), target.shape())) {
              copies.add(() -> target.copy_(inflated(image, target.size(2))));
            } else if (image == null || name.startsWith("fc.")) {
              missing.add(name);
            } else {
              throw new WeightsException(
                  "the weights do not fit: "
                      + name
                      + " has shape "
                      + Arrays.toString(image.shape())
                      + ", expected the shape of "
                      + Arrays.toString(target.shape())
                      + " without the time dimension");
            }
          });
      if (copies.isEmpty()) {
        throw new WeightsException(
            "the weights do not fit: they have no name of the video network");
      }
      copies.forEach(Runnable::run);
      return missing;
    }
  }

  /**
   * Inflates the kernels that a video network has with a time dimension; other tensors stay as they
   * are.
   *
   * @param images the weights and buffers of the image network by name
   * @param video the video network, which stays unchanged
   * @return the weights by name, in the open {@code PointerScope}
   */
  public Map<String, Tensor> inflate(Map<String, Tensor> images, Classifier video) {
    Map<String, Tensor> state = StateDict.of(video);
    Map<String, Tensor> inflated = new LinkedHashMap<>();
    images.forEach(
        (name, image) -> {
          Tensor target = state.get(name);
          boolean grows = target != null && isInflated(image.shape(), target.shape());
          inflated.put(
              name, grows ? inflated(image, target.size(2)).expand(target.shape()) : image);
        });
    return inflated;
  }

  private static boolean isInflated(long[] image, long[] video) {
    return image.length == 4
        && video.length == 5
        && Arrays.equals(image, new long[] {video[0], video[1], video[3], video[4]});
  }

  private Tensor inflated(Tensor image, long frames) {
    Tensor plane = image.unsqueeze(2);
    if (this == AVERAGE) {
      return plane.div(new Scalar((double) frames));
    }
    long[] shape = plane.shape();
    shape[2] = frames;
    Tensor kernel = plane.new_zeros(shape);
    kernel.narrow(2, frames / 2, 1).copy_(plane);
    return kernel;
  }
}
