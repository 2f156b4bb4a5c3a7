package io.fovea.nn;

import static org.assertj.core.api.Assertions.assertThat;

import io.fovea.attention.Attention;
import io.fovea.attention.AttentionSpec;
import java.lang.ref.WeakReference;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.Test;

/** Parts that nobody else holds, and gradients that one thread discards while others compute them. */
class ComponentTest {
  private static final int CALLERS = 3;
  private static final int CALLS = 60;

  /** Registers a part and forgets it. */
  private static final class Careless extends Component {
    Careless() {
      super("Careless");
      register_module("part", Convolution.builder(2, 3, 4, 1).build());
    }

    WeakReference<Convolution> replaced() {
      unregister_module("part");
      Convolution other = register_module("part", Convolution.builder(2, 3, 5, 1).build());
      return new WeakReference<>(other);
    }
  }

  private static void collect() {
    for (int i = 0; i < 3; i++) {
      System.gc();
    }
  }

  @Test
  void holdsWhatIsRegistered() {
    try (Careless module = new Careless()) {
      collect();
      module.train(false);
      module.zero_grad(true);
      assertThat(module.children().get()).hasSize(1).doesNotContainNull();
      WeakReference<Convolution> other = module.replaced();
      collect();
      assertThat(other.get()).isNotNull();
      module.eval();
      assertThat(module.named_parameters().keys().get(0).getString()).isEqualTo("part.weight");
    }
  }

  private static void gradients(Attention attention) {
    try (PointerScope scope = new PointerScope()) {
      attention.forward(torch.randn(2, 8, 6, 6)).square().sum().backward();
    }
  }

  private static List<Tensor> gradientsOf(Attention attention) {
    List<Tensor> gradients = new ArrayList<>();
    for (Tensor parameter : attention.parameters().get()) {
      gradients.add(parameter.grad());
    }
    return gradients;
  }

  @Test
  void zeroGradIsThatOfPyTorchOnOneThread() {
    try (PointerScope scope = new PointerScope()) {
      Attention attention = AttentionSpec.parse("cbam:reduction=2").create(8, 2);
      gradients(attention);
      assertThat(gradientsOf(attention)).allMatch(Tensor::defined);
      attention.zero_grad(false);
      assertThat(gradientsOf(attention))
          .allMatch(g -> g.defined() && g.abs().sum().item_float() == 0);
      attention.zero_grad(true);
      assertThat(gradientsOf(attention)).noneMatch(Tensor::defined);
    }
  }

  @Test
  void gradientsOfOtherThreadsBecomeZeroWhereTheyAre() throws Exception {
    try (PointerScope scope = new PointerScope()) {
      Attention attention = AttentionSpec.parse("cbam:reduction=2").create(8, 2);
      Thread other = new Thread(() -> gradients(attention));
      other.start();
      other.join();
      List<Tensor> before = gradientsOf(attention);
      attention.zero_grad(true);
      assertThat(gradientsOf(attention))
          .allMatch(g -> g.defined() && g.abs().sum().item_float() == 0);
      assertThat(gradientsOf(attention).get(0).data_ptr().address())
          .isEqualTo(before.get(0).data_ptr().address());
    }
  }

  @Test
  void zeroGradBesideGradientsDamagesNothing() throws Exception {
    try (PointerScope scope = new PointerScope()) {
      Attention attention = AttentionSpec.parse("bam:reduction=2").create(8, 2);
      AtomicBoolean over = new AtomicBoolean();
      ExecutorService pool = Executors.newFixedThreadPool(CALLERS + 1);
      try {
        Future<?> zeroes =
            pool.submit(
                () -> {
                  while (!over.get()) {
                    attention.zero_grad(true);
                  }
                });
        List<Callable<Void>> callers = new ArrayList<>();
        for (int caller = 0; caller < CALLERS; caller++) {
          callers.add(
              () -> {
                for (int i = 0; i < CALLS; i++) {
                  gradients(attention);
                }
                return null;
              });
        }
        for (Future<Void> each : pool.invokeAll(callers)) {
          each.get();
        }
        over.set(true);
        zeroes.get();
      } finally {
        over.set(true);
        pool.shutdown();
      }
      attention.zero_grad(true);
      gradients(attention);
      assertThat(gradientsOf(attention)).allMatch(g -> g.isfinite().all().item_bool());
    }
  }
}
