package io.fovea.nn;

import io.fovea.errors.FoveaException;
import io.fovea.nn.Graph.Value;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.function.IntFunction;
import java.util.function.Supplier;
import java.util.function.UnaryOperator;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import org.bytedeco.pytorch.Module;
import org.bytedeco.pytorch.Tensor;

/**
 * Writes an equation in evaluation mode into a {@link Graph}, as ONNX operators for any batch size
 * and any spatial sizes.
 *
 * <p>Not thread-safe: one thread writes a graph.
 */
public final class GraphOps implements Ops<Value> {
  private static final int FLOAT = 1; // ONNX's code of the type

  private final Graph graph;
  private final int rank;
  private final Map<String, Integer> ranks = new HashMap<>(); // for values that have another rank
  // the value whose transpose this is
  private final Map<String, Value> transposed = new HashMap<>();
  private final Map<String, Pooled> pooled = new HashMap<>(); // not written to the graph yet

  /**
   * Creates operators that write into a graph.
   *
   * @param rank the number of dimensions of feature maps: 4 for {@code [B, C, H, W]}
   */
  public GraphOps(Graph graph, int rank) {
    this.graph = graph;
    this.rank = rank;
  }

  private int rank(Value value) {
    return ranks.getOrDefault(value.name(), rank);
  }

  private Value ranked(Value value, int rank) {
    ranks.put(value.name(), rank);
    return value;
  }

  private Value node(String operator, Map<String, ?> attributes, Value... inputs) {
    Value[] used = Arrays.stream(inputs).map(this::used).toArray(Value[]::new);
    int highest = Arrays.stream(used).mapToInt(this::rank).max().orElse(rank);
    return ranked(graph.node(operator, attributes, used), highest);
  }

  private Value node(String operator, Value... inputs) {
    return node(operator, Map.of(), inputs);
  }

  private Value integers(long... values) {
    return ranked(graph.integers(values), 0);
  }

  /**
   * A mean or maximum over positions. {@code [B, C, 1...]} is in the graph; {@code [B, C]} is added
   * when it is used.
   */
  private final class Pooled {
    private final Value map;
    private Value flat;

    Pooled(Value map) {
      this.map = map;
    }

    Value flat() {
      flat = flat == null ? ranked(graph.node("Flatten", map), 2) : flat;
      return flat;
    }
  }

  private Value pooled(Value map) {
    Value flat = new Value(map.name() + ":flat");
    pooled.put(flat.name(), new Pooled(map));
    return ranked(flat, 2);
  }

  /** Returns a value as the input of a node. */
  private Value used(Value value) {
    Pooled unwritten = pooled.get(value.name());
    return unwritten == null ? value : unwritten.flat();
  }

  // ---- Layers and parameters

  @Override
  public Value convolution(Convolution convolution, Value x) {
    return in(convolution, () -> ranked(convolution.nodes(graph, used(x)), rank(x)));
  }

  @Override
  public Value linear(Linear linear, Value x) {
    return in(linear, () -> ranked(linear.nodes(graph, used(x)), 2));
  }

  @Override
  public Value batchNorm(BatchNorm norm, Value x) {
    return in(norm, () -> ranked(norm.nodes(graph, used(x)), rank(x)));
  }

  @Override
  public Value parameter(String name, Tensor values) {
    return ranked(graph.weights(name, values), (int) values.dim());
  }

  @Override
  public Value number(double value) {
    return ranked(graph.number(value), 0);
  }

  @Override
  public Value positions(Value x) {
    Value sizes = graph.node("Shape", Map.of("start", 2), used(x));
    Value count = graph.node("ReduceProd", Map.of("keepdims", 0), sizes);
    return ranked(graph.node("Cast", Map.of("to", FLOAT), count), 0);
  }

  @Override
  public Value size(Value x, int dimension) {
    return ranked(graph.node("Cast", Map.of("to", FLOAT), sizeOf(x, dimension)), 0);
  }

  @Override
  public Value indices(Value x, int dimension) {
    Value numbers =
        graph.node("Range", scalar(integers(0)), scalar(sizeOf(x, dimension)), scalar(integers(1)));
    return ranked(graph.node("Cast", Map.of("to", FLOAT), numbers), 1);
  }

  @Override
  public Value in(Module module, Supplier<Value> body) {
    return graph.in(module, body);
  }

  // ---- Value by value

  @Override
  public Value add(Value a, Value b) {
    return node("Add", a, b);
  }

  @Override
  public Value add(Value a, double b) {
    return node("Add", a, number(b));
  }

  @Override
  public Value sub(Value a, Value b) {
    return node("Sub", a, b);
  }

  @Override
  public Value mul(Value a, Value b) {
    return node("Mul", a, b);
  }

  @Override
  public Value mul(Value a, double b) {
    return node("Mul", a, number(b));
  }

  @Override
  public Value div(Value a, Value b) {
    return node("Div", a, b);
  }

  @Override
  public Value div(Value a, double b) {
    return node("Div", a, number(b));
  }

  @Override
  public Value maximum(Value a, Value b) {
    return node("Max", a, b);
  }

  @Override
  public Value neg(Value x) {
    return node("Neg", x);
  }

  @Override
  public Value square(Value x) {
    return node("Mul", x, x);
  }

  @Override
  public Value sqrt(Value x) {
    return node("Sqrt", x);
  }

  @Override
  public Value abs(Value x) {
    return node("Abs", x);
  }

  @Override
  public Value relu(Value x) {
    return node("Relu", x);
  }

  @Override
  public Value sigmoid(Value x) {
    return node("Sigmoid", x);
  }

  @Override
  public Value tanh(Value x) {
    return node("Tanh", x);
  }

  @Override
  public Value hardSigmoid(Value x) {
    return node("HardSigmoid", Map.of("alpha", 1 / 6.0, "beta", 0.5), x);
  }

  @Override
  public Value hardSwish(Value x) {
    return node("HardSwish", x);
  }

  @Override
  public Value gelu(Value x) {
    Value twice = add(node("Erf", mul(x, Math.sqrt(0.5))), 1);
    return mul(mul(x, 0.5), twice);
  }

  @Override
  public Value softmax(Value x, int dimension) {
    return node("Softmax", Map.of("axis", dimension), x);
  }

  // ---- Sums, means and maxima

  @Override
  public Value mean(Value x) {
    return pooled(node("GlobalAveragePool", x));
  }

  @Override
  public Value max(Value x) {
    return pooled(node("GlobalMaxPool", x));
  }

  @Override
  public Value mean(Value x, int dimension) {
    return node("ReduceMean", Map.of("axes", new long[] {dimension}), x);
  }

  @Override
  public Value max(Value x, int dimension) {
    return node("ReduceMax", Map.of("axes", new long[] {dimension}), x);
  }

  @Override
  public Value norm(Value x) {
    Map<String, Object> attributes = Map.of("axes", new long[] {2}, "keepdims", 0);
    return ranked(node("ReduceL2", attributes, flatten(x)), 2);
  }

  @Override
  public Value sum(Value x, int dimension) {
    return node("ReduceSum", x, integers(dimension));
  }

  @Override
  public Value windowMax(Value x, int... window) {
    long[] sides = Arrays.stream(window).asLongStream().toArray();
    return node("MaxPool", Map.of("kernel_shape", sides, "strides", sides), x);
  }

  @Override
  public Value windowMean(Value x, int window) {
    long[] sides = filled(rank(x) - 2, window);
    return node("AveragePool", Map.of("kernel_shape", sides, "strides", sides, "ceil_mode", 1), x);
  }

  @Override
  public Value maxPool(Value x, int kernel, int stride, int padding) {
    long[] sides = {kernel, kernel};
    long[] strides = {stride, stride};
    long[] pads = {padding, padding, padding, padding};
    return node("MaxPool", Map.of("kernel_shape", sides, "strides", strides, "pads", pads), x);
  }

  @Override
  public Value averagePool(Value x, int kernel, int stride, int padding, boolean countsPadding) {
    int dimensions = rank(x) - 2;
    Map<String, Object> attributes =
        Map.of(
            "kernel_shape",
            filled(dimensions, kernel),
            "strides",
            filled(dimensions, stride),
            "pads",
            filled(2 * dimensions, padding),
            "count_include_pad",
            countsPadding ? 1 : 0);
    return node("AveragePool", attributes, x);
  }

  private static long[] filled(int length, long value) {
    return LongStream.generate(() -> value).limit(length).toArray();
  }

  @Override
  public Value adaptiveAverage(Value x, int... sizes) {
    return adaptiveAverage(x, axis -> scalar(integers(sizes[axis - 2])));
  }

  @Override
  public Value adaptiveAverage(Value x, Value like) {
    return adaptiveAverage(x, axis -> scalar(sizeOf(like, axis)));
  }

  /** ONNX has no such pooling, so each axis is multiplied by a matrix of the windows' weights. */
  private Value adaptiveAverage(Value x, IntFunction<Value> sizes) {
    int last = rank(x) - 1;
    Value y = x;
    for (int axis = 2; axis <= last; axis++) {
      Value weights = windows(scalar(sizeOf(x, axis)), sizes.apply(axis));
      int[] swapped = IntStream.rangeClosed(0, last).toArray();
      swapped[axis] = last;
      swapped[last] = axis;
      y =
          axis == last
              ? matmul(y, weights)
              : permute(matmul(permute(y, swapped), weights), swapped);
    }
    return y;
  }

  /** The share of each of {@code in} values in each of {@code out} windows, {@code [in, out]}. */
  private Value windows(Value in, Value out) {
    Value zero = scalar(integers(0));
    Value one = scalar(integers(1));
    Value window = graph.node("Range", zero, out, one); // [out]
    Value start = graph.node("Div", graph.node("Mul", window, in), out); // rounded down
    Value next = graph.node("Mul", graph.node("Add", window, one), in);
    Value upwards = graph.node("Sub", out, one);
    Value end = graph.node("Div", graph.node("Add", next, upwards), out); // rounded up
    Value value =
        graph.node("Unsqueeze", graph.node("Range", zero, in, one), integers(1)); // [in, 1]
    Value inside =
        graph.node(
            "And", graph.node("GreaterOrEqual", value, start), graph.node("Less", value, end));
    Map<String, Integer> toFloat = Map.of("to", FLOAT);
    Value length = graph.node("Cast", toFloat, graph.node("Sub", end, start));
    return ranked(graph.node("Div", graph.node("Cast", toFloat, inside), length), 2);
  }

  /** {@code [1] -> []}. */
  private Value scalar(Value one) {
    return graph.node("Squeeze", one);
  }

  @Override
  public Value nearest(Value x, Value like) {
    Map<String, String> attributes =
        Map.of(
            "mode",
            "nearest",
            "coordinate_transformation_mode",
            "asymmetric",
            "nearest_mode",
            "floor");
    return resized(x, like, attributes);
  }

  @Override
  public Value bilinear(Value x, Value like, boolean aligned) {
    String corners = aligned ? "align_corners" : "half_pixel"; // edges are clamped, as PyTorch's
    return resized(x, like, Map.of("mode", "linear", "coordinate_transformation_mode", corners));
  }

  private Value resized(Value x, Value like, Map<String, ?> attributes) {
    Value channels = graph.node("Shape", Map.of("start", 0, "end", 2), used(x));
    Value positions = graph.node("Shape", Map.of("start", 2), used(like));
    Value sizes = graph.node("Concat", Map.of("axis", 0), channels, positions);
    Value absent = new Value(""); // neither a region nor factors
    return ranked(graph.node("Resize", attributes, used(x), absent, absent, sizes), rank(x));
  }

  // ---- Products of matrices

  @Override
  public Value matmul(Value a, Value b) {
    return node("MatMul", a, b);
  }

  /**
   * Channels come first, as after convolutions. The narrow operands are transposed, which ONNX
   * Runtime does inside the product, never the map.
   */
  @Override
  public Value attention(Similarity similarity, Value queries, Value keys, Value values) {
    Value q = flatten(queries); // [B, E, N]
    Value k = flatten(keys); // [B, E, N']
    Value v = flatten(values); // [B, D, N']
    Value y = // [B, D, N]
        switch (similarity) {
          case SOFTMAX -> transpose(matmul(softmax(matmul(transpose(q), k), -1), transpose(v)));
          // v (kᵀ q) = (v kᵀ) q: a product between channels instead of the map of all pairs
          case PRODUCT -> matmul(averaged(v, transpose(k)), q);
          case RECTIFIED_SUM -> averaged(v, relu(add(transpose(k), q)));
        };
    return unflatten(y, queries);
  }

  /** The product {@code [B, D, N'], [B, N', M] -> [B, D, M]} divided by N'. */
  private Value averaged(Value values, Value weights) {
    Value positions = graph.node("Shape", Map.of("start", 2, "end", 3), values);
    return div(
        matmul(values, weights), ranked(graph.node("Cast", Map.of("to", FLOAT), positions), 1));
  }

  // ---- Shapes

  @Override
  public Value flatten(Value x) {
    return rank(x) == 3 ? x : reshape(x, 0, 0, -1);
  }

  @Override
  public Value plane(Value x) {
    return rank(x) == 4 ? x : reshape(x, 0, 0, 1, -1);
  }

  @Override
  public Value unflatten(Value x, Value like) {
    if (rank(x) == 3 && rank(like) == 3) {
      return x;
    }
    Value channels = graph.node("Shape", Map.of("start", 0, "end", 2), used(x));
    Value positions = graph.node("Shape", Map.of("start", 2), used(like));
    Value shape = graph.node("Concat", Map.of("axis", 0), channels, positions);
    return ranked(graph.node("Reshape", used(x), shape), rank(like));
  }

  @Override
  public Value perChannel(Value x, Value like) {
    Pooled unwritten = pooled.get(x.name());
    if (unwritten != null && rank(unwritten.map) == rank(like)) {
      return unwritten.map;
    }
    long[] shape = LongStream.concat(LongStream.of(0, -1), ones(rank(like) - 2)).toArray();
    return reshape(x, shape);
  }

  private static LongStream ones(int count) {
    return IntStream.range(0, count).mapToLong(i -> 1);
  }

  @Override
  public Value reshape(Value x, long... shape) {
    return ranked(graph.node("Reshape", used(x), integers(shape)), shape.length);
  }

  @Override
  public Value expand(Value x, Value like) {
    return ranked(graph.node("Expand", used(x), graph.node("Shape", used(like))), rank(like));
  }

  @Override
  public Value transpose(Value x) {
    Value before = transposed.get(x.name());
    if (before != null) {
      return before;
    }
    int last = rank(x) - 1;
    long[] order = LongStream.rangeClosed(0, last).toArray();
    order[last - 1] = last;
    order[last] = last - 1L;
    Value y = node("Transpose", Map.of("perm", order), x);
    transposed.put(y.name(), x);
    return y;
  }

  @Override
  public Value permute(Value x, int... order) {
    return node("Transpose", Map.of("perm", Arrays.stream(order).asLongStream().toArray()), x);
  }

  @Override
  public Value concat(int dimension, Value a, Value b) {
    return node("Concat", Map.of("axis", dimension), a, b);
  }

  @Override
  public Value narrow(Value x, int dimension, long from, long length) {
    return ranked(
        graph.node("Slice", used(x), integers(from), integers(from + length), integers(dimension)),
        rank(x));
  }

  @Override
  public Value first(Value x, int dimension, Value like) {
    Value end = sizeOf(like, dimension);
    return ranked(graph.node("Slice", used(x), integers(0), end, integers(dimension)), rank(x));
  }

  @Override
  public Value last(Value x, int dimension, Value like) {
    Value start = graph.node("Neg", sizeOf(like, dimension));
    return ranked(
        graph.node("Slice", used(x), start, integers(Long.MAX_VALUE), integers(dimension)),
        rank(x));
  }

  private Value sizeOf(Value x, int dimension) {
    int index = dimension < 0 ? rank(x) + dimension : dimension;
    return graph.node("Shape", Map.of("start", index, "end", index + 1), used(x));
  }

  @Override
  public Value inTraining(Module module, Value x, UnaryOperator<Tensor> noise) {
    return x;
  }

  @Override
  public Value tensorsOnly(String name, Value x, UnaryOperator<Tensor> forward) {
    throw new FoveaException(
        name
            + " cannot be exported because its equation is written for tensors only"
            + " (Ops.tensorsOnly); write it in the operators of io.fovea.nn.Ops");
  }
}
