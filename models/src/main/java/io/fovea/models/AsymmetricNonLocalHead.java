package io.fovea.models;

import io.fovea.nn.BatchNorm;
import io.fovea.nn.Component;
import io.fovea.nn.Convolution;
import io.fovea.nn.Fusing;
import io.fovea.nn.Layer;
import io.fovea.nn.Ops;
import io.fovea.nn.Sequence;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.bytedeco.pytorch.Module;
import org.bytedeco.pytorch.Tensor;

/**
 * The asymmetric non-local network: positions attend to the means of 110 parts of a feature map, first
 * of the stage before (AFNB), then of their own (APNB).
 *
 * <p>Zhu, Xu, Bai, Huang, Bai: <a href="https://arxiv.org/abs/1908.07678">Asymmetric Non-local Neural
 * Networks for Semantic Segmentation</a>, section 3. As the authors' code ({@code MendelXu/ANN}, whose
 * names it has), for 2048 channels; for fewer, all widths are in proportion. There queries and keys of
 * APNB come from one layer that runs twice, so that its running statistics move twice in a step; here it
 * runs once. In
 * MMSegmentation's form, the auxiliary scores have a quarter of the channels of their stage.
 */
final class AsymmetricNonLocalHead extends SegmentationHead.Equation {
  static final List<String> CLASSIFIERS = List.of("cls", "dsn.3");

  private static final int[] PARTS = {1, 3, 6, 8};
  private static final String FUSION = "head.fusion.stages.0";
  private static final String CONTEXT = "head.context.2.stages.0";
  private static final double DROPOUT = 0.05;

  private final Module fusion;
  private final Block fusionBlock;
  private final Sequence fused;
  private final Module context;
  private final Sequence narrowed;
  private final Block contextBlock;
  private final Sequence joined;
  private final Layer cls;
  private final Sequence dsn;

  @SuppressWarnings("UnusedVariable") // libtorch calls back into modules that are registered
  private final List<Module> held;

  AsymmetricNonLocalHead(Sizes sizes) {
    super("AsymmetricNonLocalHead");
    int in = sizes.last();
    int inter = sizes.part(4);
    int keys = sizes.part(8);
    fusion = register_module("fusion", new Module("Afnb"));
    Module stages = fusion.register_module("stages", new Module("Stages"));
    fusionBlock =
        stages.register_module("0", new Block(FUSION, sizes.earlier(), in, keys, in, false));
    fused =
        fusion.register_module(
            "conv_bn_dropout",
            new Sequence()
                .add("0", Convolution.builder(2, 2L * in, in, 1).build())
                .add("1", new BatchNorm(in))
                .add("2", dropout(DROPOUT, true)));
    context = register_module("context", new Module("Context"));
    narrowed = new Sequence();
    Convolution narrow = Convolution.builder(2, in, inter, 3).padding(1).build();
    Layer behind = normAndRelu(inter);
    context.register_module("0", narrow);
    context.register_module("1", behind);
    narrowed.add("0", narrow).add("1", behind);
    Module apnb = context.register_module("2", new Module("Apnb"));
    Module own = apnb.register_module("stages", new Module("Stages"));
    contextBlock = own.register_module("0", new Block(CONTEXT, inter, inter, keys, inter, true));
    joined =
        apnb.register_module(
            "conv_bn_dropout",
            new Sequence()
                .add("0", Convolution.builder(2, 2L * inter, inter, 1).build())
                .add("1", normAndRelu(inter))
                .add("2", dropout(DROPOUT, true)));
    cls = register_module("cls", classifier(inter, sizes.classes()));
    int early = sizes.ofMmsegmentation() ? Math.max(1, sizes.earlier() / 4) : inter;
    dsn =
        register_module(
            "dsn",
            new Sequence()
                .add("0", Convolution.builder(2, sizes.earlier(), early, 3).padding(1).build())
                .add("1", normAndRelu(early))
                .add("2", dropout(DROPOUT, true))
                .add("3", classifier(early, sizes.classes())));
    held = List.of(stages, apnb, own);
    startDropout();
  }

  /** Positions of one map attend to means of another. */
  private static final class Block extends Component {
    private final String name;
    private final Layer key;
    private final Layer query;
    private final Convolution value;
    private final Convolution end;
    private final double scale;

    Block(String name, int low, int high, int keys, int out, boolean sharesKeys) {
      super("AsymmetricNonLocalBlock");
      this.name = name;
      key = register_module("f_key", projected(low, keys));
      query = sharesKeys ? null : register_module("f_query", projected(high, keys));
      value = register_module("f_value", Convolution.builder(2, low, keys, 1).build());
      end = register_module("W", Convolution.builder(2, keys, out, 1).build().startingAtZero());
      scale = 1 / Math.sqrt(keys);
    }

    private static Layer projected(int in, int out) {
      return new Sequence()
          .add("0", Convolution.builder(2, in, out, 1).build())
          .add("1", normAndRelu(out));
    }

    <T> T attended(Ops<T> ops, T low, T high) {
      return ops.in(
          this,
          () -> {
            T values = means(ops, value.apply(ops, low));
            T keys = key.apply(ops, low);
            T queries = query == null ? keys : query.apply(ops, high);
            HeadAttention.Part<T> part =
                new HeadAttention.Part<>(name, ops.mul(queries, scale), means(ops, keys), values);
            T y = end.apply(ops, part.attended(ops));
            part.show(ops, high, y, low, () -> shares((Tensor) low));
            return y;
          });
    }

    /** The share of each position in the mean of each part, {@code [1, 110, N]}. */
    private static Tensor shares(Tensor x) {
      int height = (int) x.size(2);
      int width = (int) x.size(3);
      int count = IntStream.of(PARTS).map(parts -> parts * parts).sum();
      double[] shares = new double[count * height * width];
      int part = 0;
      for (int parts : PARTS) {
        for (int i = 0; i < parts * parts; i++, part++) {
          int[] rows = range(i / parts, parts, height);
          int[] columns = range(i % parts, parts, width);
          double share = 1.0 / ((rows[1] - rows[0]) * (columns[1] - columns[0]));
          for (int row = rows[0]; row < rows[1]; row++) {
            int from = (part * height + row) * width;
            Arrays.fill(shares, from + columns[0], from + columns[1], share);
          }
        }
      }
      return Tensor.create(shares, 1, count, (long) height * width).to(x.device(), x.scalar_type());
    }

    /** The first position of a part along a side, and the one behind its last; parts may overlap. */
    private static int[] range(int part, int parts, int side) {
      return new int[] {part * side / parts, ((part + 1) * side + parts - 1) / parts};
    }

    /** The means of all parts, {@code [B, C, H, W] -> [B, C, 110]}. */
    private static <T> T means(Ops<T> ops, T x) {
      T all = ops.flatten(ops.adaptiveAverage(x, PARTS[0], PARTS[0]));
      for (int i = 1; i < PARTS.length; i++) {
        all = ops.concat(2, all, ops.flatten(ops.adaptiveAverage(x, PARTS[i], PARTS[i])));
      }
      return all;
    }
  }

  @Override
  <T> List<T> scores(Ops<T> ops, T earlier, T last, boolean auxiliary) {
    T x = fused.apply(ops, ops.concat(1, fusionBlock.attended(ops, earlier, last), last));
    T y = narrowed.apply(ops, x);
    T main = cls.apply(ops, joined.apply(ops, ops.concat(1, contextBlock.attended(ops, y, y), y)));
    return auxiliary ? List.of(main, dsn.apply(ops, earlier)) : List.of(main);
  }

  @Override
  List<String> attending() {
    return List.of(FUSION, CONTEXT);
  }

  @Override
  void fuse(Fusing fusing) {
    fusing.add(fused);
  }
}
