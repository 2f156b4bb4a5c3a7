package io.fovea.testing;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import org.bytedeco.javacpp.Pointer;

/** Checks whether the memory of a process grows with the work that it does. */
public final class MemoryGrowth {
  /** The number of rounds; by the last one, libraries have allocated what they keep. */
  private static final int ROUNDS = 6;

  private MemoryGrowth() {}

  /** The repeated work. */
  public interface Turn {
    void run() throws Exception;
  }

  /**
   * Fails if memory leaks. A leak costs the same in each round, whereas the memory that an
   * allocator, a library or the Java heap keeps stops growing. So a single round with less than
   * half of a leak's growth shows that there is no leak, and only a process that grows in every
   * round fails, on any system.
   *
   * @param turns the number of repetitions in a round, so that a leak in each of them exceeds other
   *     changes of memory
   * @param bytes the smallest loss of memory in a repetition
   */
  public static void assertNone(int turns, long bytes, Turn turn) throws Exception {
    long leak = turns * bytes;
    List<Long> growth = new ArrayList<>();
    long before = physicalBytes();
    for (int round = 0; round < ROUNDS; round++) {
      for (int i = 0; i < turns; i++) {
        turn.run();
      }
      long after = physicalBytes();
      growth.add(after - before);
      if (after - before < leak / 2) {
        return;
      }
      before = after;
    }
    assertThat(growth)
        .as("growth of the process in bytes in each of %d rounds of %d repetitions", ROUNDS, turns)
        .anyMatch(bytesOfARound -> bytesOfARound < leak / 2);
  }

  /**
   * The memory of the process, without freed memory that the C library keeps. Java's garbage is not
   * collected, because native memory must not depend on it.
   */
  private static long physicalBytes() {
    Pointer.trimMemory();
    return Pointer.physicalBytes();
  }
}
