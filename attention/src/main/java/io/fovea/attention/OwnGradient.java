package io.fovea.attention;

import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Edge;
import org.bytedeco.pytorch.EdgeVector;
import org.bytedeco.pytorch.FunctionPostHook;
import org.bytedeco.pytorch.GradMode;
import org.bytedeco.pytorch.Node;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;

/**
 * A gradient that Java computes, as a node of libtorch's graph.
 *
 * <p>The presets have no class to derive a node from, but nodes can be taken apart. The node of an
 * addition, which in the backward pass hands its gradient to both operands, is given edges to the input
 * and to all parameters joined to one vector, and becomes the node of a result that was computed
 * elsewhere. A hook behind it puts the own gradients in place of what the addition handed on. From there
 * on libtorch does what it does with any gradient: adds up where a parameter is used twice, and leaves
 * out what is frozen.
 *
 * <p>What the gradient needs is held here until the graph that needs it is gone. A small tensor that the
 * graph saves tells: when nobody but Java refers to it any more, the graph has been freed. That is looked
 * at right after the backward pass has gone by, and whenever the next result is made.
 */
final class OwnGradient {
  /** The gradients of input and parameters (in their order and shape) from that of the result. */
  interface Backward {
    Gradients of(Tensor x, Tensor dy);
  }

  record Gradients(Tensor input, List<Tensor> parameters) {}

  private static final Set<OwnGradient> ALIVE = ConcurrentHashMap.newKeySet();

  private final Tensor x;
  private final long version;
  private final List<Tensor> kept;
  private final Tensor savedByGraph;
  private final List<FunctionPostHook> hooks; // libtorch calls back into them

  private OwnGradient(Tensor x, List<Tensor> kept, Tensor savedByGraph, Backward backward) {
    this.x = x;
    this.version = x._version();
    this.kept = kept;
    this.savedByGraph = savedByGraph;
    this.hooks = List.of(new Compute(backward), new Passed());
    x.retainReference();
    kept.forEach(Tensor::retainReference);
    savedByGraph.retainReference();
  }

  /**
   * Makes {@code result} differentiable, once: gradients of its gradients are refused.
   *
   * @param result what was computed from the others, without a graph of its own
   * @param x the input, of the result's shape if a gradient is taken of it
   * @param parameters of which a gradient is taken of one at least
   * @param kept what {@code backward} needs beside the input and is nobody else's to keep, detached
   */
  static void attach(
      Tensor result, Tensor x, List<Tensor> parameters, List<Tensor> kept, Backward backward) {
    ALIVE.forEach(OwnGradient::releaseIfPassed);
    Tensor[] flat = parameters.stream().map(p -> p.flatten(0, -1)).toArray(Tensor[]::new);
    Tensor joined = torch.cat(new TensorVector(flat), 0).view(-1);
    Tensor saved = torch.ones(1);
    Node toParameters = joined.mul(saved).grad_fn();
    toParameters
        .clear_input_metadata(); // it is handed a gradient like the result's, until the hook
    toParameters.add_input_metadata(result);
    EdgeVector edges = new EdgeVector(2);
    edges.put(0, x.requires_grad() ? new Edge(x.view(x.shape()).grad_fn(), 0) : new Edge());
    edges.put(1, new Edge(toParameters, 0));
    Node node = torch.zeros(1).set_requires_grad(true).add(torch.zeros(1)).grad_fn();
    node.clear_input_metadata();
    node.set_next_edges(edges);
    OwnGradient gradient = new OwnGradient(x.detach(), kept, saved, backward);
    node.add_post_hook(gradient.hooks.get(0));
    joined.grad_fn().add_post_hook(gradient.hooks.get(1));
    gradient.hooks.forEach(
        FunctionPostHook::retainReference); // not before: they change hands there
    torch.create_gradient_edge(result, node);
    ALIVE.add(gradient);
  }

  /** How many graphs hold on to something. */
  static int alive() {
    return ALIVE.size();
  }

  /** Lets go of everything if no graph needs it any more. */
  private void releaseIfPassed() {
    if (savedByGraph.use_count() == 1 && ALIVE.remove(this)) {
      x.releaseReference();
      kept.forEach(Tensor::releaseReference);
      savedByGraph.releaseReference();
      hooks.forEach(FunctionPostHook::releaseReference);
    }
  }

  /** Behind the node itself. */
  private final class Compute extends FunctionPostHook {
    private final transient Backward backward;

    Compute(Backward backward) {
      this.backward = backward;
    }

    @Override
    public TensorVector apply(TensorVector handedOn, TensorVector gradients) {
      if (!ALIVE.contains(OwnGradient.this)) {
        throw new IllegalStateException(
            "backward a second time through a graph that the first time has freed; retain it then");
      }
      if (GradMode.is_enabled()) {
        throw new UnsupportedOperationException(
            "a gradient that Java computes has none itself; the kernels', which are one, are left alone with"
                + " -Dfovea.kernels=off");
      }
      if (x._version() != version) {
        throw new IllegalStateException(
            "the input was changed in place, and the gradient needs it");
      }
      PointerScope outer = PointerScope.getInnerScope();
      try (PointerScope scope = new PointerScope()) {
        Gradients computed = backward.of(x, gradients.get(0).contiguous());
        Tensor[] flat =
            computed.parameters().stream().map(p -> p.flatten(0, -1)).toArray(Tensor[]::new);
        TensorVector result =
            new TensorVector(computed.input(), torch.cat(new TensorVector(flat), 0));
        if (outer != null) {
          outer.attach(result);
        } else {
          result.retainReference();
        }
        return result;
      }
    }
  }

  /** Behind the node that comes after the one that saves, which the graph has let go of by then. */
  private final class Passed extends FunctionPostHook {
    @Override
    public TensorVector apply(TensorVector handedOn, TensorVector gradients) {
      releaseIfPassed();
      return handedOn;
    }
  }
}
