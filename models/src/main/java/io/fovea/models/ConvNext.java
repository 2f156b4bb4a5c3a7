package io.fovea.models;

import io.fovea.attention.AttentionSpec;
import io.fovea.models.placement.AttentionInserter;
import io.fovea.models.placement.BackboneTopology;
import io.fovea.models.placement.PlacedAttention;
import io.fovea.models.placement.Placement;
import io.fovea.models.placement.Placement.Site;
import io.fovea.nn.Activation;
import io.fovea.nn.Convolution;
import io.fovea.nn.Layer;
import io.fovea.nn.LayerNorm;
import io.fovea.nn.Linear;
import io.fovea.nn.Ops;
import io.fovea.nn.Sequence;
import io.fovea.tensor.internal.DidYouMean;
import io.fovea.tensor.internal.InitialValues;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/**
 * ConvNeXt-T and ConvNeXt V2-T.
 *
 * <p>Liu, Mao, Wu, Feichtenhofer, Darrell, Xie: <a href="https://arxiv.org/abs/2201.03545">A ConvNet for the
 * 2020s</a>, and Woo and others: <a href="https://arxiv.org/abs/2301.00808">ConvNeXt V2</a>. Names are those
 * of torchvision's ConvNeXt ({@code features.1.0.block.0}), also in the second version, which timm has and
 * torchvision has not. Where torchvision has linear layers of the channels, here are 1x1 convolutions.
 *
 * <p>The {@code standard} place is in the middle of a block's two 1x1 convolutions, behind the GELU, where a
 * block has four times its channels. There the second version has its global response normalisation, as
 * attention like any other ({@link Classifier.Builder#ownAttention}): {@code features.1.0.block.grn}. The
 * first version scales each channel of a block's change instead ({@code layer_scale}).
 */
final class ConvNext extends StagedClassifier {
  static final String FIRST = "convnext_tiny";
  static final String SECOND = "convnextv2_tiny";

  static final Backbones.Family FAMILY =
      new Backbones.Family(List.of(FIRST, SECOND), ConvNext::builder);

  private static final int IMAGE_SIZE = 224;
  private static final int[] BLOCKS = {3, 3, 9, 3};
  private static final int[] WIDTHS = {96, 192, 384, 768};
  private static final int EXPANSION = 4;
  private static final int PATCH = 4;
  private static final int SMALLEST = 32; // halved five times
  private static final double EPSILON = 1e-6;
  private static final double SCALE = 1e-6; // of a new block's change
  private static final double DEVIATION = 0.02;
  private static final double DROPPED_BLOCKS = 0.1; // of the last block; less in those before it
  private static final PlacedAttention OWN =
      new PlacedAttention(AttentionSpec.parse("grn"), Placement.paper());

  private ConvNext(Builder b) {
    super(b);
    int in = b.scaled(WIDTHS[0]);
    int number = 0;
    add(
        0,
        "features." + number++,
        new Sequence()
            .add("0", patches(b.channels, in, PATCH))
            .add("1", new LayerNorm(in, EPSILON)));
    int last = IntStream.of(BLOCKS).sum() - 1;
    int before = 0; // blocks
    for (int stage = 1; stage <= BLOCKS.length; stage++) {
      if (stage > 1) {
        int out = b.scaled(WIDTHS[stage - 1]);
        add(
            stage,
            "features." + number++,
            new Sequence().add("0", new LayerNorm(in, EPSILON)).add("1", patches(in, out, 2)));
        in = out;
      }
      String container = "features." + number++;
      for (int i = 0; i < BLOCKS[stage - 1]; i++) {
        String path = container + "." + i;
        StochasticDepth depth = new StochasticDepth(DROPPED_BLOCKS * before++ / last);
        add(stage, path, new Block(in, b.scales(), depth, inBlock(path, stage, i + 1, in)));
      }
      endsContainer(container);
      endStage(stage, in);
    }
    head(in);
    classifier(
        "classifier",
        new Sequence()
            .add("0", new LayerNorm(in, EPSILON))
            .add("2", initialised(new Linear(in, b.classes, true))));
  }

  /**
   * Creates a builder for ConvNeXt. By default it has no attention; that of the second version is {@link
   * Builder#ownAttention}.
   *
   * @param name {@code convnext_tiny} or {@code convnextv2_tiny}
   * @throws IllegalArgumentException if the network does not exist
   */
  public static Builder builder(String name) {
    if (!FAMILY.names().contains(name)) {
      throw DidYouMean.unknown("backbone", name, FAMILY.names());
    }
    return new Builder(name);
  }

  @Override
  int smallestSide() {
    return SMALLEST;
  }

  /** A convolution of adjacent windows. */
  private static Convolution patches(int in, int out, int side) {
    return normal(Convolution.builder(2, in, out, side).stride(side).build());
  }

  /** The initial values of the published networks. */
  private static Convolution normal(Convolution convolution) {
    initialise(convolution.weight(), convolution.bias());
    return convolution;
  }

  private static Linear initialised(Linear linear) {
    initialise(linear.weight(), linear.bias());
    return linear;
  }

  private static void initialise(Tensor weight, Optional<Tensor> bias) {
    if (InitialValues.areSkipped()) {
      return;
    }
    try (NoGradGuard guard = new NoGradGuard()) {
      weight.normal_(0, DEVIATION, null);
      bias.ifPresent(Tensor::zero_);
    }
  }

  /** A depthwise 7x7 convolution, layer norm, and an MLP of each position. */
  private static final class Block extends Layer {
    private final Sequence spread = new Sequence(); // up to the GELU
    private final Convolution gather;
    private final Tensor scale; // null in the second version
    private final StochasticDepth depth;
    private final AttentionInserter.Stack pre;
    private final AttentionInserter.Stack standard;
    private final AttentionInserter.Stack identity;
    private final AttentionInserter.Stack post;
    private final AttentionInserter.Stack after;

    Block(int channels, boolean scales, StochasticDepth depth, AttentionInserter.InBlock places) {
      super("Block");
      this.depth = depth;
      int wide = EXPANSION * channels;
      spread
          .add(
              "0",
              normal(
                  Convolution.builder(2, channels, channels, 7)
                      .padding(3)
                      .groups(channels)
                      .build()))
          .add("2", new LayerNorm(channels, EPSILON))
          .add("3", normal(Convolution.builder(2, channels, wide, 1).build()))
          .add("4", Activation.GELU);
      gather =
          spread.register_module("5", normal(Convolution.builder(2, wide, channels, 1).build()));
      register_module("block", spread);
      scale = scales ? torch.full(new long[] {channels, 1, 1}, new Scalar(SCALE)) : null;
      if (scales) {
        register_parameter("layer_scale", scale);
      }
      pre = places.at(this, Site.PRE);
      standard = places.at(spread, "block.", Site.STANDARD, wide);
      identity = places.at(this, Site.IDENTITY);
      post = places.at(this, Site.POST);
      after = places.at(this, Site.AFTER);
    }

    @Override
    public <T> T apply(Ops<T> ops, T x) {
      return ops.in(this, () -> applied(ops, x));
    }

    private <T> T applied(Ops<T> ops, T x) {
      T wide = standard.apply(ops, spread.apply(ops, pre.apply(ops, x)));
      T change = gather.apply(ops, wide);
      if (scale != null) {
        change = ops.scale(change, "layer_scale", scale);
      }
      T y = ops.add(identity.apply(ops, x), depth.apply(ops, this, change));
      return after.apply(ops, post.apply(ops, y));
    }
  }

  /** Builds ConvNeXts. */
  public static final class Builder extends Classifier.Builder<Builder> {
    private Builder(String name) {
      super(
          BackboneTopology.uniform(
              name,
              IMAGE_SIZE,
              name.equals(SECOND) ? Optional.of(OWN) : Optional.empty(),
              BLOCKS,
              List.of(4, 8, 16, 32),
              Site.STANDARD,
              Site.PRE,
              Site.POST,
              Site.IDENTITY));
    }

    /** Whether blocks have {@code layer_scale}. */
    private boolean scales() {
      return backbone().equals(FIRST);
    }

    @Override
    Builder self() {
      return this;
    }

    @Override
    public ConvNext build() {
      return new ConvNext(this);
    }
  }
}
