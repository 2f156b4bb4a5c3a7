package io.fovea.models;

import io.fovea.models.placement.AttentionInserter;
import io.fovea.models.placement.BackboneTopology;
import io.fovea.models.placement.Placement.Site;
import io.fovea.nn.Activation;
import io.fovea.nn.BatchNorm;
import io.fovea.nn.Convolution;
import io.fovea.nn.Fusing;
import io.fovea.nn.Layer;
import io.fovea.nn.Linear;
import io.fovea.nn.Ops;
import io.fovea.tensor.internal.DidYouMean;
import java.util.List;
import java.util.Optional;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;

/**
 * DenseNet-121: each layer takes the features of all layers before it in its block.
 *
 * <p>Huang, Liu, van der Maaten, Weinberger: <a href="https://arxiv.org/abs/1608.06993">Densely Connected
 * Convolutional Networks</a>, table 1. The network is that of torchvision, whose names it uses ({@code
 * features.denseblock1.denselayer1.conv1}).
 *
 * <p>Its stages are the dense blocks, so block 2.1 is {@code features.denseblock2.denselayer1}; what an
 * observer gets of a layer is all features so far. Attention at the {@code standard} place stands behind a
 * layer's convolutions and sees its 32 new features; {@code pre} and {@code after} see all features so far,
 * and {@code stage} stands before the transition that halves them.
 */
final class DenseNet extends StagedClassifier {
  static final String NAME = "densenet121";

  static final Backbones.Family FAMILY = new Backbones.Family(List.of(NAME), DenseNet::builder);

  private static final int IMAGE_SIZE = 224;
  private static final int[] LAYERS = {6, 12, 24, 16};
  private static final int STEM = 64;
  private static final int GROWTH = 32;
  private static final int SMALLEST = 32; // halved five times
  private static final int BOTTLENECK = 4; // times the growth
  private static final NormedConvolution CONVOLUTIONS = NormedConvolution.DEFAULT;

  private final Convolution conv0;
  private final BatchNorm norm0;

  private DenseNet(Builder b) {
    super(b);
    int in = b.scaled(STEM);
    int growth = b.scaled(GROWTH);
    conv0 = register(0, "features.conv0", convolution(b.channels, in, 7, 2));
    norm0 = register(0, "features.norm0", CONVOLUTIONS.norm(in));
    then("features.pool0", this::stem);
    for (int stage = 1; stage <= LAYERS.length; stage++) {
      String container = "features.denseblock" + stage;
      for (int i = 1; i <= LAYERS[stage - 1]; i++) {
        String path = container + ".denselayer" + i;
        add(stage, path, new DenseLayer(in, growth, inBlock(path, stage, i, in)));
        in += growth;
      }
      endsContainer(container);
      endStage(stage, in);
      if (stage < LAYERS.length) {
        add(stage, "features.transition" + stage, new Transition(in, in / 2));
        in /= 2;
      }
    }
    add(behindStages(), "features.norm5", CONVOLUTIONS.norm(in));
    then(Activation.RELU);
    head(in);
    classifier("classifier", withoutOffset(new Linear(in, b.classes, true)));
  }

  /**
   * Creates a builder for DenseNet.
   *
   * @param name {@code densenet121}
   * @throws IllegalArgumentException if the network does not exist
   */
  public static Builder builder(String name) {
    if (!name.equals(NAME)) {
      throw DidYouMean.unknown("backbone", name, FAMILY.names());
    }
    return new Builder();
  }

  @Override
  int smallestSide() {
    return SMALLEST;
  }

  private <T> T stem(Ops<T> ops, T x) {
    return ops.maxPool(ops.convolution(conv0, norm0, Activation.RELU_IN_PLACE, x), 3, 2, 1);
  }

  @Override
  void fuse(Fusing fusing) {
    fusing.add(conv0, norm0);
    super.fuse(fusing);
  }

  /** A convolution with the initial values of torchvision's network. */
  private static Convolution convolution(int in, int out, int kernel, int stride) {
    return CONVOLUTIONS.convolution(in, out, kernel, stride, 1).startingNormal();
  }

  private static Linear withoutOffset(Linear linear) {
    try (NoGradGuard guard = new NoGradGuard()) {
      linear.bias().ifPresent(Tensor::zero_);
    }
    return linear;
  }

  /** A layer that appends its new features to those that it takes. */
  private static final class DenseLayer extends Layer {
    private final BatchNorm norm1;
    private final Convolution conv1;
    private final BatchNorm norm2;
    private final Convolution conv2;
    private final AttentionInserter.Stack pre;
    private final AttentionInserter.Stack standard;
    private final AttentionInserter.Stack after;

    DenseLayer(int in, int growth, AttentionInserter.InBlock places) {
      super("DenseLayer");
      int inner = BOTTLENECK * growth;
      norm1 = register_module("norm1", CONVOLUTIONS.norm(in));
      conv1 = register_module("conv1", convolution(in, inner, 1, 1));
      norm2 = register_module("norm2", CONVOLUTIONS.norm(inner));
      conv2 = register_module("conv2", convolution(inner, growth, 3, 1));
      pre = places.at(this, Site.PRE);
      standard = places.at(this, "", Site.STANDARD, growth);
      after = places.at(this, "", Site.AFTER, in + growth);
    }

    @Override
    protected void fuse(Fusing fusing) {
      fusing.add(conv1, norm2);
    }

    @Override
    public <T> T apply(Ops<T> ops, T x) {
      return ops.in(this, () -> applied(ops, x));
    }

    private <T> T applied(Ops<T> ops, T x) {
      T y = ops.reluInPlace(norm1.apply(ops, pre.apply(ops, x)));
      y = conv2.apply(ops, ops.convolution(conv1, norm2, Activation.RELU_IN_PLACE, y));
      return after.apply(ops, ops.concat(1, x, standard.apply(ops, y)));
    }
  }

  /** What stands between two dense blocks: fewer features, and half the height and width. */
  private static final class Transition extends Layer {
    private final BatchNorm norm;
    private final Convolution conv;

    Transition(int in, int out) {
      super("Transition");
      norm = register_module("norm", CONVOLUTIONS.norm(in));
      conv = register_module("conv", convolution(in, out, 1, 1));
    }

    @Override
    public <T> T apply(Ops<T> ops, T x) {
      T y = conv.apply(ops, ops.reluInPlace(norm.apply(ops, x)));
      return ops.averagePool(y, 2, 2, 0, true);
    }
  }

  /** Builds DenseNets. */
  public static final class Builder extends Classifier.Builder<Builder> {
    private Builder() {
      super(
          BackboneTopology.uniform(
              NAME,
              IMAGE_SIZE,
              Optional.empty(),
              LAYERS,
              List.of(4, 8, 16, 32),
              Site.STANDARD,
              Site.PRE));
    }

    /** At least 2, which the transitions halve. */
    @Override
    int scaled(int channels) {
      return Math.max(2, super.scaled(channels));
    }

    @Override
    Builder self() {
      return this;
    }

    @Override
    public DenseNet build() {
      return new DenseNet(this);
    }
  }
}
