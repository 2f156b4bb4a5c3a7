package io.fovea.testing;

import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.List;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.Pointer;
import org.junit.jupiter.api.Test;

class MemoryGrowthTest {
  private static final int MEGABYTE = 1 << 20;

  private static BytePointer filled() {
    return filled(MEGABYTE);
  }

  private static BytePointer filled(long bytes) {
    return new BytePointer(bytes).fill(1);
  }

  /** Much is lost, and Java's heap has shrunk before, because it would hide as much as it gives back. */
  @Test
  void noticesWhatIsLost() {
    long bytes = 4L * MEGABYTE;
    List<Pointer> lost = new ArrayList<>();
    System.gc();
    assertThatThrownBy(() -> MemoryGrowth.assertNone(20, bytes, () -> lost.add(filled(bytes))))
        .isInstanceOf(AssertionError.class)
        .hasMessageContaining(
            "growth of the process in bytes in each of 6 rounds of 20 repetitions");
    lost.forEach(Pointer::close);
  }

  @Test
  void toleratesWhatIsKeptOnce() throws Exception {
    List<Pointer> kept = new ArrayList<>();
    MemoryGrowth.assertNone(
        20,
        MEGABYTE,
        () -> {
          filled().close();
          if (kept.size() < 30) {
            kept.add(filled());
          }
        });
    kept.forEach(Pointer::close);
  }
}
