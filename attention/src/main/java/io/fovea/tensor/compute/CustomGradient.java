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
 * A custom gradient: a node of libtorch's autograd graph whose gradient Java computes.
 *
 * <p>The presets have no class from which a node could be derived, so this class changes an
 * existing node. It takes the node of a concatenation, which has as many outputs as operands, uses
 * it for a result that was computed elsewhere, and gives it edges to the inputs of that result. A
 * hook before the node stores the incoming gradient and passes on an undefined one, for which the
 * concatenation computes nothing. A hook after the node inserts the gradients that Java computed.
 * libtorch then treats them like any gradient: it adds them if an input is used twice, and skips
 * frozen inputs.
 *
 * <p>The tensors for the gradient are kept until the graph is freed. A small tensor that the graph
 * saves shows when: as soon as only Java refers to it, the graph has been freed. This is checked
 * after the backward pass and whenever the next result is created.
 */
public final class CustomGradient {
  /**
   * Computes the gradients of the inputs (in their order and shapes) from the gradient of the
   * result, which has the memory order of the result.
   */
  public interface Backward {
    List<Tensor> of(Tensor dy);
  }

  private static final Set<CustomGradient> ALIVE = ConcurrentHashMap.newKeySet();

  private final List<Tensor> kept;
  private final List<Long> versions;
  private final Tensor savedByGraph;
  private final Receive receive = new Receive(); // libtorch calls them back
  private final Compute compute;
  private final Passed passed = new Passed();

  @SuppressWarnings("ThreadLocalUsage") // each graph has its own gradient
  private final ThreadLocal<Tensor> received = new ThreadLocal<>();

  /** What Java holds of the gradients. libtorch copies a gradient that something else holds, too. */
  @SuppressWarnings("ThreadLocalUsage")
  private final ThreadLocal<TensorVector> sent = new ThreadLocal<>();

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
   * Makes {@code result} differentiable. Second-order gradients are refused.
   *
   * @param result the result that was computed from the inputs without a graph
   * @param inputs the inputs, of which at least one needs a gradient
   * @param kept the detached tensors that {@code backward} needs; they must not change until then
   */
  public static void attach(
      Tensor result, List<Tensor> inputs, List<Tensor> kept, Backward backward) {
    ALIVE.forEach(CustomGradient::releaseIfPassed);
    Tensor saved = torch.ones(1);
    Tensor[] operands = new Tensor[inputs.size() + 1];
    EdgeVector edges = new EdgeVector(operands.length);
    for (int i = 0; i < inputs.size(); i++) {
      Tensor input = inputs.get(i);
      operands[i] = torch.zeros(1).set_requires_grad(input.requires_grad());
      edges.put(
          i,
          input.requires_grad()
              ? new Edge(input.alias().grad_fn(), 0) // also for leaves; passes the tensor through
              : new Edge());
    }
    // made last, so that libtorch runs it before it passes the gradients on
    Tensor last = torch.zeros(1).set_requires_grad(true).neg();
    operands[inputs.size()] = torch.zeros(1).set_requires_grad(true);
    edges.put(inputs.size(), new Edge(last.mul(saved).grad_fn(), 0));
    Node node = torch.cat(new TensorVector(operands)).grad_fn();
    node.clear_input_metadata();
    node.set_next_edges(edges);
    CustomGradient gradient = new CustomGradient(kept, saved, backward, ChannelsLast.is(result));
    node.add_pre_hook(gradient.receive);
    node.add_post_hook(gradient.compute);
    last.grad_fn().add_post_hook(gradient.passed);
    // not earlier, because their ownership changes there
    gradient.hooks().forEach(Pointer::retainReference);
    torch.create_gradient_edge(result, node);
    ALIVE.add(gradient);
  }

  private List<Pointer> hooks() {
    return List.of(receive, compute, passed);
  }

  /** The number of graphs for which tensors are kept. */
  public static int alive() {
    return ALIVE.size();
  }

  /** Frees tensors that no graph needs any more. One thread checks at a time. */
  private synchronized void releaseIfPassed() {
    if (ALIVE.contains(this) && savedByGraph.use_count() == 1) {
      ALIVE.remove(this);
      kept.forEach(Tensor::releaseReference);
      savedByGraph.releaseReference();
      hooks().forEach(Pointer::releaseReference);
    }
  }

  /** Throws an exception if the gradient cannot be computed. */
  private void check() {
    if (!ALIVE.contains(this)) {
      throw new IllegalStateException(
          "the graph was freed by the first backward pass; use retain_graph to run backward"
              + " twice");
    }
    if (GradMode.is_enabled()) {
      throw new UnsupportedOperationException(
          "second-order gradients are not supported by custom gradients; for those of the"
              + " kernels, run with -Dfovea.kernels=off");
    }
    for (int i = 0; i < kept.size(); i++) {
      if (kept.get(i)._version() != versions.get(i)) {
        throw new IllegalStateException(
            "the input was changed in place, but the gradient needs its original value");
      }
    }
  }

  /**
   * Objects that Java creates for libtorch belong to the caller's scope, because libtorch copies
   * them.
   */
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
      Tensor own = new Tensor(gradients.get(0)); // the vector is freed when this call returns
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
        TensorVector results =
            handedOn(
                () -> {
                  Tensor real = dy.resolve_neg(); // kernels read memory, not the sign beside it
                  List<Tensor> computed =
                      new ArrayList<>(
                          backward.of(channelsLast ? ChannelsLast.of(real) : real.contiguous()));
                  computed.add(new Tensor()); // for the node that shows when the graph is freed
                  return computed.toArray(Tensor[]::new);
                });
        sent.set(results);
        return results;
      } finally {
        dy.releaseReference();
      }
    }
  }

  /**
   * A hook after the next node but one, before the gradients of the inputs are passed on. By then, the
   * graph has freed the node that saves the tensor, and libtorch has its own copy of the list of gradients.
   */
  private final class Passed extends FunctionPostHook {
    @Override
    public TensorVector apply(TensorVector handedOn, TensorVector gradients) {
      TensorVector results = sent.get();
      if (results != null) {
        sent.remove();
        results.clear();
      }
      releaseIfPassed();
      return handedOn;
    }
  }
}
