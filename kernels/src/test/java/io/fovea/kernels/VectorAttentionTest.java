package io.fovea.kernels;

import static org.assertj.core.api.Assertions.assertThat;

import io.fovea.tensor.Threads;
import io.fovea.tensor.compute.AttentionKernels;
import io.fovea.tensor.compute.AttentionKernels.Columns;
import io.fovea.tensor.compute.SoftmaxAttention;
import io.fovea.testing.Numeric;
import io.fovea.testing.Rounding;
import java.util.List;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;

/** Attention by the kernel, in float32, beside libtorch in float64. */
@Numeric
class VectorAttentionTest {
  private static Tensor random(long seed, double scale, long... shape) {
    torch.manual_seed(seed);
    return torch.randn(shape).mul(new Scalar(scale));
  }

  /** The equation for one image: {@code [D, N]} of {@code [E, N]}, {@code [E, N']}, {@code [D, N']}. */
  private static Tensor plain(Tensor q, Tensor k, Tensor v, ScalarType type) {
    return v.to(type).mm(q.to(type).t().mm(k.to(type)).softmax(1).t());
  }

  private static Tensor attend(Tensor q, Tensor k, Tensor v, long from, long count) {
    Tensor y = torch.zeros(v.size(0), q.size(1));
    new VectorAttention()
        .worker((int) q.size(0), (int) v.size(0))
        .attend(
            Columns.of(q, from, count), Columns.of(k), Columns.of(v), Columns.of(y, from, count));
    return y.narrow(1, from, count);
  }

  private static void assertAttends(Tensor q, Tensor k, Tensor v) {
    Rounding.assertAsCloseAs(
        "attended",
        attend(q, k, v, 0, q.size(1)),
        plain(q, k, v, ScalarType.Float),
        plain(q, k, v, ScalarType.Double));
  }

  /** Panels, tiles and rows that are whole and not, and energies of which few count or all. */
  @Property(tries = 60)
  void attends(
      @ForAll @IntRange(min = 1, max = 130) int positions,
      @ForAll @IntRange(min = 1, max = 400) int keys,
      @ForAll @IntRange(min = 1, max = 20) int embedding,
      @ForAll @IntRange(min = 1, max = 20) int width,
      @ForAll @IntRange(min = 0, max = 3) int tenths) {
    try (PointerScope scope = new PointerScope()) {
      Tensor q = random(1, 0.1 + tenths, embedding, positions);
      assertAttends(q, random(2, 1, embedding, keys), random(3, 1, width, keys));
    }
  }

  /** So many channels that a tile has few keys and a block few queries. */
  @Test
  void attendsWithManyChannels() {
    try (PointerScope scope = new PointerScope()) {
      assertAttends(random(1, 0.1, 700, 130), random(2, 1, 700, 97), random(3, 1, 901, 97));
      assertAttends(random(1, 0.01, 9000, 30), random(2, 1, 9000, 11), random(3, 1, 20_000, 11));
    }
  }

  /** The maximum grows from tile to tile by more than float32 can hold as a factor. */
  @Test
  void attendsWhenTheMaximumGrows() {
    try (PointerScope scope = new PointerScope()) {
      Tensor k = torch.arange(new Scalar(0), new Scalar(1000)).to(ScalarType.Float).view(1, 1000);
      for (double scale : new double[] {1, -1, 50, 1e-3}) {
        assertAttends(random(1, scale, 1, 40), k, random(3, 1, 5, 1000));
      }
    }
  }

  /** Each column has the same bits whichever columns are computed with it, and others stay. */
  @Test
  void columnsDoNotDependOnOthers() {
    try (PointerScope scope = new PointerScope()) {
      Tensor q = random(1, 1, 6, 1700);
      Tensor k = random(2, 1, 6, 300);
      Tensor v = random(3, 1, 7, 300);
      Tensor all = attend(q, k, v, 0, 1700);
      for (int[] part : new int[][] {{0, 1}, {5, 77}, {801, 899}, {1699, 1}}) {
        assertThat(attend(q, k, v, part[0], part[1]).equal(all.narrow(1, part[0], part[1])))
            .isTrue();
      }
      Tensor y = torch.full(new long[] {7, 100}, new Scalar(3.0));
      new VectorAttention()
          .worker(6, 7)
          .attend(
              Columns.of(q.narrow(1, 0, 100), 10, 5),
              Columns.of(k),
              Columns.of(v),
              Columns.of(y, 10, 5));
      assertThat(y.eq(new Scalar(3.0)).sum().item_long()).isEqualTo(7 * 95);
      assertThat(y.narrow(1, 10, 5).equal(all.narrow(1, 10, 5))).isTrue();
    }
  }

  @Test
  void whatIsNotANumberStaysInItsRow() {
    try (PointerScope scope = new PointerScope()) {
      Tensor q = random(1, 1, 3, 60);
      q.select(1, 17).fill_(new Scalar(Double.NaN));
      Tensor y = attend(q, random(2, 1, 3, 200), random(3, 1, 4, 200), 0, 60);
      assertThat(y.select(1, 17).isnan().all().item_bool()).isTrue();
      assertThat(y.isnan().sum().item_long()).isEqualTo(4);
    }
  }

  /**
   * Large enough for the kernel, from slices of one tensor, on several threads: the result and the
   * gradients.
   */
  @Test
  void isUsedForManyPositions() {
    try (PointerScope scope = new PointerScope()) {
      Threads.set(2);
      Tensor all = random(1, 0.15, 1, 384, 2900).set_requires_grad(true);
      Tensor wide = all.detach().to(ScalarType.Double).set_requires_grad(true);
      Tensor narrow = all.detach().clone().set_requires_grad(true);
      assertThat(AttentionKernels.supporting(all)).containsInstanceOf(VectorAttention.class);
      Tensor factor = random(9, 1, 1, 2900, 128);
      List<Tensor> ours = step(all, factor, true);
      List<Tensor> exact = step(wide, factor.to(ScalarType.Double), false);
      List<Tensor> reference = step(narrow, factor, false);
      for (int i = 0; i < 2; i++) {
        Rounding.assertAsCloseAs("result " + i, ours.get(i), reference.get(i), exact.get(i));
      }
    }
  }

  private static List<Tensor> step(Tensor all, Tensor factor, boolean ours) {
    Tensor q = all.narrow(1, 0, 128).transpose(1, 2);
    Tensor k = all.narrow(1, 128, 128).transpose(1, 2);
    Tensor v = all.narrow(1, 256, 128).transpose(1, 2);
    Tensor y =
        ours ? SoftmaxAttention.attended(q, k, v) : q.bmm(k.transpose(1, 2)).softmax(2).bmm(v);
    y.mul(factor).sum().backward();
    return List.of(y.detach(), all.grad());
  }
}
