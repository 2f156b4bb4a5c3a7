package io.fovea.tensor;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.Test;

/** How many threads compute for a thread: what it was told, whatever others are told meanwhile. */
class ThreadsTest {
  @Test
  void belongToTheThreadThatSetsThem() throws InterruptedException {
    int before = Threads.count();
    CountDownLatch set = new CountDownLatch(1);
    CountDownLatch changed = new CountDownLatch(1);
    CompletableFuture<Integer> other = new CompletableFuture<>();
    Thread thread =
        new Thread(
            () -> {
              Threads.set(1);
              set.countDown();
              try {
                changed.await();
                other.complete(Threads.count());
              } catch (InterruptedException e) {
                other.completeExceptionally(e);
              }
            });
    thread.start();
    set.await();
    try {
      Threads.set(3);
      changed.countDown();
      assertThat(other.join()).isEqualTo(1);
      assertThat(Threads.count()).isEqualTo(3);
      assertThat(
              CompletableFuture.supplyAsync(Threads::count, task -> new Thread(task).start())
                  .join())
          .as("of a thread that starts afterwards")
          .isEqualTo(3);
    } finally {
      Threads.set(before);
    }
  }
}
