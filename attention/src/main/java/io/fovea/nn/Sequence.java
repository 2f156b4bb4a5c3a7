package io.fovea.nn;

import java.util.ArrayList;
import java.util.List;
import java.util.Objects;

/** A sequence of named layers. Functions without parameters have no names. */
public final class Sequence extends Layer {
  /** A step: either a layer or a function; the other one is null. */
  private record Step(Layer layer, Activation function) {}

  private final List<Step> steps = new ArrayList<>();

  /** An empty sequence. */
  public Sequence() {
    super("Sequence");
  }

  /** Appends a layer, registered under {@code name}. */
  public Sequence add(String name, Layer layer) {
    register_module(name, layer);
    steps.add(new Step(layer, null));
    return this;
  }

  /** Appends a function without parameters; its name is for readers only. */
  public Sequence add(String name, Activation function) {
    steps.add(new Step(null, function));
    return this;
  }

  @Override
  public <T> T apply(Ops<T> ops, T x) {
    return ops.in(this, () -> applied(ops, x));
  }

  private <T> T applied(Ops<T> ops, T x) {
    T y = x;
    for (int i = 0; i < steps.size(); i++) {
      Step step = steps.get(i);
      if (step.layer instanceof Convolution convolution && layer(i + 1) instanceof BatchNorm norm) {
        i++;
        Activation behind = null;
        if (i + 1 < steps.size() && layer(i + 1) == null) {
          behind = steps.get(++i).function;
        }
        y = ops.convolution(convolution, norm, behind, y);
      } else {
        y = step.layer == null ? step.function.apply(ops, y) : step.layer.apply(ops, y);
      }
    }
    return y;
  }

  /** The layers, without the functions between them. */
  public List<Layer> layers() {
    return steps.stream().map(Step::layer).filter(Objects::nonNull).toList();
  }

  /**
   * Returns the layer of a step.
   *
   * @return the layer, or null if the step is a function or does not exist
   */
  private Layer layer(int index) {
    return index < steps.size() ? steps.get(index).layer : null;
  }

  /** Whether any batch norm uses the statistics of the batch instead of its running statistics. */
  public boolean normalisesByBatch() {
    return steps.stream()
        .anyMatch(step -> step.layer instanceof BatchNorm && step.layer.is_training());
  }

  @Override
  protected void fuse(Fusing fusing) {
    for (int i = 0; i < steps.size(); i++) {
      Layer layer = layer(i);
      if (layer instanceof Convolution convolution && layer(i + 1) instanceof BatchNorm norm) {
        fusing.add(convolution, norm);
      } else if (layer != null) {
        fusing.add(layer);
      }
    }
  }
}
