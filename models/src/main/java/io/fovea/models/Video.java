package io.fovea.models;

import io.fovea.nn.Convolution;
import io.fovea.nn.Graph;
import io.fovea.nn.Graph.Value;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/**
 * The treatment of time in a residual network for clips {@code [B, C, T, H, W]}.
 *
 * <p>Wang, Girshick, Gupta, He: <a href="https://arxiv.org/abs/1711.07971">Non-local Neural
 * Networks</a>, section 4.
 *
 * <ul>
 *   <li>{@code tsn-}: kernels as for images, and frames are combined by the mean before the classifier
 *       alone. Wang and others: <a href="https://arxiv.org/abs/1608.00859">Temporal Segment
 *       Networks</a>, with the average as consensus.
 *   <li>{@code slowonly-}: the slow network of Feichtenhofer, Fan, Malik, He: <a
 *       href="https://arxiv.org/abs/1812.03982">SlowFast Networks</a>; in all blocks of the last two
 *       stages, the first 1x1 kernel becomes 3 x 1 x 1, and time is not pooled before the end.
 *   <li>{@code c2d-} (table 1): kernels as for images, 1 x k x k. Frames are combined by poolings
 *       only: after the first stage, the maximum of three frames with a stride of 2, and the mean
 *       before the classifier. The scores of a clip are a sum over windows of three frames, so
 *       the network cannot learn relations between frames that are farther apart.
 *   <li>{@code i3d-} (I3D 3x1x1): in every other block, the first 1x1 kernel becomes 3 x 1 x 1; the
 *       kernel of the stem becomes 5 x 7 x 7. Blocks without a bottleneck have no 1x1 kernel;
 *       their first 3x3 kernel becomes 3 x 3 x 3.
 *   <li>{@code i3d-3x3x3-} (I3D 3x3x3): in the same blocks, the 3x3 kernel becomes 3 x 3 x 3.
 * </ul>
 *
 * <p>As in the authors' code, kernels extend over time in all blocks of the first stage, in every
 * other block of the last stage beginning with the second, and in every other block of the other
 * stages beginning with the first. For clips of 32 or more frames, the stem and the first pooling
 * also halve the time dimension, as in table 1 (32 frames become 4). For shorter clips only the
 * pooling after the first stage does, as in the authors' networks for 8 frames. The padding over
 * time repeats the first and the last frame, where the authors' code pads with zeros, so that
 * inflated weights give the same scores for a still clip as for the image ({@code Inflation}). {@link
 * VideoForm} has the paddings and poolings of other codes.
 *
 * <p>The placements of non-local blocks in the paper are, for the four stages of ResNet-50: {@code
 * nonlocal@after:3.5} for one block, {@code nonlocal@after:every-other:2,3} for five, {@code
 * nonlocal@post:2,3} for ten.
 */
public enum Video {
  /** Images, without time. */
  NONE(""),
  /** 2D kernels, and no pooling over time before the end. */
  TSN("tsn-"),
  /** Kernels over time in all blocks of the last two stages, and no pooling over time before the end. */
  SLOW_ONLY("slowonly-"),
  /** 2D kernels. */
  C2D("c2d-"),
  /** Every other block has a 3 x 3 x 3 kernel. */
  I3D_3X3X3("i3d-3x3x3-"),
  /** Every other block has a 3 x 1 x 1 kernel. */
  I3D("i3d-");

  /** The default number of frames of a clip. */
  static final int FRAMES = 8;

  /** From this number of frames, the stem and the first pooling halve the time dimension, too. */
  static final int LONG = 32;

  static final List<String> NAMES =
      Stream.of("resnet8", "resnet14", "resnet18", "resnet50")
          .flatMap(
              name ->
                  Stream.of(
                      "c2d-" + name,
                      "i3d-" + name,
                      "i3d-3x3x3-" + name,
                      "tsn-" + name,
                      "slowonly-" + name))
          .filter(name -> name.matches("(c2d|i3d)-resnet\\d+") || name.endsWith("50"))
          .toList();

  /** The video networks that may be in a file: those of the lists, the likely ones first, and others. */
  static final List<String> PUBLISHED =
      Stream.concat(
              NAMES.stream(),
              Stream.of("resnet18", "resnet101")
                  .flatMap(
                      name ->
                          Stream.of(
                              "c2d-" + name, "i3d-" + name, "tsn-" + name, "slowonly-" + name)))
          .distinct()
          .toList();

  private final String prefix;

  Video(String prefix) {
    this.prefix = prefix;
  }

  /** The prefix of a backbone's name. */
  static Video of(String backbone) {
    return Stream.of(TSN, SLOW_ONLY, C2D, I3D_3X3X3, I3D)
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

  /** The number of frames of the stem's kernel. */
  int stemKernel() {
    return inflatesStem() ? 5 : 1;
  }

  private boolean inflatesStem() {
    return this == I3D || this == I3D_3X3X3;
  }

  /**
   * Whether kernels of a block extend over time.
   *
   * @param stage the stage, counted from 1
   * @param i the block, counted from 0
   */
  boolean inflates(int stage, int stages, int i) {
    return this == SLOW_ONLY
        ? stage > stages - 2
        : inflatesStem() && (stage == 1 || i % 2 == (stage == stages ? 1 : 0));
  }

  /** Whether the first 1x1 kernel of a bottleneck extends over time. */
  boolean inflatesFirst() {
    return this == I3D || this == SLOW_ONLY;
  }

  /** The number of frames of a kernel. */
  int time(boolean inflated) {
    return inflated ? 3 : 1;
  }

  long[] strides(long time, long space) {
    return isVideo() ? new long[] {time, space, space} : new long[] {space, space};
  }

  /** A convolution with odd kernel sizes that keeps the size of its input. */
  Convolution.Builder convolution(VideoForm form, int in, int out, int time, int side) {
    Convolution.Builder builder =
        Convolution.builder(dimensions(), in, out, side).padding(side / 2);
    if (!isVideo()) {
      return builder;
    }
    builder.kernel(time, side, side);
    return form == VideoForm.FOVEA
        ? builder.padding(0, side / 2, side / 2).repeatFrames(time / 2)
        : builder.padding(time / 2, side / 2, side / 2);
  }

  /** The step of the stem over time. */
  int stemStep(VideoForm form, boolean longClips) {
    return longClips && halvesLongClips(form) ? 2 : 1;
  }

  /** MMAction2's C2D takes clips of any length alike. */
  private boolean halvesLongClips(VideoForm form) {
    return poolsTime() && !(this == C2D && form == VideoForm.MMACTION);
  }

  private boolean poolsTime() {
    return this == C2D || inflatesStem();
  }

  /** The pooling after the stem in the ImageNet form. */
  Pool stemPool(VideoForm form, boolean longClips) {
    if (!isVideo()) {
      return new Pool(new long[] {3, 3}, new long[] {2, 2}, new long[] {1, 1});
    }
    boolean halves = longClips && halvesLongClips(form);
    boolean likeAuthors = form == VideoForm.AUTHORS || (form == VideoForm.MMACTION && this == C2D);
    long pad = likeAuthors && poolsTime() ? 0 : 1;
    long frames = !halves ? 1 : form == VideoForm.FOVEA ? 3 : form == VideoForm.AUTHORS ? 2 : 1;
    return new Pool(
        new long[] {frames, 3, 3},
        new long[] {halves ? 2 : 1, 2, 2},
        new long[] {frames / 3, pad, pad});
  }

  /** The pooling after the first stage; empty if there is none. */
  Optional<Pool> timePool(VideoForm form) {
    return !poolsTime()
        ? Optional.empty()
        : Optional.of(
            form == VideoForm.FOVEA
                ? new Pool(new long[] {3, 1, 1}, new long[] {2, 1, 1}, new long[] {1, 0, 0})
                : new Pool(new long[] {2, 1, 1}, new long[] {2, 1, 1}, new long[] {0, 0, 0}));
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
