package io.fovea.models;

import io.fovea.models.placement.AttentionInserter;
import io.fovea.models.placement.Placement.Site;
import io.fovea.nn.Activation;
import io.fovea.nn.Fusing;
import io.fovea.nn.Layer;
import io.fovea.nn.Ops;
import java.util.EnumSet;
import java.util.Set;
import org.bytedeco.pytorch.Module;

/**
 * An inverted residual: expansion, depthwise convolution, attention, projection, as in MobileNetV3 and
 * EfficientNet. Names are torchvision's.
 */
final class InvertedResidual extends Layer {
  /**
   * The shape of a block.
   *
   * @param in the channels that enter it
   * @param expanded the channels of its depthwise convolution
   * @param out the channels that leave it
   * @param kernel the side of the depthwise kernel
   * @param stride the stride of the depthwise convolution
   * @param attends whether the published network has squeeze-and-excitation here
   */
  record Shape(int in, int expanded, int out, int kernel, int stride, boolean attends) {
    boolean hasShortcut() {
      return stride == 1 && in == out;
    }

    /** The places for attention in a block. */
    Set<Site> sites() {
      Set<Site> sites = EnumSet.of(Site.PRE, Site.POST, Site.AFTER);
      if (attends) {
        sites.add(Site.STANDARD);
      }
      if (hasShortcut()) {
        sites.add(Site.IDENTITY);
      }
      return sites;
    }
  }

  private final Module layers = register_module("block", new Module("Layers"));
  private final Layer expansion;
  private final Layer depthwise;
  private final Layer projection;
  private final boolean residual;
  private final StochasticDepth depth;
  private final AttentionInserter.Stack pre;
  private final AttentionInserter.Stack standard;
  private final AttentionInserter.Stack identity;
  private final AttentionInserter.Stack post;
  private final AttentionInserter.Stack after;

  InvertedResidual(
      Shape shape,
      NormedConvolution convolutions,
      Activation activation,
      StochasticDepth depth,
      AttentionInserter.InBlock places) {
    super("InvertedResidual");
    this.depth = depth;
    int wide = shape.expanded;
    int number = 0;
    expansion =
        wide == shape.in
            ? null
            : layers.register_module(
                Integer.toString(number++), convolutions.of(shape.in, wide, 1, 1, 1, activation));
    depthwise =
        layers.register_module(
            Integer.toString(number++),
            convolutions.of(wide, wide, shape.kernel, shape.stride, wide, activation));
    if (shape.attends) {
      number++; // torchvision gives this number to the attention
    }
    projection =
        layers.register_module(
            Integer.toString(number), convolutions.of(wide, shape.out, 1, 1, 1, null));
    residual = shape.hasShortcut();
    pre = places.at(this, Site.PRE);
    standard = places.at(layers, "block.", Site.STANDARD, wide);
    identity = places.at(this, "", Site.IDENTITY, shape.out);
    post = places.at(this, "", Site.POST, shape.out);
    after = places.at(this, "", Site.AFTER, shape.out);
  }

  @Override
  protected void fuse(Fusing fusing) {
    if (expansion != null) {
      fusing.add(expansion);
    }
    fusing.add(depthwise);
    fusing.add(projection);
  }

  @Override
  public <T> T apply(Ops<T> ops, T x) {
    return ops.in(this, () -> applied(ops, x));
  }

  private <T> T applied(Ops<T> ops, T x) {
    T y = pre.apply(ops, x);
    if (expansion != null) {
      y = expansion.apply(ops, y);
    }
    y = projection.apply(ops, standard.apply(ops, depthwise.apply(ops, y)));
    if (residual) {
      y = ops.add(depth.apply(ops, this, y), identity.apply(ops, x));
    }
    return after.apply(ops, post.apply(ops, y));
  }
}
