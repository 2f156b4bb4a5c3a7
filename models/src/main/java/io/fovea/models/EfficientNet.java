package io.fovea.models;

import io.fovea.attention.AttentionSpec;
import io.fovea.models.placement.BackboneTopology;
import io.fovea.models.placement.PlacedAttention;
import io.fovea.models.placement.Placement;
import io.fovea.models.placement.Placement.Site;
import io.fovea.nn.Activation;
import io.fovea.nn.Linear;
import io.fovea.nn.Ops;
import io.fovea.nn.Sequence;
import io.fovea.tensor.internal.DidYouMean;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/**
 * EfficientNet-B0, B1 and B2.
 *
 * <p>Tan, Le: <a href="https://arxiv.org/abs/1905.11946">EfficientNet: Rethinking Model Scaling for
 * Convolutional Neural Networks</a>, table 1 and section 4. The network is that of torchvision, whose names it
 * uses ({@code features.2.0.block.1.0}). As in {@link MobileNetV3}, its squeeze-and-excitation is attention
 * like any other ({@link Classifier.Builder#ownAttention}) at the {@code standard} place, which all blocks
 * have, with Fovea's names ({@code features.2.0.block.se.fc.0}, not {@code features.2.0.block.2.fc1}).
 *
 * <p>A stage ends where the next block halves the height and width, so torchvision's {@code features.4} and
 * {@code features.5} are stage 4, and {@code features.6} and {@code features.7} are stage 5.
 */
final class EfficientNet extends StagedClassifier {
  private static final int STEM = 32;
  private static final int LAST_EXPANSION = 4;
  private static final double DROPPED_BLOCKS = 0.2; // of the last block; less in those before it
  private static final PlacedAttention OWN =
      new PlacedAttention(
          AttentionSpec.parse("se:reduction=4,bias=true,of=block,activation=silu"),
          Placement.paper());

  /**
   * How a network is scaled (section 4), with the image size of torchvision's training.
   *
   * @param width the factor of the channels
   * @param depth the factor of the numbers of blocks
   * @param dropout the dropout before the classifier
   */
  private record Form(double width, double depth, int imageSize, double dropout) {}

  private static final Map<String, Form> FORMS = new LinkedHashMap<>();

  static {
    FORMS.put("efficientnet_b0", new Form(1.0, 1.0, 224, 0.2));
    FORMS.put("efficientnet_b1", new Form(1.0, 1.1, 240, 0.2));
    FORMS.put("efficientnet_b2", new Form(1.1, 1.2, 288, 0.3));
  }

  static final Backbones.Family FAMILY =
      new Backbones.Family(List.copyOf(FORMS.keySet()), EfficientNet::builder);

  /** A row of table 1: blocks with unscaled channels; the first block has the stride. */
  private record Row(int expansion, int kernel, int stride, int out, int blocks) {}

  private static final List<Row> ROWS =
      List.of(
          new Row(1, 3, 1, 16, 1),
          new Row(6, 3, 2, 24, 2),
          new Row(6, 5, 2, 40, 2),
          new Row(6, 3, 2, 80, 3),
          new Row(6, 5, 1, 112, 3),
          new Row(6, 5, 2, 192, 4),
          new Row(6, 3, 1, 320, 1));

  /** A block, the stage in which it is, and the path of its weights. */
  private record Block(int stage, String container, int number, InvertedResidual.Shape shape) {}

  private final double dropout;

  private EfficientNet(Builder b) {
    super(b);
    dropout = b.form.dropout;
    NormedConvolution convolutions = NormedConvolution.DEFAULT;
    List<Block> blocks = blocks(b.form, b.width);
    int in = blocks.get(0).shape.in();
    add(0, "features.0", convolutions.of(b.channels, in, 3, 2, 1, Activation.SILU));
    int number = 0; // in the stage
    for (int i = 0; i < blocks.size(); i++) {
      Block block = blocks.get(i);
      Block next = i + 1 < blocks.size() ? blocks.get(i + 1) : null;
      String path = block.container + "." + block.number;
      add(
          block.stage,
          path,
          new InvertedResidual(
              block.shape,
              convolutions,
              Activation.SILU,
              new StochasticDepth(DROPPED_BLOCKS * i / blocks.size()),
              inBlock(path, block.stage, ++number, block.shape.in())));
      in = block.shape.out();
      if (next == null || !next.container.equals(block.container)) {
        endsContainer(block.container);
      }
      if (next == null || next.stage != block.stage) {
        endStage(block.stage, in);
        number = 0;
      }
    }
    int wide = LAST_EXPANSION * in;
    add(
        behindStages(),
        "features." + (ROWS.size() + 1),
        convolutions.of(in, wide, 1, 1, 1, Activation.SILU));
    head(wide);
    classifier(
        "classifier",
        new Sequence()
            .add("0", this::dropped)
            .add("1", uniform(new Linear(wide, b.classes, true))));
  }

  /**
   * Creates a builder for EfficientNet. By default it has no attention; that of the published network is
   * {@link Builder#ownAttention}.
   *
   * @param name {@code efficientnet_b0}, {@code efficientnet_b1} or {@code efficientnet_b2}
   * @throws IllegalArgumentException if the network does not exist
   */
  public static Builder builder(String name) {
    Form form = FORMS.get(name);
    if (form == null) {
      throw DidYouMean.unknown("backbone", name, FAMILY.names());
    }
    return new Builder(name, form);
  }

  private <T> T dropped(Ops<T> ops, T x) {
    return ops.inTraining(this, x, y -> torch.dropout(y, dropout, true));
  }

  /** All blocks in their order; a row with a stride begins a stage. */
  private static List<Block> blocks(Form form, double width) {
    List<Block> blocks = new ArrayList<>();
    int in = scaled(STEM, form, width);
    int stage = 1;
    for (int row = 0; row < ROWS.size(); row++) {
      Row each = ROWS.get(row);
      int out = scaled(each.out, form, width);
      stage += each.stride == 2 ? 1 : 0;
      int count = (int) Math.ceil(each.blocks * form.depth);
      for (int i = 0; i < count; i++) {
        int stride = i == 0 ? each.stride : 1;
        int wide = NormedConvolution.multipleOf8((double) in * each.expansion);
        blocks.add(
            new Block(
                stage,
                "features." + (row + 1),
                i,
                new InvertedResidual.Shape(in, wide, out, each.kernel, stride, true)));
        in = out;
      }
    }
    return blocks;
  }

  private static int scaled(int channels, Form form, double width) {
    return NormedConvolution.multipleOf8(channels * form.width * width);
  }

  /** The initial values of the classifier in torchvision's network. */
  private static Linear uniform(Linear linear) {
    double bound = 1 / Math.sqrt((double) linear.weight().size(0));
    try (NoGradGuard guard = new NoGradGuard()) {
      linear.weight().uniform_(-bound, bound, null);
      linear.bias().ifPresent(Tensor::zero_);
    }
    return linear;
  }

  /** Builds EfficientNets. */
  public static final class Builder extends Classifier.Builder<Builder> {
    private final Form form;

    private Builder(String name, Form form) {
      super(
          new BackboneTopology(
              name, form.imageSize, Optional.of(OWN), strides(form), places(form), Set.of()));
      this.form = form;
    }

    private static List<Integer> strides(Form form) {
      List<Integer> strides = new ArrayList<>();
      int stride = 2; // of the stem
      for (Block block : EfficientNet.blocks(form, 1)) {
        stride *= block.shape.stride();
        if (strides.size() == block.stage) {
          strides.remove(block.stage - 1);
        }
        strides.add(stride);
      }
      return strides;
    }

    private static List<List<Set<Site>>> places(Form form) {
      List<List<Set<Site>>> stages = new ArrayList<>();
      for (Block block : EfficientNet.blocks(form, 1)) {
        if (stages.size() < block.stage) {
          stages.add(new ArrayList<>());
        }
        stages.get(block.stage - 1).add(block.shape.sites());
      }
      return stages;
    }

    @Override
    Builder self() {
      return this;
    }

    @Override
    public EfficientNet build() {
      return new EfficientNet(this);
    }
  }
}
