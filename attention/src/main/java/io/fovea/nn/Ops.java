package io.fovea.nn;

import java.util.List;
import java.util.function.Supplier;
import java.util.function.UnaryOperator;
import org.bytedeco.pytorch.Module;
import org.bytedeco.pytorch.Tensor;

/**
 * The operators for equations, which are written only once: with tensors the operators compute,
 * with graph values they write ONNX, with shapes they count multiply-accumulates.
 *
 * <p>Feature maps are {@code [B, C, spatial...]} with 1, 2 or 3 spatial dimensions; N is the number of
 * their positions. Operators of two values broadcast as PyTorch's do. Dimensions may be counted from the
 * end, the last one is -1.
 *
 * <p>An object of this type is used by one thread, unless its class says otherwise.
 *
 * @param <T> the type of operands and results: {@code Tensor} in {@link TensorOps}, a graph's value
 *     in {@link GraphOps}, {@code long[]} in {@link ShapeOps}
 */
public interface Ops<T> {
  /** The function of queries and keys that gives how much a position attends to another. */
  enum Similarity {
    /** {@code softmax_j(q_i · k_j)}. */
    SOFTMAX,
    /** {@code q_i · k_j / N'}. */
    PRODUCT,
    /** {@code relu(q_i + k_j) / N'}; queries and keys have one channel. */
    RECTIFIED_SUM
  }

  // ---- Layers and parameters

  /** A convolution {@code [B, in, spatial...] -> [B, out, spatial'...]}. */
  T convolution(Convolution convolution, T x);

  /** A linear layer {@code [B, in] -> [B, out]}. */
  T linear(Linear linear, T x);

  /** A batch norm of {@code [B, C]} or {@code [B, C, spatial...]}. */
  T batchNorm(BatchNorm norm, T x);

  /** A group norm of {@code [B, C, spatial...]}. */
  default T groupNorm(GroupNorm norm, T x) {
    return in(
        norm,
        () -> {
          T grouped = reshape(x, 0, norm.groups(), -1); // [B, G, C/G · N]
          T centred = sub(grouped, mean(grouped, 2));
          T deviation = sqrt(add(mean(square(centred), 2), norm.epsilon()));
          T normal = reshape(div(centred, deviation), 0, norm.weight().size(0), -1); // [B, C, N]
          T weight = perChannel(reshape(parameter("weight", norm.weight()), 1, -1), x);
          T bias = perChannel(reshape(parameter("bias", norm.bias()), 1, -1), x);
          return add(mul(unflatten(normal, x), weight), bias);
        });
  }

  /** A layer norm of the channels at each position, of {@code [B, C]} or {@code [B, C, spatial...]}. */
  default T layerNorm(LayerNorm norm, T x) {
    return in(
        norm,
        () -> {
          T centred = sub(x, mean(x, 1));
          T deviation = sqrt(add(mean(square(centred), 1), norm.epsilon()));
          T weight = perChannel(reshape(parameter("weight", norm.weight()), 1, -1), x);
          T bias = perChannel(reshape(parameter("bias", norm.bias()), 1, -1), x);
          return add(mul(div(centred, deviation), weight), bias);
        });
  }

  /**
   * A convolution, a batch norm and an activation, which tensors may compute as one fused
   * operation.
   *
   * @param activation the activation, or null if there is none
   */
  default T convolution(Convolution convolution, BatchNorm norm, Activation activation, T x) {
    T y = norm.apply(this, convolution.apply(this, x));
    return activation == null ? y : activation.apply(this, y);
  }

  /**
   * A parameter or buffer of a module.
   *
   * @param name the registered name, which graphs use, too
   */
  T parameter(String name, Tensor values);

  /**
   * Scales a feature map by a parameter of a module, in the type of the feature map.
   *
   * @param name the registered name
   * @param factors values that broadcast to the shape of {@code x}
   */
  default T scale(T x, String name, Tensor factors) {
    return mul(x, parameter(name, factors));
  }

  /** Runs {@code body} with the name of {@code module} in its network, for graphs. */
  T in(Module module, Supplier<T> body);

  /**
   * A module that computes tensors in another way than by its equation.
   *
   * @param forward how it computes tensors
   * @param equation the equation, for graphs and shapes
   */
  default T module(Module module, T x, UnaryOperator<Tensor> forward, Supplier<T> equation) {
    return in(module, equation);
  }

  /** A number as an operand for any value. */
  T number(double value);

  /** The number of positions N of a feature map as an operand for any value. */
  T positions(T x);

  /** The size of a dimension as an operand for any value. */
  T size(T x, int dimension);

  /** The numbers 0, 1, ... of the entries of a dimension, {@code [size]}, in the type of {@code x}. */
  T indices(T x, int dimension);

  // ---- Value by value

  /** {@code a + b}. */
  T add(T a, T b);

  /** {@code a + b}. */
  T add(T a, double b);

  /** {@code a - b}. */
  T sub(T a, T b);

  /** {@code a · b}. */
  T mul(T a, T b);

  /** {@code a · b}. */
  T mul(T a, double b);

  /** {@code a / b}. */
  T div(T a, T b);

  /** {@code a / b}. */
  T div(T a, double b);

  /** The elementwise maximum. */
  T maximum(T a, T b);

  /** {@code -x}. */
  T neg(T x);

  /** {@code x²}. */
  T square(T x);

  /** The square root. */
  T sqrt(T x);

  /** {@code |x|}. */
  T abs(T x);

  /** The positive part. */
  T relu(T x);

  /** The positive part, possibly computed in place in {@code x}. */
  default T reluInPlace(T x) {
    return relu(x);
  }

  /** {@code 1 / (1 + exp(-x))}. */
  T sigmoid(T x);

  /** The hyperbolic tangent. */
  T tanh(T x);

  /** {@code min(max(x + 3, 0), 6) / 6}. */
  T hardSigmoid(T x);

  /** {@code x · min(max(x + 3, 0), 6) / 6}. */
  T hardSwish(T x);

  /** {@code x / (1 + exp(-x))}. */
  default T silu(T x) {
    return mul(x, sigmoid(x));
  }

  /** {@code x · Φ(x)} with the normal distribution's Φ, computed exactly by the error function. */
  T gelu(T x);

  /** The softmax over a dimension. */
  T softmax(T x, int dimension);

  // ---- Sums, means and maxima

  /** The mean over all positions, {@code [B, C, spatial...] -> [B, C]}. */
  T mean(T x);

  /** The maximum over all positions, {@code [B, C, spatial...] -> [B, C]}. */
  T max(T x);

  /** The mean over a dimension, which is kept with size 1. */
  T mean(T x, int dimension);

  /** The maximum over a dimension, which is kept with size 1. */
  T max(T x, int dimension);

  /**
   * The Euclidean norm over all positions, {@code [B, C, spatial...] -> [B, C]}. Its gradient is 0
   * where the norm is 0.
   */
  T norm(T x);

  /** The sum over a dimension, which is kept with size 1. */
  T sum(T x, int dimension);

  /**
   * The maximum of adjacent windows with a size for each spatial dimension; an incomplete last
   * window is ignored.
   */
  T windowMax(T x, int... window);

  /**
   * The mean of adjacent windows with the same size in each spatial dimension; the mean of an incomplete
   * last window is that of its part inside the map.
   */
  T windowMean(T x, int window);

  /** A max pool of images, {@code [B, C, H, W]}. */
  T maxPool(T x, int kernel, int stride, int padding);

  /**
   * The mean of windows that have the same size and distance in each spatial dimension.
   *
   * @param padding zeros around the map on each side
   * @param countsPadding whether these zeros count in the means; if not, the mean is over the part
   *     of the window that is inside the map
   */
  T averagePool(T x, int kernel, int stride, int padding, boolean countsPadding);

  /**
   * The means of as many windows as {@code sizes} says, as in PyTorch's adaptive pooling. Window i
   * of n begins at {@code floor(i · size / n)} and ends before {@code ceil((i + 1) · size / n)}.
   * The result may be larger than the map; then the windows repeat values.
   *
   * @param sizes the spatial sizes of the result
   */
  T adaptiveAverage(T x, int... sizes);

  /** The same with the spatial sizes of another feature map. */
  T adaptiveAverage(T x, T like);

  /** Repeats values so that the result has the spatial sizes of another feature map. */
  T nearest(T x, T like);

  /**
   * Interpolates an image bilinearly so that it has the spatial sizes of another one.
   *
   * @param x {@code [B, C, H, W]}
   * @param aligned whether the centres of the corner pixels lie on each other (PyTorch's {@code
   *     align_corners}), or the outer edges of these pixels
   */
  T bilinear(T x, T like, boolean aligned);

  // ---- Products of matrices

  /** The matrix product over the last two dimensions. */
  T matmul(T a, T b);

  /**
   * Attention: the weighted sum of the attended values for each position, {@code y_i = Σ_j f(q_i,
   * k_j) v_j}. With tensors, large N × N' maps are never in memory.
   *
   * @param queries {@code [B, E, spatial...]}, N positions
   * @param keys {@code [B, E, spatial'...]}, N' positions
   * @param values {@code [B, D, spatial'...]}
   * @return {@code [B, D, spatial...]}
   */
  T attention(Similarity similarity, T queries, T keys, T values);

  // ---- Shapes

  /** {@code [B, C, spatial...] -> [B, C, N]}. */
  T flatten(T x);

  /** {@code [B, C, spatial...] -> [B, C, H, W]}, the same positions in the same order. */
  T plane(T x);

  /**
   * {@code [B, D, ...] -> [B, D, spatial...]}: the same positions, with the dimensions of {@code
   * like}.
   */
  T unflatten(T x, T like);

  /** {@code [B, C] -> [B, C, 1...]}, for channel-wise operations with a feature map. */
  T perChannel(T x, T like);

  /**
   * Reshapes a value. A size of 0 keeps the dimension with this index; one size may be -1, which is
   * inferred.
   */
  T reshape(T x, long... shape);

  /** Repeats a value along its dimensions of size 1, to the shape of {@code like}. */
  T expand(T x, T like);

  /** Swaps the last two dimensions. */
  T transpose(T x);

  /** Permutes the dimensions; the first one is the former dimension {@code order[0]}. */
  T permute(T x, int... order);

  /**
   * Mixes the channels of groups: channel i of group g becomes channel {@code i · groups + g}.
   *
   * @param x {@code [B, C, N]}
   * @param channels the channels C
   * @param groups the number of groups, which divides C
   */
  default T interleave(T x, long channels, long groups) {
    T grouped = reshape(x, 0, groups, channels / groups, -1);
    return reshape(permute(grouped, 0, 2, 1, 3), 0, channels, -1);
  }

  /** Concatenates values along a dimension. */
  T concat(int dimension, T a, T b);

  /** Selects {@code length} entries of a dimension, beginning at {@code from}. */
  T narrow(T x, int dimension, long from, long length);

  /** Selects the first entries of a dimension, as many as {@code like} has. */
  T first(T x, int dimension, T like);

  /** Selects the last entries of a dimension, as many as {@code like} has. */
  T last(T x, int dimension, T like);

  // ---- Last steps of attention modules

  /**
   * Scales a feature map by a gate: {@code x · gate}. {@code Attention.explain} shows this gate.
   *
   * @param gate {@code [B, C, 1...]}, {@code [B, 1, spatial...]} or of the shape of {@code x}
   */
  default T gate(T x, T gate) {
    return mul(x, gate);
  }

  /**
   * The larger one of a feature map scaled by two gates: {@code max(x · a, x · b)}.
   *
   * @param a a gate that broadcasts to the shape of {@code x}
   * @param b another one
   */
  default T largerGated(T x, T a, T b) {
    return maximum(mul(x, a), mul(x, b));
  }

  /**
   * Reports how much every position attends to each position, {@code [B, 1, N]}, for {@code
   * Attention.explain}; all positions attend to the same ones.
   */
  default T sharedAffinity(T affinity) {
    return affinity;
  }

  /**
   * Scales a feature map inside of a module by a gate: {@code y · gate}. {@code Attention.explain}
   * shows this gate, although the output of the module is not a multiple of its input.
   *
   * @param gate as for {@link #gate}
   */
  default T innerGate(T y, T gate) {
    return mul(y, gate);
  }

  /**
   * Reports how much each channel attends to each channel, {@code [B, C, C]}, for {@code
   * Attention.explain}.
   */
  default T channelAffinity(T affinity) {
    return affinity;
  }

  /** Computes what chosen positions attend to, from values of an equation. */
  @FunctionalInterface
  interface AffinityRows {
    /**
     * Computes the rows.
     *
     * @param sources the values that were reported with these rows
     * @param positions the chosen positions, {@code [P]} (int64)
     * @return {@code [B, P, N]}
     */
    Tensor of(List<Tensor> sources, Tensor positions);
  }

  /**
   * Reports how much each position of {@code x} attends to each of its positions, for {@code
   * Attention.explain}, if the equation does not use {@link #attention}.
   *
   * @param sources the values of the equation from which {@code rows} are computed on request
   */
  default void affinity(T x, List<T> sources, AffinityRows rows) {}

  /** {@code x + change}, possibly computed in place in {@code change}. */
  default T residual(T x, T change) {
    return add(x, change);
  }

  /**
   * An operation for training mode only, such as dropout. Graphs and counts ignore it.
   *
   * @param module the module whose mode decides
   */
  T inTraining(Module module, T x, UnaryOperator<Tensor> noise);

  /**
   * An equation that is written for tensors only. It can be trained and compared, but not exported.
   *
   * @param name the name of the mechanism, for the error message
   * @param forward the computation, which keeps the shape
   */
  T tensorsOnly(String name, T x, UnaryOperator<Tensor> forward);
}
