package io.fovea.models;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.fovea.models.weights.StateDict;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.UnaryOperator;
import java.util.zip.CRC32;
import org.bytedeco.pytorch.Module;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;

/** Weights and inputs that are not stored: both sides fill them by the same rule, from their names. */
public final class Filling {
  private Filling() {}

  public static JsonNode golden(String name) {
    try (InputStream in = Filling.class.getResourceAsStream("/golden/" + name)) {
      return new ObjectMapper().readTree(in);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Every {@code step}-th value, relative to the largest. */
  public static void assertClose(double[] actual, JsonNode expected, int step, double tolerance) {
    assertThat(expected).hasSize((actual.length + step - 1) / step);
    double largest = 0;
    for (JsonNode value : expected) {
      largest = Math.max(largest, Math.abs(value.asDouble()));
    }
    for (int i = 0; i < expected.size(); i++) {
      assertThat(actual[i * step])
          .as("value %d", i * step)
          .isCloseTo(expected.path(i).asDouble(), within(tolerance * largest));
    }
  }

  public static double[] values(Tensor tensor) {
    double[] values = new double[(int) tensor.numel()];
    tensor.detach().contiguous().data_ptr_double().get(values);
    return values;
  }

  /**
   * Fills parameters and buffers.
   *
   * @param theirs what the other side calls a name
   */
  public static void fill(Module module, UnaryOperator<String> theirs) {
    try (NoGradGuard guard = new NoGradGuard()) {
      for (Map.Entry<String, Tensor> entry : StateDict.of(module).entrySet()) {
        String name = theirs.apply(entry.getKey());
        Tensor tensor = entry.getValue();
        if (name.endsWith("num_batches_tracked")) {
          continue;
        }
        double scale =
            name.endsWith("running_mean") || name.endsWith("bias")
                ? 0.1
                : tensor.dim() == 1 ? 0.5 : Math.sqrt(6.0 * tensor.size(0) / tensor.numel());
        boolean aroundOne = tensor.dim() == 1 && scale == 0.5;
        Tensor values = uniform(name, tensor.shape()).mul(new Scalar(scale));
        tensor.copy_(aroundOne ? values.add(new Scalar(1.0)) : values);
      }
    }
  }

  /** The weights of a state dict of which the names and shapes are known. */
  public static Map<String, Tensor> weights(JsonNode state) {
    Map<String, Tensor> weights = new LinkedHashMap<>();
    for (Map.Entry<String, JsonNode> entry : state.properties()) {
      long[] shape = new long[entry.getValue().size()];
      for (int i = 0; i < shape.length; i++) {
        shape[i] = entry.getValue().path(i).asLong();
      }
      weights.put(entry.getKey(), filled(entry.getKey(), entry.getKey(), shape));
    }
    return weights;
  }

  /**
   * A weight of a state dict.
   *
   * @param name its name, which tells what it is
   * @param rule the name by which it is filled
   */
  public static Tensor filled(String name, String rule, long... shape) {
    boolean small = name.matches(".*(running_mean|bias|_rm|_b)"); // the latter are Caffe2's
    boolean single = shape.length < 2;
    long each = 1;
    for (int i = 1; i < shape.length; i++) {
      each *= shape[i];
    }
    double scale = small ? 0.1 : single ? 0.5 : Math.sqrt(6.0 / each);
    Tensor values =
        uniform(rule, shape.length == 0 ? new long[] {1} : shape)
            .reshape(shape)
            .mul(new Scalar(scale));
    return single && !small ? values.add(new Scalar(1.0)) : values;
  }

  /** The rule of the script: murmur's mixing of a counter that starts at the name's checksum. */
  public static Tensor uniform(String name, long... shape) {
    CRC32 checksum = new CRC32();
    checksum.update(name.getBytes(StandardCharsets.UTF_8));
    int count = 1;
    for (long size : shape) {
      count *= (int) size;
    }
    double[] values = new double[count];
    for (int i = 0; i < count; i++) {
      int x = (int) (i + checksum.getValue());
      x = (x ^ x >>> 16) * 0x85EBCA6B;
      x = (x ^ x >>> 13) * 0xC2B2AE35;
      x ^= x >>> 16;
      values[i] = Integer.toUnsignedLong(x) / 0x1p31 - 1;
    }
    return Tensor.create(values, shape);
  }
}
