package io.fovea.testing;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.function.Supplier;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * How far a computation in float32 may be from the exact one, without a number that fits one
 * machine only. Processors and libraries sum in different orders, with and without fused
 * multiply-adds; what they have in common is that each operation is off by at most half a unit in
 * the last place. What that does to a result depends on the computation (a softmax of large
 * energies and a batch norm of small variances magnify it), so it is measured in the same run, on
 * something else that computes the same:
 *
 * <ul>
 *   <li>a reference, in float32 as well: {@link #byReference};
 *   <li>where there is none, the exact computation itself, of inputs and parameters each of which is
 *       rounded once: {@link #byMovement}. By the analysis of rounding errors, a computation with
 *       few digits gives what the exact one gives of inputs some roundings away.
 * </ul>
 */
public final class Rounding {
  /**
   * The most that an operation in float32 is off, in parts of its result: half of the last of 24
   * bits.
   */
  public static final double UNIT = 0x1p-24;

  /**
   * How many times as far off as the reference something may be. Other sums in another order are off
   * by more or less, and the largest of a few errors is a matter of luck; a wrong formula is off by
   * thousands of roundings.
   */
  private static final int TIMES = 16;

  /**
   * The root of 4096: as many roundings one after the other, of a long sum, go up and down like a
   * random walk.
   */
  private static final int ROUNDINGS = 64;

  private Rounding() {}

  /**
   * The largest difference from the exact result that a reference's explains; and some roundings of
   * the result, as a reference may be exact by chance.
   *
   * @param error the largest error of something else that computes the same in float32
   * @param largest the largest absolute value of the exact result
   */
  public static double byReference(double error, double largest) {
    return TIMES * error + ROUNDINGS * UNIT * largest;
  }

  /**
   * The largest difference from the exact result that the roundings of all operations explain: each
   * moves it about as much as a rounding of what goes in, and {@code operations} of them go up and
   * down like a random walk.
   *
   * @param movement by what a rounding of all that goes in {@linkplain #movement moves} it
   * @param largest the largest absolute value of the exact result
   * @param operations how many a number of the result depends on
   */
  public static double byMovement(double movement, double largest, int operations) {
    return Math.sqrt(operations) * (movement + UNIT * largest);
  }

  /**
   * Fails if {@code actual} is farther from {@code exact} than {@code reference} explains. Each may
   * have any type.
   */
  public static void assertAsCloseAs(String what, Tensor actual, Tensor reference, Tensor exact) {
    assertWithin(what, actual, exact, byReference(error(reference, exact), largest(exact)));
  }

  /**
   * Fails if a value of {@code actual} is farther from {@code exact} than {@code bound}, or no
   * number.
   */
  public static void assertWithin(String what, Tensor actual, Tensor exact, double bound) {
    assertThat(actual.shape()).as("shape of " + what).isEqualTo(exact.shape());
    assertThat(error(actual, exact)).as("error of " + what).isLessThanOrEqualTo(bound);
  }

  /** The largest absolute difference of two tensors; NaN if there is one. */
  public static double error(Tensor actual, Tensor exact) {
    try (PointerScope scope = new PointerScope()) {
      Tensor wide = exact.detach().to(ScalarType.Double);
      return largest(actual.detach().to(ScalarType.Double).sub(wide));
    }
  }

  /** The largest absolute value. */
  public static double largest(Tensor values) {
    try (PointerScope scope = new PointerScope()) {
      return values.detach().to(ScalarType.Double).abs().max().item_double();
    }
  }

  /**
   * By how much the results of a computation move, each at most, where everything that goes in is
   * rounded to float32 once: each number by a rounding up or down, three times at random.
   *
   * @param inputs what goes in, in float64; afterwards as before
   * @param compute the results in float64, the same number each time
   */
  public static double[] movement(List<Tensor> inputs, Supplier<List<Tensor>> compute) {
    Random random = new Random(1);
    try (PointerScope scope = new PointerScope()) {
      List<Tensor> results = compute.get();
      double[] movement = new double[results.size()];
      for (int draw = 0; draw < 3; draw++) {
        List<Tensor> before = new ArrayList<>();
        for (Tensor input : inputs) {
          before.add(input.detach().clone());
          assign(input, input.detach().mul(factors(random, input.shape())));
        }
        List<Tensor> moved = compute.get();
        for (int i = 0; i < movement.length; i++) {
          movement[i] = Math.max(movement[i], error(moved.get(i), results.get(i)));
        }
        for (int i = 0; i < before.size(); i++) {
          assign(inputs.get(i), before.get(i));
        }
      }
      return movement;
    }
  }

  private static void assign(Tensor to, Tensor from) {
    try (NoGradGuard guard = new NoGradGuard()) {
      to.copy_(from);
    }
  }

  /** 1 plus or minus a rounding, by chance. */
  private static Tensor factors(Random random, long... shape) {
    double[] factors = new double[(int) Arrays.stream(shape).reduce(1, (a, b) -> a * b)];
    Arrays.setAll(factors, i -> random.nextBoolean() ? 1 + UNIT : 1 - UNIT);
    return Tensor.create(factors, shape);
  }
}
