package io.fovea.models;

import io.fovea.nn.Convolution;
import io.fovea.nn.Graph;
import io.fovea.nn.Graph.Value;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/**
 * How a residual network goes over the frames of a clip {@code [B, C, T, H, W]}.
 *
 * <p>Wang, Girshick, Gupta, He: <a href="https://arxiv.org/abs/1711.07971">Non-local Neural
 * Networks</a>, section 4.
 *
 * <ul>
 *   <li>{@code c2d-} (table 1): the kernels of images, 1 x k x k. Frames come together in poolings only:
 *       the maximum of three frames, every other one kept, after the first stage, and the mean before the
 *       classifier. What it says of a clip is a sum over what it sees in windows of three frames, so a
 *       relation between frames further apart is out of its reach.
 *   <li>{@code i3d-} (I3D 3x1x1): every other block goes over time with its first 1x1 kernel, made 3 x 1 x
 *       1, and the stem with 5 x 7 x 7. Blocks without a bottleneck have no 1x1 kernel; their first 3x3
 *       one is made 3 x 3 x 3.
 *   <li>{@code i3d-3x3x3-} (I3D 3x3x3): the same blocks with their 3x3 kernel made 3 x 3 x 3.
 * </ul>
 *
 * <p>Which blocks go over time is as in the authors' code: all of the first stage, of the last stage
 * every other one from the second on, of the others every other one from the first on. For clips of 32
 * frames and more, stem and first pool halve time too, as in table 1 (32 frames become 4); for shorter ones
 * only the pool after the first stage does, as in the authors' networks for 8 frames. The kernels' padding in
 * time repeats the first and the last frame, where the authors' is zeros: so inflated weights say of a still
 * clip exactly what they said of the image ({@code Inflation}).
 *
 * <p>Non-local blocks go where the paper puts them by their placement, here of the four stages of ResNet-50:
 * {@code nonlocal@after:3.5} is one block, {@code nonlocal@after:every-other:2,3} five, {@code
 * nonlocal@post:2,3} ten.
 */
public enum Video {
  /** No time: images. */
  NONE(""),
  /** 2D kernels. */
  C2D("c2d-"),
  /** Every other block has a 3 x 3 x 3 kernel. */
  I3D_3X3X3("i3d-3x3x3-"),
  /** Every other block has a 3 x 1 x 1 kernel. */
  I3D("i3d-");

  /** Frames of a clip, if nothing else is said. */
  static final int FRAMES = 8;

  /** From this length on, stem and first pool halve time, too. */
  static final int LONG = 32;

  /** The pool after the first stage. */
  static final Pool TIME_POOL =
      new Pool(new long[] {3, 1, 1}, new long[] {2, 1, 1}, new long[] {1, 0, 0});

  static final List<String> NAMES =
      Stream.of("resnet8", "resnet14", "resnet18", "resnet50")
          .flatMap(name -> Stream.of("c2d-" + name, "i3d-" + name, "i3d-3x3x3-" + name))
          .filter(name -> !name.startsWith("i3d-3x3x3") || name.endsWith("50"))
          .toList();

  private final String prefix;

  Video(String prefix) {
    this.prefix = prefix;
  }

  /** What a backbone's name begins with. */
  static Video of(String backbone) {
    return Stream.of(C2D, I3D_3X3X3, I3D)
        .filter(video -> backbone.startsWith(video.prefix))
        .findFirst()
        .orElse(NONE);
  }

  String prefix() {
    return prefix;
  }

  boolean isVideo() {
    return this != NONE;
  }

  int dimensions() {
    return isVideo() ? 3 : 2;
  }

  /** How many frames the stem's kernel sees. */
  int stemKernel() {
    return this == I3D || this == I3D_3X3X3 ? 5 : 1;
  }

  /**
   * Whether a block goes over time.
   *
   * @param stage counted from 1
   * @param i the block, counted from 0
   */
  boolean inflates(int stage, int stages, int i) {
    return stemKernel() > 1 && (stage == 1 || i % 2 == (stage == stages ? 1 : 0));
  }

  /** Whether it does so with the first 1x1 kernel of its bottleneck. */
  boolean inflatesFirst() {
    return this == I3D;
  }

  /** How many frames a kernel sees. */
  int time(boolean inflated) {
    return inflated ? 3 : 1;
  }

  long[] strides(long time, long space) {
    return isVideo() ? new long[] {time, space, space} : new long[] {space, space};
  }

  /** A convolution of odd sides that keeps the size. */
  Convolution.Builder convolution(int in, int out, int time, int side) {
    Convolution.Builder builder =
        Convolution.builder(dimensions(), in, out, side).padding(side / 2);
    return isVideo()
        ? builder.kernel(time, side, side).padding(0, side / 2, side / 2).repeatFrames(time / 2)
        : builder;
  }

  /** The pool behind the stem of ImageNet's form. */
  Pool stemPool(boolean longClips) {
    return isVideo()
        ? longClips
            ? new Pool(new long[] {3, 3, 3}, new long[] {2, 2, 2}, new long[] {1, 1, 1})
            : new Pool(new long[] {1, 3, 3}, new long[] {1, 2, 2}, new long[] {0, 1, 1})
        : new Pool(new long[] {3, 3}, new long[] {2, 2}, new long[] {1, 1});
  }

  /** A max pool. */
  record Pool(long[] kernel, long[] stride, long[] padding) {
    Tensor forward(Tensor x) {
      long[] ones = kernel.length == 2 ? new long[] {1, 1} : new long[] {1, 1, 1};
      return kernel.length == 2
          ? torch.max_pool2d(x, kernel, stride, padding, ones, false)
          : torch.max_pool3d(x, kernel, stride, padding, ones, false);
    }

    Value nodes(Graph graph, Value x) {
      long[] pads = new long[2 * padding.length];
      System.arraycopy(padding, 0, pads, 0, padding.length);
      System.arraycopy(padding, 0, pads, padding.length, padding.length);
      return graph.node(
          "MaxPool", Map.of("kernel_shape", kernel, "strides", stride, "pads", pads), x);
    }
  }
}
