package io.fovea.kernels;

import static org.assertj.core.api.Assertions.assertThat;

import io.fovea.tensor.Threads;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class ParallelTest {
  private final int before = Threads.count();

  @BeforeEach
  void twoThreads() {
    Threads.set(2);
  }

  @AfterEach
  void asBefore() {
    Threads.set(before);
  }

  /** Each waits for the other: one thread that did both, one after the other, would wait in vain. */
  @Test
  void twoPartsAreComputedBesideEachOther() {
    CountDownLatch started = new CountDownLatch(2);
    Set<Boolean> met = ConcurrentHashMap.newKeySet();
    Parallel.forEach(2, part -> met.add(meet(started)));
    assertThat(met).containsExactly(true);
  }

  /** Nor does a thread that knows what comes next take it from another that has nothing to do. */
  @Test
  void theLastTwoAreComputedBesideEachOther() {
    CountDownLatch started = new CountDownLatch(2);
    Set<Boolean> met = ConcurrentHashMap.newKeySet();
    Parallel.forEachAhead(2, (part, next) -> met.add(meet(started)));
    assertThat(met).containsExactly(true);
  }

  private static boolean meet(CountDownLatch started) {
    started.countDown();
    try {
      return started.await(1, TimeUnit.MINUTES);
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }

  @Property(tries = 200)
  void eachOnceAndTheNextIsWhatTheSameThreadDoesNext(@ForAll @IntRange(max = 40) int count) {
    Threads.set(2);
    Map<Integer, Thread> done = new ConcurrentHashMap<>();
    Map<Integer, Thread> announced = new ConcurrentHashMap<>();
    Map<Thread, Integer> following = new ConcurrentHashMap<>();
    Parallel.forEachAhead(
        count,
        (index, next) -> {
          Thread self = Thread.currentThread();
          Integer expected = following.remove(self);
          assertThat(expected == null || expected == index).isTrue();
          assertThat(done.put(index, self)).isNull();
          if (next >= 0) {
            following.put(self, next);
            announced.put(next, self);
          }
        });
    assertThat(done).hasSize(count);
    assertThat(done).containsAllEntriesOf(announced);
    assertThat(following).isEmpty();
  }
}
