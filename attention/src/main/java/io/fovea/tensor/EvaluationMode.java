package io.fovea.tensor;

import java.util.function.Supplier;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Module;

/**
 * Evaluation mode for a while. Every part of a module has a mode of its own: a batch norm may keep its
 * statistics while everything around it is trained. So what is restored is the mode of each part, and
 * not that of the whole.
 */
public final class EvaluationMode {
  private EvaluationMode() {}

  /**
   * Runs {@code body} with a module in evaluation mode, and then puts the module and each of its parts
   * back into the mode that it was in. The module must not be used by other threads meanwhile, unless it
   * is in evaluation mode already.
   *
   * @param module computes in evaluation mode meanwhile
   * @return what the body returned
   */
  public static <T> T in(Module module, Supplier<T> body) {
    boolean[] before = modes(module);
    module.eval();
    try {
      return body.get();
    } finally {
      restore(module, before);
    }
  }

  private static boolean[] modes(Module module) {
    try (PointerScope scope = new PointerScope()) {
      Module[] parts = module.modules().get();
      boolean[] modes = new boolean[parts.length];
      for (int i = 0; i < parts.length; i++) {
        modes[i] = parts[i].is_training();
      }
      return modes;
    }
  }

  private static void restore(Module module, boolean[] modes) {
    try (PointerScope scope = new PointerScope()) {
      Module[] parts = module.modules().get();
      for (int i = 0; i < parts.length; i++) {
        parts[i].train(modes[i]); // and all parts of it, whose turn comes later
      }
    }
  }
}
