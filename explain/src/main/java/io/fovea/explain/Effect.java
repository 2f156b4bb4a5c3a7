package io.fovea.explain;

import io.fovea.attention.Attention;
import io.fovea.attention.AttentionSpec;
import io.fovea.models.NetworkSpec;
import java.util.Arrays;
import java.util.List;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/**
 * The effect of an attention module on its input.
 *
 * @param scale the factor by which the input must be multiplied to come closest to the output
 * @param change how much of the output is more than the rescaled input: the sine of the angle
 *     between input and output. It is 0 if the module changes nothing or multiplies everything by
 *     the same factor
 */
public record Effect(double scale, double change) {
  private static final long PROBE_CHANNELS = 128; // all groups divide them

  /**
   * Whether the module has no effect: less than a hundredth of its output differs from the rescaled
   * input. The weights of the next layer could do the rescaling.
   */
  public boolean isNone() {
    return change < Statistics.IDLE;
  }

  /**
   * The mechanisms that are the identity before they are trained, with default options.
   */
  public static List<String> startsAsIdentity() {
    return NetworkSpec.aside(
        () -> AttentionSpec.mechanisms().stream().filter(Effect::isIdentity).toList());
  }

  private static boolean isIdentity(String mechanism) {
    try (PointerScope scope = new PointerScope();
        NoGradGuard guard = new NoGradGuard()) {
      Attention attention = AttentionSpec.parse(mechanism).create(PROBE_CHANNELS, 2);
      attention.eval();
      Tensor x = torch.ones(1, PROBE_CHANNELS, 4, 4);
      return attention.forward(x).equal(x);
    }
  }

  /**
   * Compares input and output.
   *
   * @param x the input
   * @param y the output. If it is smaller, because the module replaces a convolution with a stride, it is
   *     no multiple of the input
   */
  static Effect of(Tensor x, Tensor y) {
    if (!Arrays.equals(x.shape(), y.shape())) {
      return new Effect(0, 1);
    }
    try (PointerScope scope = new PointerScope()) {
      double inputs = dot(x, x);
      double outputs = dot(y, y);
      double scale = inputs > 0 ? dot(x, y) / inputs : 1;
      Tensor rest = y.sub(x.mul(new Scalar(scale)));
      return new Effect(scale, outputs > 0 ? Math.sqrt(dot(rest, rest) / outputs) : 0);
    }
  }

  private static double dot(Tensor a, Tensor b) {
    return a.mul(b).sum().item_double();
  }
}
