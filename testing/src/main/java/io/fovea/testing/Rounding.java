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
 * Bounds for the error of a computation in float32 that hold on any machine. Processors and
 * libraries sum in different orders, with and without fused multiply-adds. In all of them, the
 * error of an operation is at most half a unit in the last place. Its influence on a result depends
 * on the computation (a softmax of large energies and a batch norm of small variances magnify it),
 * so it is measured in the same run, on another computation of the same result:
 *
 * <ul>
 *   <li>a reference, also in float32: {@link #byReference};
 *   <li>if there is none, the exact computation itself with rounded inputs and parameters: {@link
 *       #byMovement}. According to backward error analysis, a computation with few digits gives
 *       the exact result for inputs that differ by some roundings.
 * </ul>
 */
public final class Rounding {
  /** The largest relative error of an operation in float32: half of the last of 24 bits. */
  public static final double UNIT = 0x1p-24;

  /**
   * How many times the error of the reference is allowed. Sums in another order have larger or
   * smaller errors, and the largest of a few errors varies by chance. A wrong formula causes
   * thousands of rounding errors.
   */
  private static final int TIMES = 16;

  /**
   * The square root of 4096: this number of successive roundings in a long sum behaves like a
   * random walk.
   */
  private static final int ROUNDINGS = 64;

  private Rounding() {}

  /**
   * The largest difference from the exact result that the error of a reference explains, plus some
   * roundings of the result, because a reference may be exact by chance.
   *
   * @param error the largest error of another computation of the same result in float32
   * @param largest the largest absolute value of the exact result
   */
  public static double byReference(double error, double largest) {
    return TIMES * error + ROUNDINGS * UNIT * largest;
  }

  /**
   * The largest difference from the exact result that the roundings of all operations explain. Each
   * changes the result about as much as a rounding of the inputs, and {@code operations} of them
   * behave like a random walk.
   *
   * @param movement the change of the result when all inputs are rounded, from {@link #movement}
   * @param largest the largest absolute value of the exact result
   * @param operations the number of operations on which a value of the result depends
   */
  public static double byMovement(double movement, double largest, int operations) {
    return Math.sqrt(operations) * (movement + UNIT * largest);
  }

  /**
   * Fails if {@code actual} differs from {@code exact} by more than {@code reference} explains.
   * Each may have any type.
   */
  public static void assertAsCloseAs(String what, Tensor actual, Tensor reference, Tensor exact) {
    assertWithin(what, actual, exact, byReference(error(reference, exact), largest(exact)));
  }

  /**
   * Fails if a value of {@code actual} differs from {@code exact} by more than {@code bound}, or is
   * NaN.
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
   * The largest change of each result of a computation when all inputs are rounded to float32: each
   * number is rounded up or down at random, three times.
   *
   * @param inputs the inputs in float64, which are restored afterwards
   * @param compute computes the results in float64, the same number in each call
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

  /** 1 plus or minus a rounding, at random. */
  private static Tensor factors(Random random, long... shape) {
    double[] factors = new double[(int) Arrays.stream(shape).reduce(1, (a, b) -> a * b)];
    Arrays.setAll(factors, i -> random.nextBoolean() ? 1 + UNIT : 1 - UNIT);
    return Tensor.create(factors, shape);
  }
}
