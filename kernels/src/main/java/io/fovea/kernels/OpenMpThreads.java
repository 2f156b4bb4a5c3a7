package io.fovea.kernels;

import io.fovea.tensor.compute.LibtorchThreads;
import java.util.function.IntConsumer;

/** Runs loops on libtorch's own OpenMP threads, if they can be used. */
public final class OpenMpThreads implements LibtorchThreads {
  /** Is called by the service loader. */
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
