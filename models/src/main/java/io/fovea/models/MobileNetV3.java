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
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/**
 * MobileNetV3, large and small.
 *
 * <p>Howard and others: <a href="https://arxiv.org/abs/1905.02244">Searching for MobileNetV3</a>,
 * tables 1 and 2. The network is that of torchvision, whose names it uses ({@code
 * features.4.block.1.0}). The published networks have squeeze-and-excitation in some of their
 * blocks, {@link Builder#ownAttention}. Here this is attention like any other, at the {@code
 * standard} place, which only these blocks have; it can be removed or replaced by another
 * mechanism. Its parameters have Fovea's names ({@code features.4.block.se.fc.0}, not {@code
 * features.4.block.2.fc1}). The convolution after it is {@code block.3} in all cases.
 *
 * <p>A stage ends where the next block halves the height and width. The stem is not a part of the
 * first stage.
 */
final class MobileNetV3 extends StagedClassifier {
  private static final String LARGE = "mobilenetv3-large";
  private static final String SMALL = "mobilenetv3-small";

  static final Backbones.Family FAMILY =
      new Backbones.Family(List.of(LARGE, SMALL), MobileNetV3::builder);

  private static final int IMAGE_SIZE = 224;
  private static final int STEM = 16;
  private static final double DROPOUT = 0.2;
  private static final double EPSILON = 1e-3;
  private static final double MOMENTUM = 0.01;
  private static final double LINEAR_DEVIATION = 0.01;
  private static final PlacedAttention OWN =
      new PlacedAttention(
          AttentionSpec.parse("se:reduction=4,bias=true,excitation=hard_sigmoid,divisor=8"),
          Placement.paper());

  /** A row of table 1 or 2: a block with unscaled channels. */
  private record Row(int kernel, int expanded, int out, boolean attends, boolean hard, int stride) {
    InvertedResidual.Shape shape(int in, int expanded, int out) {
      return new InvertedResidual.Shape(in, expanded, out, kernel, stride, attends);
    }
  }

  private static final List<Row> LARGE_ROWS =
      List.of(
          new Row(3, 16, 16, false, false, 1),
          new Row(3, 64, 24, false, false, 2),
          new Row(3, 72, 24, false, false, 1),
          new Row(5, 72, 40, true, false, 2),
          new Row(5, 120, 40, true, false, 1),
          new Row(5, 120, 40, true, false, 1),
          new Row(3, 240, 80, false, true, 2),
          new Row(3, 200, 80, false, true, 1),
          new Row(3, 184, 80, false, true, 1),
          new Row(3, 184, 80, false, true, 1),
          new Row(3, 480, 112, true, true, 1),
          new Row(3, 672, 112, true, true, 1),
          new Row(5, 672, 160, true, true, 2),
          new Row(5, 960, 160, true, true, 1),
          new Row(5, 960, 160, true, true, 1));

  private static final List<Row> SMALL_ROWS =
      List.of(
          new Row(3, 16, 16, true, false, 2),
          new Row(3, 72, 24, false, false, 2),
          new Row(3, 88, 24, false, false, 1),
          new Row(5, 96, 40, true, true, 2),
          new Row(5, 240, 40, true, true, 1),
          new Row(5, 240, 40, true, true, 1),
          new Row(5, 120, 48, true, true, 1),
          new Row(5, 144, 48, true, true, 1),
          new Row(5, 288, 96, true, true, 2),
          new Row(5, 576, 96, true, true, 1),
          new Row(5, 576, 96, true, true, 1));

  private MobileNetV3(Builder b) {
    super(b);
    NormedConvolution convolutions = new NormedConvolution(EPSILON, MOMENTUM);
    int in = b.scaled(STEM);
    int number = 0;
    add(0, "features." + number++, convolutions.of(b.channels, in, 3, 2, 1, Activation.HARD_SWISH));
    int stage = 0;
    for (List<Row> rows : stages(b.rows)) {
      stage++;
      int block = 0;
      for (Row row : rows) {
        String path = "features." + number++;
        InvertedResidual.Shape shape = row.shape(in, b.scaled(row.expanded), b.scaled(row.out));
        add(
            stage,
            path,
            new InvertedResidual(
                shape,
                convolutions,
                row.hard ? Activation.HARD_SWISH : Activation.RELU_IN_PLACE,
                new StochasticDepth(0),
                inBlock(path, stage, ++block, in)));
        in = shape.out();
      }
      endStage(stage, in);
    }
    int wide = 6 * in;
    add(
        behindStages(),
        "features." + number,
        convolutions.of(in, wide, 1, 1, 1, Activation.HARD_SWISH));
    head(wide);
    int hidden = b.scaled(b.rows == LARGE_ROWS ? 1280 : 1024);
    classifier(
        "classifier",
        new Sequence()
            .add("0", narrow(new Linear(wide, hidden, true)))
            .add("1", Activation.HARD_SWISH)
            .add("2", this::dropout)
            .add("3", narrow(new Linear(hidden, b.classes, true))));
  }

  private <T> T dropout(Ops<T> ops, T x) {
    return ops.inTraining(this, x, y -> torch.dropout(y, DROPOUT, true));
  }

  /**
   * Creates a builder for MobileNetV3. By default it has no attention; that of the published
   * network is {@link Builder#ownAttention}.
   *
   * @param name {@code mobilenetv3-large} or {@code mobilenetv3-small}
   */
  public static Builder builder(String name) {
    return switch (name) {
      case LARGE -> new Builder(name, LARGE_ROWS);
      case SMALL -> new Builder(name, SMALL_ROWS);
      default ->
          throw new IllegalArgumentException(
              "expected " + LARGE + " or " + SMALL + ", got \"" + name + "\"");
    };
  }

  private static List<List<Row>> stages(List<Row> rows) {
    List<List<Row>> stages = new ArrayList<>();
    for (Row row : rows) {
      if (stages.isEmpty() || row.stride == 2) {
        stages.add(new ArrayList<>());
      }
      stages.get(stages.size() - 1).add(row);
    }
    return stages;
  }

  /** The initial values of linear layers in the published network. */
  private static Linear narrow(Linear linear) {
    try (NoGradGuard guard = new NoGradGuard()) {
      linear.weight().normal_(0, LINEAR_DEVIATION, null);
      linear.bias().ifPresent(Tensor::zero_);
    }
    return linear;
  }

  /** Builds MobileNetV3. */
  public static final class Builder extends Classifier.Builder<Builder> {
    private final List<Row> rows;

    private Builder(String name, List<Row> rows) {
      super(
          new BackboneTopology(
              name, IMAGE_SIZE, Optional.of(OWN), strides(rows), places(rows), Set.of()));
      this.rows = rows;
    }

    private static List<Integer> strides(List<Row> rows) {
      List<Integer> strides = new ArrayList<>();
      int stride = 2; // of the stem
      for (List<Row> stage : stages(rows)) {
        for (Row row : stage) {
          stride *= row.stride;
        }
        strides.add(stride);
      }
      return strides;
    }

    private static List<List<Set<Site>>> places(List<Row> rows) {
      List<List<Set<Site>>> places = new ArrayList<>();
      int in = STEM;
      for (List<Row> stage : stages(rows)) {
        List<Set<Site>> blocks = new ArrayList<>();
        for (Row row : stage) {
          blocks.add(row.shape(in, row.expanded, row.out).sites());
          in = row.out;
        }
        places.add(blocks);
      }
      return places;
    }

    /** Rounds to a multiple of 8, as published. */
    @Override
    int scaled(int channels) {
      return NormedConvolution.multipleOf8(channels * width);
    }

    @Override
    Builder self() {
      return this;
    }

    @Override
    public MobileNetV3 build() {
      return new MobileNetV3(this);
    }
  }
}
