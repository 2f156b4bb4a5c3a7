package io.fovea.testing;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import org.bytedeco.javacpp.Pointer;

/** Whether a process grows with what is done in it. */
public final class MemoryGrowth {
  /** How often to look: by then libraries have what they keep. */
  private static final int ROUNDS = 6;

  private MemoryGrowth() {}

  /** What is done again and again. */
  public interface Turn {
    void run() throws Exception;
  }

  /**
   * Fails if memory is lost. A leak costs the same in each round; what an allocator, a library or
   * the Java heap takes and keeps comes to an end. So a single round that costs less than half of a
   * leak shows that there is none, and only a process that grows in every round is a failure, on
   * whatever system.
   *
   * @param turns how often to do it in a round, so that a leak of one turn's memory is large beside
   *     what else happens
   * @param bytes what a turn would lose at least
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
        .as("bytes by which the process grew in each of %d rounds of %d turns", ROUNDS, turns)
        .anyMatch(bytesOfARound -> bytesOfARound < leak / 2);
  }

  /**
   * What the process has, without what was freed and the C library keeps. Java's garbage is not
   * collected for it: no native memory may wait for that.
   */
  private static long physicalBytes() {
    Pointer.trimMemory();
    return Pointer.physicalBytes();
  }
}
