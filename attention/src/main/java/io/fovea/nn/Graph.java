package io.fovea.nn;

import java.util.Map;
import java.util.function.Supplier;
import org.bytedeco.pytorch.Module;
import org.bytedeco.pytorch.Tensor;

/**
 * A graph of ONNX operators that a network is written into. Each layer and each mechanism writes what
 * its {@code forward} computes in evaluation mode, in the operators of opset 17 (<a
 * href="https://onnx.ai/onnx/operators/">onnx.ai/onnx/operators</a>), for batches and spatial sizes that
 * are known only when the graph runs.
 *
 * <p>This is all that the attention modules know of ONNX; the files are made by {@code
 * io.fovea.models.onnx.Onnx}.
 */
public interface Graph {
  /**
   * A tensor that flows through the graph.
   *
   * @param name unique in the graph
   */
  record Value(String name) {}

  /**
   * Runs {@code body}, whose nodes and weights are named after the place that {@code module} has in the
   * network; of a module that has none, after the one around it.
   *
   * @return what {@code body} returns
   */
  Value in(Module module, Supplier<Value> body);

  /**
   * Weights. The same ones written twice, by a layer that is used twice, are there once.
   *
   * @param name in the module that is being written: {@code weight}
   */
  Value weights(String name, Tensor values);

  /** Whole numbers: a shape, axes. */
  Value integers(long... values);

  /** A number. */
  Value number(double value);

  /**
   * A node with one output.
   *
   * @param operator {@code Conv}
   * @param attributes Integer, Long, Double, String or long[] by name
   * @param inputs optional ones at the end can be left out
   * @throws IllegalArgumentException if an attribute has another type
   */
  Value node(String operator, Map<String, ?> attributes, Value... inputs);

  /** A node without attributes. */
  default Value node(String operator, Value... inputs) {
    return node(operator, Map.of(), inputs);
  }
}
