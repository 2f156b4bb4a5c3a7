package io.fovea.attention;

import static org.assertj.core.api.Assertions.assertThat;

import io.fovea.tensor.Threads;
import java.util.Arrays;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Module;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.StringTensorDict;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;

/** What the tests need of tensors: numbers in, numbers out, and whether they agree. */
public final class Tensors {
  static {
    // Maps of a few numbers: threads would only wait for each other, for long on a busy machine.
    Threads.set(1);
  }

  private Tensors() {}

  /** Normally distributed numbers in float64, the same for the same seed. */
  public static Tensor random(long seed, long... shape) {
    Random random = new Random(seed);
    double[] values = new double[(int) Arrays.stream(shape).reduce(1, (a, b) -> a * b)];
    Arrays.setAll(values, i -> random.nextGaussian());
    return Tensor.create(values, shape);
  }

  /** A module in float64, nothing of which is at its initial value, so that nothing hides behind a zero. */
  public static Attention randomized(String spec, long channels, int dimensions) {
    Attention module = AttentionSpec.parse(spec).create(channels, dimensions);
    module.to(ScalarType.Double, false);
    long seed = 1;
    try (NoGradGuard guard = new NoGradGuard()) {
      for (Map.Entry<String, Tensor> entry : state(module).entrySet()) {
        Tensor values = random(seed++, entry.getValue().shape());
        if (entry.getKey().endsWith("running_var")) {
          values = values.abs().add(scalar(0.5));
        }
        if (!entry.getKey().endsWith("num_batches_tracked")) {
          entry.getValue().copy_(values);
        }
      }
    }
    return module;
  }

  /** Parameters and buffers by name. */
  public static Map<String, Tensor> state(Module module) {
    Map<String, Tensor> state = parameters(module);
    state.putAll(named(module.named_buffers(), ""));
    return state;
  }

  public static Map<String, Tensor> parameters(Module module) {
    return named(module.named_parameters(), "");
  }

  /** What has a name that begins with {@code prefix}, by the rest of the name. */
  static Map<String, Tensor> named(StringTensorDict dict, String prefix) {
    Map<String, Tensor> found = new TreeMap<>();
    for (long i = 0; i < dict.size(); i++) {
      String key = dict.get(i).key().getString();
      if (key.startsWith(prefix)) {
        found.put(key.substring(prefix.length()), dict.get(i).access());
      }
    }
    return found;
  }

  /** All numbers of a tensor, in the order of its dimensions. */
  public static double[] values(Tensor tensor) {
    try (PointerScope scope = new PointerScope()) {
      double[] values = new double[(int) tensor.numel()];
      tensor.detach().to(ScalarType.Double).contiguous().data_ptr_double().get(values);
      return values;
    }
  }

  public static Scalar scalar(double value) {
    return new Scalar(value);
  }

  /** That the largest difference is within {@code tolerance} of the largest expected value. */
  public static void assertClose(String what, Tensor actual, Tensor expected, double tolerance) {
    assertThat(actual.shape()).as("shape of " + what).isEqualTo(expected.shape());
    double[] values = values(expected);
    assertClose(what, values(actual), values, tolerance * largest(values));
  }

  /** That no difference is larger than {@code difference}. */
  public static void assertClose(
      String what, double[] actual, double[] expected, double difference) {
    assertThat(actual).as("size of " + what).hasSameSizeAs(expected);
    for (int i = 0; i < actual.length; i++) {
      if (!(Math.abs(actual[i] - expected[i]) <= difference)) {
        assertThat(actual[i])
            .as(what + " [" + i + "], which may be off by " + difference)
            .isEqualTo(expected[i]);
      }
    }
  }

  public static double largest(double[] values) {
    return Arrays.stream(values).map(Math::abs).max().orElse(0);
  }
}
