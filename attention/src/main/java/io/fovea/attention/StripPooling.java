package io.fovea.attention;

import static io.fovea.attention.Option.odd;

import io.fovea.nn.BatchNorm;
import io.fovea.nn.Convolution;
import io.fovea.nn.Ops;
import java.util.stream.Stream;

/**
 * Strip pooling: each value is scaled by a gate that is computed from the means of its row and of its
 * column.
 *
 * <p>Hou, Zhang, Cheng, Feng: <a href="https://arxiv.org/abs/2003.13328">Strip Pooling</a>, section 3.1:
 * the gate in the residual blocks of SPNet, {@code SPBlock} in the authors' code. Their mixed pooling
 * module for the head of a segmentation network, {@code StripPooling}, is another module, which is
 * refused by its name. {@code form=timm} is timm's {@code StripAttn}.
 *
 * <p>Parameters: {@code conv1 [C, C, k, 1]}, {@code bn1}, {@code conv2 [C, C, 1, k]}, {@code bn2},
 * {@code conv3 [C, C, 1, 1]}, which has a bias. With {@code form=timm}: {@code conv_h [C, 1, k, 1]},
 * {@code conv_w [C, 1, 1, k]}.
 */
final class StripPooling extends Attention {
  private static final Option<Form> FORM =
      Option.choice("form", Form.BLOCK, "the authors' block, or timm's depthwise convolutions");
  private static final Option<Integer> KERNEL =
      odd(Option.integer("kernel", 3, "the length of the convolutions along the strips"));

  static final Mechanism MECHANISM =
      Mechanism.named("strip", "Strip pooling")
          .paper("2003.13328")
          .summary("gates each value, from the means of its row and its column")
          .equation(
              """
              form=block   y = x · σ(W relu(BN(conv₃ₓ₁(mean of each row))
                                            + BN(conv₁ₓ₃(mean of each column))))
              form=timm    y = x · σ(depthwise₃ₓ₁(mean of each row)
                                     + depthwise₁ₓ₃(mean of each column))
              """)
          .cost("(2·kernel + 1)·C² + 5·C", "C²·(kernel·(H + W) + N)")
          .code("authors and reference", "houqb/SPNet", "5e97da3", "models/resnet.py")
          .variant("strip:form=timm", "timm's StripAttn")
          .copy(
              "pprp 59997fe and AIFengheshu 2f933bc",
              "copies of the authors' StripPooling, the module for heads: on the same weights the difference"
                  + " is 0; its names are conv1_1 to conv3, and it cannot be loaded as strip")
          .options(FORM, KERNEL)
          .dimensions(2)
          .place(Mechanism.Place.BLOCK)
          .shows(Mechanism.Shows.CHANNEL_GATES, Mechanism.Shows.SPATIAL_GATES)
          .written(
              Written.here(
                  s ->
                      s.has("conv3.weight")
                          ? Stream.of("kernel=" + s.size("conv1.weight", 2))
                          : s.has("conv_h.weight")
                              ? Stream.of("form=timm,kernel=" + s.size("conv_h.weight", 2))
                              : Stream.empty()),
              Written.refused(
                  "the authors' StripPooling for heads, and the copies of pprp and AIFengheshu,",
                  "it pools over squares, too, in two branches of C / 4 channels, and has no gate",
                  "conv1_[12]\\..*",
                  "conv2_[0-6]\\..*",
                  "conv3\\..*"))
          .madeBy(StripPooling::new);

  /** Where the equation comes from. */
  enum Form {
    BLOCK,
    TIMM
  }

  private final int kernel;
  private final Convolution ofRows;
  private final Convolution ofColumns;
  private final BatchNorm bn1; // null in timm's form, like bn2 and conv3
  private final BatchNorm bn2;
  private final Convolution conv3;

  private StripPooling(Settings settings) {
    super(settings);
    kernel = settings.get(KERNEL);
    if (settings.get(FORM) == Form.TIMM) {
      ofRows = register_module("conv_h", alongRows(channels()));
      ofColumns = register_module("conv_w", alongColumns(channels()));
      bn1 = null;
      bn2 = null;
      conv3 = null;
    } else {
      ofRows = register_module("conv1", alongRows(1));
      bn1 = register_module("bn1", new BatchNorm(channels()));
      ofColumns = register_module("conv2", alongColumns(1));
      bn2 = register_module("bn2", new BatchNorm(channels()));
      conv3 = register_module("conv3", Convolution.builder(2, channels(), channels(), 1).build());
    }
  }

  private Convolution alongRows(long groups) {
    return strip(groups).kernel(kernel, 1).padding(kernel / 2, 0).build();
  }

  private Convolution alongColumns(long groups) {
    return strip(groups).kernel(1, kernel).padding(0, kernel / 2).build();
  }

  private Convolution.Builder strip(long groups) {
    return Convolution.builder(2, channels(), channels(), 1).groups(groups).bias(false);
  }

  @Override
  protected <T> T attend(Ops<T> ops, T x) {
    T rows = ops.mean(x, 3); // [B, C, H, 1]
    T columns = ops.mean(x, 2); // [B, C, 1, W]
    if (conv3 == null) {
      T sum = ops.add(ofRows.apply(ops, rows), ofColumns.apply(ops, columns));
      return ops.gate(x, ops.sigmoid(sum));
    }
    T sum =
        ops.add(
            ops.convolution(ofRows, bn1, null, rows),
            ops.convolution(ofColumns, bn2, null, columns));
    return ops.gate(x, ops.sigmoid(conv3.apply(ops, ops.relu(sum))));
  }

  @Override
  protected void checkShape(long[] shape) {
    if (bn1 != null) {
      refuseSingleValue(
          shape[0] * Math.min(shape[2], shape[3]),
          shape,
          "it normalises over rows and over columns");
    }
  }
}
