package io.fovea.nn;

import io.fovea.nn.Graph.Value;
import io.fovea.tensor.internal.InitialValues;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * The layers of attention modules and backbones. One class covers 1, 2 and 3 spatial dimensions.
 * Names of parameters, initial values and defaults are those of PyTorch; libtorch computes the
 * results. A layer knows its attributes, so that Java code can traverse a network.
 *
 * <p>In evaluation mode a layer is thread-safe. In training it belongs to one thread.
 */
public abstract class Layer extends Component {
  private static final int IMAGE_RANK = 4;

  /** Is called by subclasses; {@code name} is PyTorch's name of the layer. */
  protected Layer(String name) {
    super(name);
  }

  /** Applies the layer. The shapes are those of PyTorch's layer of the same name. */
  public abstract <T> T apply(Ops<T> ops, T x);

  /** Adds the convolutions in this layer that a batch norm follows; none by default. */
  protected void fuse(Fusing fusing) {}

  /** Computes. */
  public final Tensor forward(Tensor x) {
    return apply(TensorOps.PLAIN, x);
  }

  /** Writes the layer in evaluation mode into a graph, with its name in the network. */
  public final Value write(Graph graph, Value x) {
    return apply(new GraphOps(graph, IMAGE_RANK), x);
  }

  /**
   * Whether the input is bfloat16 and the parameters are float32. The layer then computes in
   * bfloat16 and trains the float32 parameters.
   */
  static boolean isHalved(Tensor x, Tensor weight) {
    return x.scalar_type().intern() == ScalarType.BFloat16
        && weight.scalar_type().intern() == ScalarType.Float;
  }

  /** PyTorch's initial values of convolutions and linear layers: uniform in ±1/sqrt(fan in). */
  static Tensor uniform(long fanIn, long... shape) {
    double bound = 1 / Math.sqrt((double) fanIn);
    Tensor tensor = torch.empty(shape);
    if (InitialValues.areSkipped()) {
      return tensor;
    }
    try (NoGradGuard guard = new NoGradGuard()) {
      tensor.uniform_(-bound, bound, null);
    }
    return tensor;
  }
}
