package io.fovea.attention;

import static org.assertj.core.api.Assertions.assertThat;

import io.fovea.testing.MemoryGrowth;
import java.lang.ref.ReferenceQueue;
import java.lang.ref.WeakReference;
import java.util.List;
import java.util.stream.Stream;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.SGD;
import org.bytedeco.pytorch.SGDOptions;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.FieldSource;

/** Native memory stays flat, and lives as long as it is needed. */
class MemoryTest {
  static final List<String> SPECS =
      List.of(
          "se",
          "cbam",
          "bam",
          "pam",
          "cam",
          "dual",
          "nonlocal",
          "nonlocal:mode=concatenation,subsample=false");

  /** A megabyte a feature map: the least that is lost where one is forgotten. */
  private static final long[] SHAPE = {2048, 8, 4, 4};

  private static final int TURNS = 40;

  @ParameterizedTest
  @FieldSource("SPECS")
  void doesNotGrow(String spec) throws Exception {
    Attention module = AttentionSpec.parse(spec).create(SHAPE[1], SHAPE.length - 2);
    Tensor x = Tensors.random(1, SHAPE).to(ScalarType.Float);
    SGD optimizer = new SGD(module.parameters(), new SGDOptions(1e-3));
    MemoryGrowth.assertNone(
        TURNS,
        Float.BYTES * x.numel(),
        () -> {
          step(module, x, optimizer);
          infer(module, x);
          explain(module, x);
        });
    Stream.of(optimizer, x, module).forEach(Pointer::close);
  }

  /** Whatever was allocated is freed by the call itself: nothing waits for the garbage collector. */
  @ParameterizedTest
  @FieldSource("SPECS")
  void leavesNothingToTheGarbageCollector(String spec) {
    assertThat(PointerScope.getInnerScope()).isNull();
    Attention module = AttentionSpec.parse(spec).create(4, 2);
    Tensor x = Tensors.random(1, 2, 4, 8, 8).to(ScalarType.Float);
    SGD optimizer = new SGD(module.parameters(), new SGDOptions(1e-3));
    long before = Pointer.totalCount();
    for (int turn = 0; turn < 10; turn++) {
      step(module, x, optimizer);
      infer(module, x);
      explain(module, x);
    }
    assertThat(Pointer.totalCount()).isLessThanOrEqualTo(before);
    Stream.of(optimizer, x, module).forEach(Pointer::close);
  }

  /** As a training loop does it: in a scope. */
  private static void step(Attention module, Tensor x, SGD optimizer) {
    try (PointerScope scope = new PointerScope()) {
      module.train(true);
      optimizer.zero_grad();
      Tensor input = x.detach().set_requires_grad(true);
      module.forward(input).square().mean().backward();
      optimizer.step();
    }
  }

  /** Without any scope of the caller, who closes what is handed out. */
  private static void infer(Attention module, Tensor x) {
    module.eval();
    module.forward(x).close();
  }

  private static void explain(Attention module, Tensor x) {
    try (AttentionMaps maps = module.explain(x)) {
      if (maps.hasAffinity()) {
        maps.affinity(0, 7, 15).close();
        maps.received().close();
      }
    }
  }

  /** Modules register parts that Java must keep, as libtorch calls back into them. */
  @ParameterizedTest
  @FieldSource("SPECS")
  void modulesOutliveGarbageCollection(String spec) throws InterruptedException {
    try (PointerScope scope = new PointerScope()) {
      Attention module = AttentionSpec.parse(spec).create(4, 2);
      collectGarbage();
      module.eval();
      module.train(true);
      module.to(ScalarType.Double, false);
      module.zero_grad(true);
      Tensor x = Tensors.random(1, 3, 4, 4, 4);
      assertThat(module.forward(x).shape()).isEqualTo(x.shape());
    }
  }

  /** Until something that nobody refers to is gone. */
  private static void collectGarbage() throws InterruptedException {
    ReferenceQueue<Object> collected = new ReferenceQueue<>();
    WeakReference<Object> garbage = new WeakReference<>(new Object(), collected);
    for (int i = 0; i < 100; i++) {
      System.gc();
      if (collected.remove(100) == garbage) {
        return;
      }
    }
    throw new AssertionError("this Java collects no garbage");
  }
}
