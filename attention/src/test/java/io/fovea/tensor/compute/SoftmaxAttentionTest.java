package io.fovea.tensor.compute;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.fovea.attention.Tensors;
import io.fovea.tensor.Threads;
import io.fovea.testing.Numeric;
import io.fovea.testing.Rounding;
import java.util.Arrays;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;

/** Blocks of rows, and the gradients that compute them once more, beside the whole map. */
@Numeric
class SoftmaxAttentionTest {
  private static Tensor plain(Tensor q, Tensor k, Tensor v) {
    return q.bmm(k.transpose(1, 2)).softmax(2).bmm(v);
  }

  /** {@code [B, N, E]} as convolutions leave it: the transposed view of {@code [B, E, N]}. */
  private static Tensor leaf(int seed, long batch, long positions, long width) {
    return Tensors.random(seed, batch, width, positions).set_requires_grad(true);
  }

  private static Tensor[] leaves(long batch, long positions, long keys, long width, long values) {
    return new Tensor[] {
      leaf(1, batch, positions, width), leaf(2, batch, keys, width), leaf(3, batch, keys, values)
    };
  }

  private static Tensor view(Tensor leaf) {
    return leaf.transpose(1, 2);
  }

  @Property(tries = 30)
  void agrees(
      @ForAll @IntRange(min = 1, max = 3) int batch,
      @ForAll @IntRange(min = 1, max = 150) int positions,
      @ForAll @IntRange(min = 1, max = 40) int keys,
      @ForAll @IntRange(min = 1, max = 9) int width,
      @ForAll @IntRange(min = 1, max = 9) int values,
      @ForAll @IntRange(min = 0, max = 6) int frozen) {
    try (PointerScope scope = new PointerScope()) {
      Tensor[] ours = leaves(batch, positions, keys, width, values);
      Tensor[] expected = leaves(batch, positions, keys, width, values);
      for (int i = 0; i < 3; i++) {
        boolean needed = (frozen >> i & 1) == 0;
        ours[i].set_requires_grad(needed);
        expected[i].set_requires_grad(needed);
      }
      Tensor y = SoftmaxAttention.blocked(view(ours[0]), view(ours[1]), view(ours[2]));
      Tensor z = plain(view(expected[0]), view(expected[1]), view(expected[2]));
      Tensors.assertClose("output", y, z, 1e-12);
      y.square().sum().backward();
      z.square().sum().backward();
      for (int i = 0; i < 3; i++) {
        assertThat(ours[i].grad().defined()).isEqualTo(expected[i].grad().defined());
        if (expected[i].grad().defined()) {
          double[] gradient = Tensors.values(expected[i].grad()); // of one key: 0, but for rounding
          double tolerance = 1e-10 * (1 + Tensors.largest(gradient));
          Tensors.assertClose("gradient " + i, Tensors.values(ours[i].grad()), gradient, tolerance);
        }
      }
    }
  }

  @Property(tries = 20)
  void projectsWhatWasDrawn(
      @ForAll @IntRange(min = 1, max = 3) int batch,
      @ForAll @IntRange(min = 1, max = 300) int positions,
      @ForAll @IntRange(min = 1, max = 40) int keys,
      @ForAll @IntRange(min = 1, max = 9) int channels,
      @ForAll @IntRange(min = 1, max = 9) int width) {
    try (PointerScope scope = new PointerScope()) {
      Tensor q = Tensors.random(1, batch, positions, 3);
      Tensor k = Tensors.random(2, batch, keys, 3);
      Tensor source = Tensors.random(3, batch, channels, keys);
      Tensor weight = Tensors.random(4, width, channels);
      Tensor bias = Tensors.random(5, width, 1);
      Tensor values = weight.matmul(source).add(bias).transpose(1, 2);
      Tensors.assertClose(
          "output",
          SoftmaxAttention.attendedAndProjected(q, k, source, weight, bias),
          plain(q, k, values).transpose(1, 2),
          1e-12);
    }
  }

  @Test
  void agreesOverManyBlocksOnSeveralThreads() {
    try (PointerScope scope = new PointerScope()) {
      Threads.set(Runtime.getRuntime().availableProcessors());
      Tensor[] ours = leaves(2, 1500, 5000, 3, 4); // blocks of 64 rows, the last one shorter
      Tensor[] expected = leaves(2, 1500, 5000, 3, 4);
      Tensor y = SoftmaxAttention.attended(view(ours[0]), view(ours[1]), view(ours[2]));
      Tensor z = plain(view(expected[0]), view(expected[1]), view(expected[2]));
      Tensors.assertClose("output", y, z, 1e-12);
      y.square().sum().backward();
      z.square().sum().backward();
      for (int i = 0; i < 3; i++) {
        Tensors.assertClose("gradient " + i, ours[i].grad(), expected[i].grad(), 1e-10);
      }
    }
  }

  /**
   * The positions of an image of 2048 x 1024 at stride 8, whose map would take 4 GiB: some rows by
   * hand.
   */
  @Test
  void agreesWhereTheMapWouldNotFit() {
    try (PointerScope scope = new PointerScope();
        NoGradGuard guard = new NoGradGuard()) {
      Threads.set(Runtime.getRuntime().availableProcessors());
      int positions = 128 * 256;
      Tensor q = Tensors.random(1, 1, positions, 2).mul(Tensors.scalar(3)).to(ScalarType.Float);
      Tensor k = Tensors.random(2, 1, positions, 2).mul(Tensors.scalar(3)).to(ScalarType.Float);
      Tensor v = Tensors.random(3, 1, positions, 2).to(ScalarType.Float);
      double[] got = Tensors.values(SoftmaxAttention.attended(q, k, v));
      double[] queries = Tensors.values(q);
      double[] keys = Tensors.values(k);
      double[] values = Tensors.values(v);
      for (int row : new int[] {0, 12_345, positions - 1}) {
        double[] energies = new double[positions];
        Arrays.setAll(
            energies, j -> queries[2 * row] * keys[2 * j] + queries[2 * row + 1] * keys[2 * j + 1]);
        double most = Arrays.stream(energies).max().orElseThrow();
        double sum = 0;
        double[] attended = new double[2];
        double[] sizes = new double[2];
        double[] byEnergies = new double[2];
        for (int j = 0; j < positions; j++) {
          double weight = Math.exp(energies[j] - most);
          sum += weight;
          // Two products, their sum and its distance from the largest are rounded, and the
          // exponential
          // makes of that as large a part of the weight.
          double products =
              Math.abs(queries[2 * row] * keys[2 * j])
                  + Math.abs(queries[2 * row + 1] * keys[2 * j + 1]);
          double part = Rounding.UNIT * (2 * products + most - energies[j]);
          for (int i = 0; i < 2; i++) {
            attended[i] += weight * values[2 * j + i];
            sizes[i] += weight * Math.abs(values[2 * j + i]);
            byEnergies[i] += weight * part * Math.abs(values[2 * j + i]);
          }
        }
        // And the sums over all positions, whose roundings go up and down.
        double ofSums = Math.sqrt(positions) * Rounding.UNIT;
        for (int i = 0; i < 2; i++) {
          double bound = (2 * byEnergies[i] + ofSums * sizes[i]) / sum;
          assertThat(got[2 * row + i]).isCloseTo(attended[i] / sum, within(bound));
        }
      }
    }
  }

  @Test
  void oneTensorInAllPlacesGetsTheSumOfItsGradients() {
    try (PointerScope scope = new PointerScope()) {
      Tensor ours = leaf(1, 2, 70, 3);
      Tensor expected = leaf(1, 2, 70, 3);
      SoftmaxAttention.blocked(view(ours).neg(), view(ours), view(ours)).square().sum().backward();
      plain(view(expected).neg(), view(expected), view(expected)).square().sum().backward();
      Tensors.assertClose("gradient", ours.grad(), expected.grad(), 1e-10);
    }
  }

  @Test
  void whatIsNotANumberGoesThrough() {
    try (PointerScope scope = new PointerScope()) {
      Tensor q = Tensors.random(1, 1, 130, 2);
      q.narrow(1, 3, 1).fill_(Tensors.scalar(Double.NaN));
      Tensor k = Tensors.random(2, 1, 20, 2);
      Tensor y = SoftmaxAttention.blocked(q, k, k);
      assertThat(y.select(1, 3).isnan().all().item_bool()).isTrue();
      assertThat(y.isnan().sum().item_long()).isEqualTo(2);
    }
  }

  @Test
  void takesHalfPrecision() {
    try (PointerScope scope = new PointerScope()) {
      Tensor q = Tensors.random(1, 1, 130, 2).to(ScalarType.BFloat16);
      Tensor k = Tensors.random(2, 1, 20, 2).to(ScalarType.BFloat16);
      Tensor y = SoftmaxAttention.blocked(q, k, k);
      assertThat(y.scalar_type().intern()).isEqualTo(ScalarType.BFloat16);
      Tensor wideKeys = k.to(ScalarType.Double);
      Tensor exact = plain(q.to(ScalarType.Double), wideKeys, wideKeys);
      // Both round to 8 bits in the same places, but for sums over a part of the rows.
      Rounding.assertWithin("output", y, exact, 3 * Rounding.error(plain(q, k, k), exact));
    }
  }
}
