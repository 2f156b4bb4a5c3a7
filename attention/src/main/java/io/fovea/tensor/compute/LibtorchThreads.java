package io.fovea.tensor.compute;

import java.util.Iterator;
import java.util.Optional;
import java.util.ServiceConfigurationError;
import java.util.ServiceLoader;
import java.util.function.IntConsumer;

/**
 * The threads of libtorch's own pool, for loops that Java runs. The provider is looked up when it
 * is first needed. It belongs to the vector kernels, and {@code -Dfovea.kernels=off} disables it,
 * too.
 */
public interface LibtorchThreads {
  /**
   * Runs {@code body} for 0 to {@code count - 1} on libtorch's own threads, including the caller's,
   * and returns when all are done. Calls of libtorch inside {@code body} use one thread each.
   *
   * @return whether this is supported; if not, nothing was run
   */
  boolean run(int count, IntConsumer body);

  /** The provider of this process, if there is one. */
  static Optional<LibtorchThreads> inUse() {
    return Found.THREADS;
  }

  /** Looks up the provider once. */
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
        // the Java version is too old, or it has no Vector API, which KernelsInUse reports
        return Optional.empty();
      }
    }
  }
}
