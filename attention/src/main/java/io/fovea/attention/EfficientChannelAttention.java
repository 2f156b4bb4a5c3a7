package io.fovea.attention;

import io.fovea.attention.fast.ChannelConvolution;
import io.fovea.attention.fast.PlaneGates;
import io.fovea.nn.Convolution;
import io.fovea.nn.Ops;
import java.util.List;
import java.util.stream.Stream;

/**
 * Efficient channel attention: each channel is scaled by a gate that a small convolution along the
 * channels computes from their means, without a reduction.
 *
 * <p>Wang, Wu, Zhu, Li, Zuo, Hu: <a href="https://arxiv.org/abs/1910.03151">ECA-Net</a>, section
 * 3.2. The automatic kernel is the odd number next to {@code (log2(C) + 1) / 2}, but at least 3, as
 * in timm; the paper's formula gives 1 for fewer than 8 channels. In the authors' code, the kernel
 * is an argument. Some copies have a bias ({@code bias}).
 *
 * <p>Parameters: {@code conv.weight [1, 1, k]}, with {@code bias} also {@code conv.bias}.
 */
final class EfficientChannelAttention extends Attention {
  private static final Option<Kernel> KERNEL =
      Option.of(
          "kernel",
          Kernel.AUTO,
          Kernel::parse,
          List.of(Kernel.AUTO, new Kernel("3"), new Kernel("5")),
          "the number of channels from which a gate is computed: auto or an odd number");
  private static final Option<Boolean> BIAS =
      Option.flag("bias", false, "whether the convolution has a bias, as in some copies");

  static final Mechanism MECHANISM =
      Mechanism.named("eca", "Efficient channel attention")
          .paper("1910.03151")
          .summary("gates each channel, computed from neighbouring channels")
          .equation(
              """
              y = x · σ(conv(mean(x)))
                  the convolution goes along the C channels, zeros around them
              """)
          .cost(
              "k; k = max(3, t + (t + 1) % 2); t = (log2(C) + 1) / 2",
              "k·C; k = max(3, t + (t + 1) % 2); t = (log2(C) + 1) / 2")
          .code("authors", "BangguWu/ECANet", "b332f6b", "models/eca_module.py")
          .code("reference", "timm", "1.0.31", "timm/layers/eca.py")
          .variant("eca:bias=true,kernel=3", "fightingcv")
          .variant("eca:kernel=1", "changzy00 and YOLO below 8 channels")
          .copy("fightingcv d75848e", "the convolution has a bias (conv.bias [1])")
          .copy(
              "changzy00 8ce59da",
              "for 4 channels the kernel is 1 (conv.weight [1, 1, 1]), so that neighbours do"
                  + " not matter")
          .copy("YOLO cb1b621", "for 4 channels the kernel is 1, and it has the name conv1.weight")
          .options(KERNEL, BIAS)
          .place(Mechanism.Place.BLOCK)
          .shows(Mechanism.Shows.CHANNEL_GATES)
          .written(
              Written.here(EfficientChannelAttention::read),
              Written.by("YOLO's copies", EfficientChannelAttention::read, "^conv1\\.", "conv."),
              Written.refused(
                  "timm's ecam, with two layers",
                  "it has an MLP over the channels",
                  "conv2?\\.(weight|bias)",
                  "conv2\\.weight"))
          .madeBy(EfficientChannelAttention::new);

  /** The options that names and shapes tell. */
  private static Stream<String> read(ModuleState s) {
    return s.has("conv.weight")
        ? Stream.of("auto", Long.toString(s.size("conv.weight", 2)))
            .map(kernel -> "kernel=" + kernel + ",bias=" + s.has("conv.bias"))
        : Stream.empty();
  }

  private final Convolution conv;

  private EfficientChannelAttention(Settings settings) {
    super(settings);
    int kernel = settings.get(KERNEL).of(channels());
    conv =
        register_module(
            "conv",
            Convolution.builder(1, 1, 1, kernel)
                .padding(kernel / 2)
                .bias(settings.get(BIAS))
                .build());
    faster(new PlaneGates(new ChannelConvolution(conv.weight(), conv.bias())));
  }

  @Override
  protected <T> T attend(Ops<T> ops, T x) {
    T row = ops.reshape(ops.mean(x), 0, 1, -1); // [B, 1, C]
    T gates = ops.sigmoid(conv.apply(ops, row));
    return ops.gate(x, ops.perChannel(ops.reshape(gates, 0, -1), x));
  }

  @Override
  protected boolean takesChannelsLast() {
    return true;
  }

  /** The paper's kernel, the odd number next to {@code (log2(C) + 1) / 2}. */
  static int kernel(long channels) {
    int half = (Long.SIZE - Long.numberOfLeadingZeros(channels)) / 2;
    return half % 2 == 1 ? half : half + 1;
  }

  /** A number, or auto for the number that follows from the number of channels. */
  private record Kernel(String text) {
    static final Kernel AUTO = new Kernel("auto");

    static Kernel parse(String text) {
      if (text.equals(AUTO.text)) {
        return AUTO;
      }
      int size = Option.parseInteger("kernel", text);
      if (size < 1 || size % 2 == 0) {
        throw new Option.Invalid("kernel must be auto, or odd and at least 1, got " + size);
      }
      return new Kernel(Integer.toString(size));
    }

    int of(long channels) {
      if (!equals(AUTO)) {
        return Integer.parseInt(text);
      }
      return Math.max(3, kernel(channels));
    }

    @Override
    public String toString() {
      return text;
    }
  }
}
