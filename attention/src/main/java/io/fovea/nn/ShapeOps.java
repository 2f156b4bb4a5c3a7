package io.fovea.nn;

import io.fovea.tensor.internal.Macs;
import java.util.Arrays;
import java.util.function.Supplier;
import java.util.function.UnaryOperator;
import org.bytedeco.pytorch.Module;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/**
 * Counts the multiply-accumulates of an equation from shapes alone: those of convolutions, linear
 * layers, matrix products and attention. Attention is counted by its equation, even if a faster way
 * computes it.
 *
 * <p>Not thread-safe, because it adds up.
 */
public final class ShapeOps implements Ops<long[]> {
  private long macs;

  /** Creates an instance whose count is zero. */
  public ShapeOps() {}

  /** The multiply-accumulates so far. */
  public long macs() {
    return macs;
  }

  private static long product(long... sizes) {
    return Arrays.stream(sizes).reduce(1, Math::multiplyExact);
  }

  @Override
  public long[] convolution(Convolution convolution, long[] x) {
    long[] y = convolution.outputShape(x);
    macs += product(y) * (convolution.weight().numel() / y[1]);
    return y;
  }

  @Override
  public long[] linear(Linear linear, long[] x) {
    macs += x[0] * linear.weight().numel();
    return new long[] {x[0], linear.weight().size(0)};
  }

  @Override
  public long[] batchNorm(BatchNorm norm, long[] x) {
    return x;
  }

  @Override
  public long[] parameter(String name, Tensor values) {
    return values.shape();
  }

  @Override
  public long[] number(double value) {
    return new long[0];
  }

  @Override
  public long[] positions(long[] x) {
    return new long[0];
  }

  @Override
  public long[] size(long[] x, int dimension) {
    return new long[0];
  }

  @Override
  public long[] indices(long[] x, int dimension) {
    return new long[] {x[dimension < 0 ? x.length + dimension : dimension]};
  }

  @Override
  public long[] in(Module module, Supplier<long[]> body) {
    return body.get();
  }

  /** The shape of the result for two shapes that broadcast. */
  private static long[] both(long[] a, long[] b) {
    long[] longer = a.length >= b.length ? a.clone() : b.clone();
    long[] shorter = a.length >= b.length ? b : a;
    for (int i = 1; i <= shorter.length; i++) {
      int at = longer.length - i;
      longer[at] = Math.max(longer[at], shorter[shorter.length - i]);
    }
    return longer;
  }

  @Override
  public long[] add(long[] a, long[] b) {
    return both(a, b);
  }

  @Override
  public long[] add(long[] a, double b) {
    return a;
  }

  @Override
  public long[] sub(long[] a, long[] b) {
    return both(a, b);
  }

  @Override
  public long[] mul(long[] a, long[] b) {
    return both(a, b);
  }

  @Override
  public long[] mul(long[] a, double b) {
    return a;
  }

  @Override
  public long[] div(long[] a, long[] b) {
    return both(a, b);
  }

  @Override
  public long[] div(long[] a, double b) {
    return a;
  }

  @Override
  public long[] maximum(long[] a, long[] b) {
    return both(a, b);
  }

  @Override
  public long[] neg(long[] x) {
    return x;
  }

  @Override
  public long[] square(long[] x) {
    return x;
  }

  @Override
  public long[] sqrt(long[] x) {
    return x;
  }

  @Override
  public long[] abs(long[] x) {
    return x;
  }

  @Override
  public long[] relu(long[] x) {
    return x;
  }

  @Override
  public long[] sigmoid(long[] x) {
    return x;
  }

  @Override
  public long[] tanh(long[] x) {
    return x;
  }

  @Override
  public long[] hardSigmoid(long[] x) {
    return x;
  }

  @Override
  public long[] hardSwish(long[] x) {
    return x;
  }

  @Override
  public long[] gelu(long[] x) {
    return x;
  }

  @Override
  public long[] softmax(long[] x, int dimension) {
    return x;
  }

  @Override
  public long[] mean(long[] x) {
    return new long[] {x[0], x[1]};
  }

  @Override
  public long[] max(long[] x) {
    return mean(x);
  }

  @Override
  public long[] mean(long[] x, int dimension) {
    return with(x, dimension, 1);
  }

  @Override
  public long[] max(long[] x, int dimension) {
    return mean(x, dimension);
  }

  @Override
  public long[] norm(long[] x) {
    return mean(x);
  }

  @Override
  public long[] sum(long[] x, int dimension) {
    return mean(x, dimension);
  }

  /** Returns the shape with another size in one dimension. */
  private static long[] with(long[] x, int dimension, long size) {
    long[] y = x.clone();
    y[dimension < 0 ? y.length + dimension : dimension] = size;
    return y;
  }

  @Override
  public long[] windowMax(long[] x, int... window) {
    long[] y = x.clone();
    for (int i = 0; i < window.length; i++) {
      y[2 + i] /= window[i];
    }
    return y;
  }

  @Override
  public long[] windowMean(long[] x, int window) {
    long[] y = x.clone();
    for (int i = 2; i < y.length; i++) {
      y[i] = (x[i] + window - 1) / window;
    }
    return y;
  }

  @Override
  public long[] maxPool(long[] x, int kernel, int stride, int padding) {
    long[] y = x.clone();
    for (int i = 2; i < y.length; i++) {
      y[i] = (x[i] + 2L * padding - kernel) / stride + 1;
    }
    return y;
  }

  @Override
  public long[] averagePool(long[] x, int kernel, int stride, int padding, boolean countsPadding) {
    return maxPool(x, kernel, stride, padding);
  }

  @Override
  public long[] adaptiveAverage(long[] x, int... sizes) {
    long[] y = x.clone();
    for (int i = 0; i < sizes.length; i++) {
      y[2 + i] = sizes[i];
    }
    return y;
  }

  @Override
  public long[] adaptiveAverage(long[] x, long[] like) {
    return nearest(x, like);
  }

  @Override
  public long[] nearest(long[] x, long[] like) {
    return with(unflatten(x, like), 0, x[0]);
  }

  @Override
  public long[] bilinear(long[] x, long[] like, boolean aligned) {
    return nearest(x, like);
  }

  @Override
  public long[] matmul(long[] a, long[] b) {
    long[] batch =
        // product of the sizes
        both(Arrays.copyOf(a, a.length - 2), Arrays.copyOf(b, b.length - 2));
    long[] y = Arrays.copyOf(batch, batch.length + 2);
    y[batch.length] = a[a.length - 2];
    y[batch.length + 1] = b[b.length - 1];
    macs += product(y) * a[a.length - 1];
    return y;
  }

  @Override
  public long[] attention(Similarity similarity, long[] queries, long[] keys, long[] values) {
    long pairs = flatten(queries)[0] * flatten(queries)[2] * flatten(keys)[2];
    // the summed dimension
    long ofSimilarity = similarity == Similarity.RECTIFIED_SUM ? 0 : queries[1];
    macs += pairs * (ofSimilarity + values[1]);
    return with(queries, 1, values[1]);
  }

  @Override
  public long[] flatten(long[] x) {
    return new long[] {x[0], x[1], product(Arrays.copyOfRange(x, 2, x.length))};
  }

  @Override
  public long[] plane(long[] x) {
    return x.length == 4 ? x : new long[] {x[0], x[1], 1, flatten(x)[2]};
  }

  @Override
  public long[] unflatten(long[] x, long[] like) {
    return with(like, 1, x[1]);
  }

  @Override
  public long[] perChannel(long[] x, long[] like) {
    long[] y = new long[like.length];
    Arrays.fill(y, 1);
    y[0] = x[0];
    y[1] = x[1];
    return y;
  }

  @Override
  public long[] reshape(long[] x, long... shape) {
    long[] y = shape.clone();
    long rest = product(x);
    int open = -1;
    for (int i = 0; i < y.length; i++) {
      y[i] = y[i] == 0 ? x[i] : y[i];
      open = y[i] == -1 ? i : open;
      rest = y[i] == -1 ? rest : rest / y[i];
    }
    if (open >= 0) {
      y[open] = rest;
    }
    return y;
  }

  @Override
  public long[] expand(long[] x, long[] like) {
    return like;
  }

  @Override
  public long[] transpose(long[] x) {
    long[] y = x.clone();
    y[y.length - 1] = x[x.length - 2];
    y[y.length - 2] = x[x.length - 1];
    return y;
  }

  @Override
  public long[] permute(long[] x, int... order) {
    return Arrays.stream(order).mapToLong(dimension -> x[dimension]).toArray();
  }

  @Override
  public long[] concat(int dimension, long[] a, long[] b) {
    int at = dimension < 0 ? a.length + dimension : dimension;
    return with(a, at, a[at] + b[at]);
  }

  @Override
  public long[] narrow(long[] x, int dimension, long from, long length) {
    return with(x, dimension, length);
  }

  @Override
  public long[] first(long[] x, int dimension, long[] like) {
    return with(x, dimension, like[dimension]);
  }

  @Override
  public long[] last(long[] x, int dimension, long[] like) {
    return with(x, dimension, like[dimension]);
  }

  @Override
  public long[] inTraining(Module module, long[] x, UnaryOperator<Tensor> noise) {
    return x;
  }

  /** The count of layers, from a forward pass on zeros of that shape. */
  @Override
  public long[] tensorsOnly(String name, long[] x, UnaryOperator<Tensor> forward) {
    try (Tensor zeros = torch.zeros(x)) {
      macs +=
          Macs.count(
              () -> {
                Tensor unused = forward.apply(zeros);
              });
    }
    return x;
  }
}
