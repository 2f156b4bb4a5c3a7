package io.fovea.models;

import io.fovea.attention.AttentionSpec;
import io.fovea.models.placement.AttentionInserter;
import io.fovea.models.placement.BackboneTopology;
import io.fovea.models.placement.PlacedAttention;
import io.fovea.models.placement.Placement;
import io.fovea.models.placement.Placement.Site;
import io.fovea.models.placement.Replacement;
import io.fovea.nn.Activation;
import io.fovea.nn.BatchNorm;
import io.fovea.nn.Fusing;
import io.fovea.nn.Layer;
import io.fovea.nn.Linear;
import io.fovea.nn.Ops;
import io.fovea.tensor.internal.DidYouMean;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.bytedeco.pytorch.Module;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;

/**
 * RegNetY: residual networks of bottlenecks with groups, whose widths and depths follow a rule, and with
 * squeeze-and-excitation.
 *
 * <p>Radosavovic, Kosaraju, Girshick, He, Dollár: <a href="https://arxiv.org/abs/2003.13678">Designing Network
 * Design Spaces</a>, section 5 and table 4 of the appendix. The network is that of torchvision, whose names it
 * uses ({@code trunk_output.block1.block1-0.f.a.0}). Its squeeze-and-excitation is attention like any other
 * ({@link Classifier.Builder#ownAttention}) at the {@code standard} place, behind the 3x3 convolution of a
 * block, with Fovea's names ({@code f.se.fc.0}, not {@code f.se.fc1}).
 */
final class RegNet extends StagedClassifier {
  private static final int IMAGE_SIZE = 224;
  private static final int STEM = 32;
  private static final double LINEAR_DEVIATION = 0.01;
  private static final PlacedAttention OWN =
      new PlacedAttention(
          AttentionSpec.parse("se:reduction=4,bias=true,of=block"), Placement.paper());

  /**
   * A network: its stages, and the channels of a group.
   *
   * @param blocks the number of blocks of each stage
   * @param widths the channels of each stage
   */
  private record Form(int[] blocks, int[] widths, int groupWidth) {}

  private static final Map<String, Form> FORMS = new LinkedHashMap<>();

  static {
    FORMS.put("regnet_y_400mf", new Form(new int[] {1, 3, 6, 6}, new int[] {48, 104, 208, 440}, 8));
    FORMS.put(
        "regnet_y_800mf", new Form(new int[] {1, 3, 8, 2}, new int[] {64, 144, 320, 784}, 16));
    FORMS.put(
        "regnet_y_1_6gf", new Form(new int[] {2, 6, 17, 2}, new int[] {48, 120, 336, 888}, 24));
  }

  static final Backbones.Family FAMILY =
      new Backbones.Family(List.copyOf(FORMS.keySet()), RegNet::builder);

  private RegNet(Builder b) {
    super(b);
    NormedConvolution convolutions = NormedConvolution.DEFAULT;
    int in = b.scaled(STEM);
    add(0, "stem", convolutions.of(b.channels, in, 3, 2, 1, Activation.RELU_IN_PLACE));
    for (int stage = 1; stage <= b.form.blocks.length; stage++) {
      int wanted = b.scaled(b.form.widths[stage - 1]);
      int group = Math.min(b.form.groupWidth, wanted);
      int out = Math.max(1, (int) Math.round((double) wanted / group)) * group;
      String container = "trunk_output.block" + stage;
      for (int i = 0; i < b.form.blocks[stage - 1]; i++) {
        String path = container + ".block" + stage + "-" + i;
        int stride = i == 0 ? 2 : 1;
        add(stage, path, new Block(in, out, stride, out / group, inBlock(path, stage, i + 1, in)));
        in = out;
      }
      endsContainer(container);
      endStage(stage, in);
    }
    head(in);
    classifier("fc", narrow(new Linear(in, b.classes, true)));
  }

  /**
   * Creates a builder for RegNetY. By default it has no attention; that of the published network is {@link
   * Builder#ownAttention}.
   *
   * @param name {@code regnet_y_400mf}, {@code regnet_y_800mf} or {@code regnet_y_1_6gf}
   * @throws IllegalArgumentException if the network does not exist
   */
  public static Builder builder(String name) {
    Form form = FORMS.get(name);
    if (form == null) {
      throw DidYouMean.unknown("backbone", name, FAMILY.names());
    }
    return new Builder(name, form);
  }

  /** The initial values of the classifier in the published network. */
  private static Linear narrow(Linear linear) {
    try (NoGradGuard guard = new NoGradGuard()) {
      linear.weight().normal_(0, LINEAR_DEVIATION, null);
      linear.bias().ifPresent(Tensor::zero_);
    }
    return linear;
  }

  /** A bottleneck that does not narrow: 1x1, 3x3 with groups, attention, 1x1. */
  private static final class Block extends Layer {
    private final Module f = register_module("f", new Module("Transform")); // for the names
    private final Module second = new Module("Convolution"); // for the names
    private final Layer a;
    private final Step b;
    private final Layer c;
    private final Layer projection;
    private final AttentionInserter.Stack pre;
    private final AttentionInserter.Stack standard;
    private final AttentionInserter.Stack identity;
    private final AttentionInserter.Stack post;
    private final AttentionInserter.Stack after;

    Block(int in, int out, int stride, int groups, AttentionInserter.InBlock places) {
      super("Block");
      NormedConvolution convolutions = NormedConvolution.DEFAULT;
      projection =
          in == out && stride == 1
              ? null
              : register_module("proj", convolutions.of(in, out, 1, stride, 1, null));
      a = f.register_module("a", convolutions.of(in, out, 1, 1, 1, Activation.RELU_IN_PLACE));
      f.register_module("b", second);
      b = second(out, stride, groups, places);
      c = f.register_module("c", convolutions.of(out, out, 1, 1, 1, null));
      pre = places.at(this, Site.PRE);
      standard = places.at(f, "f.", Site.STANDARD, out);
      identity = places.at(this, "", Site.IDENTITY, out);
      post = places.at(this, "", Site.POST, out);
      after = places.at(this, "", Site.AFTER, out);
    }

    /** The 3x3 convolution, or what replaces it. */
    private Step second(int channels, int stride, int groups, AttentionInserter.InBlock places) {
      NormedConvolution convolutions = NormedConvolution.DEFAULT;
      Replacement replacement = places.replacing(second, "f.b.", "0", channels, stride, 1);
      BatchNorm norm =
          replacement == null || replacement.keepsNorm()
              ? second.register_module("1", convolutions.norm(channels))
              : null;
      return replacement == null
          ? new Step(
              second.register_module(
                  "0", convolutions.convolution(channels, channels, 3, stride, groups)),
              null,
              norm)
          : new Step(null, replacement, norm);
    }

    @Override
    protected void fuse(Fusing fusing) {
      if (projection != null) {
        fusing.add(projection);
      }
      fusing.add(a);
      b.fuse(fusing);
      fusing.add(c);
    }

    @Override
    public <T> T apply(Ops<T> ops, T x) {
      return ops.in(this, () -> applied(ops, x));
    }

    private <T> T applied(Ops<T> ops, T x) {
      T y = b.apply(ops, a.apply(ops, pre.apply(ops, x)), Activation.RELU_IN_PLACE);
      T shortcut = projection == null ? x : projection.apply(ops, x);
      T sum = ops.add(identity.apply(ops, shortcut), c.apply(ops, standard.apply(ops, y)));
      return after.apply(ops, post.apply(ops, ops.reluInPlace(sum)));
    }
  }

  /** Builds RegNets. */
  public static final class Builder extends Classifier.Builder<Builder> {
    private final Form form;

    private Builder(String name, Form form) {
      super(
          BackboneTopology.uniform(
              name,
              IMAGE_SIZE,
              Optional.of(OWN),
              form.blocks,
              List.of(4, 8, 16, 32),
              Site.STANDARD,
              Site.PRE,
              Site.POST,
              Site.IDENTITY,
              Site.CONV));
      this.form = form;
    }

    @Override
    Builder self() {
      return this;
    }

    @Override
    public RegNet build() {
      return new RegNet(this);
    }
  }
}
