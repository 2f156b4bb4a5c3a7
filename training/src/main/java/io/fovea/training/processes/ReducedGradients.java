package io.fovea.training.processes;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Deque;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.BoolVector;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Node;
import org.bytedeco.pytorch.ProcessGroup;
import org.bytedeco.pytorch.Reducer;
import org.bytedeco.pytorch.SizeTStringMap;
import org.bytedeco.pytorch.SizeTVector;
import org.bytedeco.pytorch.SizeTVectorVector;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;

/**
 * The gradients by libtorch's {@code Reducer}, as in PyTorch's DistributedDataParallel: in buckets
 * of 25 MB, each of which is exchanged as soon as its gradients are there.
 *
 * <p>Two things differ from there, so that a training that goes on from a state has the same bits:
 * the buckets are those of the first step for good (PyTorch sorts them anew after it), and parameters
 * that the loss does not depend on are left out, so that their gradients stay undefined as in one
 * process.
 */
final class ReducedGradients implements Group.Gradients {
  private static final long BUCKET = 25 << 20;
  private static final long FIRST_BUCKET = 1 << 20; // so that the exchange begins early

  private final ProcessGroup group;
  private final List<Tensor> parameters;
  private final PointerScope owner = PointerScope.getInnerScope();
  private Reducer reducer; // null before the first backward pass
  private List<Tensor> used; // the parameters with a gradient

  ReducedGradients(ProcessGroup group, List<Tensor> parameters) {
    this.group = group;
    this.parameters = parameters;
  }

  @Override
  public boolean clear() {
    if (reducer == null) { // another training may have left parts of its own buckets
      parameters.forEach(parameter -> parameter.mutable_grad().reset());
      return true;
    }
    // in place, because they are parts of the buckets
    try (NoGradGuard guard = new NoGradGuard()) {
      used.forEach(parameter -> parameter.grad().zero_());
    }
    return true;
  }

  @Override
  public void beforeBackward(Tensor loss, boolean last) {
    if (reducer == null) {
      create(loss);
    }
    if (last) {
      reducer.prepare_for_forward();
      reducer.prepare_for_backward(new TensorVector());
    }
  }

  private void create(Tensor loss) {
    try (PointerScope scope = new PointerScope()) {
      used = used(loss);
      Collections.reverse(used); // about the order in which the gradients come
      BoolVector sparse = new BoolVector(used.size());
      SizeTVectorVector buckets = new SizeTVectorVector();
      List<Long> bucket = new ArrayList<>();
      long bytes = 0;
      for (int i = 0; i < used.size(); i++) {
        Tensor parameter = used.get(i);
        sparse.put(i, false);
        // of the parameter's memory order; libtorch would warn about another one
        Tensor zeros = torch.zeros_like(parameter);
        parameter.mutable_grad().put(zeros);
        boolean otherType =
            i > 0 && used.get(i - 1).scalar_type().intern() != parameter.scalar_type().intern();
        if (otherType && !bucket.isEmpty()) {
          buckets.push_back(indices(bucket));
          bucket.clear();
          bytes = 0;
        }
        bucket.add((long) i);
        bytes += parameter.nbytes();
        if (bytes >= (buckets.size() == 0 ? FIRST_BUCKET : BUCKET)) {
          buckets.push_back(indices(bucket));
          bucket.clear();
          bytes = 0;
        }
      }
      if (!bucket.isEmpty()) {
        buckets.push_back(indices(bucket));
      }
      reducer =
          new Reducer(
              new TensorVector(used.toArray(Tensor[]::new)),
              buckets,
              group,
              sparse,
              BUCKET,
              false,
              true,
              new SizeTStringMap(),
              FIRST_BUCKET,
              false,
              false);
      owner.attach(reducer);
    }
  }

  private static SizeTVector indices(List<Long> all) {
    return new SizeTVector(all.stream().mapToLong(Long::longValue).toArray());
  }

  /** The parameters on which the loss depends. */
  private List<Tensor> used(Tensor loss) {
    Set<Long> seen = new HashSet<>();
    Deque<Node> open = new ArrayDeque<>();
    open.add(loss.grad_fn());
    while (!open.isEmpty()) {
      Node node = open.pop();
      if (!seen.add(node.address())) {
        continue;
      }
      for (int i = 0; i < node.num_outputs(); i++) {
        if (node.next_edge(i).is_valid()) {
          open.push(node.next_edge(i).function());
        }
      }
    }
    List<Tensor> used = new ArrayList<>();
    for (Tensor parameter : parameters) {
      // the node behind that of a copy is the one that adds up the parameter's gradient
      if (seen.contains(parameter.alias().grad_fn().next_edge(0).function().address())) {
        used.add(parameter);
      }
    }
    return used;
  }
}
