package io.fovea.models;

import io.fovea.attention.Attention;
import io.fovea.attention.AttentionSpec;
import io.fovea.attention.Layer;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import org.bytedeco.pytorch.LongOptional;
import org.bytedeco.pytorch.Module;
import org.bytedeco.pytorch.StringSharedModuleDict;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/**
 * Residual networks, with or without attention.
 *
 * <p>He, Zhang, Ren, Sun: <a href="https://arxiv.org/abs/1512.03385">Deep Residual Learning for Image
 * Recognition</a>, in both of its forms:
 *
 * <ul>
 *   <li>for small images (section 4.2), depth 6n+2: {@code resnet8, resnet14, resnet20, ...}; a 3x3
 *       stem, three stages of 16, 32 and 64 channels, shortcuts without parameters (option A);
 *   <li>for ImageNet (section 4.1): {@code resnet18, resnet34, resnet50, resnet101, resnet152}; a 7x7
 *       stem with a max pool, four stages of 64, 128, 256 and 512 channels (times 4 with bottlenecks),
 *       shortcuts with a projection where shapes change.
 * </ul>
 *
 * <p>Names are torchvision's: {@code conv1}, {@code bn1}, {@code layer1.0.conv1}, {@code
 * layer2.0.downsample.0}, {@code fc}. Attention in a block has its mechanism's name ({@code
 * layer1.0.se.fc.0.weight}), but CBAM's halves stand in the block themselves, as in the document's
 * block ({@code layer1.0.ca.sharedMLP.0.weight}, {@code layer1.0.sa.conv.weight}); attention at the end
 * of a stage has the stage's number behind its name ({@code bam1}, {@code nonlocal3}).
 */
public final class ResNet extends Classifier {
  private static final Set<Integer> IMAGENET_DEPTHS = Set.of(18, 34, 50, 101, 152);

  private final boolean small;
  private final Layer.Convolution conv1;
  private final Layer.BatchNorm bn1;
  private final List<Module> layers =
      new ArrayList<>(); // libtorch calls back into what is registered
  private final List<List<Block>> stages = new ArrayList<>();
  private final List<Optional<Attention>> stageEnds = new ArrayList<>();
  private final Layer.Linear fc;

  private ResNet(Builder b) {
    super("ResNet", b.channels, 1);
    small = b.isSmall();
    int width = Math.max(1, (int) Math.round((small ? 16 : 64) * b.width));
    conv1 =
        register_module(
            "conv1",
            initialised(
                small
                    ? Layer.Convolution.builder(2, b.channels, width, 3)
                        .padding(1)
                        .bias(false)
                        .build()
                    : Layer.Convolution.builder(2, b.channels, width, 7)
                        .stride(2)
                        .padding(3)
                        .bias(false)
                        .build()));
    bn1 = register_module("bn1", new Layer.BatchNorm(width));
    int in = width;
    int[] blocks = b.blocks();
    for (int stage = 1; stage <= blocks.length; stage++) {
      Module layer = register_module("layer" + stage, new Module("Stage"));
      layers.add(layer);
      List<Block> list = new ArrayList<>();
      int planes = width << (stage - 1);
      for (int i = 0; i < blocks[stage - 1]; i++) {
        Block block = new Block(in, planes, stage > 1 && i == 0 ? 2 : 1, b);
        if (b.attends(stage, Placement.STANDARD)) {
          String name = b.attention.mechanism();
          place("layer" + stage + "." + i + "." + name, block.attend(name, b.attention));
        }
        list.add(layer.register_module(Integer.toString(i), block));
        in = planes * b.expansion();
      }
      stages.add(list);
      if (b.attends(stage, Placement.STAGE)) {
        String name = b.attention.mechanism() + stage;
        stageEnds.add(Optional.of(register_module(name, place(name, b.attention.create(in, 2)))));
      } else {
        stageEnds.add(Optional.empty());
      }
    }
    fc = register_module("fc", new Layer.Linear(in, b.classes, true));
  }

  /**
   * Starts a residual network.
   *
   * @param name {@code resnet} and a depth: 18, 34, 50, 101 or 152 for the ImageNet form, any other
   *     6n+2 from 8 for the small form
   * @throws IllegalArgumentException if there is no such network
   */
  public static Builder builder(String name) {
    return new Builder(name);
  }

  @Override
  Tensor classify(Tensor x) {
    Tensor y = bn1.forward(conv1.forward(x)).relu_();
    if (!small) {
      y =
          torch.max_pool2d(
              y, new long[] {3, 3}, new long[] {2, 2}, new long[] {1, 1}, new long[] {1, 1}, false);
    }
    for (int stage = 0; stage < stages.size(); stage++) {
      for (Block block : stages.get(stage)) {
        y = block.forward(y);
      }
      if (stageEnds.get(stage).isPresent()) {
        y = stageEnds.get(stage).get().forward(y);
      }
    }
    return fc.forward(y.flatten(2, -1).mean(2));
  }

  /** A residual block: basic (two 3x3 convolutions), or a bottleneck (1x1, 3x3, 1x1). */
  static final class Block extends Module {
    private final List<Layer.Convolution> convolutions = new ArrayList<>();
    private final List<Layer.BatchNorm> norms = new ArrayList<>();
    private final Layer.Sequence projection;
    private final int padding;
    private final int stride;
    private Attention attention;
    private final int out;

    Block(int in, int planes, int stride, Builder b) {
      super("Block");
      this.stride = stride;
      out = planes * b.expansion();
      if (b.isBottleneck()) {
        add(in, planes, 1, b.strideFirst ? stride : 1);
        add(planes, planes, 3, b.strideFirst ? 1 : stride);
        add(planes, out, 1, 1);
      } else {
        add(in, planes, 3, stride);
        add(planes, planes, 3, 1);
      }
      boolean changes = stride != 1 || in != out;
      if (changes && !b.isSmall()) {
        projection =
            register_module(
                "downsample",
                new Layer.Sequence()
                    .add("0", convolution(in, out, 1, stride))
                    .add("1", new Layer.BatchNorm(out)));
      } else {
        projection = null;
      }
      padding = out - in;
    }

    private void add(int in, int out, int kernel, int stride) {
      int number = convolutions.size() + 1;
      convolutions.add(register_module("conv" + number, convolution(in, out, kernel, stride)));
      norms.add(register_module("bn" + number, new Layer.BatchNorm(out)));
    }

    private static Layer.Convolution convolution(int in, int out, int kernel, int stride) {
      return initialised(
          Layer.Convolution.builder(2, in, out, kernel)
              .stride(stride)
              .padding(kernel / 2)
              .bias(false)
              .build());
    }

    Attention attend(String name, AttentionSpec spec) {
      attention = spec.create(out, 2);
      if (name.equals("cbam")) { // the document's block has the two halves themselves
        try (StringSharedModuleDict halves = attention.named_children()) {
          for (long i = 0; i < halves.size(); i++) {
            register_module(halves.get(i).key().getString(), halves.get(i).access());
          }
        }
      } else {
        register_module(name, attention);
      }
      return attention;
    }

    Tensor forward(Tensor x) {
      Tensor y = x;
      for (int i = 0; i < convolutions.size(); i++) {
        y = norms.get(i).forward(convolutions.get(i).forward(y));
        if (i < convolutions.size() - 1) {
          y = y.relu_();
        }
      }
      if (attention != null) {
        y = attention.forward(y);
      }
      return y.add(shortcut(x)).relu_();
    }

    private Tensor shortcut(Tensor x) {
      if (projection != null) {
        return projection.forward(x);
      }
      Tensor y = x;
      if (stride != 1) { // option A of the paper: every other pixel, zeros for the new channels
        LongOptional none = new LongOptional();
        y = y.slice(2, none, none, stride).slice(3, none, none, stride);
      }
      return padding == 0
          ? y
          : torch.constant_pad_nd(y, 0, 0, 0, 0, padding / 2, padding - padding / 2);
    }
  }

  /** What a residual network can be told. */
  public static final class Builder {
    private final int depth;
    private int classes = 1000;
    private int channels = 3;
    private double width = 1;
    private boolean strideFirst;
    private AttentionSpec attention;
    private Placement placement;
    private Set<Integer> stages;

    private Builder(String name) {
      if (!name.matches("resnet[0-9]{1,4}")) {
        throw new IllegalArgumentException(unknown(name));
      }
      depth = Integer.parseInt(name.substring("resnet".length()));
      if (!IMAGENET_DEPTHS.contains(depth) && (depth < 8 || (depth - 2) % 6 != 0)) {
        throw new IllegalArgumentException(unknown(name));
      }
    }

    private static String unknown(String name) {
      return "unknown backbone: \""
          + name
          + "\"; there is: resnet18, resnet34, resnet50, resnet101, resnet152 (for 224 x 224 pixels),"
          + " and for small images resnet8, resnet14, resnet20 and so on in steps of 6";
    }

    /** The number of classes, default 1000. */
    public Builder classes(int classes) {
      this.classes = positive("classes", classes);
      return this;
    }

    /** The channels of the images, default 3. */
    public Builder channels(int channels) {
      this.channels = positive("channels", channels);
      return this;
    }

    /** What the channels of all stages are multiplied by, default 1. */
    public Builder width(double width) {
      if (!(width > 0 && width <= 64)) {
        throw new IllegalArgumentException(
            "the width multiplier must be above 0 and at most 64, got " + width);
      }
      this.width = width;
      return this;
    }

    /**
     * Whether a bottleneck strides in its first 1x1 convolution, as the paper's networks (and the
     * authors' SE-ResNets) do, or in the 3x3 one, as torchvision's do; default false. The former has
     * 3.86 G multiply-accumulates in ResNet-50, the latter 4.09 G.
     */
    public Builder strideFirst(boolean strideFirst) {
      this.strideFirst = strideFirst;
      return this;
    }

    /**
     * Puts attention where its paper puts it: SE and CBAM into every block before the addition; BAM at
     * the end of every stage but the last; PAM, CAM, dual and non-local after the third stage (ImageNet
     * form) or the second (small form). Default: none.
     */
    public Builder attention(AttentionSpec attention) {
      this.attention = attention;
      this.placement = Placement.ofPaper(attention);
      return this;
    }

    /**
     * Limits attention to these stages, counted from 1, or moves it there.
     *
     * @throws IllegalArgumentException if there is no such stage
     */
    public Builder stages(Set<Integer> stages) {
      int count = blocks().length;
      for (int stage : stages) {
        if (stage < 1 || stage > count) {
          throw new IllegalArgumentException(
              "stage " + stage + " does not exist: resnet" + depth + " has stages 1 to " + count);
        }
      }
      if (stages.isEmpty()) {
        throw new IllegalArgumentException("expected at least one stage, 1 to " + count);
      }
      this.stages = new TreeSet<>(stages);
      return this;
    }

    /** Makes the network, freshly initialised by libtorch's generator ({@code torch.manual_seed}). */
    public ResNet build() {
      return new ResNet(this);
    }

    private static int positive(String what, int value) {
      if (value < 1) {
        throw new IllegalArgumentException(what + " must be at least 1, got " + value);
      }
      return value;
    }

    private boolean isSmall() {
      return !IMAGENET_DEPTHS.contains(depth);
    }

    private boolean isBottleneck() {
      return !isSmall() && depth >= 50;
    }

    private int expansion() {
      return isBottleneck() ? 4 : 1;
    }

    private int[] blocks() {
      return switch (depth) {
        case 18 -> new int[] {2, 2, 2, 2};
        case 34, 50 -> new int[] {3, 4, 6, 3};
        case 101 -> new int[] {3, 4, 23, 3};
        case 152 -> new int[] {3, 8, 36, 3};
        default -> {
          int n = (depth - 2) / 6;
          yield new int[] {n, n, n};
        }
      };
    }

    private boolean attends(int stage, Placement at) {
      if (attention == null || placement != at) {
        return false;
      }
      if (stages != null) {
        return stages.contains(stage);
      }
      int last = blocks().length;
      return switch (attention.mechanism()) {
        case "se", "cbam" -> true;
        case "bam" -> stage < last;
        default -> stage == last - 1;
      };
    }
  }
}
