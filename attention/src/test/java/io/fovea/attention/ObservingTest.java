package io.fovea.attention;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import java.util.ArrayList;
import java.util.List;
import java.util.function.BiConsumer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.Test;

/** Looking into the modules of a network while it runs. */
class ObservingTest {
  private final List<String> seen = new ArrayList<>();

  private BiConsumer<Attention, Tensor> noting(String who) {
    return (module, x) -> seen.add(who + " " + module.spec() + " " + Tensors.values(x)[0]);
  }

  private static Tensor run(String spec, double input) {
    return AttentionSpec.parse(spec)
        .create(4, 2)
        .forward(torch.ones(2, 4, 3, 3).mul(Tensors.scalar(input)));
  }

  @Test
  void eachModuleOnceWithItsInput() {
    try (PointerScope scope = new PointerScope()) {
      String result =
          Attention.observing(
              noting("I"),
              () -> {
                Specs.taking(4).forEach(mechanism -> run(mechanism, seen.size()));
                return "done";
              });
      assertThat(result).isEqualTo("done");
      assertThat(seen)
          .hasSameSizeAs(Specs.taking(4))
          .startsWith(
              "I se 0.0",
              "I cbam 1.0",
              "I bam 2.0",
              "I pam 3.0",
              "I cam 4.0",
              "I dual 5.0", // not its two parts
              "I nonlocal 6.0");
      run("se", 7);
      assertThat(seen).as("nobody looks any more").hasSameSizeAs(Specs.taking(4));
    }
  }

  @Test
  void theInnerObserverSeesAlone() {
    try (PointerScope scope = new PointerScope()) {
      Attention.observing(
          noting("outer"),
          () -> {
            run("se", 1);
            Attention.observing(noting("inner"), () -> run("cam", 2));
            return run("pam", 3);
          });
      assertThat(seen).containsExactly("outer se 1.0", "inner cam 2.0", "outer pam 3.0");
    }
  }

  @Test
  void exceptionsEndTheObserving() {
    try (PointerScope scope = new PointerScope()) {
      Attention.observing(
          noting("outer"),
          () -> {
            assertThatIllegalStateException()
                .isThrownBy(
                    () ->
                        Attention.observing(
                            noting("inner"),
                            () -> {
                              throw new IllegalStateException();
                            }));
            return run("se", 1);
          });
      assertThat(seen).containsExactly("outer se 1.0");
    }
  }

  @Test
  void whatIsRefusedIsNotSeen() {
    try (PointerScope scope = new PointerScope()) {
      Attention module = AttentionSpec.parse("se").create(4, 2);
      assertThatIllegalArgumentException()
          .isThrownBy(
              () -> Attention.observing(noting("I"), () -> module.forward(torch.ones(2, 5, 3, 3))));
      assertThat(seen).isEmpty();
    }
  }

  @Test
  void observersMayExplain() {
    try (PointerScope scope = new PointerScope()) {
      Attention module = Tensors.randomized("bam:reduction=2", 4, 2);
      Tensor x = Tensors.random(1, 2, 4, 3, 3);
      double[] alone = Tensors.values(module.forward(x));
      List<double[]> gates = new ArrayList<>();
      Tensor y =
          Attention.observing(
              (m, input) -> {
                try (AttentionMaps maps = m.explain(input)) {
                  gates.add(Tensors.values(maps.channel().orElseThrow()));
                }
              },
              () -> module.forward(x));
      Tensors.assertClose("output", Tensors.values(y), alone, 1e-12);
      assertThat(gates).hasSize(1);
      assertThat(gates.get(0)).hasSize(2 * 4);
      assertThat(module.is_training()).isTrue();
    }
  }

  @Test
  void otherThreadsAreNotSeen() throws InterruptedException {
    try (PointerScope scope = new PointerScope()) {
      Thread other =
          new Thread(
              () -> {
                try (PointerScope inner = new PointerScope()) {
                  run("se", 1);
                }
              });
      Attention.observing(
          noting("I"),
          () -> {
            other.start();
            return run("cam", 2);
          });
      other.join();
      assertThat(seen).containsExactly("I cam 2.0");
    }
  }

  /** It would observe itself without an end, which has crashed Java. */
  @Test
  void whatAnObserverComputesIsNotObserved() {
    try (PointerScope scope = new PointerScope()) {
      Attention module = AttentionSpec.parse("cbam").create(16, 2);
      Tensor x = torch.randn(2, 16, 6, 6);
      int[] calls = {0};
      Tensor y =
          Attention.observing(
              (attention, input, output) -> {
                calls[0]++;
                Tensor again = attention.forward(input);
                assertThat(again.allclose(output)).isTrue();
              },
              () -> module.forward(module.forward(x)));
      assertThat(calls[0]).isEqualTo(2);
      assertThat(y.shape()).isEqualTo(x.shape());
      assertThat(Attention.isObserved()).isFalse();
    }
  }
}
