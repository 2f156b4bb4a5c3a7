package io.fovea.models;

import io.fovea.models.placement.AttentionInserter;
import io.fovea.models.placement.BackboneTopology;
import io.fovea.models.placement.Placement.Site;
import io.fovea.nn.Activation;
import io.fovea.nn.BatchNorm;
import io.fovea.nn.Component;
import io.fovea.nn.Convolution;
import io.fovea.nn.Fusing;
import io.fovea.nn.Graph;
import io.fovea.nn.Graph.Value;
import io.fovea.nn.Layer;
import io.fovea.nn.Linear;
import io.fovea.nn.Ops;
import io.fovea.nn.Sequence;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;

/**
 * GoogLeNet, the first Inception network, with batch norm.
 *
 * <p>Szegedy and others: <a href="https://arxiv.org/abs/1409.4842">Going Deeper with
 * Convolutions</a>, table 1. As in torchvision, whose names it uses ({@code
 * inception3a.branch2.0.conv}), a batch norm follows each convolution, and the branch with 5x5
 * convolutions has 3x3 convolutions. Differences from torchvision: there are no auxiliary
 * classifiers, and the weights are initialised by He's rule.
 *
 * <p>Its three stages are the modules 3a to 3b, 4a to 4e and 5a to 5b, so block 2.1 is {@code
 * inception4a}. Attention at the {@code standard} place follows a module, as in SE-Inception.
 */
final class GoogLeNet extends Classifier {
  private static final String NAME = "googlenet";

  static final Backbones.Family FAMILY = new Backbones.Family(List.of(NAME), name -> builder());

  private static final int IMAGE_SIZE = 224;
  private static final double DROPOUT = 0.2;
  private static final double EPSILON = 1e-3;
  private static final double MOMENTUM = 0.1;

  /** The channels of the branches of each module in each stage, as in the columns of table 1. */
  private static final int[][][] MODULES = {
    {{64, 96, 128, 16, 32, 32}, {128, 128, 192, 32, 96, 64}},
    {
      {192, 96, 208, 16, 48, 64},
      {160, 112, 224, 24, 64, 64},
      {128, 128, 256, 24, 64, 64},
      {112, 144, 288, 32, 64, 64},
      {256, 160, 320, 32, 128, 128}
    },
    {{256, 160, 320, 32, 128, 128}, {384, 192, 384, 48, 128, 128}}
  };

  private final Layer conv1;
  private final Layer conv2;
  private final Layer conv3;
  private final List<List<Inception>> stages = new ArrayList<>();
  private final List<AttentionInserter.Stack> stageEnds = new ArrayList<>();
  private final AttentionInserter.Stack head;
  private final Linear fc;

  private GoogLeNet(Builder b) {
    super(b);
    AttentionInserter places = b.places();
    conv1 = register_module("conv1", convolution(b.channels, b.scaled(64), 7, 2));
    conv2 = register_module("conv2", convolution(b.scaled(64), b.scaled(64), 1, 1));
    conv3 = register_module("conv3", convolution(b.scaled(64), b.scaled(192), 3, 1));
    int in = b.scaled(192);
    for (int stage = 1; stage <= MODULES.length; stage++) {
      List<Inception> modules = new ArrayList<>();
      for (int i = 1; i <= MODULES[stage - 1].length; i++) {
        String name = name(stage, i);
        Inception module = register_module(name, new Inception(in, MODULES[stage - 1][i - 1], b));
        module.attend(places.inBlock(name + ".", stage, i, in));
        modules.add(module);
        in = module.out;
      }
      stages.add(modules);
      stageEnds.add(places.at(this, Site.STAGE, stage, in));
    }
    head = places.at(this, Site.HEAD, 0, in);
    fc = register_module("fc", new Linear(in, b.classes, true));
    attentions(places.made());
  }

  /** Creates a builder for GoogLeNet. */
  static Builder builder() {
    return new Builder();
  }

  @Override
  public int stageOf(String parameter) {
    if (parameter.startsWith("fc.")) {
      return HEAD;
    }
    if (parameter.startsWith("inception")) {
      return parameter.charAt("inception".length()) - '2';
    }
    return parameter.matches("conv[123]\\..*") ? 0 : stages() + 1;
  }

  @Override
  public int stages() {
    return stages.size();
  }

  /** The name of a module; stage and number are counted from 1. */
  private static String name(int stage, int number) {
    return "inception" + (stage + 2) + (char) ('a' + number - 1);
  }

  private static Sequence convolution(int in, int out, int kernel, int stride) {
    return new Sequence()
        .add(
            "conv",
            initialised(
                Convolution.builder(2, in, out, kernel)
                    .stride(stride)
                    .padding(kernel / 2)
                    .bias(false)
                    .build()))
        .add("bn", new BatchNorm(out, EPSILON, MOMENTUM))
        .add("relu", Activation.RELU_IN_PLACE);
  }

  @Override
  Tensor classify(Tensor x) {
    Tensor y = pooled(observed("conv1", conv1.forward(x)), 3, 2, 0);
    y = pooled(observed("conv3", conv3.forward(conv2.forward(y))), 3, 2, 0);
    for (int stage = 0; stage < stages.size(); stage++) {
      int number = 0;
      for (Inception module : stages.get(stage)) {
        y = observed(name(stage + 1, ++number), module.forward(y));
      }
      y = stageEnds.get(stage).forward(y);
      if (stage < stages.size() - 1) {
        y = pooled(y, stage == 0 ? 3 : 2, 2, 0);
      }
    }
    y = embedded(averaged(head.forward(y)));
    return fc.forward(torch.dropout(y, DROPOUT, is_training()));
  }

  @Override
  void fuse(Fusing fusing) {
    List.of(conv1, conv2, conv3).forEach(fusing::add);
    stages.forEach(modules -> modules.forEach(module -> module.fuse(fusing)));
  }

  @Override
  Value nodes(Graph graph, Value x) {
    Value y = maxPooled(graph, conv1.write(graph, x), 3, 2, 0, true);
    y = maxPooled(graph, conv3.write(graph, conv2.write(graph, y)), 3, 2, 0, true);
    for (int stage = 0; stage < stages.size(); stage++) {
      for (Inception module : stages.get(stage)) {
        y = module.write(graph, y);
      }
      y = stageEnds.get(stage).write(graph, y);
      if (stage < stages.size() - 1) {
        y = maxPooled(graph, y, stage == 0 ? 3 : 2, 2, 0, true);
      }
    }
    return fc.write(graph, averaged(graph, head.write(graph, y)));
  }

  private static Tensor pooled(Tensor x, long kernel, long stride, long padding) {
    return torch.max_pool2d(
        x,
        new long[] {kernel, kernel},
        new long[] {stride, stride},
        new long[] {padding, padding},
        new long[] {1, 1},
        true);
  }

  /** Four branches over the same input, concatenated along the channels. */
  private static final class Inception extends Component {
    private final Layer branch1;
    private final Layer branch2;
    private final Layer branch3;
    private final Layer branch4;
    private final int out;
    private AttentionInserter.Stack pre = AttentionInserter.Stack.EMPTY;
    private AttentionInserter.Stack standard = AttentionInserter.Stack.EMPTY;
    private AttentionInserter.Stack after = AttentionInserter.Stack.EMPTY;

    Inception(int in, int[] channels, Builder b) {
      super("Inception");
      int[] c = new int[channels.length];
      for (int i = 0; i < c.length; i++) {
        c[i] = b.scaled(channels[i]);
      }
      out = c[0] + c[2] + c[4] + c[5];
      branch1 = register_module("branch1", convolution(in, c[0], 1, 1));
      branch2 =
          register_module(
              "branch2",
              new Sequence()
                  .add("0", convolution(in, c[1], 1, 1))
                  .add("1", convolution(c[1], c[2], 3, 1)));
      branch3 =
          register_module(
              "branch3",
              new Sequence()
                  .add("0", convolution(in, c[3], 1, 1))
                  .add("1", convolution(c[3], c[4], 3, 1)));
      branch4 =
          register_module(
              "branch4",
              new Sequence().add("0", Inception::neighbours).add("1", convolution(in, c[5], 1, 1)));
    }

    void attend(AttentionInserter.InBlock places) {
      pre = places.at(this, Site.PRE);
      standard = places.at(this, "", Site.STANDARD, out);
      after = places.at(this, "", Site.AFTER, out);
    }

    void fuse(Fusing fusing) {
      List.of(branch1, branch2, branch3, branch4).forEach(fusing::add);
    }

    Tensor forward(Tensor x) {
      Tensor y = pre.forward(x);
      TensorVector branches =
          new TensorVector(
              branch1.forward(y), branch2.forward(y), branch3.forward(y), branch4.forward(y));
      return after.forward(standard.forward(torch.cat(branches, 1)));
    }

    Value write(Graph graph, Value x) {
      return graph.in(this, () -> nodes(graph, x));
    }

    /** The maximum of each position and its neighbours. */
    private static <T> T neighbours(Ops<T> ops, T x) {
      return ops.maxPool(x, 3, 1, 1);
    }

    private Value nodes(Graph graph, Value x) {
      Value y = pre.write(graph, x);
      Value joined =
          graph.node(
              "Concat",
              Map.of("axis", 1),
              branch1.write(graph, y),
              branch2.write(graph, y),
              branch3.write(graph, y),
              branch4.write(graph, y));
      return after.write(graph, standard.write(graph, joined));
    }
  }

  /** Builds GoogLeNet. */
  public static final class Builder extends Classifier.Builder<Builder> {
    private Builder() {
      super(
          BackboneTopology.uniform(
              NAME,
              IMAGE_SIZE,
              Optional.empty(),
              new int[] {MODULES[0].length, MODULES[1].length, MODULES[2].length},
              List.of(8, 16, 32),
              Site.STANDARD,
              Site.PRE));
    }

    @Override
    Builder self() {
      return this;
    }

    @Override
    public GoogLeNet build() {
      return new GoogLeNet(this);
    }
  }
}
