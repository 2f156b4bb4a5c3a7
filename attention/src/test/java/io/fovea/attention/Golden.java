package io.fovea.attention;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.fovea.testing.Rounding;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.LinkedHashMap;
import java.util.List;
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
  /**
   * How many operations a number of these small modules depends on: a few layers, and all there is.
   */
  private static final int FORWARD = 1 << 12;

  private static final int BACKWARD = 1 << 16;

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

  /** A tensor of the file by its name. */
  Tensor tensor(String name) {
    return tensors.get(name);
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
   * Loads the state into {@code module} by the file's names behind {@code prefix}, and compares
   * both modes' outputs, all gradients and the buffers after the step: in float64 with the file, in
   * float32 by what rounding explains.
   */
  void verify(Module module, String prefix, ScalarType type, UnaryOperator<Tensor> forward) {
    module.to(type, false);
    Map<String, Tensor> parameters = Tensors.named(module.named_parameters(), prefix);
    Map<String, Tensor> buffers = Tensors.named(module.named_buffers(), prefix);
    Map<String, Tensor> state = new TreeMap<>(parameters);
    state.putAll(buffers);
    assertThat(state.keySet()).as(name + ": names").isEqualTo(behind("state/").keySet());
    assertThat(parameters.keySet()).isEqualTo(behind("grad/").keySet());
    assertThat(buffers.keySet()).isEqualTo(behind("state_after/").keySet());

    Map<String, Tensor> actual = computed(module, state, parameters, buffers, type, forward);
    if (type == ScalarType.Double) {
      actual.forEach((what, value) -> assertClose(what, value, tensors.get(what)));
      return;
    }
    module.to(ScalarType.Double, false);
    List<Tensor> inputs =
        tensors.entrySet().stream()
            .filter(entry -> !entry.getKey().matches("(output|grad|state_after).*"))
            .map(Map.Entry::getValue)
            .filter(Tensor::is_floating_point)
            .toList();
    double[] movement =
        Rounding.movement(
            inputs,
            () ->
                List.copyOf(
                    computed(module, state, parameters, buffers, ScalarType.Double, forward)
                        .values()));
    int i = 0;
    for (Map.Entry<String, Tensor> entry : actual.entrySet()) {
      String what = entry.getKey();
      Tensor exact = tensors.get(what);
      double bound =
          isZero(what)
              ? largestGradient() // nothing but rounding, of terms that may be larger than any
              // gradient
              : Rounding.byMovement(
                  movement[i],
                  Rounding.largest(exact),
                  what.startsWith("grad") ? BACKWARD : FORWARD);
      Rounding.assertWithin(name + ": " + what, entry.getValue(), exact, bound);
      i++;
    }
  }

  /** A step of training and an inference, by the names of the file. */
  private Map<String, Tensor> computed(
      Module module,
      Map<String, Tensor> state,
      Map<String, Tensor> parameters,
      Map<String, Tensor> buffers,
      ScalarType type,
      UnaryOperator<Tensor> forward) {
    Map<String, Tensor> computed = new LinkedHashMap<>();
    try (NoGradGuard guard = new NoGradGuard()) {
      behind("state/").forEach((key, value) -> state.get(key).copy_(value));
      parameters.values().forEach(parameter -> parameter.mutable_grad().reset());
    }
    Tensor x = tensors.get("input").to(type).clone().detach().set_requires_grad(true);
    module.train(true);
    Tensor y = forward.apply(x);
    computed.put("output.train", y);
    y.mul(tensors.get("cotangent").to(type)).sum().backward();
    computed.put("grad.input", x.grad());
    parameters.forEach((key, value) -> computed.put("grad/" + key, value.grad().clone()));
    buffers.forEach((key, value) -> computed.put("state_after/" + key, value.clone()));
    module.eval();
    try (NoGradGuard guard = new NoGradGuard()) {
      computed.put("output.eval", forward.apply(x.detach()));
    }
    return computed;
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

  /** In float64, where a rounding is 1e-16: what differs by 1e-10 is another computation. */
  private void assertClose(String what, Tensor actual, Tensor expected) {
    assertThat(actual.shape()).as(name + ": shape of " + what).isEqualTo(expected.shape());
    double[] values = Tensors.values(expected);
    double scale = isZero(what) ? largestGradient() : Tensors.largest(values);
    Tensors.assertClose(name + ": " + what, Tensors.values(actual), values, 1e-10 * scale);
  }

  /** The gradient of a bias before a batch norm, which takes the bias away again. */
  private boolean isZero(String what) {
    return what.startsWith("grad/")
        && Tensors.largest(Tensors.values(tensors.get(what))) < 1e-12 * largestGradient();
  }

  private double largestGradient() {
    return behind("grad/").values().stream()
        .mapToDouble(gradient -> Tensors.largest(Tensors.values(gradient)))
        .max()
        .orElseThrow();
  }
}
