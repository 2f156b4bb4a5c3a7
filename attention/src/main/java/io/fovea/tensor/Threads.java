package io.fovea.tensor;

import org.bytedeco.openblas.global.openblas;
import org.bytedeco.pytorch.global.torch;

/**
 * The number of threads that compute, for the whole process. Thread-safe; a change holds for what begins
 * after it.
 */
public final class Threads {
  /** libtorch crashes where the system has no more threads to give. */
  private static final int MOST = 1024;

  static {
    Libtorch.load();
  }

  private Threads() {}

  /**
   * Sets the number of threads for libtorch's loops, for this thread and for threads that start
   * after this call. Matrix products get one thread each. OpenBLAS has a thread pool of its own,
   * and two pools on the same cores wait for each other: one image took 80 ms instead of 1 ms in a
   * small network when OpenBLAS had two threads and another process was running.
   *
   * @param count the number of threads, from 1 to 1024; more than one for each core does not help
   * @throws IllegalArgumentException if the count is less than 1 or more than 1024
   */
  public static void set(int count) {
    if (count < 1 || count > MOST) {
      throw new IllegalArgumentException(
          "the number of threads must be from 1 to " + MOST + ", got " + count);
    }
    setOfLibtorch(count);
    openblas.blas_set_num_threads(1);
  }

  /**
   * Sets the number of threads of libtorch's loops only. libtorch has a number for each thread and
   * a global one. When a thread first computes, or asks for its number, it takes the global one,
   * even if it has set its own before. So this method asks for it while no other thread can change
   * the global number.
   */
  private static synchronized void setOfLibtorch(int count) {
    torch.set_num_threads(count);
    count();
  }

  /**
   * The number of threads that compute for the calling thread; the {@code Kernels} use the same
   * number.
   */
  public static int count() {
    return torch.get_num_threads();
  }
}
