package io.fovea.models.transfer;

import io.fovea.models.Classifier;
import io.fovea.models.weights.StateDict;
import io.fovea.models.weights.WeightsException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;

/**
 * Makes the weights of a network for video from those of the same network for images: a kernel {@code k x
 * k} becomes {@code t x k x k}. The network for video then scores a clip of one repeated image as the
 * network for images scores the image.
 */
public enum Inflation {
  /**
   * Each of the t planes gets the kernel divided by t, as in the paper (section 4; Carreira and
   * Zisserman: <a href="https://arxiv.org/abs/1705.07750">Quo Vadis, Action Recognition?</a>).
   */
  AVERAGE,
  /** The middle plane gets the kernel, the others zeros: at first, every frame is seen by itself. */
  CENTRE;

  /**
   * Copies the weights that both have by name, inflated; what images lack (such as non-local blocks that
   * were put in) stays as it is, and so does a classifier of other classes.
   *
   * @param images weights and buffers by name, as of {@link StateDict#of} or a file
   * @param video a network for video; its parameters are changed in place
   * @return the names that the network for video has and did not get
   * @throws IllegalArgumentException if nothing fits, or a kernel has another shape; nothing has been
   *     copied then
   */
  public List<String> load(Map<String, Tensor> images, Classifier video) {
    if (video.frames() == 0) {
      throw new IllegalArgumentException("inflation needs a network for video, got one for images");
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
                      + ", expected that of "
                      + Arrays.toString(target.shape())
                      + " without time");
            }
          });
      if (copies.isEmpty()) {
        throw new WeightsException(
            "the weights do not fit: no name of the network for video is there");
      }
      copies.forEach(Runnable::run);
      return missing;
    }
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
