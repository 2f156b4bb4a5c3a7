package io.fovea.attention;

import static io.fovea.attention.Option.atLeast;

import io.fovea.attention.fast.PlaneGates;
import io.fovea.nn.Activation;
import io.fovea.nn.BatchNorm;
import io.fovea.nn.Convolution;
import io.fovea.nn.Ops;
import io.fovea.nn.Sequence;
import io.fovea.nn.TensorOps;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.bytedeco.pytorch.Tensor;

/**
 * Gather-excite: each value is scaled by a gate that is computed from its surroundings in its own
 * channel.
 *
 * <p>Hu, Shen, Albanie, Sun, Vedaldi: <a href="https://arxiv.org/abs/1810.12348">Gather-Excite</a>,
 * section 3; e is {@code extent}, and 0 stands for the whole map. With {@code parameters}, depthwise
 * 3 × 3 convolutions of stride 2 with batch norms, as many as log2(e), with ReLUs between them, gather
 * instead of the mean; for the whole map, it is one convolution of the map's {@code size}, and maps of
 * another size are first averaged to it. The paper's variants:
 *
 * <ul>
 *   <li>GE-θ⁻ has no parameters: {@code ge:mlp=false}.
 *   <li>GE-θ has convolutions: {@code ge:parameters=true,mlp=false}.
 *   <li>GE-θ⁺ has convolutions and the MLP: {@code ge:parameters=true}.
 * </ul>
 *
 * <p>The default, with an MLP and without convolutions, is timm's: SE with biases. The names are
 * timm's, too; the authors' code is for Caffe. timm pads the convolution of the map's size, so that it
 * does not gather the whole map.
 *
 * <p>Parameters: {@code mlp.fc1 [C/r, C, 1...]}, {@code mlp.fc2 [C, C/r, 1...]} with biases; with
 * {@code parameters} also {@code gather.conv1.weight [C, 1, 3...]}, {@code gather.norm1}, {@code
 * gather.conv2} and so on.
 */
final class GatherExcite extends Attention {
  private static final Option<Integer> EXTENT =
      Option.of(
          "extent",
          0,
          GatherExcite::extent,
          List.of(0, 2, 4),
          "the distance of the windows: a power of 2, or 0 for the whole map");
  private static final Option<Boolean> PARAMETERS =
      Option.flag("parameters", false, "whether convolutions gather instead of means");
  private static final Option<Boolean> MLP =
      Option.flag("mlp", true, "whether an MLP follows the gathering");
  private static final Option<Integer> REDUCTION =
      atLeast(
              1,
              Option.integer("reduction", 16, "the factor by which the MLP reduces the channels"))
          .onlyWith(MLP, mlp -> mlp);
  private static final Option<Integer> SIZE =
      atLeast(
              1,
              Option.integer(
                  "size", 7, "the side of the map, for the convolution of the whole map"))
          .samples(List.of(7, 4))
          .onlyWith(PARAMETERS, parameters -> parameters);

  static final Mechanism MECHANISM =
      Mechanism.named("ge", "Gather-excite")
          .paper("1810.12348")
          .summary("gates each value, from its surroundings in its channel")
          .equation(
              """
              g = the mean of all positions, or of windows of 2e - 1 at a distance of e    (gather)
              y = x · σ(nearest(W₂ relu(W₁ g)))                                             (excite)
              """)
          .cost("2·C·d + d + C; d = max(1, C / reduction)", "2·C·d; d = max(1, C / reduction)")
          .code("authors, for Caffe", "hujie-frank/GENet", "ae791f8", "")
          .code("reference", "timm", "1.0.20", "timm/layers/gather_excite.py")
          .variant("ge:mlp=false", "the paper's θ-, without parameters")
          .variant("ge:parameters=true,mlp=false", "the paper's θ")
          .variant("ge:parameters=true", "the paper's θ+")
          .copy(
              "timm 1.0.31",
              "cannot be built: GatherExcite(32) fails with \"got multiple values for"
                  + " argument 'act_layer'\", and with extra_params with \"... 'kernel_size'\"")
          .copy(
              "BayesWatch 3fbf99f",
              "what is gathered with parameters is the same (extents 2, 4, 8: difference 0), under other names (downop);"
                  + " its MLP has no biases, and without parameters it averages over squares that do not"
                  + " overlap: pooled values up to 1.7 apart")
          .options(EXTENT, PARAMETERS, MLP, REDUCTION, SIZE)
          .place(Mechanism.Place.BLOCK)
          .shows(Mechanism.Shows.CHANNEL_GATES, Mechanism.Shows.SPATIAL_GATES)
          .written(Written.here(GatherExcite::read))
          .madeBy(GatherExcite::new);

  /** The options that names and shapes tell. */
  private static Stream<String> read(ModuleState s) {
    long convolutions =
        Stream.iterate(1, i -> i + 1).takeWhile(i -> s.has("gather.conv" + i + ".weight")).count();
    long side = s.size("gather.conv1.weight", 2);
    boolean whole = convolutions == 1 && side > 3;
    String gather =
        "parameters="
            + (convolutions > 0)
            + ",extent="
            + (convolutions == 0 || whole ? 0 : 1L << convolutions)
            + (whole ? ",size=" + side : "");
    return s.has("mlp.fc1.weight")
        ? s.reductions("mlp.fc1.weight").map(reduction -> gather + ",reduction=" + reduction)
        : convolutions > 0 ? Stream.of(gather + ",mlp=false") : Stream.empty();
  }

  private static int extent(String text) {
    int value = Option.parseInteger("extent", text);
    if (value < 0 || value == 1 || Integer.bitCount(value) > 1) {
      throw new Option.Invalid("extent must be 0 or a power of 2, at least 2, got " + value);
    }
    return value;
  }

  private final int extent;
  private final int size;
  private final Sequence gather; // null if means gather
  private final Sequence mlp; // null if there is none

  private GatherExcite(Settings settings) {
    super(settings);
    extent = settings.get(EXTENT);
    size = settings.get(SIZE);
    gather = settings.get(PARAMETERS) ? register_module("gather", convolutions()) : null;
    if (settings.get(MLP)) {
      long hidden = settings.reduced(REDUCTION);
      mlp =
          new Sequence()
              .add("fc1", Convolution.builder(dimensions(), channels(), hidden, 1).build())
              .add("act", Activation.RELU)
              .add("fc2", Convolution.builder(dimensions(), hidden, channels(), 1).build());
      register_module("mlp", mlp);
    } else {
      mlp = null;
    }
    if (extent == 0 && gather == null) {
      faster(PlaneGates.of(PlaneGates.Pool.MEAN, this::gates));
    }
  }

  private Tensor gates(Tensor means, Tensor like) {
    TensorOps ops = tensors();
    return excited(ops, ops.perChannel(means, like));
  }

  private Sequence convolutions() {
    Sequence layers = new Sequence();
    if (extent == 0) {
      return layers.add("conv1", depthwise(size).build()).add("norm1", new BatchNorm(channels()));
    }
    int steps = Integer.numberOfTrailingZeros(extent); // log2
    for (int i = 1; i <= steps; i++) {
      layers
          .add("conv" + i, depthwise(3).stride(2).padding(1).build())
          .add("norm" + i, new BatchNorm(channels()));
      if (i < steps) {
        layers.add("act" + i, Activation.RELU);
      }
    }
    return layers;
  }

  private Convolution.Builder depthwise(int kernel) {
    return Convolution.builder(dimensions(), channels(), channels(), kernel)
        .groups(channels())
        .bias(false);
  }

  @Override
  protected <T> T attend(Ops<T> ops, T x) {
    T gates = excited(ops, gathered(ops, x));
    return ops.gate(x, extent == 0 ? gates : ops.nearest(gates, x));
  }

  private <T> T excited(Ops<T> ops, T gathered) {
    return ops.sigmoid(mlp == null ? gathered : mlp.apply(ops, gathered));
  }

  private <T> T gathered(Ops<T> ops, T x) {
    if (gather != null && extent == 0) {
      int[] sides = new int[dimensions()];
      Arrays.fill(sides, size);
      return gather.apply(ops, ops.adaptiveAverage(x, sides));
    }
    if (gather != null) {
      return gather.apply(ops, x);
    }
    return extent == 0
        ? ops.perChannel(ops.mean(x), x)
        : ops.averagePool(x, 2 * extent - 1, extent, extent - 1, false);
  }

  @Override
  protected void checkShape(long[] shape) {
    if (gather != null) {
      long values = shape[0];
      for (int i = 2; i < shape.length && extent > 0; i++) {
        values *= (shape[i] + extent - 1) / extent; // rounded up
      }
      refuseSingleValue(
          values, shape, "it normalises what was gathered; train on more images at once");
    }
  }
}
