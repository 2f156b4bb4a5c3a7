package io.fovea.attention;

import static io.fovea.attention.Option.atLeast;
import static io.fovea.attention.Option.dividing;

import io.fovea.nn.Activation;
import io.fovea.nn.BatchNorm;
import io.fovea.nn.Convolution;
import io.fovea.nn.Ops;
import io.fovea.nn.Sequence;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.bytedeco.pytorch.Module;

/**
 * Selective kernel convolution: convolutions with small and large kernels, among which each channel
 * chooses. It takes the place of a 3x3 convolution with its batch norm and ReLU.
 *
 * <p>Li, Wang, Hu, Yang: <a href="https://arxiv.org/abs/1903.06586">Selective Kernel Networks</a>,
 * section 3.1. A 3x3 kernel with dilation 2 replaces a 5x5 kernel, as in the authors' networks. The hidden
 * width is C / reduction, at least 32. With {@code split}, each path gets a part of the channels only, and
 * the hidden width is C / reduction rounded to a multiple of 8; that is timm's default, for which groups
 * are 1. There are no biases.
 *
 * <p>{@code explain} shows the weights of the path with the largest kernel. They weigh a feature map that
 * is computed from x, so the output is not a multiple of x.
 *
 * <p>Parameters, with timm's names: {@code paths.i.conv [C, C/groups, 3...]}, {@code paths.i.bn}, {@code
 * attn.fc_reduce [d, C, 1...]}, {@code attn.bn [d]}, {@code attn.fc_select [paths C, d, 1...]}.
 */
final class SelectiveKernel extends Attention {
  private static final long NARROWEST = 32;
  private static final int SPLIT_DIVISOR = 8;

  private static final Option<Integer> PATHS =
      atLeast(2, Option.integer("paths", 2, "the number of kernels")).samples(List.of(2, 4));
  private static final Option<Boolean> SPLIT =
      Option.flag("split", false, "each path gets a part of the channels");
  private static final int GROUP = 4; // channels of a group in the first stage of SKNet-50
  private static final Option<Integer> GROUPS =
      dividing(
          1,
          GROUP,
          atLeast(1, Option.integer("groups", 32, "groups of channels; they divide the channels"))
              .byDefault(s -> s.get(SPLIT) ? 1 : 32)
              .samples(List.of(32, 1, 4)));
  private static final Option<Integer> REDUCTION =
      atLeast(1, Option.integer("reduction", 16, "by how much the channels are reduced"));

  static final Mechanism MECHANISM =
      Mechanism.named("sk", "Selective kernel convolution")
          .paper("1903.06586")
          .summary("each channel chooses between convolutions with small and large kernels")
          .equation(
              """
              U_i = relu(BN(conv₃ with dilation i (x)))                       i = 1, 2, ...
              a   = softmax_i(W₂ relu(BN(W₁ mean(Σ U_i))))    of each channel, over the paths
              y   = Σ a_i U_i
              """)
          .cost(
              "paths·(9·C·(C / groups) + 2·C) + C·d + 2·d + paths·C·d; d = max(32, C / reduction)",
              "9·paths·N·C·(C / groups) + C·d + paths·C·d; d = max(32, C / reduction)")
          .code("authors, for Caffe", "implus/SKNet", "", "models/sknet50.prototxt")
          .code("reference", "timm", "1.0.31", "timm/layers/selective_kernel.py")
          .variant("sk:split=true", "timm's defaults")
          .copy(
              "fightingcv d75848e",
              "another layer, with kernels of 1, 3, 5 and 7, biases and no batch norm in the"
                  + " reduction (convs.0 to convs.3, fc, fcs.0 to fcs.3); it cannot be loaded")
          .copy("YOLO cb1b621", "the same layer as fightingcv's")
          .copy(
              "changzy00 8ce59da",
              "another layer, with biases (split_3x3, split_5x5, fc, fc1, fc2); it cannot be"
                  + " loaded")
          .shown("the weights of the path with the largest kernel")
          .options(PATHS, SPLIT, GROUPS, REDUCTION)
          .place(Mechanism.Place.CONVOLUTION)
          .replacesNorm()
          .narrowest(NARROWEST)
          .shows(Mechanism.Shows.CHANNEL_GATES)
          .written(
              Written.here(SelectiveKernel::read),
              Written.refused(
                  "fightingcv and YOLO's copies",
                  "it has four ungrouped kernels, and no batch norm in the reduction",
                  "convs\\.\\d+\\..*",
                  "fcs?\\..*"),
              Written.refused(
                  "changzy00",
                  "its convolutions and layers have biases",
                  "split_[35]x[35]\\..*",
                  "fc[12]?\\..*"),
              Written.refused(
                  "PytorchInsight",
                  "both of its kernels are 3x3 without dilation, the first ungrouped",
                  "(conv2|bn2|conv2g|bn2g|conv_fc1|bn_fc1|conv_fc2)\\..*",
                  "conv_fc1\\..*"))
          .madeBy(SelectiveKernel::new);

  /** The options that names and shapes tell. */
  private static Stream<String> read(ModuleState s) {
    long paths =
        Stream.iterate(0, i -> i + 1).takeWhile(i -> s.has("paths." + i + ".conv.weight")).count();
    if (paths == 0) {
      return Stream.empty();
    }
    return Stream.of(false, true)
        .flatMap(
            split ->
                ModuleState.quotient(
                        s.channels() / (split ? paths : 1), s.size("paths.0.conv.weight", 1))
                    .flatMap(
                        groups ->
                            s.reductions("attn.fc_reduce.weight")
                                .map(
                                    reduction ->
                                        "paths="
                                            + paths
                                            + ",split="
                                            + split
                                            + ",groups="
                                            + groups
                                            + ",reduction="
                                            + reduction)));
  }

  private final List<Sequence> paths = new ArrayList<>();
  private final boolean split;
  private final Module pathsModule = new Module("paths"); // for the names, like attn
  private final Module attn = new Module("attn");
  private final Convolution reduce;
  private final BatchNorm norm;
  private final Convolution select;

  private SelectiveKernel(Settings settings) {
    super(settings);
    split = settings.get(SPLIT);
    int count = settings.get(PATHS);
    long groups = settings.dividing(GROUPS);
    long in = split ? channels() / settings.dividing(PATHS) : channels(); // of a path
    if (in % groups != 0) {
      throw refuse(
          "groups="
              + groups
              + " does not divide the "
              + in
              + " channels of a path; use fewer groups");
    }
    for (int i = 0; i < count; i++) {
      int dilation = (i + 1) * settings.dilation();
      Convolution conv =
          Convolution.builder(dimensions(), in, channels(), 3)
              .stride(settings.stride())
              .padding(dilation)
              .dilation(dilation)
              .groups(groups)
              .bias(false)
              .build();
      Sequence path =
          new Sequence()
              .add("conv", conv)
              .add("bn", new BatchNorm(channels()))
              .add("relu", Activation.RELU);
      paths.add(pathsModule.register_module(Integer.toString(i), path));
    }
    register_module("paths", pathsModule);
    long hidden =
        split
            ? SqueezeExcitation.rounded(channels() / settings.get(REDUCTION), SPLIT_DIVISOR)
            : settings.reduced(REDUCTION);
    reduce = attn.register_module("fc_reduce", pointwise(channels(), hidden));
    norm = attn.register_module("bn", new BatchNorm(hidden));
    select = attn.register_module("fc_select", pointwise(hidden, count * channels()));
    register_module("attn", attn);
  }

  private Convolution pointwise(long in, long out) {
    return Convolution.builder(dimensions(), in, out, 1).bias(false).build();
  }

  @Override
  protected <T> T attend(Ops<T> ops, T x) {
    int count = paths.size();
    long width = channels() / count;
    List<T> maps = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      maps.add(paths.get(i).apply(ops, split ? ops.narrow(x, 1, i * width, width) : x));
    }
    T sum = maps.stream().reduce(ops::add).orElseThrow();
    T pooled = ops.perChannel(ops.mean(sum), sum);
    T hidden = ops.convolution(reduce, norm, Activation.RELU, pooled);
    T scores = ops.reshape(select.apply(ops, hidden), 0, count, -1);
    T weights = ops.softmax(scores, 1); // [B, paths, C]
    int last = count - 1;
    T y = ops.innerGate(maps.get(last), weight(ops, weights, last, sum));
    for (int i = 0; i < last; i++) {
      y = ops.add(y, ops.mul(maps.get(i), weight(ops, weights, i, sum)));
    }
    return y;
  }

  /** The weights of a path, {@code [B, C, 1...]}. */
  static <T> T weight(Ops<T> ops, T weights, int path, T like) {
    return ops.perChannel(ops.reshape(ops.narrow(weights, 1, path, 1), 0, -1), like);
  }

  @Override
  protected void checkShape(long[] shape) {
    refuseSingleValue(shape[0], shape, "it normalises the choice over the batch");
  }
}
