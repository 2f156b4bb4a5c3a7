package io.fovea.attention;

import static io.fovea.attention.Option.atLeast;
import static io.fovea.attention.Option.dividing;

import io.fovea.nn.Convolution;
import io.fovea.nn.Ops;
import io.fovea.nn.Ops.Similarity;
import java.util.List;
import java.util.stream.Stream;
import org.bytedeco.pytorch.Module;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/**
 * Multi-head self-attention of BoTNet: in each head, each position attends to all positions by content
 * and by position.
 *
 * <p>Srinivas, Lin, Parmar, Shlens, Abbeel, Vaswani: <a href="https://arxiv.org/abs/2101.11605">
 * Bottleneck Transformers</a>, section 3. There is no PyTorch code of the authors; {@code absolute}
 * is what the most used one computes, and {@code relative} is timm's {@code BottleneckAttn}. With
 * {@code scale}, products are divided by {@code sqrt(d)}: those of the content ({@code content}, the
 * default of {@code relative}), or also those with positions ({@code all}). x is not added.
 *
 * <p>The position tables are made for a map of {@code size} rows and columns. For a map of another size
 * they are interpolated linearly; the code above takes no other size.
 *
 * <p>Parameters: {@code query}, {@code key}, {@code value [C, C, 1, 1]} with biases, {@code rel_h [1,
 * heads, d, 1, columns]}, {@code rel_w [1, heads, d, rows, 1]}. In {@code relative}: {@code qkv [3C, C,
 * 1, 1]} without a bias, {@code pos_embed.height_rel [2 rows - 1, d]}, {@code pos_embed.width_rel [2
 * columns - 1, d]}.
 */
final class MultiHeadSelfAttention extends Attention {
  private static final Option<Integer> HEADS =
      dividing(
          1,
          1,
          atLeast(1, Option.integer("heads", 4, "the number of heads; it divides the channels")));
  private static final Option<Position> POSITION =
      Option.choice("position", Position.ABSOLUTE, "how a position is told from others");
  private static final Option<Scale> SCALE =
      Option.choice("scale", Scale.NONE, "which products are divided by the root of the width")
          .byDefault(s -> s.get(POSITION) == Position.RELATIVE ? Scale.CONTENT : Scale.NONE);
  private static final Option<Size> SIZE =
      Option.of(
              "size",
              new Size(14, 14),
              Size::parse,
              List.of(new Size(14, 14), new Size(5, 6), new Size(1, 3)),
              "rows and columns of the position tables: 14 or 14x7")
          .onlyWith(POSITION, position -> position != Position.NONE)
          .fits(
              "the size of the feature map for images of the network's usual size",
              (s, usual) -> s.side() == 0 ? usual : new Size(s.side(), s.side()));

  static final Mechanism MECHANISM =
      Mechanism.named("mhsa", "Multi-head self-attention")
          .paper("2101.11605")
          .summary("each position attends to all positions, in several heads")
          .equation(
              """
              y_i = Σ_j softmax_j(e_ij) v_j              in each head of d = C / heads channels

              absolute   e_ij = q_i · k_j + r_i · q_j    r = rel_h + rel_w, of columns and of rows
              bot        e_ij = q_i · k_j + q_i · r_j    as in the paper's text
              relative   e_ij = q_i · k_j + q_i · (R_h[y_j - y_i] + R_w[x_j - x_i])
              none       e_ij = q_i · k_j
              """)
          .cost("3·C² + 3·C + 2·C·S; S = 14", "3·N·C² + 3·N²·C + C·S·(H + W); S = 14")
          .code("reference", "leaderj1001/BottleneckTransformers", "142e965", "model.py")
          .code(
              "reference of position=relative", "timm", "1.0.31", "timm/layers/bottleneck_attn.py")
          .variant("mhsa:position=bot", "the paper's text")
          .variant("mhsa:position=relative", "timm's BottleneckAttn")
          .variant("mhsa:position=none", "YOLO and yoloair, unless told otherwise")
          .copy("YOLO cb1b621", "has no position term unless told (query, key and value alone)")
          .shown("what a position attends to, as the mean of the heads")
          .options(HEADS, POSITION, SCALE, SIZE)
          .dimensions(2)
          .place(Mechanism.Place.CONVOLUTION_OF_LAST_STAGE)
          .shows(Mechanism.Shows.AFFINITY)
          .written(
              Written.here(MultiHeadSelfAttention::read),
              Written.by(
                  "YOLO's copies", MultiHeadSelfAttention::read, "^rel_([hw])_weight$", "rel_$1"))
          .madeBy(MultiHeadSelfAttention::new);

  /** The options that names and shapes tell. */
  private static Stream<String> read(ModuleState s) {
    if (s.has("rel_h")) {
      return Stream.of(
          "heads=" + s.size("rel_h", 1) + ",size=" + s.size("rel_w", 3) + "x" + s.size("rel_h", 4));
    }
    if (s.has("pos_embed.height_rel")) {
      long rows = (s.size("pos_embed.height_rel", 0) + 1) / 2;
      long columns = (s.size("pos_embed.width_rel", 0) + 1) / 2;
      return ModuleState.quotient(s.channels(), s.size("pos_embed.height_rel", 1))
          .map(heads -> "position=relative,heads=" + heads + ",size=" + rows + "x" + columns);
    }
    return s.has("query.weight")
        ? Stream.of("position=none", "position=none,heads=1")
        : Stream.empty();
  }

  /** The term of the energies that depends on positions. */
  enum Position {
    ABSOLUTE,
    BOT,
    RELATIVE,
    NONE
  }

  /** The products that are divided by the root of the width of a head. */
  enum Scale {
    NONE,
    CONTENT,
    ALL
  }

  /** The size of the map for which the position tables are made. */
  private record Size(int rows, int columns) {
    static Size parse(String text) {
      String[] sides = text.split("x", -1);
      if (sides.length > 2) {
        throw new Option.Invalid("size must be a number or rows x columns, got \"" + text + "\"");
      }
      return new Size(side(sides[0]), side(sides[sides.length - 1]));
    }

    private static int side(String text) {
      int side = Option.parseInteger("size", text);
      if (side < 1) {
        throw new Option.Invalid("size must be at least 1, got " + side);
      }
      return side;
    }

    @Override
    public String toString() {
      return rows == columns ? Integer.toString(rows) : rows + "x" + columns;
    }
  }

  private final Position form;
  private final Scale scale;
  private final Size size;
  private final long width; // of a head
  private final Convolution query; // null in relative, like key and value
  private final Convolution key;
  private final Convolution value;
  private final Convolution qkv; // null except in relative
  private final Module tables; // this module, or the one with the names of the relative tables
  private final Tensor ofRows; // null in none, like ofColumns
  private final Tensor ofColumns;

  private MultiHeadSelfAttention(Settings settings) {
    super(settings);
    long heads = settings.dividing(HEADS);
    form = settings.get(POSITION);
    scale = settings.get(SCALE);
    size = settings.get(SIZE);
    width = channels() / heads;
    boolean relative = form == Position.RELATIVE;
    query = relative ? null : register_module("query", pointwise(channels(), true));
    key = relative ? null : register_module("key", pointwise(channels(), true));
    value = relative ? null : register_module("value", pointwise(channels(), true));
    qkv = relative ? register_module("qkv", pointwise(3 * channels(), false)) : null;
    tables = relative ? register_module("pos_embed", new Module("pos_embed")) : this;
    switch (form) {
      case ABSOLUTE, BOT -> {
        ofRows = torch.randn(1, heads, width, size.rows, 1);
        ofColumns = torch.randn(1, heads, width, 1, size.columns);
        tables.register_parameter("rel_h", ofColumns);
        tables.register_parameter("rel_w", ofRows);
      }
      case RELATIVE -> {
        Scalar deviation = new Scalar(1 / Math.sqrt((double) width));
        ofRows = torch.randn(2L * size.rows - 1, width).mul_(deviation);
        ofColumns = torch.randn(2L * size.columns - 1, width).mul_(deviation);
        tables.register_parameter("height_rel", ofRows);
        tables.register_parameter("width_rel", ofColumns);
        try (NoGradGuard guard = new NoGradGuard()) {
          qkv.weight().normal_(0, 1 / Math.sqrt((double) channels()), null);
        }
      }
      default -> {
        ofRows = null;
        ofColumns = null;
      }
    }
  }

  private Convolution pointwise(long out, boolean bias) {
    return Convolution.builder(2, channels(), out, 1).bias(bias).build();
  }

  @Override
  protected <T> T attend(Ops<T> ops, T x) {
    T all = qkv == null ? null : qkv.apply(ops, x); // [B, 3C, H, W]
    T q = all == null ? query.apply(ops, x) : ops.narrow(all, 1, 0, channels());
    T k = all == null ? key.apply(ops, x) : ops.narrow(all, 1, channels(), channels());
    T v = all == null ? value.apply(ops, x) : ops.narrow(all, 1, 2 * channels(), channels());
    T queries = heads(ops, q); // [B * heads, d, H, W]
    T keys = heads(ops, scale == Scale.NONE ? k : ops.div(k, root()));
    T placed = scale == Scale.ALL ? ops.div(queries, root()) : queries;
    T y =
        switch (form) {
          case NONE -> ops.attention(Similarity.SOFTMAX, queries, keys, heads(ops, v));
          case ABSOLUTE -> // q_i · k_j + r_i · q_j is a product of [q_i, r_i] and [k_j, q_j]
              ops.attention(
                  Similarity.SOFTMAX,
                  ops.concat(1, queries, heads(ops, positions(ops, x))),
                  ops.concat(1, keys, placed),
                  heads(ops, v));
          case BOT ->
              ops.attention(
                  Similarity.SOFTMAX,
                  ops.concat(1, queries, placed),
                  ops.concat(1, keys, heads(ops, positions(ops, x))),
                  heads(ops, v));
          case RELATIVE -> {
            // how much a position attends to each row and each column, and where these are
            T toRows = toRows(ops, placed); // [B * heads, H', H, W]
            T toColumns = toColumns(ops, placed); // [B * heads, W', H, W]
            T inRows = ops.expand(inside(ops, x, 2), toRows);
            T inColumns = ops.expand(inside(ops, x, 3), toColumns);
            yield ops.attention(
                Similarity.SOFTMAX,
                ops.concat(1, queries, ops.concat(1, toRows, toColumns)),
                ops.concat(1, keys, ops.concat(1, inRows, inColumns)),
                heads(ops, v));
          }
        };
    return ops.reshape(y, -1, channels(), 0, 0);
  }

  private double root() {
    return Math.sqrt((double) width);
  }

  /** {@code [B, C, H, W] -> [B * heads, d, H, W]}. */
  private <T> T heads(Ops<T> ops, T x) {
    return ops.reshape(x, -1, width, 0, 0);
  }

  /** The vectors r for the positions of a map, {@code [B, C, H, W]}. */
  private <T> T positions(Ops<T> ops, T x) {
    T rows = ops.reshape(ops.parameter("rel_w", ofRows), channels(), -1);
    T columns = ops.reshape(ops.parameter("rel_h", ofColumns), channels(), -1);
    rows = ops.matmul(rows, interpolation(ops, x, 2, rows, size.rows)); // [C, H]
    columns = ops.matmul(columns, interpolation(ops, x, 3, columns, size.columns)); // [C, W]
    T ofRow = ops.reshape(rows, 1, channels(), -1, 1);
    return ops.expand(ops.add(ofRow, ops.reshape(columns, 1, channels(), 1, -1)), x);
  }

  /**
   * The weights with which a map's rows or columns are made of those of the table, {@code [of the
   * table, of the map]}: the identity if there are as many.
   */
  private static <T> T interpolation(Ops<T> ops, T x, int dimension, T table, int inTable) {
    T ratio = ops.div(ops.number(inTable), ops.size(x, dimension));
    T centres = ops.mul(ops.add(ops.indices(x, dimension), 0.5), ratio);
    T at = ops.relu(ops.add(centres, -0.5)); // within the table
    at = ops.neg(ops.maximum(ops.neg(at), ops.number(1.0 - inTable)));
    return near(ops, ops.reshape(ops.indices(table, 1), -1, 1), ops.reshape(at, 1, -1));
  }

  /** 1 where two numbers are equal, and less in proportion to their distance down to 0 at 1. */
  private static <T> T near(Ops<T> ops, T a, T b) {
    return ops.relu(ops.sub(ops.number(1), ops.abs(ops.sub(a, b))));
  }

  /** How much a query attends to each row of the map, {@code [B * heads, H', H, W]}. */
  private <T> T toRows(Ops<T> ops, T queries) {
    T table = offsets(ops, queries, 2, "height_rel", ofRows, size.rows); // [H, d, H']
    T products = ops.matmul(ops.permute(queries, 0, 2, 3, 1), table); // [B * heads, H, W, H']
    return ops.permute(products, 0, 3, 1, 2);
  }

  /** How much a query attends to each column of the map, {@code [B * heads, W', H, W]}. */
  private <T> T toColumns(Ops<T> ops, T queries) {
    T table = offsets(ops, queries, 3, "width_rel", ofColumns, size.columns); // [W, d, W']
    T products = ops.matmul(ops.permute(queries, 0, 3, 2, 1), table); // [B * heads, W, H, W']
    return ops.permute(products, 0, 3, 2, 1);
  }

  /**
   * The table's vectors for the offsets from each row (or column) of the map to each, {@code [n, d,
   * n]}. If the map has another size than the table, its largest offsets are the largest of the table.
   */
  private <T> T offsets(Ops<T> ops, T x, int dimension, String name, Tensor values, int inTable) {
    T table = ops.in(tables, () -> ops.parameter(name, values)); // [2 inTable - 1, d]
    T indices = ops.indices(x, dimension);
    T steps = ops.maximum(ops.add(ops.size(x, dimension), -1), ops.number(1));
    T stretch = ops.div(ops.number(inTable - 1.0), steps); // 1 if the sizes are equal
    T offsets = ops.sub(ops.reshape(indices, 1, -1), ops.reshape(indices, -1, 1)); // [n, n]
    T at = ops.add(ops.mul(offsets, stretch), inTable - 1.0);
    T entries = ops.reshape(ops.indices(table, 0), 1, -1, 1); // [1, 2 inTable - 1, 1]
    T weights = near(ops, ops.reshape(at, 0, 1, -1), entries); // [n, 2 inTable - 1, n]
    return ops.matmul(ops.transpose(table), weights); // [d, ...] x [n, ..., n]
  }

  /** 1 at the positions that are in a row (or column), {@code [1, n, H, 1]} or {@code [1, n, 1, W]}. */
  private static <T> T inside(Ops<T> ops, T x, int dimension) {
    T indices = ops.indices(x, dimension);
    T own = dimension == 2 ? ops.reshape(indices, 1, 1, -1, 1) : ops.reshape(indices, 1, 1, 1, -1);
    return near(ops, ops.reshape(indices, 1, -1, 1, 1), own);
  }
}
