package io.fovea.tensor.compute;

import java.util.Iterator;
import java.util.Optional;
import java.util.ServiceConfigurationError;
import java.util.ServiceLoader;
import java.util.function.IntConsumer;

/**
 * The threads of libtorch's own pool, for loops that Java runs. One provider is looked for when it is needed
 * first; it comes with the vector kernels, and {@code -Dfovea.kernels=off} leaves it alone as well.
 */
public interface LibtorchThreads {
  /**
   * Runs {@code body} for 0 to {@code count - 1} on threads of libtorch's own pool, the caller's among
   * them, and returns when all are done. What libtorch is called for there, each computes alone.
   *
   * @return whether it could; if not, nothing was run
   */
  boolean run(int count, IntConsumer body);

  /** The provider of this process, if there is one. */
  static Optional<LibtorchThreads> inUse() {
    return Found.THREADS;
  }

  /** Looks once. */
  final class Found {
    private static final Optional<LibtorchThreads> THREADS = find();

    private Found() {}

    private static Optional<LibtorchThreads> find() {
      if ("off".equals(System.getProperty("fovea.kernels"))) {
        return Optional.empty();
      }
      try {
        Iterator<LibtorchThreads> providers = ServiceLoader.load(LibtorchThreads.class).iterator();
        return providers.hasNext() ? Optional.of(providers.next()) : Optional.empty();
      } catch (ServiceConfigurationError | LinkageError e) {
        return Optional.empty(); // an older Java, or no Vector API; the kernels' finder says so
      }
    }
  }
}
