package io.fovea.nn;

import io.fovea.nn.Graph.Value;
import java.util.ArrayList;
import java.util.List;
import org.bytedeco.pytorch.Tensor;

/** Layers one after the other under names of their own; functions without parameters have none. */
public final class Sequence extends Layer {
  /** What it does; the layer is null if it has no parameters. */
  private record Step(Layer layer, Activation function) {}

  private final List<Step> steps = new ArrayList<>();

  /** An empty sequence. */
  public Sequence() {
    super("Sequence");
  }

  /** Appends a layer, registered under {@code name}. */
  public Sequence add(String name, Layer layer) {
    register_module(name, layer);
    steps.add(new Step(layer, new Activation(layer::forward, layer::write)));
    return this;
  }

  /** Appends a function without parameters, named for the reader. */
  public Sequence add(String name, Activation function) {
    steps.add(new Step(null, function));
    return this;
  }

  @Override
  public Tensor forward(Tensor x) {
    Tensor y = x;
    for (int i = 0; i < steps.size(); i++) {
      if (steps.get(i).layer instanceof Convolution convolution
          && layer(i + 1) instanceof BatchNorm norm) {
        i++;
        Activation behind = null;
        if (i + 1 < steps.size() && layer(i + 1) == null) {
          behind = steps.get(++i).function;
        }
        y = convolution.forward(y, norm, behind);
      } else {
        y = steps.get(i).function.forward().apply(y);
      }
    }
    return y;
  }

  /** The number of layers and functions. */
  public int size() {
    return steps.size();
  }

  /**
   * The layer of a step.
   *
   * @return null if the step is a function, or if there is no such step
   */
  public Layer layer(int index) {
    return index < steps.size() ? steps.get(index).layer : null;
  }

  /** Whether some batch norm takes the statistics of what it is given, not those it has. */
  public boolean normalisesByBatch() {
    return steps.stream()
        .anyMatch(step -> step.layer instanceof BatchNorm && step.layer.is_training());
  }

  void fold(Fusing folding) {
    for (int i = 0; i < steps.size(); i++) {
      Layer layer = layer(i);
      if (layer instanceof Convolution convolution && layer(i + 1) instanceof BatchNorm norm) {
        folding.add(convolution, norm);
      } else if (layer != null) {
        folding.add(layer);
      }
    }
  }

  @Override
  Value nodes(Graph graph, Value x) {
    Value y = x;
    for (Step step : steps) {
      y = step.function.nodes().apply(graph, y);
    }
    return y;
  }
}
