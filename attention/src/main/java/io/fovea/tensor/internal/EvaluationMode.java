package io.fovea.tensor.internal;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Module;

/**
 * Runs code in evaluation mode and restores the mode. Every part of a module has its own mode: a
 * batch norm may stay in evaluation mode while everything around it is trained. So the mode of each
 * part is restored, not only that of the whole module. Threads may share it.
 */
public final class EvaluationMode {
  /** The parts that are in evaluation mode because of calls, by their address. Guarded by itself. */
  private static final Map<Long, Part> PARTS = new HashMap<>();

  /** Calls that have ended, but whose parts others still use. Guarded by {@link #PARTS}. */
  private static final List<Call> ENDED = new ArrayList<>();

  private static final class Part {
    private final boolean wasTraining;
    private int users;

    Part(boolean wasTraining) {
      this.wasTraining = wasTraining;
    }
  }

  /** A call with the addresses of its parts, and whether it changed the mode of any. */
  private record Call(Module module, List<Long> parts, boolean changed) {}

  private EvaluationMode() {}

  /**
   * Runs {@code body} with a module in evaluation mode, and then restores the mode of the module
   * and of each of its parts. Several threads may do this with one module, or with a module and a
   * part of it; the modes are restored when the last one is done. No thread may train the module
   * meanwhile.
   *
   * @param module the module, which is in evaluation mode during the call
   * @return what the body returned
   */
  public static <T> T in(Module module, Supplier<T> body) {
    Call call = begin(module);
    try {
      return body.get();
    } finally {
      end(call);
    }
  }

  private static Call begin(Module module) {
    synchronized (PARTS) {
      List<Long> addresses = new ArrayList<>();
      boolean trains = false;
      try (PointerScope scope = new PointerScope()) {
        for (Module part : module.modules().get()) {
          boolean training = part.is_training();
          trains |= training;
          PARTS.computeIfAbsent(part.address(), address -> new Part(training)).users++;
          addresses.add(part.address());
        }
      }
      if (trains) {
        module.eval();
      }
      return new Call(module, addresses, trains);
    }
  }

  private static void end(Call call) {
    synchronized (PARTS) {
      call.parts().forEach(address -> PARTS.get(address).users--);
      if (call.changed()) {
        ENDED.add(call);
      }
      // a mode is set for a part and all parts of it, so none of those may be in use
      List<Call> free =
          ENDED.stream()
              .filter(ended -> ended.parts().stream().allMatch(part -> PARTS.get(part).users == 0))
              .toList();
      ENDED.removeAll(free);
      free.forEach(EvaluationMode::restore);
      PARTS
          .entrySet()
          .removeIf(
              part ->
                  part.getValue().users == 0
                      && ENDED.stream().noneMatch(ended -> ended.parts().contains(part.getKey())));
    }
  }

  private static void restore(Call call) {
    if (call.module().isNull()) {
      return; // closed while another thread used a part of it
    }
    try (PointerScope scope = new PointerScope()) {
      for (Module part : call.module().modules().get()) {
        Part before = PARTS.get(part.address());
        if (before != null && part.is_training() != before.wasTraining) {
          part.train(before.wasTraining); // this also sets all parts of it, which follow
        }
      }
    }
  }
}
