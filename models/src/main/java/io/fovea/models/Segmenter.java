package io.fovea.models;

import io.fovea.attention.Attention;
import io.fovea.attention.AttentionSpec;
import io.fovea.errors.SpecException;
import io.fovea.models.placement.PlacedAttention;
import io.fovea.nn.Activation;
import io.fovea.nn.BatchNorm;
import io.fovea.nn.Convolution;
import io.fovea.nn.Fusing;
import io.fovea.nn.Graph;
import io.fovea.nn.Graph.Value;
import io.fovea.nn.GraphOps;
import io.fovea.nn.Layer;
import io.fovea.nn.Ops;
import io.fovea.nn.Sequence;
import io.fovea.tensor.internal.DidYouMean;
import io.fovea.tensor.internal.Scopes;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.bytedeco.pytorch.DoubleOptional;
import org.bytedeco.pytorch.Module;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * A network that predicts the class of each pixel: a dilated residual network and a head with
 * attention.
 *
 * <p>With the head {@code dual} it is DANet (Fu and others: <a
 * href="https://arxiv.org/abs/1809.02983">Dual Attention Network for Scene Segmentation</a>, figure
 * 2): two branches, each with a convolution, position or channel attention, and another
 * convolution; their sum and each branch have a classifier. Other heads are for comparison: {@code
 * none} is a fully convolutional network, {@code pam} and {@code cam} have one of the branches, and
 * {@code nonlocal} or any other attention spec has this attention in a single branch.
 *
 * <p>Names are those of the authors' code: {@code pretrained} for the backbone, {@code
 * head.conv5a}, {@code head.sa}, {@code head.conv51}, {@code head.conv6} for the position branch,
 * {@code head.conv5c}, {@code head.sc}, {@code head.conv52}, {@code head.conv7} for the channel
 * branch, {@code head.conv8} for the sum; {@code head.conv5}, {@code head.conv51} and so on for a
 * single branch of another kind.
 */
public final class Segmenter extends Network {
  static final String SMALL = "small";

  /**
   * The backbones. {@code small} is for images of about 100 pixels: three stages of one bottleneck
   * each with an eighth of ResNet-50's channels, the last without its stride. With the head, the
   * receptive field of its convolutions is 75 x 75 pixels, so that what is farther away can
   * influence a pixel through attention alone.
   */
  public static final List<String> BACKBONES = List.of(SMALL, "resnet18", "resnet50", "resnet101");

  private static final double SMALL_WIDTH = 0.125;
  private static final int IMAGE_RANK = 4;

  /** Whether the corners of the small scores lie on those of the image, as in the authors' code. */
  private static final boolean ALIGNED = true;

  /** The prefix of the backbone's weights. */
  public static final String BACKBONE = "pretrained";

  private final int classes;
  private final ResNet pretrained;
  private final Head head;

  private Segmenter(Builder b) {
    super("Segmenter", b.channels);
    classes = b.classes;
    pretrained = register_module(BACKBONE, b.backbone().build());
    head = register_module("head", new Head(pretrained.featureChannels(), b));
    attentions(head.attentions);
  }

  /**
   * Creates a builder for a segmentation network.
   *
   * @param backbone one of {@link #BACKBONES}
   * @throws IllegalArgumentException if the backbone is unknown; the message suggests the nearest
   *     one
   */
  public static Builder builder(String backbone) {
    return new Builder(backbone);
  }

  /**
   * The unnormalised scores of the classifiers for each pixel, {@code [B, classes, H, W]}.
   *
   * @param main the scores of the network
   * @param auxiliary the scores of the single branches for their losses in training, if the head
   *     has two branches
   */
  public record Scores(Tensor main, List<Tensor> auxiliary) {}

  /**
   * Scores every pixel.
   *
   * @param x images {@code [B, C, H, W]}, normalised as in training
   * @return the scores with the size of the images, upsampled bilinearly with aligned corners;
   *     differentiable
   * @throws IllegalArgumentException if the shape is wrong
   */
  public Scores forward(Tensor x) {
    check(x);
    List<Tensor> scores =
        Scopes.computeAll(
            () ->
                head.forward(pretrained.features(prepared(x))).stream()
                    .map(small -> enlarged(small, x.size(2), x.size(3)))
                    .toList());
    return new Scores(scores.get(0), List.copyOf(scores.subList(1, scores.size())));
  }

  /**
   * Sets training mode, but keeps the batch norms of the backbone in evaluation mode, so that they
   * use and keep their running statistics. This is for a trained backbone and batches that are too
   * small for statistics of their own.
   */
  public void trainWithFrozenBatchNorm() {
    train(true);
    pretrained.eval();
  }

  /** The main scores, with the size of the images; the branches' own are for training only. */
  @Override
  Value nodes(Graph graph, Value x) {
    Value small = head.write(graph, pretrained.writeFeatures(graph, x));
    return new GraphOps(graph, IMAGE_RANK).bilinear(small, x, ALIGNED);
  }

  @Override
  public boolean scoresPixels() {
    return true;
  }

  @Override
  void fuse(Fusing fusing) {
    pretrained.fuse(fusing);
    head.fuse(fusing);
  }

  @Override
  public int classes() {
    return classes;
  }

  @Override
  public int stageOf(String parameter) {
    String prefix = BACKBONE + ".";
    return parameter.startsWith(prefix)
        ? pretrained.stageOf(parameter.substring(prefix.length()))
        : HEAD;
  }

  @Override
  public int stages() {
    return pretrained.stages();
  }

  @Override
  public long randomState() {
    return head.random.state();
  }

  @Override
  public void setRandomState(long state) {
    head.random.setState(state);
  }

  @Override
  public Tensor scores(Tensor images) {
    Scores scores = forward(images);
    scores.auxiliary().forEach(Tensor::close);
    return scores.main();
  }

  private static Tensor enlarged(Tensor x, long height, long width) {
    Tensor scores = x.scalar_type().intern() == ScalarType.BFloat16 ? x.to(ScalarType.Float) : x;
    return torch
        .upsample_bilinear2d(
            scores, new long[] {height, width}, ALIGNED, new DoubleOptional(), new DoubleOptional())
        .contiguous();
  }

  /** Parallel branches, each with a classifier, and a classifier for their sum. */
  private static final class Head extends Module {
    private static final double DROPOUT = 0.1;

    /** The names of a branch in the authors' code. */
    private record Names(String before, String attention, String after, String classifier) {
      /**
       * DANet's names for the layers around its modules; other mechanisms have a branch of their
       * own.
       */
      private static final Map<String, Names> OF_DANET =
          Map.of(
              "sa", new Names("conv5a", "sa", "conv51", "conv6"),
              "sc", new Names("conv5c", "sc", "conv52", "conv7"));

      static Names around(String attention) {
        return OF_DANET.getOrDefault(attention, new Names("conv5", attention, "conv51", "conv8"));
      }
    }

    private record Branch(Layer before, Attention attention, Layer after, Layer classifier) {
      Tensor features(Tensor x) {
        Tensor y = before.forward(x);
        return after.forward(attention == null ? y : attention.forward(y));
      }

      Value write(Graph graph, Value x) {
        Value y = before.write(graph, x);
        return after.write(graph, attention == null ? y : attention.write(graph, y));
      }
    }

    private final List<Branch> branches = new ArrayList<>();
    private final Layer sum;
    private final Map<String, Attention> attentions = new LinkedHashMap<>();
    private final DropoutRandom random;

    Head(int in, Builder b) {
      super("Head");
      int inter = Math.max(1, in / 4);
      if (b.attention == null) {
        add(in, inter, b, new Names("conv5", null, "conv51", "conv8"), null);
      } else {
        for (AttentionSpec part : b.attention.mechanism().parts(b.attention)) {
          add(in, inter, b, Names.around(part.mechanism().partName()), part);
        }
      }
      sum = branches.size() > 1 ? register_module("conv8", classifier(inter, b.classes)) : null;
      try (Tensor seed = torch.randint(Long.MAX_VALUE, new long[] {1})) {
        random = new DropoutRandom(seed.item_long());
      }
    }

    private void add(int in, int inter, Builder b, Names names, AttentionSpec spec) {
      Layer before = register_module(names.before, convolution(in, inter));
      Attention attention = null;
      if (spec != null) {
        attention = register_module(names.attention, spec.fitting(inter, 2, 0).create(inter, 2));
        attentions.put("head." + names.attention, attention);
      }
      Layer after = register_module(names.after, convolution(inter, inter));
      Layer classifier = register_module(names.classifier, classifier(inter, b.classes));
      branches.add(new Branch(before, attention, after, classifier));
    }

    private static Layer convolution(int in, int out) {
      return new Sequence()
          .add("0", Convolution.builder(2, in, out, 3).padding(1).bias(false).build())
          .add("1", new BatchNorm(out))
          .add("2", Activation.RELU_IN_PLACE);
    }

    private Layer classifier(int in, int classes) {
      return new Sequence()
          .add("0", this::dropout)
          .add("1", Convolution.builder(2, in, classes, 1).build());
    }

    void fuse(Fusing fusing) {
      branches.forEach(
          branch -> {
            fusing.add(branch.before);
            fusing.add(branch.after);
          });
    }

    private <T> T dropout(Ops<T> ops, T x) {
      return ops.inTraining(this, x, this::dropped);
    }

    /**
     * Sets whole channels to zero and rescales the others, as PyTorch's Dropout2d does. It has a
     * random generator of its own, because libtorch's is shared by all trainings that run at the
     * same time.
     */
    private Tensor dropped(Tensor x) {
      float[] factors = new float[(int) (x.size(0) * x.size(1))];
      for (int i = 0; i < factors.length; i++) {
        factors[i] = random.nextDouble() < DROPOUT ? 0 : (float) (1 / (1 - DROPOUT));
      }
      Tensor all = Tensor.create(factors, x.size(0), x.size(1), 1, 1);
      return x.mul(all.to(x.device(), x.scalar_type()));
    }

    /** Writes the main scores. */
    Value write(Graph graph, Value x) {
      return graph.in(this, () -> nodes(graph, x));
    }

    private Value nodes(Graph graph, Value x) {
      List<Value> features = branches.stream().map(branch -> branch.write(graph, x)).toList();
      return sum == null
          ? branches.get(0).classifier.write(graph, features.get(0))
          : sum.write(
              graph, features.stream().reduce((a, b) -> graph.node("Add", a, b)).orElseThrow());
    }

    /** The main scores first, then those of the branches if there are two. */
    List<Tensor> forward(Tensor x) {
      List<Tensor> features = branches.stream().map(branch -> branch.features(x)).toList();
      List<Tensor> scores = new ArrayList<>();
      if (sum != null) {
        scores.add(sum.forward(features.stream().reduce(Tensor::add).orElseThrow()));
      }
      for (int i = 0; i < branches.size(); i++) {
        scores.add(branches.get(i).classifier.forward(features.get(i)));
      }
      return scores;
    }
  }

  /** Builds segmentation networks. */
  public static final class Builder {
    private final String name;
    private int classes = 21;
    private int channels = 3;
    private AttentionSpec attention = AttentionSpec.parse("dual");
    private int outputStride = 8;
    private boolean multiGrid;

    private Builder(String name) {
      if (!BACKBONES.contains(name)) {
        throw DidYouMean.unknown("backbone for segmentation", name, BACKBONES);
      }
      this.name = name;
    }

    /** The number of classes, default 21 (Pascal VOC with background), at least 2. */
    public Builder classes(int classes) {
      if (classes < 2) {
        throw new SpecException("classes must be at least 2, got " + classes);
      }
      this.classes = classes;
      return this;
    }

    /** The channels of the images, default 3. */
    public Builder channels(int channels) {
      if (channels < 1) {
        throw new IllegalArgumentException("channels must be at least 1, got " + channels);
      }
      this.channels = channels;
      return this;
    }

    /**
     * The head.
     *
     * @param spec {@code dual} (the default: DANet), {@code pam}, {@code cam}, {@code nonlocal} or
     *     another attention spec, or {@code none} for a fully convolutional network
     */
    public Builder head(String spec) {
      attention = spec.equals(PlacedAttention.NONE) ? null : AttentionSpec.parse(spec);
      return this;
    }

    /**
     * The factor by which the backbone reduces height and width: 8 (default, as in the paper), 16,
     * or 32 (not for small).
     */
    public Builder outputStride(int outputStride) {
      boolean thirtyTwo = outputStride == 32 && !name.equals(SMALL);
      if (outputStride != 8 && outputStride != 16 && !thirtyTwo) {
        throw new SpecException(
            "the output stride"
                + (name.equals(SMALL) ? " of small must be 8 or 16" : " must be 8, 16 or 32")
                + ", got "
                + outputStride);
      }
      this.outputStride = outputStride;
      return this;
    }

    /**
     * Whether the dilations of the blocks in the last stage are multiplied by 1, 2 and 4; default
     * false.
     */
    public Builder multiGrid(boolean multiGrid) {
      this.multiGrid = multiGrid;
      return this;
    }

    private ResNet.Builder backbone() {
      ResNet.Builder backbone =
          name.equals(SMALL)
              ? new ResNet.Builder(name, ResNet.Form.of(true, 1, 1, 1)).width(SMALL_WIDTH)
              : ResNet.builder(name);
      return backbone.channels(channels).dense(outputStride, multiGrid);
    }

    /**
     * Creates the network, initialised by libtorch's random generator ({@code torch.manual_seed}).
     */
    public Segmenter build() {
      return new Segmenter(this);
    }
  }
}
