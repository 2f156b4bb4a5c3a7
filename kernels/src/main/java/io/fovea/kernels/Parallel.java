package io.fovea.kernels;

import io.fovea.tensor.Threads;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Phaser;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.IntConsumer;

/**
 * Processes the images of a batch on several threads. The caller's thread takes part. The helpers
 * are libtorch's own threads, or those of a pool if {@link OpenMp} is not available. Their number
 * is what {@link Threads#count} leaves when all current callers are subtracted, so that several
 * callers share the cores instead of multiplying their threads.
 */
final class Parallel {
  private static final ExecutorService POOL =
      Executors.newCachedThreadPool(
          runnable -> {
            Thread thread = new Thread(runnable, "fovea-kernels");
            thread.setDaemon(true);
            return thread;
          });
  private static final AtomicInteger BUSY = new AtomicInteger();

  private Parallel() {}

  /** The body for index i; {@code next} is the index that this thread processes next, or -1. */
  interface Body {
    void accept(int index, int next);
  }

  /** Runs {@code body} for 0 to {@code count - 1}, and returns when all are done. */
  static void forEach(int count, IntConsumer body) {
    run(count, false, (index, next) -> body.accept(index));
  }

  /** The same for a body that can prepare the next index. */
  static void forEachAhead(int count, Body body) {
    run(count, true, body);
  }

  private static void run(int count, boolean ahead, Body body) {
    int helpers = helpers(count - 1);
    AtomicInteger next = new AtomicInteger();
    AtomicReference<Throwable> failure = new AtomicReference<>();
    Runnable work =
        () -> {
          try {
            int i = next.getAndIncrement();
            while (i < count) {
              // The last indices are taken by the thread that is free first.
              boolean more = ahead && next.get() < count - helpers;
              int following = more ? next.getAndIncrement() : count;
              body.accept(i, following < count ? following : -1);
              i = more ? following : next.getAndIncrement();
            }
          } catch (Throwable e) {
            failure.compareAndSet(null, e);
            next.set(count);
          }
        };
    try {
      if (helpers == 0) {
        work.run();
      } else if (OpenMp.found().isPresent()) {
        OpenMp.found().get().parallel(1 + helpers, work);
      } else {
        onPool(helpers, work);
      }
    } finally {
      BUSY.addAndGet(-1 - helpers);
    }
    if (failure.get() instanceof Error error) {
      throw error;
    }
    if (failure.get() instanceof RuntimeException exception) {
      throw exception;
    }
  }

  private static void onPool(int helpers, Runnable work) {
    Phaser working = new Phaser(1 + helpers);
    for (int i = 0; i < helpers; i++) {
      POOL.execute(
          () -> {
            work.run();
            working.arriveAndDeregister();
          });
    }
    work.run();
    working.arriveAndAwaitAdvance();
  }

  /** Counts the caller and its helpers as busy. */
  private static int helpers(int useful) {
    while (true) {
      int busy = BUSY.get();
      int helpers = Math.max(0, Math.min(useful, Threads.count() - busy - 1));
      if (BUSY.compareAndSet(busy, busy + 1 + helpers)) {
        return helpers;
      }
    }
  }
}
