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
 * Rows divided among threads, each of which computes alone. One matrix product on several threads of
 * BLAS's beside loops on several of libtorch's makes two pools wait for each other; several small products
 * side by side do not. The threads are libtorch's own where {@link LibtorchThreads} reach them; elsewhere they
 * are Java's, one for each core, which all callers share.
 */
public final class Workers {
  /** Computes a part of the rows, without gradients and in a scope of its own. */
  public interface Part {
    void compute(int part, long from, long to);
  }

  private static final int CORES = Runtime.getRuntime().availableProcessors();
  private static ExecutorService pool;

  private Workers() {}

  /** Into how many parts rows are divided: one where BLAS has threads of its own already. */
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

  /** Waits for all, also after a failure: they use tensors that the caller will free. */
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
              awaitUninterruptibly(ready); // so that each thread gets one of these
            });
      }
      awaitUninterruptibly(ready);
      Threads.set(threads); // what threads that start later take, which those changed
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
