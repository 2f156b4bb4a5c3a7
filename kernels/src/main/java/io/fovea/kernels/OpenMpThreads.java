package io.fovea.kernels;

import io.fovea.tensor.compute.LibtorchThreads;
import java.util.function.IntConsumer;

/** Loops on libtorch's own OpenMP threads, where they can be reached. */
public final class OpenMpThreads implements LibtorchThreads {
  /** For the service loader. */
  public OpenMpThreads() {}

  @Override
  public boolean run(int count, IntConsumer body) {
    if (OpenMp.found().isEmpty()) {
      return false;
    }
    Parallel.forEach(count, body);
    return true;
  }
}
