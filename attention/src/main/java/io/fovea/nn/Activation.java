package io.fovea.nn;

import io.fovea.nn.Graph.Value;
import java.util.function.BiFunction;
import java.util.function.UnaryOperator;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/**
 * A function without parameters, as a step of a {@link Sequence}.
 *
 * @param forward what it computes
 * @param nodes the same as ONNX operators
 */
public record Activation(UnaryOperator<Tensor> forward, BiFunction<Graph, Value, Value> nodes) {
  /** The positive part. */
  public static final Activation RELU =
      new Activation(torch::relu, (graph, x) -> graph.node("Relu", x));

  /** The positive part, in place of what it is taken of. */
  public static final Activation RELU_IN_PLACE = new Activation(Tensor::relu_, RELU.nodes);

  /** {@code x · min(max(x + 3, 0), 6) / 6}. */
  public static final Activation HARD_SWISH =
      new Activation(torch::hardswish, (graph, x) -> graph.node("HardSwish", x));
}
