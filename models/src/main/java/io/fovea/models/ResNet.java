package io.fovea.models;

import io.fovea.errors.SpecException;
import io.fovea.models.placement.AttentionInserter;
import io.fovea.models.placement.BackboneTopology;
import io.fovea.models.placement.PlacedAttention;
import io.fovea.models.placement.Placement.Site;
import io.fovea.models.placement.Replacement;
import io.fovea.nn.Activation;
import io.fovea.nn.BatchNorm;
import io.fovea.nn.Component;
import io.fovea.nn.Convolution;
import io.fovea.nn.Fusing;
import io.fovea.nn.Graph;
import io.fovea.nn.Graph.Value;
import io.fovea.nn.GraphOps;
import io.fovea.nn.Linear;
import io.fovea.nn.Ops;
import io.fovea.nn.Sequence;
import io.fovea.nn.TensorOps;
import io.fovea.tensor.internal.DidYouMean;
import io.fovea.tensor.internal.Scopes;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.bytedeco.pytorch.LongOptional;
import org.bytedeco.pytorch.Module;
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
 * <p>Variants of the ImageNet form:
 *
 * <ul>
 *   <li>{@code resnext50} (ResNeXt-50 32x4d), {@code resnext101_32x8d}, {@code resnext101_64x4d}: Xie,
 *       Girshick, Dollár, Tu, He: <a href="https://arxiv.org/abs/1611.05431">Aggregated Residual
 *       Transformations</a>, table 1; the 3x3 convolutions of the first stage have 32 groups of 4 channels
 *       (32 of 8, 64 of 4), the others in proportion;
 *   <li>{@code wide_resnet50_2, wide_resnet101_2}: Zagoruyko, Komodakis: <a
 *       href="https://arxiv.org/abs/1605.07146">Wide Residual Networks</a>; the 3x3 convolutions of the
 *       bottlenecks have twice the channels;
 *   <li>{@code resnet18d, resnet34d, resnet50d, resnet101d, resnet152d}: He and others: <a
 *       href="https://arxiv.org/abs/1812.01187">Bag of Tricks for Image Classification</a>, section 4
 *       (ResNet-D); three 3x3 convolutions are the stem, and a mean of 2 x 2 positions halves the
 *       shortcut, where the projection of a ResNet drops three of four positions;
 *   <li>{@code resnet18c, resnet50c, resnet101c}: the same paper's ResNet-C, with the three 3x3
 *       convolutions (of 32, 32 and 64 channels) alone, as MMSegmentation's {@code ResNetV1c}; {@code
 *       resnet50s, resnet101s}: with 64, 64 and 128 channels, as in the official DANet;
 *   <li>timm's {@code seresnet50, seresnext50_32x4d, ecaresnet50d, ecaresnet50t} (whose stem has 24
 *       channels at first), {@code skresnet50} and {@code resnest50d}, and the authors' {@code gcresnet50}:
 *       one of these networks with a mechanism at its paper's place, which can be removed or replaced
 *       ({@link Classifier.Builder#ownAttention}).
 * </ul>
 *
 * <p>The prefixes {@code c2d-}, {@code i3d-} and {@code tsn-} make it a video network, {@code [B, C, T, H, W]}:
 * {@code c2d-resnet50, i3d-resnet18, i3d-3x3x3-resnet50, c2d-resnet14}; see {@link Video}.
 *
 * <p>Names are torchvision's: {@code conv1}, {@code bn1}, {@code layer1.0.conv1}, {@code
 * layer2.0.downsample.0}, {@code fc}. Attention in a block has the name of its mechanism ({@code
 * layer1.0.se.fc.0.weight}). CBAM's halves stand in the block itself, as in the reference
 * implementation ({@code layer1.0.ca.sharedMLP.0.weight}, {@code layer1.0.sa.conv.weight}). The
 * number of the stage is appended to the name of attention at the end of a stage ({@code bam1},
 * {@code nonlocal3}), and the name of the place at other places ({@code layer1.0.se_pre}, {@code
 * layer3.3.nonlocal_after}, {@code pam_head}). A module in place of a convolution has the name of that
 * convolution ({@code layer1.0.conv2.paths.0.conv.weight}).
 */
public final class ResNet extends Classifier {
  /** The networks of the ImageNet form by name. */
  private static final Map<String, Form> IMAGENET = new LinkedHashMap<>();

  static {
    Form resnet18 = Form.of(false, 2, 2, 2, 2);
    Form resnet34 = Form.of(false, 3, 4, 6, 3);
    Form resnet50 = Form.of(true, 3, 4, 6, 3);
    Form resnet101 = Form.of(true, 3, 4, 23, 3);
    Form resnet152 = Form.of(true, 3, 8, 36, 3);
    IMAGENET.put("resnet18", resnet18);
    IMAGENET.put("resnet34", resnet34);
    IMAGENET.put("resnet50", resnet50);
    IMAGENET.put("resnet101", resnet101);
    IMAGENET.put("resnet152", resnet152);
    IMAGENET.put("resnext50", resnet50.grouped(32, 4));
    IMAGENET.put("resnext101_32x8d", resnet101.grouped(32, 8));
    IMAGENET.put("resnext101_64x4d", resnet101.grouped(64, 4));
    IMAGENET.put("wide_resnet50_2", resnet50.grouped(1, 128));
    IMAGENET.put("wide_resnet101_2", resnet101.grouped(1, 128));
    IMAGENET.put("resnet18c", resnet18.deepStem(32));
    IMAGENET.put("resnet50c", resnet50.deepStem(32));
    IMAGENET.put("resnet101c", resnet101.deepStem(32));
    IMAGENET.put("resnet50s", resnet50.deepStem(64));
    IMAGENET.put("resnet101s", resnet101.deepStem(64));
    IMAGENET.put("resnet18d", resnet18.deep(32, 32));
    IMAGENET.put("resnet34d", resnet34.deep(32, 32));
    IMAGENET.put("resnet50d", resnet50.deep(32, 32));
    IMAGENET.put("resnet101d", resnet101.deep(32, 32));
    IMAGENET.put("resnet152d", resnet152.deep(32, 32));
    IMAGENET.put("seresnet50", resnet50.with("se:bias=true,divisor=8"));
    IMAGENET.put("seresnext50_32x4d", resnet50.grouped(32, 4).with("se:bias=true,divisor=8"));
    IMAGENET.put("ecaresnet50d", resnet50.deep(32, 32).with("eca"));
    IMAGENET.put("ecaresnet50t", resnet50.deep(24, 32).with("eca"));
    IMAGENET.put("gcresnet50", resnet50.with("gc@standard:2,3,4"));
    IMAGENET.put("skresnet50", resnet50.with("sk:split=true"));
    IMAGENET.put("resnest50d", resnet50.deep(32, 32).with("splat"));
  }

  /** The residual networks in lists: the first of the small ones, and all of the ImageNet form. */
  static final Backbones.Family FAMILY =
      new Backbones.Family(
          Stream.concat(
                  IntStream.of(8, 14, 20, 32, 44, 56).mapToObj(depth -> "resnet" + depth),
                  IMAGENET.keySet().stream())
              .toList(),
          ResNet::builder);

  private static final Pattern LAYER = Pattern.compile("layer(\\d+)\\.");

  private final boolean small;
  private final Video video;
  private final VideoForm code;
  private final boolean longClips;
  private final Sequence deep; // the stem before its last convolution, or null
  private final Convolution conv1;
  private final BatchNorm bn1;
  private final List<Module> layers =
      new ArrayList<>(); // libtorch calls back into registered modules
  private final List<List<Block>> stages = new ArrayList<>();
  private final List<AttentionInserter.Stack> stageEnds = new ArrayList<>();
  private final AttentionInserter.Stack head;
  private final Linear fc;
  private final int out;

  private ResNet(Builder b) {
    super(b);
    AttentionInserter places = b.places();
    small = b.form.small();
    video = b.form.video();
    code = b.videoForm;
    longClips = !small && b.frames >= Video.LONG;
    int width = b.scaled(small ? 16 : 64);
    deep = b.form.deep().length == 0 ? null : register_module("conv1", deepStem(b));
    conv1 =
        deep == null
            ? register_module(
                "conv1",
                initialised(
                    video
                        .convolution(code, b.channels, width, video.stemKernel(), small ? 3 : 7)
                        .stride(video.strides(video.stemStep(code, longClips), small ? 1 : 2))
                        .bias(false)
                        .build()))
            : deep.register_module("6", stemConvolution(b.stem(1), 2 * b.stem(1), 1));
    int stem = deep == null ? width : 2 * b.stem(1);
    bn1 = register_module("bn1", new BatchNorm(stem));
    int in = stem;
    int[] blocks = b.form.blocks();
    for (int stage = 1; stage <= blocks.length; stage++) {
      Module layer = register_module("layer" + stage, new Module("Stage"));
      layers.add(layer);
      List<Block> list = new ArrayList<>();
      int planes = width << (stage - 1);
      for (int i = 0; i < blocks[stage - 1]; i++) {
        String path = "layer" + stage + "." + i + ".";
        StrideAndDilation steps = b.strideAndDilation(stage, i);
        Block block =
            layer.register_module(
                Integer.toString(i),
                new Block(
                    in,
                    planes,
                    steps,
                    b.form,
                    code,
                    b.strideFirst,
                    places.inBlock(path, stage, i + 1, in)));
        list.add(block);
        in = block.out;
      }
      stages.add(list);
      stageEnds.add(places.at(this, Site.STAGE, stage, in));
    }
    out = in;
    head = places.at(this, Site.HEAD, 0, in);
    fc = b.withoutClassifier ? null : register_module("fc", new Linear(in, b.classes, true));
    attentions(places.made());
  }

  /**
   * Creates a builder for a residual network.
   *
   * @param name {@code resnet} and a depth: 18, 34, 50, 101 or 152 for the ImageNet form, any other 6n+2
   *     from 8 for the small form; or a variant of the ImageNet form, see above. Names of video networks
   *     have the prefix {@code c2d-}, {@code i3d-}, {@code i3d-3x3x3-} or {@code tsn-}
   * @throws IllegalArgumentException if the network does not exist
   */
  public static Builder builder(String name) {
    return new Builder(name, Form.of(name));
  }

  /** The first two convolutions of a deep stem, numbered as timm's. */
  private static Sequence deepStem(Builder b) {
    return new Sequence()
        .add("0", stemConvolution(b.channels, b.stem(0), 2))
        .add("1", new BatchNorm(b.stem(0)))
        .add("2", Activation.RELU_IN_PLACE)
        .add("3", stemConvolution(b.stem(0), b.stem(1), 1))
        .add("4", new BatchNorm(b.stem(1)))
        .add("5", Activation.RELU_IN_PLACE);
  }

  private static Convolution stemConvolution(int in, int out, int stride) {
    return initialised(
        Convolution.builder(2, in, out, 3).stride(stride).padding(1).bias(false).build());
  }

  @Override
  Tensor classify(Tensor x) {
    return fc.forward(embedded(averaged(head.forward(features(x)))));
  }

  @Override
  void fuse(Fusing fusing) {
    if (deep != null) {
      fusing.add(deep);
    }
    fusing.add(conv1, bn1);
    stages.forEach(blocks -> blocks.forEach(block -> block.fuse(fusing)));
  }

  /** Computes the output of the last stage: {@code [B, C, H, W] -> [B, features, H / s, W / s]}. */
  Tensor features(Tensor x) {
    return outputs(x, false).get(0);
  }

  /** Computes the outputs of the last stage but one, and of the last. */
  List<Tensor> lastFeatures(Tensor x) {
    return outputs(x, true);
  }

  private List<Tensor> outputs(Tensor x, boolean two) {
    Tensor earlier = null;
    Tensor stem = deep == null ? x : deep.forward(x);
    Tensor y = conv1.forward(stem, bn1, Activation.RELU_IN_PLACE);
    if (!small) {
      y = video.stemPool(code, longClips).forward(y);
    }
    for (int stage = 0; stage < stages.size(); stage++) {
      String layer = "layer" + (stage + 1);
      int number = 0;
      for (Block block : stages.get(stage)) {
        Tensor before = y;
        y = observed(layer + "." + number++, Scopes.compute(() -> block.forward(before)));
        @SuppressWarnings("ReferenceEquality") // the object itself is closed
        boolean returned = before == earlier;
        if (!isObserved() && !returned) {
          // otherwise the outputs of all blocks stay in memory until the network returns, gigabytes
          // for a large image
          before.close();
        }
      }
      y = stageEnds.get(stage).forward(observed(layer, y));
      Optional<Video.Pool> pool = stage == 0 ? video.timePool(code) : Optional.empty();
      if (pool.isPresent()) {
        y = pool.get().forward(y);
      }
      if (two && stage == stages.size() - 2) {
        earlier = y;
      }
    }
    return two ? List.of(earlier, y) : List.of(y);
  }

  @Override
  public int stageOf(String parameter) {
    if (parameter.startsWith("fc.")) {
      return HEAD;
    }
    Matcher layer = LAYER.matcher(parameter);
    return layer.lookingAt()
        ? Integer.parseInt(layer.group(1))
        : parameter.matches("(conv|bn)1\\..*") ? 0 : stages() + 1;
  }

  @Override
  public int stages() {
    return stages.size();
  }

  /** The number of channels of the last stage but one. */
  int earlierChannels() {
    List<Block> blocks = stages.get(stages.size() - 2);
    return blocks.get(blocks.size() - 1).out;
  }

  /** The number of channels of {@link #features}. */
  int featureChannels() {
    return out;
  }

  /**
   * The stride and dilation of a block.
   *
   * @param stride the stride of the block
   * @param first the dilation of a basic block's first 3x3 convolution, and of a bottleneck's only one
   * @param second the dilation of a basic block's second
   */
  record StrideAndDilation(int stride, int first, int second) {}

  @Override
  Value nodes(Graph graph, Value x) {
    return fc.write(graph, averaged(graph, head.write(graph, featureNodes(graph, x).get(1))));
  }

  /** Writes {@link #lastFeatures} as a part of another network. */
  List<Value> writeFeatures(Graph graph, Value x) {
    List<Value> outputs = new ArrayList<>();
    graph.in(
        this,
        () -> {
          outputs.addAll(featureNodes(graph, x));
          return outputs.get(1);
        });
    return outputs;
  }

  /** The outputs of the last stage but one, and of the last. */
  private List<Value> featureNodes(Graph graph, Value x) {
    Value earlier = null;
    Value stem = deep == null ? x : deep.write(graph, x);
    Value y = graph.node("Relu", bn1.write(graph, conv1.write(graph, stem)));
    if (!small) {
      y = video.stemPool(code, longClips).nodes(graph, y);
    }
    for (int stage = 0; stage < stages.size(); stage++) {
      for (Block block : stages.get(stage)) {
        y = block.write(graph, y);
      }
      y = stageEnds.get(stage).write(graph, y);
      Optional<Video.Pool> pool = stage == 0 ? video.timePool(code) : Optional.empty();
      if (pool.isPresent()) {
        y = pool.get().nodes(graph, y);
      }
      if (stage == stages.size() - 2) {
        earlier = y;
      }
    }
    return List.of(earlier, y);
  }

  /**
   * The structure of a named network.
   *
   * @param small whether this is the form for small images
   * @param bottleneck whether blocks have a bottleneck
   * @param blocks the number of blocks of each stage
   * @param groups the number of groups of the 3x3 convolution in a bottleneck
   * @param groupWidth the number of channels of each group, for 64 planes
   * @param own the attention of the published network
   * @param deep the channels of the first two 3x3 convolutions of a deep stem, whose third has twice as
   *     many as the second; empty for the usual stem
   * @param averages whether a mean of 2 x 2 positions halves the shortcuts
   * @param video the treatment of time, for video networks
   */
  record Form(
      boolean small,
      boolean bottleneck,
      int[] blocks,
      int groups,
      int groupWidth,
      int[] deep,
      boolean averages,
      Optional<PlacedAttention> own,
      Video video) {
    private static final int SMALL_SIDE = 32;
    private static final int IMAGENET_SIDE = 224;

    /** The form of the ImageNet networks with the usual stem and without groups. */
    static Form of(boolean bottleneck, int... blocks) {
      return new Form(
          false, bottleneck, blocks, 1, 64, new int[0], false, Optional.empty(), Video.NONE);
    }

    Form grouped(int count, int width) {
      return new Form(small, bottleneck, blocks, count, width, deep, averages, own, video);
    }

    Form deep(int first, int second) {
      int[] widths = {first, second};
      return new Form(small, bottleneck, blocks, groups, groupWidth, widths, true, own, video);
    }

    /** A deep stem alone, without means in the shortcuts. */
    Form deepStem(int channels) {
      int[] widths = {channels, channels};
      return new Form(small, bottleneck, blocks, groups, groupWidth, widths, false, own, video);
    }

    private Form with(String attention) {
      Optional<PlacedAttention> placed = Optional.of(PlacedAttention.parseAll(attention).get(0));
      return new Form(small, bottleneck, blocks, groups, groupWidth, deep, averages, placed, video);
    }

    private Form forClips(Video other) {
      return new Form(small, bottleneck, blocks, groups, groupWidth, deep, averages, own, other);
    }

    static Form of(String name) {
      Video video = Video.of(name);
      String images = name.substring(video.prefix().length());
      Form form = IMAGENET.containsKey(images) ? IMAGENET.get(images) : small(images);
      if (video.isVideo() && (form.deep.length > 0 || form.own.isPresent())) {
        throw new SpecException(
            name
                + ": video networks have the usual stem and no attention of their own; use "
                + video.prefix()
                + "resnet50");
      }
      return form.forClips(video);
    }

    private static Form small(String name) {
      int depth = name.matches("resnet[0-9]{1,4}") ? Integer.parseInt(name.substring(6)) : 0;
      if (depth < 8 || (depth - 2) % 6 != 0) {
        throw new SpecException(
            DidYouMean.unknown("backbone", name, backbones()).getMessage()
                + "; small residual networks exist in steps of 6");
      }
      int n = (depth - 2) / 6;
      return new Form(
          true, false, new int[] {n, n, n}, 1, 64, new int[0], false, Optional.empty(), Video.NONE);
    }

    int expansion() {
      return bottleneck ? 4 : 1;
    }

    /** The number of channels inside a bottleneck. */
    int inner(int planes) {
      return Math.max(1, planes * groupWidth / 64) * groups;
    }

    int imageSize() {
      return small ? SMALL_SIDE : IMAGENET_SIDE;
    }
  }

  /** A residual block: basic (two 3x3 convolutions), or a bottleneck (1x1, 3x3, 1x1). */
  static final class Block extends Component {
    private final List<Step> steps = new ArrayList<>();
    private final Sequence projection;
    private final int in;
    private final int out;
    private final int stride;
    private final Video video;
    private final VideoForm code;
    private final AttentionInserter.Stack pre;
    private final AttentionInserter.Stack standard;
    private final AttentionInserter.Stack identity;
    private final AttentionInserter.Stack post;
    private final AttentionInserter.Stack after;

    /**
     * Creates a block.
     *
     * @param places its attention; the number of the block also determines whether kernels extend over
     *     time
     */
    Block(
        int in,
        int planes,
        StrideAndDilation steps,
        Form form,
        VideoForm code,
        boolean strideFirst,
        AttentionInserter.InBlock places) {
      super("Block");
      this.code = code;
      this.in = in;
      stride = steps.stride();
      out = planes * form.expansion();
      video = form.video();
      boolean inTime = video.inflates(places.stage(), form.blocks().length, places.number() - 1);
      if (form.bottleneck()) {
        int inner = form.inner(planes);
        boolean first = inTime && video.inflatesFirst();
        int stride2 = strideFirst ? 1 : stride;
        add(video.time(first), in, inner, 1, strideFirst ? stride : 1, 1, 1);
        Replacement replacement =
            places.replacing(this, "", "conv2", inner, stride2, steps.first());
        if (replacement == null) {
          int time = video.time(inTime && !first);
          add(time, inner, inner, 3, stride2, steps.first(), form.groups());
        } else {
          add(replacement, inner);
        }
        add(1, inner, out, 1, 1, 1, 1);
      } else {
        boolean keeps = in == planes;
        Replacement first =
            keeps ? places.replacing(this, "", "conv1", planes, stride, steps.first()) : null;
        if (first == null) {
          add(video.time(inTime), in, planes, 3, stride, steps.first(), 1);
        } else {
          add(first, planes);
        }
        Replacement second =
            keeps ? null : places.replacing(this, "", "conv2", planes, 1, steps.second());
        if (second == null) {
          add(1, planes, planes, 3, 1, steps.second(), 1);
        } else {
          add(second, planes);
        }
      }
      boolean changes = stride != 1 || in != out;
      projection =
          changes && !form.small()
              ? register_module("downsample", projection(form.averages()))
              : null;
      pre = places.at(this, Site.PRE);
      standard = places.at(this, "", Site.STANDARD, out);
      identity = places.at(this, "", Site.IDENTITY, out);
      post = places.at(this, "", Site.POST, out);
      after = places.at(this, "", Site.AFTER, out);
    }

    private Sequence projection(boolean averages) {
      Sequence layers = new Sequence();
      if (!averages) {
        return layers
            .add("0", convolution(1, in, out, 1, stride, 1, 1))
            .add("1", new BatchNorm(out));
      }
      if (stride > 1) {
        layers.add("0", Block::halved);
      }
      return layers.add("1", convolution(1, in, out, 1, 1, 1, 1)).add("2", new BatchNorm(out));
    }

    private static <T> T halved(Ops<T> ops, T x) {
      return ops.windowMean(x, 2);
    }

    private void add(int time, int in, int out, int kernel, int stride, int dilation, int groups) {
      String name = "conv" + (steps.size() + 1);
      Convolution convolution = convolution(time, in, out, kernel, stride, dilation, groups);
      steps.add(new Step(register_module(name, convolution), null, norm(out)));
    }

    private void add(Replacement replacement, int channels) {
      steps.add(new Step(null, replacement, replacement.keepsNorm() ? norm(channels) : null));
    }

    private BatchNorm norm(int channels) {
      return register_module("bn" + (steps.size() + 1), new BatchNorm(channels));
    }

    private Convolution convolution(
        int time, int in, int out, int kernel, int stride, int dilation, int groups) {
      Convolution.Builder builder =
          video.convolution(code, in, out, time, kernel).stride(video.strides(1, stride));
      if (dilation > 1) {
        builder.padding(kernel / 2 * dilation).dilation(dilation);
      }
      return initialised(builder.groups(groups).bias(false).build());
    }

    Tensor forward(Tensor x) {
      Tensor y = pre.forward(x);
      for (int i = 0; i < steps.size(); i++) {
        Tensor before = y;
        y = steps.get(i).apply(TensorOps.PLAIN, before, behind(i));
        if (i > 0) {
          before.close(); // the next operation can then reuse its memory while that is in the cache
        }
      }
      Tensor end = standard.forwardResidual(y, identity.forward(shortcut(x)));
      return after.forward(post.forward(end));
    }

    /** The activation after a step: the last one's is after the addition. */
    private Activation behind(int step) {
      return step == steps.size() - 1 ? null : Activation.RELU_IN_PLACE;
    }

    void fuse(Fusing fusing) {
      steps.forEach(step -> step.fuse(fusing));
      if (projection != null) {
        fusing.add(projection);
      }
    }

    private Tensor shortcut(Tensor x) {
      if (projection != null) {
        return projection.forward(x);
      }
      Tensor y = x;
      if (stride != 1) { // option A of the paper: every other pixel, and zeros for the new channels
        LongOptional none = new LongOptional();
        y = y.slice(-2, none, none, stride).slice(-1, none, none, stride);
      }
      int more = out - in;
      if (more == 0) {
        return y;
      }
      // padding from the last dimension to the channels
      long[] pads = new long[2 * video.dimensions() + 2];
      long before = more >> 1;
      pads[pads.length - 2] = before;
      pads[pads.length - 1] = more - before;
      return torch.constant_pad_nd(y, pads);
    }

    Value write(Graph graph, Value x) {
      return graph.in(this, () -> nodes(graph, x));
    }

    private Value nodes(Graph graph, Value x) {
      GraphOps ops = new GraphOps(graph, video.dimensions() + 2);
      Value y = pre.write(graph, x);
      for (int i = 0; i < steps.size(); i++) {
        y = steps.get(i).apply(ops, y, behind(i));
      }
      Value sum =
          graph.node("Add", standard.write(graph, y), identity.write(graph, shortcut(graph, x)));
      return after.write(graph, post.write(graph, graph.node("Relu", sum)));
    }

    private Value shortcut(Graph graph, Value x) {
      if (projection != null) {
        return projection.write(graph, x);
      }
      Value y = x;
      if (stride != 1) {
        y =
            graph.node(
                "Slice",
                y,
                graph.integers(0, 0),
                graph.integers(Long.MAX_VALUE, Long.MAX_VALUE),
                graph.integers(-2, -1),
                graph.integers(stride, stride));
      }
      int more = out - in;
      int rank = video.dimensions() + 2;
      long[] pads = new long[2 * rank];
      long before = more >> 1;
      pads[1] = before;
      pads[rank + 1] = more - before;
      return more == 0 ? y : graph.node("Pad", y, graph.integers(pads));
    }
  }

  /** Builds residual networks. */
  public static final class Builder extends Classifier.Builder<Builder> {
    private final Form form;
    private boolean strideFirst;
    private int outputStride = 32;
    private boolean multiGrid;
    private SegmenterForm dilated = SegmenterForm.AUTHORS;
    private boolean withoutClassifier;

    Builder(String name, Form form) {
      super(
          new BackboneTopology(
              name,
              form.imageSize(),
              form.own(),
              IntStream.range(0, form.blocks().length)
                  .mapToObj(i -> (form.small() ? 1 : 4) << i)
                  .toList(),
              places(form),
              lastConvolutions(form)));
      this.form = form;
      if (form.video().isVideo()) {
        frames = Video.FRAMES;
      }
    }

    private static List<List<Set<Site>>> places(Form form) {
      List<List<Set<Site>>> stages = new ArrayList<>();
      for (int stage = 1; stage <= form.blocks().length; stage++) {
        List<Set<Site>> blocks = new ArrayList<>();
        for (int i = 0; i < form.blocks()[stage - 1]; i++) {
          Set<Site> sites =
              EnumSet.of(Site.AFTER, Site.STANDARD, Site.PRE, Site.POST, Site.IDENTITY);
          boolean keepsChannels = form.bottleneck() || stage == 1 || i > 0;
          boolean only = form.blocks()[stage - 1] == 1;
          if ((keepsChannels || only) && !form.video().isVideo()) {
            sites.add(Site.CONV);
          }
          blocks.add(sites);
        }
        stages.add(blocks);
      }
      return stages;
    }

    /** Where a stage has no other block, the second convolution of a basic block keeps the channels. */
    private static Set<BackboneTopology.Place> lastConvolutions(Form form) {
      return IntStream.rangeClosed(2, form.blocks().length)
          .filter(stage -> !form.bottleneck() && form.blocks()[stage - 1] == 1)
          .mapToObj(stage -> new BackboneTopology.Place(Site.CONV, stage, 1))
          .collect(Collectors.toSet());
    }

    /**
     * Whether a bottleneck has its stride in its first 1x1 convolution, as the paper's networks
     * (and the authors' SE-ResNets) do, or in the 3x3 one, as torchvision's do; default false. The
     * former has 3.86 G multiply-accumulates in ResNet-50, the latter 4.09 G.
     */
    public Builder strideFirst(boolean strideFirst) {
      this.strideFirst = strideFirst;
      return this;
    }

    /**
     * Prepares dense prediction: there is no classifier, and strides beyond {@code outputStride}
     * become dilations. In the first block of a stage, the dilation is half of that in the other
     * blocks (Chen and others: <a href="https://arxiv.org/abs/1706.05587">Rethinking Atrous
     * Convolution</a>, section 3).
     *
     * @param multiGrid whether the dilations of the blocks in the last stage are multiplied by 1, 2
     *     and 4
     * @param dilated whose code is followed where codes differ
     */
    Builder dense(int outputStride, boolean multiGrid, SegmenterForm dilated) {
      this.outputStride = outputStride;
      this.multiGrid = multiGrid;
      this.dilated = dilated;
      withoutClassifier = true;
      return this;
    }

    /** The channels of one of the first two convolutions of a deep stem. */
    private int stem(int i) {
      return scaled(form.deep()[i]);
    }

    /** The stride and dilation of block {@code i}, counted from 0, of a stage. */
    private StrideAndDilation strideAndDilation(int stage, int i) {
      int stride = stage > 1 && i == 0 ? 2 : 1;
      int reached = 4 << (stage - 1); // the output stride of this stage without dilation
      if (reached <= outputStride || form.small()) {
        return new StrideAndDilation(stride, 1, 1);
      }
      int dilation = reached / outputStride;
      boolean once = dilated == SegmenterForm.MMSEGMENTATION; // its blocks dilate one convolution
      int second = once ? 1 : dilation;
      if (multiGrid && stage == form.blocks().length) {
        return new StrideAndDilation(1, (once ? 1 : dilation) << i, second);
      }
      return new StrideAndDilation(1, i == 0 ? dilation / 2 : dilation, second);
    }

    @Override
    Builder self() {
      return this;
    }

    @Override
    public ResNet build() {
      return new ResNet(this);
    }
  }
}
