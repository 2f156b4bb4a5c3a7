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
    return new BytePointer(MEGABYTE).fill(1);
  }

  @Test
  void noticesWhatIsLost() {
    List<Pointer> lost = new ArrayList<>();
    assertThatThrownBy(() -> MemoryGrowth.assertNone(20, MEGABYTE, () -> lost.add(filled())))
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
