package io.fovea.reference;

import io.fovea.attention.Attention;
import io.fovea.attention.AttentionSpec;
import io.fovea.errors.SpecException;
import io.fovea.tensor.internal.Macs;
import java.util.Arrays;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * The times of one module and of its reference implementation in this process.
 *
 * @param module the spec of the module, followed by {@code + block} if the end of a residual block
 *     is included
 * @param shape the shape of the input, {@code [B, C, H, W]}
 * @param inference the times without gradients, in evaluation mode
 * @param training the times of forward and backward pass, including the gradient of the input
 * @param copyMillis the time of a copy of the input, which is the limit for memory-bound code
 * @param productMillis the time of a matrix product with the same number of multiply-accumulates,
 *     which is the limit for compute-bound code
 */
public record Measurement(
    String module,
    long[] shape,
    Times inference,
    Times training,
    double copyMillis,
    double productMillis) {
  private static final double WARM_UP =
      0.5; // fraction of the time for warming up, in which Java compiles the kernels
  private static final int FEWEST = 5;
  private static final int MOST = 200;
  private static final int SIDE = 1024;

  /** Medians of alternating runs: Fovea, reference, Fovea, reference. */
  public record Times(double foveaMillis, double referenceMillis) {
    /** Fovea's time divided by the reference's time; smaller is better. */
    public double ratio() {
      return foveaMillis / referenceMillis;
    }
  }

  /** Medians of Fovea's times, without the reference implementation. */
  public record Alone(double inferenceMillis, double trainingMillis) {}

  /**
   * Measures Fovea's module by itself, where there is no reference implementation.
   *
   * @param residual whether the end of a residual block is included
   * @param seconds the approximate duration of the measurement
   */
  public static Alone alone(AttentionSpec spec, boolean residual, double seconds, long... shape) {
    try (PointerScope scope = new PointerScope()) {
      Attention module = Comparison.module(spec, ScalarType.Float, shape[1]);
      Tensor x = Comparison.input(ScalarType.Float, shape);
      Tensor shortcut = residual ? torch.randn(shape) : null;
      Comparison.Contender fovea = Comparison.contender(module, x, torch.randn(shape), shortcut);
      Runnable nothing = () -> {};
      long budget = (long) (seconds / 2 * 1e9);
      module.eval();
      double inference = times(() -> fovea.infer(), nothing, budget).foveaMillis();
      module.train(true);
      return new Alone(inference, times(() -> fovea.step(), nothing, budget).foveaMillis());
    }
  }

  /**
   * Measures.
   *
   * @param spec a spec that {@link ReferenceCode} implements
   * @param residual whether the end of a residual block is included
   * @param seconds the approximate duration of the measurement
   * @throws SpecException if there is no reference implementation of the spec
   * @throws IllegalStateException if the results of the two differ
   */
  public static Measurement of(
      AttentionSpec spec, boolean residual, double seconds, long... shape) {
    Comparison comparison;
    long macs;
    try (PointerScope scope = new PointerScope()) {
      comparison = new Comparison(spec, residual, shape);
      comparison.train(true).check();
      comparison.train(false).check();
      macs = Macs.count(() -> comparison.fovea().infer());
      long budget = (long) (seconds / 2 * 1e9);
      Times inference =
          times(() -> comparison.fovea().infer(), () -> comparison.reference().infer(), budget);
      comparison.train(true);
      Times training =
          times(() -> comparison.fovea().step(), () -> comparison.reference().step(), budget);
      Tensor x = torch.randn(shape);
      Tensor y = torch.empty_like(x);
      Tensor square = torch.randn(SIDE, SIDE);
      try (NoGradGuard guard = new NoGradGuard()) {
        Times limits = times(() -> y.copy_(x), () -> torch.mm(square, square), budget / 4);
        return new Measurement(
            spec + (residual ? " + block" : ""),
            shape,
            inference,
            training,
            limits.foveaMillis(),
            limits.referenceMillis() * macs / Math.pow(SIDE, 3));
      }
    }
  }

  /** Whether there is a reference implementation of the spec. */
  public static boolean hasReference(AttentionSpec spec) {
    return ReferenceCode.isOf(spec);
  }

  /**
   * Checks that a module can be measured, without measuring it.
   *
   * @param channels the channels of the input
   * @throws SpecException if there is no reference implementation of the spec
   */
  public static void check(AttentionSpec spec, boolean residual, long channels) {
    try (PointerScope scope = new PointerScope()) {
      new Comparison(spec, residual, 1, channels, 2, 2);
    }
  }

  /** Runs both alternately for about the given time, a part of which is for warming up. */
  static Times times(Runnable first, Runnable second, long nanos) {
    long warmUp = (long) (WARM_UP * nanos);
    for (long spent = 0; spent < warmUp; ) {
      spent += nanos(first) + nanos(second);
    }
    long[] firsts = new long[MOST];
    long[] seconds = new long[MOST];
    int turns = 0;
    for (long spent = 0; turns < MOST && (turns < FEWEST || spent < nanos - warmUp); turns++) {
      firsts[turns] = nanos(first);
      seconds[turns] = nanos(second);
      spent += firsts[turns] + seconds[turns];
    }
    return new Times(median(firsts, turns), median(seconds, turns));
  }

  private static long nanos(Runnable body) {
    try (PointerScope scope = new PointerScope()) {
      long start = System.nanoTime();
      body.run();
      return System.nanoTime() - start;
    }
  }

  private static double median(long[] nanos, int count) {
    Arrays.sort(nanos, 0, count);
    return nanos[count / 2] / 1e6;
  }
}
