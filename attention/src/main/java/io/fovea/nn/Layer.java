package io.fovea.nn;

import io.fovea.nn.Graph.Value;
import org.bytedeco.pytorch.Module;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * The few layers that attention modules and backbones are made of, the same class for 1, 2 and 3
 * spatial dimensions. Names of parameters, initial values and defaults are PyTorch's; the computing is
 * libtorch's. A layer knows its own attributes, so that a network can be walked in Java.
 */
public abstract class Layer extends Module {
  private static final int IMAGE_RANK = 4;

  /** For layers of one's own; {@code name} is what PyTorch calls it. */
  protected Layer(String name) {
    super(name);
  }

  /** Applies the layer; shapes are as in PyTorch's layer of the same name. */
  public abstract <T> T apply(Ops<T> ops, T x);

  /** Computes. */
  public final Tensor forward(Tensor x) {
    return apply(TensorOps.PLAIN, x);
  }

  /** Writes what the layer computes in evaluation mode into a graph, under its name in the network. */
  public final Value write(Graph graph, Value x) {
    return apply(new GraphOps(graph, IMAGE_RANK), x);
  }

  /** Whether bfloat16 meets float32 parameters: the layer computes in the former, and trains the latter. */
  static boolean isHalved(Tensor x, Tensor weight) {
    return x.scalar_type().intern() == ScalarType.BFloat16
        && weight.scalar_type().intern() == ScalarType.Float;
  }

  /** PyTorch's initial values of convolutions and linear layers: uniform in ±1/sqrt(fan in). */
  static Tensor uniform(long fanIn, long... shape) {
    double bound = 1 / Math.sqrt((double) fanIn);
    Tensor tensor = torch.empty(shape);
    try (NoGradGuard guard = new NoGradGuard()) {
      tensor.uniform_(-bound, bound, null);
    }
    return tensor;
  }
}
