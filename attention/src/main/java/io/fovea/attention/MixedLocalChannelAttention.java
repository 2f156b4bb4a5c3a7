package io.fovea.attention;

import static io.fovea.attention.Option.atLeast;

import io.fovea.nn.Convolution;
import io.fovea.nn.Ops;
import java.util.List;
import java.util.stream.Stream;
import org.bytedeco.pytorch.Tensor;

/**
 * Mixed local channel attention: efficient channel attention for the whole map, and once more for
 * each cell of a coarse grid; the gate is the weighted mean of both.
 *
 * <p>Wan and others: <a href="https://doi.org/10.1016/j.engappai.2023.106442">Mixed local channel
 * attention for object detection</a> (2023), section 3. As in the authors' code, {@code conv_local}
 * goes over the cells one after the other with their channels inside, so that the last channels of a
 * cell are neighbours of the first channels of the next one. The gates are resized by adaptive
 * averaging, upwards too. The kernel is the odd number next to {@code (log2(C) + 1) / 2}, which is 1
 * for fewer than 8 channels. In the authors' variants ({@code MLCA_changed.py}), w is a parameter
 * ({@code learned=true}).
 *
 * <p>Parameters: {@code conv.weight}, {@code conv_local.weight}, {@code [1, 1, k]}; with {@code
 * learned} also {@code local_weight [1]}.
 */
final class MixedLocalChannelAttention extends Attention {
  private static final Option<Integer> SIZE =
      atLeast(1, Option.integer("size", 5, "the side of the grid of cells"))
          .samples(List.of(5, 1, 3));
  private static final Option<Double> WEIGHT =
      Option.number("weight", 0.5, "the weight of the cells' gates").samples(List.of(0.5, 0.3));
  private static final Option<Boolean> LEARNED =
      Option.flag("learned", false, "whether the weight is a parameter");

  static final Mechanism MECHANISM =
      Mechanism.named("mlca", "Mixed local channel attention")
          .paper("https://doi.org/10.1016/j.engappai.2023.106442")
          .summary("gates each channel in each cell of a grid, from neighbouring channels")
          .equation(
              """
              l = the means of 5 × 5 cells          g = mean(l)
              y = x · resized(w · σ(conv_local(l)) + (1 - w) · σ(conv(g)))
              """)
          .cost(
              "2·k; k = t + (t + 1) % 2; t = (log2(C) + 1) / 2",
              "k·C·(1 + size²); k = t + (t + 1) % 2; t = (log2(C) + 1) / 2")
          .code("authors and reference", "wandahangFY/MLCA", "afbeb47", "MLCA.py")
          .variant("mlca:learned=true", "the first variant of MLCA_changed.py")
          .options(SIZE, WEIGHT, LEARNED)
          .dimensions(2)
          .place(Mechanism.Place.BLOCK)
          .shows(Mechanism.Shows.CHANNEL_GATES, Mechanism.Shows.SPATIAL_GATES)
          .written(
              Written.here(
                  s ->
                      s.has("conv_local.weight")
                          ? Stream.of("learned=" + s.has("local_weight"))
                          : Stream.empty()))
          .madeBy(MixedLocalChannelAttention::new);

  private final int size;
  private final double weight;
  private final Convolution conv;
  private final Convolution convLocal;
  private final Tensor localWeight; // null if it is not learned

  private MixedLocalChannelAttention(Settings settings) {
    super(settings);
    size = settings.get(SIZE);
    weight = settings.get(WEIGHT);
    int kernel = EfficientChannelAttention.kernel(channels());
    conv = register_module("conv", along(kernel));
    convLocal = register_module("conv_local", along(kernel));
    localWeight = settings.get(LEARNED) ? Tensor.create(new float[] {(float) weight}, 1) : null;
    if (localWeight != null) {
      register_parameter("local_weight", localWeight);
    }
  }

  private static Convolution along(int kernel) {
    return Convolution.builder(1, 1, 1, kernel).padding(kernel / 2).bias(false).build();
  }

  @Override
  protected <T> T attend(Ops<T> ops, T x) {
    T cells = ops.adaptiveAverage(x, size, size); // [B, C, S, S]
    T global = conv.apply(ops, ops.reshape(ops.mean(cells), 0, 1, -1)); // [B, 1, C]
    T row = ops.reshape(ops.transpose(ops.flatten(cells)), 0, 1, -1); // [B, 1, S² · C]
    T local = ops.reshape(convLocal.apply(ops, row), 0, (long) size * size, channels());
    T ofCells = ops.sigmoid(ops.reshape(ops.transpose(local), 0, 0, size, size));
    T ofAll = ops.sigmoid(ops.perChannel(ops.reshape(global, 0, -1), x));
    T gates;
    if (localWeight == null) {
      gates = ops.add(ops.mul(ofCells, weight), ops.mul(ofAll, 1 - weight));
    } else {
      T w = ops.parameter("local_weight", localWeight);
      gates = ops.add(ops.mul(ofCells, w), ops.mul(ofAll, ops.add(ops.neg(w), 1)));
    }
    return ops.gate(x, ops.adaptiveAverage(gates, x));
  }
}
