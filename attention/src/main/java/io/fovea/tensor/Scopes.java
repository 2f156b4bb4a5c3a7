package io.fovea.tensor;

import java.util.List;
import java.util.function.Supplier;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;

/** Keeps native memory flat: what a computation makes on its way is freed when it returns. */
public final class Scopes {
  private Scopes() {}

  /**
   * Runs a computation in a {@code PointerScope} of its own and hands its result to the scope around
   * it; without one, the result is freed when it is closed or garbage.
   *
   * @param body makes one tensor, or returns null
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
   * @param body makes some tensors
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

  /** Keeps a tensor beyond the scope it was made in, which is still open, for {@code outer}. */
  private static void handOut(Tensor result, PointerScope outer) {
    if (outer != null) {
      outer.attach(
          result); // holds a reference of its own, so the inner scope's release is harmless
    } else {
      result.retainReference();
    }
  }
}
