package io.fovea.models;

import io.fovea.errors.SpecException;
import io.fovea.nn.Fusing;
import io.fovea.nn.Graph;
import io.fovea.nn.Graph.Value;
import io.fovea.nn.GraphOps;
import io.fovea.tensor.internal.DidYouMean;
import io.fovea.tensor.internal.Scopes;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.bytedeco.pytorch.DoubleOptional;
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
 * <p>{@link SegmentationHeads} lists heads that are no attention between two convolutions: {@code psp},
 * {@code aspp}, {@code ocr} and {@code ann}.
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
  public static final List<String> BACKBONES =
      List.of(
          SMALL,
          "resnet18",
          "resnet18c",
          "resnet50",
          "resnet50c",
          "resnet50s",
          "resnet101",
          "resnet101c",
          "resnet101s");

  private static final double SMALL_WIDTH = 0.125;
  private static final int IMAGE_RANK = 4;

  /** The prefix of the backbone's weights. */
  public static final String BACKBONE = "pretrained";

  private final int classes;
  private final ResNet pretrained;
  private final SegmentationHead head;
  private final boolean alignsCorners;
  private final String headName;

  private Segmenter(Builder b) {
    super("Segmenter", b.channels);
    classes = b.classes;
    pretrained = register_module(BACKBONE, b.backbone().build());
    head = register_module("head", b.head(pretrained));
    alignsCorners = b.alignsCorners();
    attentions(head.attentions());
    this.headName = b.head;
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
   * @param auxiliary the scores of further classifiers, for their losses in training: of the single
   *     branches if the head has two, or of the heads in {@link SegmentationHeads}
   */
  public record Scores(Tensor main, List<Tensor> auxiliary) {}

  /**
   * Scores every pixel.
   *
   * @param x images {@code [B, C, H, W]}, normalised as in training
   * @return the scores with the size of the images, upsampled bilinearly; differentiable
   * @throws IllegalArgumentException if the shape is wrong
   */
  public Scores forward(Tensor x) {
    List<Tensor> scores = compute(x, true);
    return new Scores(scores.get(0), List.copyOf(scores.subList(1, scores.size())));
  }

  private List<Tensor> compute(Tensor x, boolean auxiliary) {
    check(x);
    return Scopes.computeAll(
        () ->
            head.forward(pretrained.lastFeatures(prepared(x)), auxiliary).stream()
                .map(small -> enlarged(small, x.size(2), x.size(3)))
                .toList());
  }

  /**
   * The weight of each auxiliary loss beside that of the main scores, as in the authors' training: 1
   * for the branches of {@code dual}, 0.5 for {@code aspp}, 0.4 for {@code psp}, {@code ocr} and
   * {@code ann}.
   */
  public double auxiliaryWeight() {
    return head.auxiliaryWeight();
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
    return new GraphOps(graph, IMAGE_RANK).bilinear(small, x, alignsCorners);
  }

  /** The parts of heads such as {@code ocr}, beside attention modules. */
  @Override
  public Map<String, String> attending() {
    Map<String, String> parts = new LinkedHashMap<>(super.attending());
    head.attending().forEach(part -> parts.put(part, headName));
    return parts;
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
    return head.randomState();
  }

  @Override
  public void setRandomState(long state) {
    head.setRandomState(state);
  }

  @Override
  public Tensor scores(Tensor images) {
    return compute(images, false).get(0);
  }

  private Tensor enlarged(Tensor x, long height, long width) {
    Tensor scores = x.scalar_type().intern() == ScalarType.BFloat16 ? x.to(ScalarType.Float) : x;
    return torch
        .upsample_bilinear2d(
            scores,
            new long[] {height, width},
            alignsCorners,
            new DoubleOptional(),
            new DoubleOptional())
        .contiguous();
  }

  /** Builds segmentation networks. */
  public static final class Builder {
    private final String name;
    private int classes = 21;
    private int channels = 3;
    private String head = "dual";
    private int outputStride = 8;
    private boolean multiGrid;
    private SegmenterForm form = SegmenterForm.AUTHORS;
    private Boolean alignCorners;

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
     *     another attention spec; {@code none} for a fully convolutional network; or one of {@link
     *     SegmentationHeads#names}
     * @throws SpecException if there is no such head
     */
    public Builder head(String spec) {
      head = SegmentationHeads.named(spec);
      return this;
    }

    private SegmentationHead head(ResNet pretrained) {
      return SegmentationHeads.create(
          head,
          new SegmentationHead.Sizes(
              pretrained.earlierChannels(),
              pretrained.featureChannels(),
              classes,
              outputStride,
              form,
              alignsCorners()));
    }

    private boolean alignsCorners() {
      return SegmentationHeads.alignsCorners(head, form, alignCorners);
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

    /** Whose code is followed where codes differ; default: that of the authors of the head. */
    public Builder form(SegmenterForm form) {
      this.form = Objects.requireNonNull(form, "form");
      return this;
    }

    /**
     * Whether the corners of a small map lie on those of the large one when it is upsampled (PyTorch's
     * {@code align_corners}), in the head and for the scores.
     *
     * @param align null for the usual of the {@link #form}
     */
    public Builder alignCorners(Boolean align) {
      this.alignCorners = align;
      return this;
    }

    private ResNet.Builder backbone() {
      ResNet.Builder backbone =
          name.equals(SMALL)
              ? new ResNet.Builder(name, ResNet.Form.of(true, 1, 1, 1)).width(SMALL_WIDTH)
              : ResNet.builder(name);
      return backbone.channels(channels).dense(outputStride, multiGrid, form);
    }

    /**
     * Creates the network, initialised by libtorch's random generator ({@code torch.manual_seed}).
     */
    public Segmenter build() {
      return new Segmenter(this);
    }
  }
}
