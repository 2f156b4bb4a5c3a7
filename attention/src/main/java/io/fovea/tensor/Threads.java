package io.fovea.tensor;

import org.bytedeco.openblas.global.openblas;
import org.bytedeco.pytorch.global.torch;

/** How many threads compute. */
public final class Threads {
  static {
    Libtorch.load();
  }

  private Threads() {}

  /**
   * Sets the threads of libtorch's own loops for this thread and those that start after it, and gives
   * matrix products one each. OpenBLAS has a pool beside libtorch's, and two pools on the same cores
   * wait for each other: one image through a small network took 80 ms instead of 1 where OpenBLAS had
   * two threads and another process was at work.
   *
   * @param count at least 1; one for each core is the most that helps
   * @throws IllegalArgumentException if the count is less than 1
   */
  public static void set(int count) {
    if (count < 1) {
      throw new IllegalArgumentException("the number of threads must be at least 1, got " + count);
    }
    setOfLibtorch(count);
    openblas.blas_set_num_threads(1);
  }

  /**
   * Sets the threads of libtorch's loops alone. libtorch keeps a number for each thread and one for
   * all; when a thread first computes, or asks for its number, it takes that of all, even if it has
   * set its own before. So it asks here, while no other thread can change the number of all.
   */
  private static synchronized void setOfLibtorch(int count) {
    torch.set_num_threads(count);
    count();
  }

  /** The threads that compute for the calling thread; the {@code Kernels} take them too. */
  public static int count() {
    return torch.get_num_threads();
  }
}
