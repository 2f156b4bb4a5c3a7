package io.fovea.nn;

import io.fovea.tensor.compute.PairSums;
import io.fovea.tensor.compute.SoftmaxAttention;
import io.fovea.tensor.internal.Gradients;
import java.util.Arrays;
import java.util.function.Supplier;
import java.util.function.UnaryOperator;
import org.bytedeco.pytorch.DoubleOptional;
import org.bytedeco.pytorch.Module;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.ScalarOptional;
import org.bytedeco.pytorch.ScalarTypeOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * The operators that compute with tensors. Results are differentiable if gradients are on. The
 * caller opens the scope.
 *
 * <p>Thread-safe.
 */
public class TensorOps implements Ops<Tensor> {
  /** The operators without an observer. */
  public static final TensorOps PLAIN = new TensorOps();

  /** For observers of the intermediate results of an equation. */
  protected TensorOps() {}

  @Override
  public Tensor convolution(Convolution convolution, Tensor x) {
    return convolution.compute(x);
  }

  @Override
  public Tensor convolution(
      Convolution convolution, BatchNorm norm, Activation activation, Tensor x) {
    return convolution.forward(x, norm, activation);
  }

  @Override
  public Tensor linear(Linear linear, Tensor x) {
    return linear.compute(x);
  }

  @Override
  public Tensor batchNorm(BatchNorm norm, Tensor x) {
    return norm.compute(x);
  }

  @Override
  public Tensor groupNorm(GroupNorm norm, Tensor x) {
    return norm.compute(x);
  }

  @Override
  public Tensor layerNorm(LayerNorm norm, Tensor x) {
    return norm.compute(x);
  }

  @Override
  public Tensor module(
      Module module, Tensor x, UnaryOperator<Tensor> forward, Supplier<Tensor> equation) {
    return forward.apply(x);
  }

  @Override
  public Tensor parameter(String name, Tensor values) {
    return values;
  }

  @Override
  public Tensor number(double value) {
    return torch.scalar_tensor( // without dimensions, so that the other operand keeps its type
        new Scalar(value), new TensorOptions(ScalarType.Double));
  }

  @Override
  public Tensor positions(Tensor x) {
    return number((double) x.numel() / (x.size(0) * x.size(1)));
  }

  @Override
  public Tensor size(Tensor x, int dimension) {
    return number((double) x.size(dimension));
  }

  @Override
  public Tensor indices(Tensor x, int dimension) {
    return torch.arange(new Scalar(x.size(dimension)), x.options());
  }

  @Override
  public Tensor scale(Tensor x, String name, Tensor factors) {
    return x.mul(Layer.isHalved(x, factors) ? factors.to(ScalarType.BFloat16) : factors);
  }

  @Override
  public Tensor in(Module module, Supplier<Tensor> body) {
    if (module instanceof Component component) {
      component.computes();
    }
    return body.get();
  }

  @Override
  public Tensor add(Tensor a, Tensor b) {
    return a.add(b);
  }

  @Override
  public Tensor add(Tensor a, double b) {
    return a.add(new Scalar(b));
  }

  @Override
  public Tensor sub(Tensor a, Tensor b) {
    return a.sub(b);
  }

  @Override
  public Tensor mul(Tensor a, Tensor b) {
    return a.mul(b);
  }

  @Override
  public Tensor mul(Tensor a, double b) {
    return a.mul(new Scalar(b));
  }

  @Override
  public Tensor div(Tensor a, Tensor b) {
    return a.div(b);
  }

  @Override
  public Tensor div(Tensor a, double b) {
    return a.div(new Scalar(b));
  }

  @Override
  public Tensor maximum(Tensor a, Tensor b) {
    return torch.maximum(a, b);
  }

  @Override
  public Tensor neg(Tensor x) {
    return x.neg();
  }

  @Override
  public Tensor square(Tensor x) {
    return x.square();
  }

  @Override
  public Tensor sqrt(Tensor x) {
    return x.sqrt();
  }

  @Override
  public Tensor abs(Tensor x) {
    return x.abs();
  }

  @Override
  public Tensor relu(Tensor x) {
    return x.relu();
  }

  @Override
  public Tensor reluInPlace(Tensor x) {
    return x.relu_();
  }

  @Override
  public Tensor sigmoid(Tensor x) {
    return x.sigmoid();
  }

  @Override
  public Tensor tanh(Tensor x) {
    return x.tanh();
  }

  @Override
  public Tensor hardSigmoid(Tensor x) {
    if (x.scalar_type().intern() == ScalarType.Double) { // libtorch's gradient has 1/6 in float32
      ScalarOptional zero = new ScalarOptional(new Scalar(0.0));
      ScalarOptional six = new ScalarOptional(new Scalar(6.0));
      return x.add(new Scalar(3.0)).clamp(zero, six).div(new Scalar(6.0));
    }
    return torch.hardsigmoid(x);
  }

  @Override
  public Tensor hardSwish(Tensor x) {
    return torch.hardswish(x);
  }

  @Override
  public Tensor silu(Tensor x) {
    return torch.silu(x);
  }

  @Override
  public Tensor gelu(Tensor x) {
    return torch.gelu(x);
  }

  @Override
  public Tensor softmax(Tensor x, int dimension) {
    return x.softmax(dimension);
  }

  @Override
  public Tensor mean(Tensor x) {
    return Pooling.average(x);
  }

  @Override
  public Tensor max(Tensor x) {
    return Pooling.maximum(x);
  }

  @Override
  public Tensor mean(Tensor x, int dimension) {
    return x.mean(new long[] {dimension}, true, null);
  }

  @Override
  public Tensor max(Tensor x, int dimension) {
    return Pooling.maximum(x, dimension, true);
  }

  @Override
  public Tensor norm(Tensor x) {
    return torch.linalg_vector_norm(
        x.flatten(2, -1), new Scalar(2), new long[] {2}, false, new ScalarTypeOptional());
  }

  @Override
  public Tensor sum(Tensor x, int dimension) {
    return x.sum(new long[] {dimension}, true, null);
  }

  @Override
  public Tensor windowMax(Tensor x, int... window) {
    return Pooling.windowMax(x, window);
  }

  @Override
  public Tensor windowMean(Tensor x, int window) {
    return Pooling.windowMean(x, window);
  }

  @Override
  public Tensor maxPool(Tensor x, int kernel, int stride, int padding) {
    return torch.max_pool2d(
        x,
        new long[] {kernel, kernel},
        new long[] {stride, stride},
        new long[] {padding, padding},
        new long[] {1, 1},
        false);
  }

  @Override
  public Tensor averagePool(Tensor x, int kernel, int stride, int padding, boolean countsPadding) {
    return Pooling.windowAverage(x, kernel, stride, padding, countsPadding);
  }

  @Override
  public Tensor adaptiveAverage(Tensor x, int... sizes) {
    return Pooling.adaptiveAverage(x, Arrays.stream(sizes).asLongStream().toArray());
  }

  @Override
  public Tensor adaptiveAverage(Tensor x, Tensor like) {
    return Pooling.adaptiveAverage(x, spatial(like));
  }

  @Override
  public Tensor nearest(Tensor x, Tensor like) {
    return Pooling.nearest(x, spatial(like));
  }

  @Override
  public Tensor bilinear(Tensor x, Tensor like, boolean aligned) {
    return torch.upsample_bilinear2d(
        x, spatial(like), aligned, new DoubleOptional(), new DoubleOptional());
  }

  private static long[] spatial(Tensor x) {
    return Arrays.copyOfRange(x.shape(), 2, (int) x.dim());
  }

  @Override
  public Tensor matmul(Tensor a, Tensor b) {
    return a.matmul(b);
  }

  @Override
  public Tensor attention(Similarity similarity, Tensor queries, Tensor keys, Tensor values) {
    Tensor q = flatten(queries).transpose(1, 2); // [B, N, E]
    Tensor k = flatten(keys); // [B, E, N']
    Tensor v = flatten(values).transpose(1, 2); // [B, N', D]
    Tensor y = // [B, N, D]
        switch (similarity) {
          case SOFTMAX -> SoftmaxAttention.attended(q, k.transpose(1, 2), v);
          case PRODUCT -> PairSums.products(q, k, v);
          case RECTIFIED_SUM -> PairSums.rectified(q, k, v);
        };
    return unflatten(y.transpose(1, 2), queries);
  }

  @Override
  public Tensor flatten(Tensor x) {
    return x.flatten(2, -1);
  }

  @Override
  public Tensor plane(Tensor x) {
    return switch ((int) x.dim()) {
      case 3 -> x.unsqueeze(2);
      case 4 -> x;
      default -> x.flatten(2, -2);
    };
  }

  @Override
  public Tensor unflatten(Tensor x, Tensor like) {
    long[] shape = like.shape();
    shape[1] = x.size(1);
    return Arrays.equals(shape, x.shape()) ? x : x.reshape(shape);
  }

  @Override
  public Tensor perChannel(Tensor x, Tensor like) {
    return Pooling.perChannel(x, like);
  }

  @Override
  public Tensor reshape(Tensor x, long... shape) {
    long[] sizes = shape.clone();
    for (int i = 0; i < sizes.length; i++) {
      sizes[i] = sizes[i] == 0 ? x.size(i) : sizes[i];
    }
    return x.reshape(sizes);
  }

  @Override
  public Tensor expand(Tensor x, Tensor like) {
    return x.expand_as(like);
  }

  @Override
  public Tensor transpose(Tensor x) {
    return x.transpose(-2, -1);
  }

  @Override
  public Tensor permute(Tensor x, int... order) {
    return x.permute(Arrays.stream(order).asLongStream().toArray());
  }

  @Override
  public Tensor concat(int dimension, Tensor a, Tensor b) {
    return torch.cat(new TensorVector(a, b), dimension);
  }

  @Override
  public Tensor narrow(Tensor x, int dimension, long from, long length) {
    return x.narrow(dimension, from, length);
  }

  @Override
  public Tensor first(Tensor x, int dimension, Tensor like) {
    return x.narrow(dimension, 0, like.size(dimension));
  }

  @Override
  public Tensor last(Tensor x, int dimension, Tensor like) {
    long length = like.size(dimension);
    return x.narrow(dimension, x.size(dimension) - length, length);
  }

  @Override
  public Tensor residual(Tensor x, Tensor change) {
    boolean inPlace = !Gradients.needed(change, x) && change.is_contiguous() && x.is_contiguous();
    // x comes first, because it determines the layout of the result
    return inPlace ? change.add_(x) : x.add(change);
  }

  @Override
  public Tensor inTraining(Module module, Tensor x, UnaryOperator<Tensor> noise) {
    return module.is_training() ? noise.apply(x) : x;
  }

  @Override
  public Tensor tensorsOnly(String name, Tensor x, UnaryOperator<Tensor> forward) {
    return forward.apply(x);
  }
}
