package io.fovea.training;

import java.util.concurrent.CancellationException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;

/** Waits for trainings that run in parallel on the threads of a pool. */
public final class SideBySide {
  private SideBySide() {}

  /** Gives the training whose result is wanted, and may wait until it is finished. */
  public interface Source<T> {
    Future<T> take() throws InterruptedException;
  }

  /**
   * Waits for the result of a training.
   *
   * @throws CancellationException if this thread was interrupted; any exception of the training is
   *     thrown as it is
   */
  public static <T> T result(Source<T> source) {
    try {
      return source.take().get();
    } catch (ExecutionException e) {
      if (e.getCause() instanceof Error error) {
        throw error;
      }
      throw e.getCause() instanceof RuntimeException cause
          ? cause
          : new IllegalStateException(e.getCause());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new CancellationException("interrupted");
    }
  }

  /**
   * Interrupts the threads of a pool and waits for their end, so that nothing computes after this
   * method returns. Trainings end at their next step if their listener throws an exception there.
   */
  public static void stop(ExecutorService pool) {
    pool.shutdownNow();
    boolean interrupted = false;
    while (true) {
      try {
        if (pool.awaitTermination(1, TimeUnit.DAYS)) {
          break;
        }
      } catch (InterruptedException e) {
        interrupted = true;
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }
}
