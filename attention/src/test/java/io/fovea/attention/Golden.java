package io.fovea.attention;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.UnaryOperator;
import org.bytedeco.pytorch.Module;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * What the reference implementation's own PyTorch code computed in float64, gradients included, and the comparison with
 * it. {@code input}, {@code cotangent} (the loss is sum(output * cotangent)), {@code state/KEY}, {@code
 * output.train}, {@code grad.input}, {@code grad/KEY}, {@code state_after/KEY}, {@code output.eval}.
 */
final class Golden {
  private final String name;
  private final Map<String, Tensor> tensors = new LinkedHashMap<>();

  private Golden(String name) {
    this.name = name;
  }

  static Golden load(String name) {
    Golden golden = new Golden(name);
    try (InputStream in = Golden.class.getResourceAsStream("/golden/" + name + ".safetensors")) {
      ByteBuffer file = ByteBuffer.wrap(in.readAllBytes()).order(ByteOrder.LITTLE_ENDIAN);
      byte[] head = new byte[(int) file.getLong()];
      file.get(head);
      ByteBuffer data = file.slice().order(ByteOrder.LITTLE_ENDIAN);
      JsonNode entries = new ObjectMapper().readTree(head);
      entries
          .properties()
          .forEach(
              entry -> {
                if (!entry.getKey().equals("__metadata__")) {
                  golden.tensors.put(entry.getKey(), tensor(entry.getValue(), data));
                }
              });
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return golden;
  }

  private static Tensor tensor(JsonNode entry, ByteBuffer data) {
    long[] shape = new long[entry.get("shape").size()];
    int count = 1;
    for (int i = 0; i < shape.length; i++) {
      shape[i] = entry.get("shape").get(i).asLong();
      count *= (int) shape[i];
    }
    int offset = entry.get("data_offsets").get(0).asInt();
    if (entry.get("dtype").asText().equals("I64")) {
      long[] values = new long[count];
      for (int i = 0; i < count; i++) {
        values[i] = data.getLong(offset + 8 * i);
      }
      return Tensor.create(values, shape);
    }
    double[] values = new double[count];
    for (int i = 0; i < count; i++) {
      values[i] = data.getDouble(offset + 8 * i);
    }
    return Tensor.create(values, shape);
  }

  /**
   * Loads the state into {@code module} by the file's names behind {@code prefix}, and compares both
   * modes' outputs, all gradients and the buffers after the step.
   */
  void verify(Module module, String prefix, ScalarType type, UnaryOperator<Tensor> forward) {
    double tolerance = type == ScalarType.Double ? 1e-10 : 1e-4;
    module.to(type, false);
    Map<String, Tensor> parameters = Tensors.named(module.named_parameters(), prefix);
    Map<String, Tensor> buffers = Tensors.named(module.named_buffers(), prefix);
    Map<String, Tensor> state = new TreeMap<>(parameters);
    state.putAll(buffers);
    assertThat(state.keySet()).as(name + ": names").isEqualTo(behind("state/").keySet());
    try (NoGradGuard guard = new NoGradGuard()) {
      behind("state/").forEach((key, value) -> state.get(key).copy_(value));
    }

    Tensor x = tensors.get("input").to(type).clone().detach().set_requires_grad(true);
    module.train(true);
    Tensor y = forward.apply(x);
    assertClose("output.train", y, tensors.get("output.train"), tolerance);
    y.mul(tensors.get("cotangent").to(type)).sum().backward();
    assertClose("grad.input", x.grad(), tensors.get("grad.input"), tolerance);
    assertThat(parameters.keySet()).isEqualTo(behind("grad/").keySet());
    parameters.forEach(
        (key, value) ->
            assertClose("grad/" + key, value.grad(), tensors.get("grad/" + key), tolerance));
    assertThat(buffers.keySet()).isEqualTo(behind("state_after/").keySet());
    buffers.forEach(
        (key, value) ->
            assertClose("state_after/" + key, value, tensors.get("state_after/" + key), tolerance));

    module.eval();
    try (NoGradGuard guard = new NoGradGuard()) {
      assertClose("output.eval", forward.apply(x.detach()), tensors.get("output.eval"), tolerance);
    }
  }

  private Map<String, Tensor> behind(String prefix) {
    Map<String, Tensor> found = new TreeMap<>();
    tensors.forEach(
        (key, value) -> {
          if (key.startsWith(prefix)) {
            found.put(key.substring(prefix.length()), value);
          }
        });
    return found;
  }

  private void assertClose(String what, Tensor actual, Tensor expected, double tolerance) {
    assertThat(actual.defined()).as(name + ": " + what + " is there").isTrue();
    assertThat(actual.shape()).as(name + ": shape of " + what).isEqualTo(expected.shape());
    double[] values = Tensors.values(expected);
    double scale = Tensors.largest(values);
    if (what.startsWith("grad/") && scale < 1e-12 * largestGradient()) {
      scale = largestGradient(); // of a bias before a batch norm: nothing but rounding around zero
    }
    Tensors.assertClose(name + ": " + what, Tensors.values(actual), values, tolerance * scale);
  }

  private double largestGradient() {
    return behind("grad/").values().stream()
        .mapToDouble(gradient -> Tensors.largest(Tensors.values(gradient)))
        .max()
        .orElseThrow();
  }
}
