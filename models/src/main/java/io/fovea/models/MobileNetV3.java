package io.fovea.models;

import io.fovea.attention.AttentionSpec;
import io.fovea.models.placement.AttentionInserter;
import io.fovea.models.placement.BackboneTopology;
import io.fovea.models.placement.Placement.Site;
import io.fovea.nn.Activation;
import io.fovea.nn.BatchNorm;
import io.fovea.nn.Convolution;
import io.fovea.nn.Fusing;
import io.fovea.nn.Graph;
import io.fovea.nn.Graph.Value;
import io.fovea.nn.Layer;
import io.fovea.nn.Linear;
import io.fovea.nn.Ops;
import io.fovea.nn.Sequence;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.bytedeco.pytorch.Module;
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
public final class MobileNetV3 extends Classifier {
  public static final String LARGE = "mobilenetv3-large";
  public static final String SMALL = "mobilenetv3-small";

  static final Backbones.Family FAMILY =
      new Backbones.Family(List.of(LARGE, SMALL), MobileNetV3::builder);

  private static final int IMAGE_SIZE = 224;
  private static final int DIVISOR = 8;
  private static final int STEM = 16;
  private static final double DROPOUT = 0.2;
  private static final double EPSILON = 1e-3;
  private static final double MOMENTUM = 0.01;
  private static final double LINEAR_DEVIATION = 0.01;
  private static final AttentionSpec OWN =
      AttentionSpec.parse("se:reduction=4,bias=true,excitation=hard_sigmoid,divisor=8");

  /** A row of table 1 or 2: a block with unscaled channels. */
  private record Row(
      int kernel, int expanded, int out, boolean attends, boolean hard, int stride) {}

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

  private static final Pattern FEATURE = Pattern.compile("features\\.(\\d+)\\.");

  private final Module features = register_module("features", new Module("Features"));
  private final Layer stem;
  private final List<List<Block>> stages = new ArrayList<>();
  private final List<AttentionInserter.Stack> stageEnds = new ArrayList<>();
  private final Layer last;
  private final AttentionInserter.Stack head;
  private final Layer classifier;

  private MobileNetV3(Builder b) {
    super(b);
    AttentionInserter places = b.places();
    int in = b.scaled(STEM);
    int number = 0;
    stem =
        features.register_module(
            Integer.toString(number++),
            convolution(b.channels, in, 3, 2, 1, Activation.HARD_SWISH));
    int stage = 0;
    for (List<Row> rows : stages(b.rows)) {
      stage++;
      List<Block> blocks = new ArrayList<>();
      for (Row row : rows) {
        String name = Integer.toString(number++);
        Block block =
            features.register_module(
                name, new Block(in, b.scaled(row.expanded), b.scaled(row.out), row));
        block.attend(places, "features." + name + ".", stage, blocks.size() + 1);
        blocks.add(block);
        in = b.scaled(row.out);
      }
      stages.add(blocks);
      stageEnds.add(places.at(this, "", Site.STAGE, stage, 0, in));
    }
    int wide = 6 * in;
    last =
        features.register_module(
            Integer.toString(number), convolution(in, wide, 1, 1, 1, Activation.HARD_SWISH));
    head = places.at(this, "", Site.HEAD, 0, 0, wide);
    int hidden = b.scaled(b.rows == LARGE_ROWS ? 1280 : 1024);
    classifier =
        register_module(
            "classifier",
            new Sequence()
                .add("0", narrow(new Linear(wide, hidden, true)))
                .add("1", Activation.HARD_SWISH)
                .add("2", this::dropout)
                .add("3", narrow(new Linear(hidden, b.classes, true))));
    attentions(places.made());
  }

  @Override
  public int stageOf(String parameter) {
    if (parameter.startsWith("classifier.")) {
      return HEAD;
    }
    Matcher feature = FEATURE.matcher(parameter);
    int number = feature.lookingAt() ? Integer.parseInt(feature.group(1)) : Integer.MAX_VALUE;
    int blocks = 0;
    for (int stage = 0; stage <= stages(); stage++) {
      if (number <= blocks) {
        return stage;
      }
      blocks += stage < stages() ? stages.get(stage).size() : 0;
    }
    return stages() + 1;
  }

  @Override
  public int stages() {
    return stages.size();
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

  private static Sequence convolution(
      int in, int out, int kernel, int stride, int groups, Activation activation) {
    Sequence sequence =
        new Sequence()
            .add(
                "0",
                initialised(
                    Convolution.builder(2, in, out, kernel)
                        .stride(stride)
                        .padding(kernel / 2)
                        .groups(groups)
                        .bias(false)
                        .build()))
            .add("1", new BatchNorm(out, EPSILON, MOMENTUM));
    return activation == null ? sequence : sequence.add("2", activation);
  }

  /** The initial values of linear layers in the published network. */
  private static Linear narrow(Linear linear) {
    try (NoGradGuard guard = new NoGradGuard()) {
      linear.weight().normal_(0, LINEAR_DEVIATION, null);
      linear.bias().ifPresent(Tensor::zero_);
    }
    return linear;
  }

  @Override
  Tensor classify(Tensor x) {
    int number = 0;
    Tensor y = observed("features." + number++, stem.forward(x));
    for (int stage = 0; stage < stages.size(); stage++) {
      for (Block block : stages.get(stage)) {
        y = observed("features." + number++, block.forward(y));
      }
      y = stageEnds.get(stage).forward(y);
    }
    y = head.forward(observed("features." + number, last.forward(y)));
    return classifier.forward(averaged(y));
  }

  @Override
  void fuse(Fusing fusing) {
    fusing.add(stem);
    stages.forEach(blocks -> blocks.forEach(block -> block.fuse(fusing)));
    fusing.add(last);
  }

  @Override
  Value nodes(Graph graph, Value x) {
    Value y = stem.write(graph, x);
    for (int stage = 0; stage < stages.size(); stage++) {
      for (Block block : stages.get(stage)) {
        y = block.write(graph, y);
      }
      y = stageEnds.get(stage).write(graph, y);
    }
    y = head.write(graph, last.write(graph, y));
    return classifier.write(graph, averaged(graph, y));
  }

  /** An inverted residual: expansion, depthwise convolution, attention, projection. */
  private static final class Block extends Module {
    private final Module layers = register_module("block", new Module("Layers"));
    private final Layer expansion;
    private final Layer depthwise;
    private final Layer projection;
    private final boolean residual;
    private final int in;
    private final int expanded;
    private final int out;
    private AttentionInserter.Stack pre = AttentionInserter.Stack.EMPTY;
    private AttentionInserter.Stack standard = AttentionInserter.Stack.EMPTY;
    private AttentionInserter.Stack identity = AttentionInserter.Stack.EMPTY;
    private AttentionInserter.Stack post = AttentionInserter.Stack.EMPTY;
    private AttentionInserter.Stack after = AttentionInserter.Stack.EMPTY;

    Block(int in, int expanded, int out, Row row) {
      super("InvertedResidual");
      this.in = in;
      this.expanded = expanded;
      this.out = out;
      Activation activation = row.hard ? Activation.HARD_SWISH : Activation.RELU_IN_PLACE;
      int number = 0;
      expansion =
          expanded == in
              ? null
              : layers.register_module(
                  Integer.toString(number++), convolution(in, expanded, 1, 1, 1, activation));
      depthwise =
          layers.register_module(
              Integer.toString(number++),
              convolution(expanded, expanded, row.kernel, row.stride, expanded, activation));
      if (row.attends) {
        number++; // torchvision gives this number to the attention
      }
      projection =
          layers.register_module(
              Integer.toString(number), convolution(expanded, out, 1, 1, 1, null));
      residual = row.stride == 1 && in == out;
    }

    void attend(AttentionInserter places, String path, int stage, int number) {
      pre = places.at(this, path, Site.PRE, stage, number, in);
      standard = places.at(layers, path + "block.", Site.STANDARD, stage, number, expanded);
      identity = places.at(this, path, Site.IDENTITY, stage, number, out);
      post = places.at(this, path, Site.POST, stage, number, out);
      after = places.at(this, path, Site.AFTER, stage, number, out);
    }

    void fuse(Fusing fusing) {
      if (expansion != null) {
        fusing.add(expansion);
      }
      fusing.add(depthwise);
      fusing.add(projection);
    }

    Tensor forward(Tensor x) {
      Tensor y = pre.forward(x);
      if (expansion != null) {
        y = expansion.forward(y);
      }
      y = projection.forward(standard.forward(depthwise.forward(y)));
      if (residual) {
        y = y.add(identity.forward(x));
      }
      return after.forward(post.forward(y));
    }

    Value write(Graph graph, Value x) {
      return graph.in(this, () -> nodes(graph, x));
    }

    private Value nodes(Graph graph, Value x) {
      Value y = pre.write(graph, x);
      if (expansion != null) {
        y = expansion.write(graph, y);
      }
      y = projection.write(graph, standard.write(graph, depthwise.write(graph, y)));
      if (residual) {
        y = graph.node("Add", y, identity.write(graph, x));
      }
      return after.write(graph, post.write(graph, y));
    }
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
          Set<Site> sites = EnumSet.of(Site.PRE, Site.POST, Site.AFTER);
          if (row.attends) {
            sites.add(Site.STANDARD);
          }
          if (row.stride == 1 && row.out == in) {
            sites.add(Site.IDENTITY);
          }
          blocks.add(sites);
          in = row.out;
        }
        places.add(blocks);
      }
      return places;
    }

    /** Rounds to a multiple of 8, as published. */
    private int scaled(int channels) {
      double wanted = channels * width;
      int nearest = Math.max(DIVISOR, (int) (wanted + DIVISOR / 2.0) / DIVISOR * DIVISOR);
      return nearest < 0.9 * wanted ? nearest + DIVISOR : nearest;
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
