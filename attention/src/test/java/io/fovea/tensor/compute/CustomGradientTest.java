package io.fovea.tensor.compute;

import static org.assertj.core.api.Assertions.assertThat;

import io.fovea.attention.Tensors;
import io.fovea.testing.Numeric;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.stream.Stream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.BoolOptional;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorArrayRefOptional;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.Test;

/** A node made in Java, on {@code y = x · a + Σ b²}, beside what libtorch makes of it. */
@Numeric
class CustomGradientTest {
  private static Tensor plain(Tensor x, Tensor a, Tensor b) {
    return x.mul(a).add(b.square().sum());
  }

  private static Tensor own(Tensor x, Tensor a, Tensor b) {
    Tensor y;
    try (NoGradGuard guard = new NoGradGuard()) {
      y = plain(x, a, b);
    }
    Tensor input = x.detach();
    CustomGradient.attach(
        y,
        List.of(x, a, b),
        List.of(input),
        dy ->
            List.of(
                dy.mul(a.detach()),
                dy.mul(input).sum(1).sum(0).expand(a.shape()),
                b.detach().mul(Tensors.scalar(2)).mul(dy.sum())));
    return y;
  }

  private static Tensor[] leaves() {
    return new Tensor[] {
      Tensors.random(1, 2, 3).set_requires_grad(true),
      Tensors.random(2, 1).set_requires_grad(true),
      Tensors.random(3, 5).set_requires_grad(true)
    };
  }

  @Test
  void agreesInsideAGraphThatHasItTwice() {
    try (PointerScope scope = new PointerScope()) {
      Tensor[] ours = leaves();
      Tensor[] expected = leaves();
      Tensor y = own(ours[0].sin(), ours[1], ours[2]);
      own(y.mul(ours[0]), ours[1], ours[2]).mul(y).sum().backward();
      Tensor z = plain(expected[0].sin(), expected[1], expected[2]);
      plain(z.mul(expected[0]), expected[1], expected[2]).mul(z).sum().backward();
      for (int i = 0; i < 3; i++) {
        Tensors.assertClose("gradient " + i, ours[i].grad(), expected[i].grad(), 1e-12);
      }
    }
  }

  /** The gradient of a leaf is what Java computed, not a copy. */
  @Test
  void doesNotCopyTheGradient() {
    try (PointerScope scope = new PointerScope()) {
      Tensor x = Tensors.random(1, 2, 3).set_requires_grad(true);
      Tensor y = x.detach().clone();
      long[] computed = new long[1];
      CustomGradient.attach(
          y,
          List.of(x),
          List.of(),
          dy -> {
            Tensor dx = dy.clone();
            computed[0] = dx.data_ptr().address();
            return List.of(dx);
          });
      y.sum().backward();
      assertThat(x.grad().data_ptr().address()).isEqualTo(computed[0]);
    }
  }

  /** Whoever makes a result looks whether the graphs of others have passed. */
  @Test
  void severalThreadsDoNotFreeTwice() {
    double[][] expected;
    try (PointerScope scope = new PointerScope()) {
      Tensor[] leaves = leaves();
      plain(leaves[0], leaves[1], leaves[2]).sum().backward();
      expected = gradients(leaves);
    }
    List<CompletableFuture<Void>> all = new ArrayList<>();
    for (int thread = 0; thread < 4; thread++) {
      all.add(
          CompletableFuture.runAsync(
              () -> {
                for (int i = 0; i < 250; i++) {
                  try (PointerScope scope = new PointerScope()) {
                    Tensor[] ours = leaves();
                    own(ours[0], ours[1], ours[2]).sum().backward();
                    double[][] gradients = gradients(ours);
                    for (int k = 0; k < 3; k++) {
                      Tensors.assertClose("gradient " + k, gradients[k], expected[k], 1e-12);
                    }
                  }
                }
              },
              task -> new Thread(task).start()));
    }
    all.forEach(CompletableFuture::join);
    try (PointerScope scope = new PointerScope()) {
      Tensor[] last = leaves();
      own(last[0], last[1], last[2]).sum().backward();
    }
    assertThat(CustomGradient.alive()).as("graphs that hold on to something").isZero();
  }

  /** A gradient may keep its sign beside its memory, which kernels read. */
  @Test
  void gradientsHaveTheirSignInTheirMemory() {
    try (PointerScope scope = new PointerScope()) {
      Tensor x = Tensors.random(1, 2, 3).set_requires_grad(true);
      Tensor y = x.detach().clone();
      List<double[]> received = new ArrayList<>();
      CustomGradient.attach(
          y,
          List.of(x),
          List.of(),
          dy -> {
            received.add(memory(dy));
            return List.of(dy);
          });
      Tensor ones = torch.ones_like(y).neg()._neg_view();
      y.backward(ones, new BoolOptional(), false, new TensorArrayRefOptional());
      assertThat(received.get(0)).containsOnly(1);
      assertThat(Tensors.values(x.grad())).containsOnly(1);
    }
  }

  private static double[] memory(Tensor tensor) {
    double[] values = new double[(int) tensor.numel()];
    tensor.data_ptr_double().get(values);
    return values;
  }

  private static double[][] gradients(Tensor... leaves) {
    return Stream.of(leaves).map(leaf -> Tensors.values(leaf.grad())).toArray(double[][]::new);
  }

  @Test
  void leavesOutWhatIsFrozen() {
    for (int frozen = 0; frozen < 3; frozen++) {
      try (PointerScope scope = new PointerScope()) {
        Tensor[] ours = leaves();
        Tensor[] expected = leaves();
        ours[frozen].set_requires_grad(false);
        expected[frozen].set_requires_grad(false);
        own(ours[0], ours[1], ours[2]).square().sum().backward();
        plain(expected[0], expected[1], expected[2]).square().sum().backward();
        for (int i = 0; i < 3; i++) {
          assertThat(ours[i].grad().defined()).isEqualTo(i != frozen);
          if (i != frozen) {
            Tensors.assertClose("gradient " + i, ours[i].grad(), expected[i].grad(), 1e-12);
          }
        }
      }
    }
  }

  @Test
  void letsGoOfItsInputWithTheGraph() {
    try (PointerScope scope = new PointerScope()) {
      Tensor[] leaves = leaves();
      own(leaves[0], leaves[1], leaves[2]); // nobody goes back through it
    }
    try (PointerScope scope = new PointerScope()) {
      Tensor[] leaves = leaves();
      Tensor y = own(leaves[0], leaves[1], leaves[2]).sum();
      assertThat(CustomGradient.alive()).isEqualTo(1);
      y.backward();
      assertThat(CustomGradient.alive()).isZero();
    }
  }
}
