package io.fovea.nn;

import java.util.function.Supplier;
import java.util.function.UnaryOperator;
import org.bytedeco.pytorch.Module;
import org.bytedeco.pytorch.Tensor;

/**
 * The operators that an equation is written in, once: with tensors they compute, with graph values they
 * write ONNX, with shapes they count multiply-accumulates.
 *
 * <p>Feature maps are {@code [B, C, spatial...]} with 1, 2 or 3 spatial dimensions; N is the number of
 * their positions. Operators of two values broadcast as PyTorch's do. Dimensions may be counted from the
 * end, the last one is -1.
 *
 * @param <T> what the operators take and give: {@code Tensor} in {@link TensorOps}, a graph's value in
 *     {@link GraphOps}, {@code long[]} in {@link ShapeOps}
 */
public interface Ops<T> {
  /** How much a position attends to another, by the products of their queries and keys. */
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

  /**
   * A convolution with a batch norm and a function behind it, which tensors may compute in one go.
   *
   * @param activation the last, or null if there is none
   */
  default T convolution(Convolution convolution, BatchNorm norm, Activation activation, T x) {
    T y = norm.apply(this, convolution.apply(this, x));
    return activation == null ? y : activation.apply(this, y);
  }

  /**
   * A parameter or buffer of a module.
   *
   * @param name as it is registered; graphs call it so
   */
  T parameter(String name, Tensor values);

  /** Runs {@code body} under the name that {@code module} has in its network; for graphs. */
  T in(Module module, Supplier<T> body);

  /** A number, to go with any value. */
  T number(double value);

  /** The number of positions N of a feature map, to go with any value. */
  T positions(T x);

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

  /** The larger of the two. */
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

  /** The positive part, where {@code x} is needed no more. */
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

  /** {@code x · Φ(x)} with the normal distribution's Φ, exact (by the error function). */
  T gelu(T x);

  /** The softmax over a dimension. */
  T softmax(T x, int dimension);

  // ---- Sums, means and maxima

  /** The mean over all positions, {@code [B, C, spatial...] -> [B, C]}. */
  T mean(T x);

  /** The maximum over all positions, {@code [B, C, spatial...] -> [B, C]}. */
  T max(T x);

  /** The mean over a dimension, which stays with size 1. */
  T mean(T x, int dimension);

  /** The maximum over a dimension, which stays with size 1. */
  T max(T x, int dimension);

  /** The sum over a dimension, which stays with size 1. */
  T sum(T x, int dimension);

  /** The maximum of windows side by side, one size for each spatial dimension; a rest is left out. */
  T windowMax(T x, int... window);

  /** A max pool of images, {@code [B, C, H, W]}. */
  T maxPool(T x, int kernel, int stride, int padding);

  // ---- Products of matrices

  /** The product of the last two dimensions. */
  T matmul(T a, T b);

  /**
   * Attention: what each position receives from those it attends to, {@code y_i = Σ_j f(q_i, k_j) v_j}.
   * Tensors are computed without the N × N' map in memory where that is large.
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

  /** {@code [B, D, ...] -> [B, D, spatial...]}: the same positions, in the dimensions of {@code like}. */
  T unflatten(T x, T like);

  /** {@code [B, C] -> [B, C, 1...]}, to go with a feature map channel by channel. */
  T perChannel(T x, T like);

  /** The same values in another shape; 0 leaves the dimension of that index, one may be -1, the rest. */
  T reshape(T x, long... shape);

  /** The last two dimensions swapped. */
  T transpose(T x);

  /** The dimensions in another order: the first is what dimension {@code order[0]} was. */
  T permute(T x, int... order);

  /** Values side by side along a dimension. */
  T concat(int dimension, T a, T b);

  /** {@code length} entries of a dimension, from {@code from} on. */
  T narrow(T x, int dimension, long from, long length);

  /** The first entries of a dimension, as many as {@code like} has in it. */
  T first(T x, int dimension, T like);

  /** The last entries of a dimension, as many as {@code like} has in it. */
  T last(T x, int dimension, T like);

  // ---- What attention modules end in

  /**
   * A feature map scaled by a gate: {@code x · gate}. {@code Attention.explain} shows what passes here.
   *
   * @param gate {@code [B, C, 1...]}, {@code [B, 1, spatial...]} or of the shape of {@code x}
   */
  default T gate(T x, T gate) {
    return mul(x, gate);
  }

  /** How much each channel attends to each, {@code [B, C, C]}; for {@code Attention.explain}. */
  default T channelAffinity(T affinity) {
    return affinity;
  }

  /** {@code x + change}, where {@code change} is needed no more. */
  default T residual(T x, T change) {
    return add(x, change);
  }

  /**
   * What is done in training mode only, as dropout is; graphs and counts leave it out.
   *
   * @param module whose mode counts
   */
  T inTraining(Module module, T x, UnaryOperator<Tensor> noise);

  /**
   * What is written for tensors only. It trains and compares as all else does; a graph refuses it.
   *
   * @param name of the mechanism, for the refusal
   * @param forward keeps the shape
   */
  T tensorsOnly(String name, T x, UnaryOperator<Tensor> forward);
}
