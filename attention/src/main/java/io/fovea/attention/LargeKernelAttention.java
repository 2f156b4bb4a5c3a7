package io.fovea.attention;

import io.fovea.nn.Convolution;
import io.fovea.nn.Ops;

/**
 * Large kernel attention: each value is multiplied by the output of a convolution with a 21-wide
 * kernel, which is decomposed into three small convolutions.
 *
 * <p>Guo, Lu, Liu, Cheng, Hu: <a href="https://arxiv.org/abs/2202.09741">Visual Attention
 * Network</a>, section 3.1. There is no sigmoid, so the factors can have any sign.
 *
 * <p>Parameters: {@code conv0 [C, 1, 5...]}, {@code conv_spatial [C, 1, 7...]}, {@code conv1 [C, C, 1...]},
 * each with a bias.
 */
final class LargeKernelAttention extends Attention {
  static final Mechanism MECHANISM =
      Mechanism.named("lka", "Large kernel attention")
          .paper("2202.09741")
          .summary("multiplies each value by the output of a convolution with a large kernel")
          .equation("y = x · W(depthwise 7, dilation 3 (depthwise 5 (x)))")
          .cost("C² + 77·C", "N·(C² + 74·C)")
          .code(
              "authors and reference",
              "Visual-Attention-Network/VAN-Classification",
              "e19779b",
              "models/van.py")
          .copy(
              "mmpretrain ee7f2e8",
              "other names (DW_conv, DW_D_conv), the same result: difference 0")
          .place(Mechanism.Place.BLOCK)
          .shows(Mechanism.Shows.CHANNEL_GATES, Mechanism.Shows.SPATIAL_GATES)
          .written(
              Written.here(Written.withoutOptions("conv_spatial.weight")),
              Written.by(
                  "mmpretrain",
                  Written.withoutOptions("conv_spatial.weight"),
                  "^DW_conv\\.",
                  "conv0.",
                  "^DW_D_conv\\.",
                  "conv_spatial."))
          .madeBy(LargeKernelAttention::new);

  private final Convolution conv0;
  private final Convolution convSpatial;
  private final Convolution conv1;

  private LargeKernelAttention(Settings settings) {
    super(settings);
    conv0 = register_module("conv0", depthwise(settings, 5, 1));
    convSpatial = register_module("conv_spatial", depthwise(settings, 7, 3));
    conv1 =
        register_module(
            "conv1", Convolution.builder(dimensions(), channels(), channels(), 1).build());
  }

  /** A convolution of each channel by itself, which keeps the shape. */
  static Convolution depthwise(Settings settings, int kernel, int dilation) {
    long channels = settings.channels();
    return Convolution.builder(settings.dimensions(), channels, channels, kernel)
        .groups(channels)
        .dilation(dilation)
        .padding(kernel / 2 * dilation)
        .build();
  }

  @Override
  protected <T> T attend(Ops<T> ops, T x) {
    T near = conv0.apply(ops, x);
    T far = convSpatial.apply(ops, near);
    return ops.gate(x, conv1.apply(ops, far));
  }
}
