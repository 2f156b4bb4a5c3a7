package io.fovea.attention;

import static io.fovea.attention.Option.atLeast;
import static io.fovea.attention.Option.dividing;

import io.fovea.attention.fast.GroupEnhanceKernels;
import io.fovea.nn.Ops;
import java.util.List;
import java.util.stream.Stream;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/**
 * Spatial group-wise enhance: in each group of channels, the gate of a position grows with its
 * similarity to the mean over all positions.
 *
 * <p>Li, Hu, Yang: <a href="https://arxiv.org/abs/1905.09646">SGE</a>, section 3. The standard
 * deviation is unbiased and ε is 1e-5. In a new module every gate is σ(1) = 0.73; in some copies b
 * starts at 0. For a map with one position, the authors' code returns NaN; here the deviation is 0.
 *
 * <p>Parameters: {@code weight}, {@code bias}, {@code [1, groups, 1, 1]}.
 */
final class SpatialGroupEnhance extends Attention {
  private static final double EPSILON = 1e-5;

  private static final int NARROWEST = 4; // channels of a group in the first stage of ResNet-50

  private static final Option<Integer> GROUPS =
      dividing(
          1,
          NARROWEST,
          atLeast(1, Option.integer("groups", 64, "number of groups; must divide the channels"))
              .samples(List.of(64, 1, 4)));

  static final Mechanism MECHANISM =
      Mechanism.named("sge", "Spatial group-wise enhance")
          .paper("1905.09646")
          .summary("gates each position, separately in each group of channels")
          .equation(
              """
              t = Σ_c x · mean(x)    in each group, mean over positions
              y = x · σ(w (t - mean(t)) / (deviation(t) + ε) + b)
              """)
          .cost("2·groups", "0")
          .code(
              "authors and reference",
              "implus/PytorchInsight",
              "2864528",
              "classification/models/imagenet/resnet_sge.py")
          .copy(
              "fightingcv d75848e",
              "the bias starts at 0: a new module multiplies by 0.5. A 1 x 1 map gives NaN"
                  + " in all values, as in the authors' code")
          .copy("YOLO cb1b621", "the same as fightingcv")
          .options(GROUPS)
          .place(Mechanism.Place.BLOCK)
          .shows(Mechanism.Shows.CHANNEL_GATES, Mechanism.Shows.SPATIAL_GATES)
          .written(
              Written.here(
                  s ->
                      s.has("weight")
                          ? Stream.of("groups=" + s.size("weight", 1))
                          : Stream.empty()))
          .madeBy(SpatialGroupEnhance::new);

  private final long groups;
  private final Tensor weight;
  private final Tensor bias;

  private SpatialGroupEnhance(Settings settings) {
    super(settings);
    groups = settings.dividing(GROUPS);
    weight = torch.zeros(1, groups, 1, 1);
    bias = torch.ones(1, groups, 1, 1);
    register_parameter("weight", weight);
    register_parameter("bias", bias);
    faster(new GroupEnhanceKernels(weight, bias, EPSILON));
  }

  @Override
  protected <T> T attend(Ops<T> ops, T x) {
    T grouped = ops.reshape(x, 0, groups, channels() / groups, -1); // [B, G, C/G, N]
    T like = ops.sum(ops.mul(grouped, ops.mean(grouped, 3)), 2); // [B, G, 1, N]
    T centred = ops.sub(like, ops.mean(like, 3));
    T others = ops.maximum(ops.add(ops.positions(x), -1), ops.number(1)); // N - 1, at least 1
    T norm = ops.reshape(ops.norm(centred), 0, 0, 1, 1); // its gradient is 0 for constant maps
    T t = ops.div(centred, ops.add(ops.div(norm, ops.sqrt(others)), EPSILON));
    T scores = ops.add(ops.mul(t, ops.parameter("weight", weight)), ops.parameter("bias", bias));
    T gated = ops.gate(grouped, ops.sigmoid(scores));
    return ops.unflatten(ops.reshape(gated, 0, channels(), -1), x);
  }
}
