package io.fovea.tensor.internal;

import java.util.function.Supplier;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Module;

/**
 * Runs code in evaluation mode and restores the mode. Every part of a module has its own mode: a
 * batch norm may stay in evaluation mode while everything around it is trained. So the mode of each
 * part is restored, not only that of the whole module.
 */
public final class EvaluationMode {
  private EvaluationMode() {}

  /**
   * Runs {@code body} with a module in evaluation mode, and then restores the mode of the module
   * and of each of its parts. Other threads must not use the module during the call, unless it is
   * in evaluation mode already.
   *
   * @param module the module, which is in evaluation mode during the call
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
        parts[i].train(modes[i]); // this also sets all parts, which are restored later
      }
    }
  }
}
