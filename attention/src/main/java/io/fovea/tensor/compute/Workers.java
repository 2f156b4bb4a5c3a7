package io.fovea.tensor.compute;

import io.fovea.tensor.Threads;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.IntConsumer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.openblas.global.openblas;
import org.bytedeco.pytorch.NoGradGuard;

/**
 * Rows divided among threads, each of which computes alone. One matrix product on several threads
 * of BLAS's beside loops on several of libtorch's makes two pools wait for each other; several
 * small products side by side do not. The threads are libtorch's own if {@link LibtorchThreads} can
 * use them; otherwise they are Java threads, one for each core, which all callers share.
 */
public final class Workers {
  /** Computes a part of the rows, without gradients and in its own scope. */
  public interface Part {
    void compute(int part, long from, long to);
  }

  private static final int CORES = Runtime.getRuntime().availableProcessors();
  private static ExecutorService pool;

  private Workers() {}

  /** The number of parts into which rows are divided: one if BLAS already uses several threads. */
  public static int parts(long rows) {
    return openblas.blas_get_num_threads() > 1
        ? 1
        : (int) Math.max(1, Math.min(rows, Math.min(CORES, Threads.count())));
  }

  /** Divides rows into equal parts, computes them, and returns when all are done. */
  public static void divide(long rows, int parts, Part body) {
    if (parts == 1) {
      run(body, 0, 0, rows);
      return;
    }
    IntConsumer own = part -> run(body, part, rows * part / parts, rows * (part + 1) / parts);
    if (LibtorchThreads.inUse().isPresent() && LibtorchThreads.inUse().get().run(parts, own)) {
      return;
    }
    List<Future<?>> running = new ArrayList<>();
    for (int part = 0; part < parts; part++) {
      int number = part;
      running.add(pool().submit(() -> own.accept(number)));
    }
    finish(running);
  }

  private static void run(Part body, int part, long from, long to) {
    try (PointerScope scope = new PointerScope();
        NoGradGuard guard = new NoGradGuard()) {
      body.compute(part, from, to);
    }
  }

  /**
   * Waits for all parts, even after a failure, because they use tensors that the caller will free.
   */
  private static void finish(List<Future<?>> running) {
    Throwable failure = null;
    boolean interrupted = false;
    for (Future<?> part : running) {
      while (true) {
        try {
          part.get();
          break;
        } catch (ExecutionException e) {
          failure = failure == null ? e.getCause() : failure;
          break;
        } catch (InterruptedException e) {
          interrupted = true;
        }
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
    if (failure instanceof Error error) {
      throw error;
    }
    if (failure != null) {
      throw failure instanceof RuntimeException cause ? cause : new CompletionException(failure);
    }
  }

  private static synchronized ExecutorService pool() {
    if (pool == null) {
      int threads = Threads.count();
      ExecutorService started =
          Executors.newFixedThreadPool(
              CORES,
              body -> {
                Thread thread = new Thread(body, "fovea-workers");
                thread.setDaemon(true);
                return thread;
              });
      CountDownLatch ready = new CountDownLatch(CORES);
      for (int i = 0; i < CORES; i++) {
        started.execute(
            () -> {
              Threads.set(1);
              ready.countDown();
              awaitUninterruptibly(ready); // so that each thread gets one part
            });
      }
      awaitUninterruptibly(ready);
      // restores the default for threads that start later, which the workers have changed
      Threads.set(threads);
      pool = started;
    }
    return pool;
  }

  private static void awaitUninterruptibly(CountDownLatch latch) {
    boolean interrupted = false;
    while (true) {
      try {
        latch.await();
        break;
      } catch (InterruptedException e) {
        interrupted = true;
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }
}
