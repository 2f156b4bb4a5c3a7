package io.fovea.tensor.compute;

import io.fovea.tensor.internal.ChannelsLast;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Supplier;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Edge;
import org.bytedeco.pytorch.EdgeVector;
import org.bytedeco.pytorch.FunctionPostHook;
import org.bytedeco.pytorch.FunctionPreHook;
import org.bytedeco.pytorch.GradMode;
import org.bytedeco.pytorch.Node;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;

/**
 * A gradient that Java computes, as a node of libtorch's graph.
 *
 * <p>The presets have no class to derive a node from, but nodes can be taken apart. The node of a
 * concatenation, which has as many outputs as it had operands, becomes the node of a result that was
 * computed elsewhere, and is given edges to the inputs of that. A hook before it keeps the gradient that
 * comes and hands on none, for which a concatenation computes nothing; a hook behind it puts the own
 * gradients in place. From there on libtorch does what it does with any gradient: adds up where an input
 * is used twice, and leaves out what is frozen.
 *
 * <p>What the gradient needs is held here until the graph that needs it is gone. A small tensor that the
 * graph saves tells: when nobody but Java refers to it any more, the graph has been freed. That is looked
 * at right after the backward pass has gone by, and whenever the next result is made.
 */
public final class CustomGradient {
  /**
   * The gradients of the inputs (in their order and shape) from that of the result, which comes in the
   * result's order of memory.
   */
  public interface Backward {
    List<Tensor> of(Tensor dy);
  }

  private static final Set<CustomGradient> ALIVE = ConcurrentHashMap.newKeySet();

  private final List<Tensor> kept;
  private final List<Long> versions;
  private final Tensor savedByGraph;
  private final Receive receive = new Receive(); // libtorch calls back into them
  private final Compute compute;
  private final Passed passed = new Passed();

  @SuppressWarnings("ThreadLocalUsage") // what one graph received is nothing to another
  private final ThreadLocal<Tensor> received = new ThreadLocal<>();

  private CustomGradient(
      List<Tensor> kept, Tensor savedByGraph, Backward backward, boolean channelsLast) {
    this.kept = kept;
    this.versions = kept.stream().map(Tensor::_version).toList();
    this.savedByGraph = savedByGraph;
    this.compute = new Compute(backward, channelsLast);
    kept.forEach(Tensor::retainReference);
    savedByGraph.retainReference();
  }

  /**
   * Makes {@code result} differentiable, once: gradients of its gradients are refused.
   *
   * @param result what was computed from the inputs, without a graph of its own
   * @param inputs of which a gradient is taken of one at least
   * @param kept what {@code backward} needs and must not change until then, detached
   */
  public static void attach(
      Tensor result, List<Tensor> inputs, List<Tensor> kept, Backward backward) {
    ALIVE.forEach(CustomGradient::releaseIfPassed);
    Tensor saved = torch.ones(1);
    Tensor last = torch.zeros(1).set_requires_grad(true).neg();
    Tensor[] operands = new Tensor[inputs.size() + 1];
    EdgeVector edges = new EdgeVector(operands.length);
    for (int i = 0; i < inputs.size(); i++) {
      Tensor input = inputs.get(i);
      operands[i] = torch.zeros(1).set_requires_grad(input.requires_grad());
      edges.put(
          i,
          input.requires_grad()
              ? new Edge(input.alias().grad_fn(), 0) // of leaves, too; hands on as it is
              : new Edge());
    }
    operands[inputs.size()] = torch.zeros(1).set_requires_grad(true);
    edges.put(inputs.size(), new Edge(last.mul(saved).grad_fn(), 0));
    Node node = torch.cat(new TensorVector(operands)).grad_fn();
    node.clear_input_metadata();
    node.set_next_edges(edges);
    CustomGradient gradient = new CustomGradient(kept, saved, backward, ChannelsLast.is(result));
    node.add_pre_hook(gradient.receive);
    node.add_post_hook(gradient.compute);
    last.grad_fn().add_post_hook(gradient.passed);
    gradient.hooks().forEach(Pointer::retainReference); // not before: they change hands there
    torch.create_gradient_edge(result, node);
    ALIVE.add(gradient);
  }

  private List<Pointer> hooks() {
    return List.of(receive, compute, passed);
  }

  /** How many graphs hold on to something. */
  public static int alive() {
    return ALIVE.size();
  }

  /** Lets go of everything if no graph needs it any more; one thread looks at a time, not at what is freed. */
  private synchronized void releaseIfPassed() {
    if (ALIVE.contains(this) && savedByGraph.use_count() == 1) {
      ALIVE.remove(this);
      kept.forEach(Tensor::releaseReference);
      savedByGraph.releaseReference();
      hooks().forEach(Pointer::releaseReference);
    }
  }

  /** Fails where the gradient cannot be had. */
  private void check() {
    if (!ALIVE.contains(this)) {
      throw new IllegalStateException(
          "backward a second time through a graph that the first time has freed; retain it then");
    }
    if (GradMode.is_enabled()) {
      throw new UnsupportedOperationException(
          "a gradient that Java computes has none itself; the kernels', which are one, are left alone with"
              + " -Dfovea.kernels=off");
    }
    for (int i = 0; i < kept.size(); i++) {
      if (kept.get(i)._version() != versions.get(i)) {
        throw new IllegalStateException(
            "the input was changed in place, and the gradient needs it");
      }
    }
  }

  /** What Java makes for libtorch, which takes a copy, is freed with the scope around, or not at all. */
  private static TensorVector handedOn(Supplier<Tensor[]> tensors) {
    PointerScope outer = PointerScope.getInnerScope();
    try (PointerScope scope = new PointerScope()) {
      TensorVector result = new TensorVector(tensors.get());
      if (outer != null) {
        outer.attach(result);
      } else {
        result.retainReference();
      }
      return result;
    }
  }

  /** Before the node. */
  private final class Receive extends FunctionPreHook {
    @Override
    public TensorVector apply(TensorVector gradients) {
      Tensor own = new Tensor(gradients.get(0)); // the vector goes away with this call
      own.retainReference();
      received.set(own);
      return handedOn(() -> new Tensor[] {new Tensor()});
    }
  }

  /** Behind the node. */
  private final class Compute extends FunctionPostHook {
    private final transient Backward backward;
    private final boolean channelsLast;

    Compute(Backward backward, boolean channelsLast) {
      this.backward = backward;
      this.channelsLast = channelsLast;
    }

    @Override
    public TensorVector apply(TensorVector nothing, TensorVector gradients) {
      Tensor dy = received.get();
      received.remove();
      try {
        check();
        return handedOn(
            () -> {
              List<Tensor> computed =
                  new ArrayList<>(
                      backward.of(channelsLast ? ChannelsLast.of(dy) : dy.contiguous()));
              computed.add(new Tensor()); // for the node that tells that the graph is gone
              return computed.toArray(Tensor[]::new);
            });
      } finally {
        dy.releaseReference();
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
