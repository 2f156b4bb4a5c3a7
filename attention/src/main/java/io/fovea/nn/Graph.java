package io.fovea.nn;

import java.util.Map;
import java.util.function.Supplier;
import org.bytedeco.pytorch.Module;
import org.bytedeco.pytorch.Tensor;

/**
 * A graph of ONNX operators. Each layer and each mechanism writes what its {@code forward} computes
 * in evaluation mode, with the operators of opset 17 (<a
 * href="https://onnx.ai/onnx/operators/">onnx.ai/onnx/operators</a>), for any batch size and
 * spatial sizes.
 *
 * <p>Attention modules use only this interface of ONNX. {@code io.fovea.models.onnx.Onnx} writes
 * the files.
 *
 * <p>Not thread-safe: one thread writes a graph.
 */
public interface Graph {
  /**
   * A tensor that flows through the graph.
   *
   * @param name the name, which is unique in the graph
   */
  record Value(String name) {}

  /**
   * Runs {@code body}. Its nodes and weights get the name of {@code module} in the network, or that
   * of the enclosing module if it has none.
   *
   * @return the result of {@code body}
   */
  Value in(Module module, Supplier<Value> body);

  /**
   * Adds weights. If a layer is used twice, its weights are stored once.
   *
   * @param name the name in the current module, such as {@code weight}
   */
  Value weights(String name, Tensor values);

  /** Adds integers, such as a shape or axes. */
  Value integers(long... values);

  /** Adds a number. */
  Value number(double value);

  /**
   * Adds a node with one output.
   *
   * @param operator the operator, such as {@code Conv}
   * @param attributes the attributes by name: Integer, Long, Double, String or long[]
   * @param inputs the inputs; optional ones at the end can be left out
   * @throws IllegalArgumentException if an attribute has another type
   */
  Value node(String operator, Map<String, ?> attributes, Value... inputs);

  /** Adds a node without attributes. */
  default Value node(String operator, Value... inputs) {
    return node(operator, Map.of(), inputs);
  }
}
