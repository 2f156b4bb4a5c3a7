package io.fovea.models;

import io.fovea.attention.Attention;
import io.fovea.nn.Activation;
import io.fovea.nn.BatchNorm;
import io.fovea.nn.Component;
import io.fovea.nn.Convolution;
import io.fovea.nn.Fusing;
import io.fovea.nn.Graph;
import io.fovea.nn.Graph.Value;
import io.fovea.nn.GraphOps;
import io.fovea.nn.Layer;
import io.fovea.nn.Ops;
import io.fovea.nn.Sequence;
import java.util.List;
import java.util.Map;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/**
 * The part of a segmentation network behind its backbone: the scores of the classes at the positions
 * of the feature map.
 */
abstract class SegmentationHead extends Component {
  static final int IMAGE_RANK = 4;

  private DropoutRandom random;

  /**
   * What a head is made for.
   *
   * @param earlier the channels of the last stage but one
   * @param last the channels of the last stage
   * @param classes the number of classes
   * @param outputStride the factor by which the backbone reduces height and width
   * @param form whose code is followed where codes differ
   * @param alignsCorners whether the corners of maps lie on each other when they are upsampled
   */
  record Sizes(
      int earlier,
      int last,
      int classes,
      int outputStride,
      SegmenterForm form,
      boolean alignsCorners) {
    /** As the authors of a head have it, with aligned corners. */
    Sizes(int earlier, int last, int classes, int outputStride) {
      this(earlier, last, classes, outputStride, SegmenterForm.AUTHORS, true);
    }

    /** Whether this is the form of MMSegmentation. */
    boolean ofMmsegmentation() {
      return form == SegmenterForm.MMSEGMENTATION;
    }

    /** A fraction of the channels of the last stage, at least 1. */
    int part(int divisor) {
      return Math.max(1, last / divisor);
    }
  }

  SegmentationHead(String name) {
    super(name);
  }

  /** Is called at the end of each constructor, so that the weights come first from a seed. */
  final void startDropout() {
    try (Tensor seed = torch.randint(Long.MAX_VALUE, new long[] {1})) {
      random = new DropoutRandom(seed.item_long());
    }
  }

  /**
   * Computes the scores, the main ones first, then those that only the losses of the training use.
   *
   * @param features the outputs of the last stage but one, and of the last
   * @param auxiliary whether the scores for further losses are computed, too
   */
  abstract List<Tensor> forward(List<Tensor> features, boolean auxiliary);

  /** Writes the main scores. */
  abstract Value write(Graph graph, List<Value> features);

  /** The weight of the losses of the scores behind the main ones, as in the authors' training. */
  double auxiliaryWeight() {
    return 0.4;
  }

  /** The attention modules by their names in the network. */
  Map<String, Attention> attentions() {
    return Map.of();
  }

  /** The parts that are no attention modules, but whose positions attend to others, by their names. */
  List<String> attending() {
    return List.of();
  }

  /** Adds the convolutions that are followed by a batch norm. */
  abstract void fuse(Fusing fusing);

  final long randomState() {
    return random.state();
  }

  final void setRandomState(long state) {
    random.setState(state);
  }

  /** A head that is written once, in operators. */
  abstract static class Equation extends SegmentationHead {
    Equation(String name) {
      super(name);
    }

    /**
     * Computes the scores, the main ones first.
     *
     * @param earlier the output of the last stage but one, {@code [B, C', H', W']}
     * @param last the output of the last stage, {@code [B, C, H, W]}
     * @param auxiliary whether the scores for further losses are computed, too
     */
    abstract <T> List<T> scores(Ops<T> ops, T earlier, T last, boolean auxiliary);

    @Override
    final List<Tensor> forward(List<Tensor> features, boolean auxiliary) {
      return scores(HeadAttention.operators(), features.get(0), features.get(1), auxiliary);
    }

    @Override
    final Value write(Graph graph, List<Value> features) {
      GraphOps ops = new GraphOps(graph, IMAGE_RANK);
      return graph.in(this, () -> scores(ops, features.get(0), features.get(1), false).get(0));
    }
  }

  /** A convolution that keeps the size, a batch norm and a ReLU, without a bias. */
  static Sequence convolution(int in, int out, int kernel) {
    return normalised(
        Convolution.builder(2, in, out, kernel).padding(kernel / 2).bias(false).build(), out, 0);
  }

  /** A 1x1 convolution of means, a batch norm and a ReLU; in the authors' sequence, 0 takes the means. */
  static Sequence ofMeans(int in, int out) {
    return normalised(Convolution.builder(2, in, out, 1).bias(false).build(), out, 1);
  }

  /** A convolution, a batch norm and a ReLU, whose names are numbers from the first one. */
  static Sequence normalised(Convolution convolution, int out, int first) {
    return new Sequence()
        .add(Integer.toString(first), convolution)
        .add(Integer.toString(first + 1), new BatchNorm(out))
        .add(Integer.toString(first + 2), Activation.RELU_IN_PLACE);
  }

  /** A batch norm and a ReLU, as a sequence of their own. */
  static Layer normAndRelu(int channels) {
    return new Sequence().add("0", new BatchNorm(channels)).add("1", Activation.RELU_IN_PLACE);
  }

  /** A classifier of each position, with a bias. */
  static Convolution classifier(int in, int classes) {
    return Convolution.builder(2, in, classes, 1).build();
  }

  /**
   * The classifier of the last stage but one, as in PSPNet and in torchvision's networks: a
   * convolution to a quarter of the channels, dropout and a classifier.
   */
  final Sequence auxiliary(Sizes sizes, Activation dropout) {
    int inter = Math.max(1, sizes.earlier() / 4);
    return convolution(sizes.earlier(), inter, 3)
        .add("3", dropout)
        .add("4", classifier(inter, sizes.classes()));
  }

  /**
   * Dropout. It has a random generator of its own, because libtorch's is shared by all trainings that
   * run at the same time.
   *
   * @param share the share of what is set to zero
   * @param channels whether whole channels are dropped, as PyTorch's Dropout2d does, or single values
   */
  final Activation dropout(double share, boolean channels) {
    return new Activation() {
      @Override
      public <T> T apply(Ops<T> ops, T x) {
        return ops.inTraining(SegmentationHead.this, x, y -> dropped(y, share, channels));
      }
    };
  }

  private Tensor dropped(Tensor x, double share, boolean channels) {
    long[] shape = channels ? new long[] {x.size(0), x.size(1), 1, 1} : x.shape();
    long count = 1;
    for (long side : shape) {
      count *= side;
    }
    float[] factors = new float[Math.toIntExact(count)];
    for (int i = 0; i < factors.length; i++) {
      factors[i] = random.nextDouble() < share ? 0 : (float) (1 / (1 - share));
    }
    return x.mul(Tensor.create(factors, shape).to(x.device(), x.scalar_type()));
  }
}
