package io.fovea.attention;

import io.fovea.nn.Convolution;
import io.fovea.nn.Ops;

/**
 * Large selective kernels: each position chooses between a small and a large surrounding, and each value
 * is multiplied by the output of the chosen convolutions.
 *
 * <p>Li, Hou, Zheng, Cheng, Yang, Li: <a href="https://arxiv.org/abs/2303.09030">LSKNet</a>, section
 * 3.2. There is no sigmoid on the last factor, so it can have any sign.
 *
 * <p>Parameters: {@code conv0 [C, 1, 5...]}, {@code conv_spatial [C, 1, 7...]}, {@code conv1}, {@code
 * conv2} {@code [C/2, C, 1...]}, {@code conv_squeeze [2, 2, 7...]}, {@code conv [C, C/2, 1...]}, each
 * with a bias.
 */
final class LargeSelectiveKernel extends Attention {
  static final Mechanism MECHANISM =
      Mechanism.named("lsk", "Large selective kernel")
          .paper("2303.09030")
          .summary("multiplies each value by the output of a small or a large convolution")
          .equation(
              """
              a = depthwise 5 (x);  b = depthwise 7, dilation 3 (a);  a' = W₁ a;  b' = W₂ b
                  C/2 channels each
              s = σ(conv₇([mean, max of all channels of a' and b']))    two maps
              y = x · W(a' s₁ + b' s₂)
              """)
          .cost("3·C·d + 2·d + 77·C + 198; d = C / 2", "N·(74·C + 3·C·d + 196); d = C / 2")
          .code(
              "authors and reference",
              "zcablii/LSKNet",
              "cbe06ca",
              "mmrotate/models/backbones/lsknet.py")
          .place(Mechanism.Place.BLOCK)
          .shows(Mechanism.Shows.CHANNEL_GATES, Mechanism.Shows.SPATIAL_GATES)
          .madeBy(LargeSelectiveKernel::new);

  private final Convolution conv0;
  private final Convolution convSpatial;
  private final Convolution conv1;
  private final Convolution conv2;
  private final Convolution convSqueeze;
  private final Convolution conv;

  private LargeSelectiveKernel(Settings settings) {
    super(settings);
    long half = Math.max(1, channels() / 2);
    conv0 = register_module("conv0", LargeKernelAttention.depthwise(settings, 5, 1));
    convSpatial = register_module("conv_spatial", LargeKernelAttention.depthwise(settings, 7, 3));
    conv1 =
        register_module("conv1", Convolution.builder(dimensions(), channels(), half, 1).build());
    conv2 =
        register_module("conv2", Convolution.builder(dimensions(), channels(), half, 1).build());
    convSqueeze =
        register_module(
            "conv_squeeze", Convolution.builder(dimensions(), 2, 2, 7).padding(3).build());
    conv = register_module("conv", Convolution.builder(dimensions(), half, channels(), 1).build());
  }

  @Override
  protected <T> T attend(Ops<T> ops, T x) {
    T near = conv0.apply(ops, x);
    T far = convSpatial.apply(ops, near);
    T a = conv1.apply(ops, near);
    T b = conv2.apply(ops, far);
    T both = ops.concat(1, a, b);
    T descriptor = ops.concat(1, ops.mean(both, 1), ops.max(both, 1));
    T choice = ops.sigmoid(convSqueeze.apply(ops, descriptor)); // [B, 2, spatial...]
    T chosen =
        ops.add(ops.mul(a, ops.narrow(choice, 1, 0, 1)), ops.mul(b, ops.narrow(choice, 1, 1, 1)));
    return ops.gate(x, conv.apply(ops, chosen));
  }
}
