package io.fovea.reference;

import io.fovea.attention.AttentionSpec;
import io.fovea.errors.SpecException;
import io.fovea.tensor.internal.Macs;
import java.util.Arrays;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/**
 * What one module takes, beside the reference code, in this process.
 *
 * @param module its spec; {@code + block} behind it where the end of a residual block is measured with it
 * @param shape of the input, {@code [B, C, H, W]}
 * @param inference without gradients, in evaluation mode
 * @param training forward and backward, down to the input
 * @param copyMillis a copy of the input, the limit of what is bound by memory
 * @param productMillis as many multiply-accumulates in a product of matrices, the limit of what computes
 */
public record Measurement(
    String module,
    long[] shape,
    Times inference,
    Times training,
    double copyMillis,
    double productMillis) {
  private static final double WARM_UP =
      0.5; // of the time: Java compiles the kernels as they are used
  private static final int FEWEST = 5;
  private static final int MOST = 200;
  private static final int SIDE = 1024;

  /** Medians of turns taken one after the other: Fovea, the reference implementation, Fovea, the reference implementation. */
  public record Times(double foveaMillis, double referenceMillis) {
    /** Fovea's time over the reference implementation's: smaller is better. */
    public double ratio() {
      return foveaMillis / referenceMillis;
    }
  }

  /**
   * Measures.
   *
   * @param spec one that {@link ReferenceCode} has code for
   * @param residual whether the end of a residual block is measured with it
   * @param seconds about how long
   * @throws SpecException if the reference implementation has no code for it
   * @throws IllegalStateException if the two do not agree
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

  /** Runs two in turns for about so long, a part of which is to warm up. */
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
