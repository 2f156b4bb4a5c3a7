package io.fovea.tensor.internal;

import static org.assertj.core.api.Assertions.assertThat;

import io.fovea.attention.Attention;
import io.fovea.attention.AttentionSpec;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Module;
import org.junit.jupiter.api.Test;

/** Looking at a module does not change it, whoever else looks at it meanwhile. */
class EvaluationModeTest {
  private static List<Boolean> modes(Module module) {
    List<Boolean> modes = new ArrayList<>();
    try (PointerScope scope = new PointerScope()) {
      for (Module part : module.modules().get()) {
        modes.add(part.is_training());
      }
    }
    return modes;
  }

  /** A module in training mode, but for one of its parts. */
  private static Attention mixed() {
    Attention module = AttentionSpec.parse("bam:reduction=2").create(4, 2);
    try (PointerScope scope = new PointerScope()) {
      Module[] parts = module.modules().get();
      parts[parts.length - 1].eval();
    }
    assertThat(modes(module)).contains(true, false);
    return module;
  }

  /** The first call ends before the second one does. */
  private static void overlapping(Module first, Module second, Runnable whileBoth)
      throws InterruptedException {
    CountDownLatch begun = new CountDownLatch(1);
    CountDownLatch ended = new CountDownLatch(1);
    Thread other =
        new Thread(
            () ->
                EvaluationMode.in(
                    second,
                    () -> {
                      begun.countDown();
                      try {
                        ended.await();
                      } catch (InterruptedException e) {
                        throw new IllegalStateException(e);
                      }
                      return null;
                    }));
    EvaluationMode.in(
        first,
        () -> {
          other.start();
          try {
            begun.await();
          } catch (InterruptedException e) {
            throw new IllegalStateException(e);
          }
          return null;
        });
    whileBoth.run();
    ended.countDown();
    other.join();
  }

  @Test
  void everyPartHasItsModeAgain() {
    Attention module = mixed();
    List<Boolean> before = modes(module);
    EvaluationMode.in(
        module,
        () -> {
          assertThat(modes(module)).containsOnly(false);
          return EvaluationMode.in(module, () -> modes(module));
        });
    assertThat(modes(module)).isEqualTo(before);
  }

  @Test
  void theLastOfTwoThreadsRestoresTheModes() throws InterruptedException {
    Attention module = mixed();
    List<Boolean> before = modes(module);
    overlapping(module, module, () -> assertThat(modes(module)).containsOnly(false));
    assertThat(modes(module)).isEqualTo(before);
  }

  @Test
  void aPartStaysInEvaluationModeWhileAnotherThreadUsesIt() throws InterruptedException {
    for (boolean wholeFirst : new boolean[] {true, false}) {
      Attention module = mixed();
      List<Boolean> before = modes(module);
      try (PointerScope scope = new PointerScope()) {
        Module part = module.modules().get()[1];
        overlapping(
            wholeFirst ? module : part,
            wholeFirst ? part : module,
            () -> assertThat(modes(part)).containsOnly(false));
      }
      assertThat(modes(module)).isEqualTo(before);
    }
  }

  @Test
  void aModeThatIsSetAfterwardsStays() {
    Attention module = mixed();
    EvaluationMode.in(module, () -> null);
    module.train(true);
    EvaluationMode.in(module, () -> null);
    assertThat(modes(module)).containsOnly(true);
    module.eval();
    EvaluationMode.in(module, () -> null);
    assertThat(modes(module)).containsOnly(false);
  }
}
