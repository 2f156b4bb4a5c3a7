package io.fovea.attention;

import org.bytedeco.pytorch.Module;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;

/**
 * The convolutional block attention module: a gate for each channel, then one for each position.
 *
 * <pre>
 *   c = σ(MLP(mean(x)) + MLP(max(x)))               over positions
 *   s = σ(conv([mean(c·x), max(c·x)]))               over channels
 *   y = s · c · x
 * </pre>
 *
 * <p>Woo, Park, Lee, Kweon: <a href="https://arxiv.org/abs/1807.06521">CBAM</a>, section 3. As in the
 * document's code there are no biases and no batch norm after the spatial convolution; the authors'
 * networks have biases in the shared MLP ({@code bias}). Differences: any number of spatial dimensions,
 * any odd kernel, and the reduced width is at least 1.
 *
 * <p>Parameters: {@code ca.sharedMLP.0.weight [C/r, C, 1...]}, {@code ca.sharedMLP.2.weight [C, C/r,
 * 1...]}, {@code sa.conv.weight [1, 2, k...]}, with {@code bias} also {@code ca.sharedMLP.0.bias},
 * {@code ca.sharedMLP.2.bias}.
 */
public final class Cbam extends Attention {
  private static final String NAME = "cbam";

  static final Mechanism<Builder> MECHANISM =
      new Mechanism<>(NAME, Cbam::builder, Builder::build)
          .integer("reduction", Builder::reduction, b -> b.reduction)
          .flag("bias", Builder::bias, b -> b.bias)
          .integer("kernel", Builder::kernel, b -> b.kernel);

  private final Module ca = new Module("ca"); // only there for the document's names
  private final Module sa = new Module("sa");
  private final Layer.Sequence sharedMlp;
  private final Layer.Convolution conv;

  private Cbam(Builder b) {
    super(MECHANISM.specOf(b), b.channels, b.dimensions);
    long reduced = Check.reduced(b.channels, b.reduction);
    sharedMlp =
        new Layer.Sequence()
            .add(
                "0",
                Layer.Convolution.builder(b.dimensions, b.channels, reduced, 1)
                    .bias(b.bias)
                    .build())
            .add("1", torch::relu)
            .add(
                "2",
                Layer.Convolution.builder(b.dimensions, reduced, b.channels, 1)
                    .bias(b.bias)
                    .build());
    conv =
        Layer.Convolution.builder(b.dimensions, 2, 1, b.kernel)
            .padding(b.kernel / 2)
            .bias(false)
            .build();
    ca.register_module("sharedMLP", sharedMlp);
    sa.register_module("conv", conv);
    register_module("ca", ca);
    register_module("sa", sa);
  }

  /**
   * Starts CBAM with the defaults.
   *
   * @param channels the channels {@code C} of the feature map
   * @param dimensions its spatial dimensions: 1, 2 or 3
   */
  public static Builder builder(long channels, int dimensions) {
    return new Builder(channels, dimensions);
  }

  @Override
  Tensor attend(Tensor x) {
    Tensor refined = channelGates(x).mul(x);
    return spatialGates(refined).mul(refined);
  }

  /** {@code [B, C, spatial...] -> [B, C, 1...]}. */
  Tensor channelGates(Tensor x) {
    Tensor average = sharedMlp.forward(Pooling.perChannel(Pooling.average(x), x));
    Tensor maximum = sharedMlp.forward(Pooling.perChannel(Pooling.maximum(x), x));
    return average.add(maximum).sigmoid();
  }

  /** {@code [B, C, spatial...] -> [B, 1, spatial...]}. */
  Tensor spatialGates(Tensor x) {
    TensorVector pooled = new TensorVector(Pooling.channelAverage(x), Pooling.channelMaximum(x));
    return conv.forward(torch.cat(pooled, 1)).sigmoid();
  }

  @Override
  AttentionMaps maps(Tensor x) {
    Tensor channel = Scopes.compute(() -> channelGates(x).flatten(1, -1));
    Tensor spatial = Scopes.compute(() -> spatialGates(x.mul(Pooling.perChannel(channel, x))));
    return AttentionMaps.ofGates(channel, spatial);
  }

  /** What CBAM can be told. */
  public static final class Builder {
    private final long channels;
    private final int dimensions;
    private int reduction = 16;
    private boolean bias;
    private int kernel = 7;

    private Builder(long channels, int dimensions) {
      this.channels = Check.atLeast(1, NAME, "channels", channels);
      this.dimensions = Check.dimensions(NAME, dimensions);
    }

    /** By how much the shared MLP reduces the channels, default 16, at least 1. */
    public Builder reduction(int reduction) {
      this.reduction = Check.atLeast(1, NAME, "reduction", reduction);
      return this;
    }

    /** Whether the shared MLP has biases, as in the authors' networks; default false. */
    public Builder bias(boolean bias) {
      this.bias = bias;
      return this;
    }

    /** The side of the spatial convolution, default 7, odd. */
    public Builder kernel(int kernel) {
      this.kernel = Check.odd(NAME, "kernel", kernel);
      return this;
    }

    /** Makes the module, freshly initialised. */
    public Cbam build() {
      return new Cbam(this);
    }
  }
}
