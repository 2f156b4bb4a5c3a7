package io.fovea.tensor.internal;

import java.util.List;
import java.util.function.Supplier;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;

/**
 * Frees the intermediate tensors of a computation when it returns, so that native memory does not
 * grow.
 */
public final class Scopes {
  private Scopes() {}

  /**
   * Runs a computation in its own {@code PointerScope} and passes its result to the enclosing
   * scope. Without an enclosing scope, the result is freed when it is closed or garbage-collected.
   *
   * @param body creates one tensor, or returns null
   * @return that tensor
   */
  public static Tensor compute(Supplier<Tensor> body) {
    PointerScope outer = PointerScope.getInnerScope();
    try (PointerScope scope = new PointerScope()) {
      Tensor result = body.get();
      if (result != null) {
        handOut(result, outer);
      }
      return result;
    }
  }

  /**
   * The same for a computation with several results.
   *
   * @param body creates tensors
   * @return those tensors
   */
  public static List<Tensor> computeAll(Supplier<List<Tensor>> body) {
    PointerScope outer = PointerScope.getInnerScope();
    try (PointerScope scope = new PointerScope()) {
      List<Tensor> results = body.get();
      results.forEach(result -> handOut(result, outer));
      return results;
    }
  }

  /**
   * Moves a tensor from the scope in which it was created, which is still open, to {@code outer}.
   */
  private static void handOut(Tensor result, PointerScope outer) {
    if (outer != null) {
      outer.attach(
          // the outer scope holds its own reference, so the release by the inner scope does no harm
          result);
    } else {
      result.retainReference();
    }
  }
}
