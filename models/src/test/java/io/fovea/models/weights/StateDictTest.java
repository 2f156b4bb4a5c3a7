package io.fovea.models.weights;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import io.fovea.models.Classifier;
import io.fovea.models.ResNet;
import java.util.LinkedHashMap;
import java.util.Map;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.Test;

class StateDictTest {
  @Test
  void loadsWhatAnotherNetworkHas() {
    try (PointerScope scope = new PointerScope()) {
      Classifier from = ResNet.builder("resnet8").classes(4).build();
      Classifier to = ResNet.builder("resnet8").classes(4).build();
      StateDict.load(to, StateDict.of(from));
      from.eval();
      to.eval();
      Tensor x = torch.randn(2, 3, 16, 16);
      assertThat(torch.equal(from.forward(x), to.forward(x))).isTrue();
    }
  }

  @Test
  void saysWhatDoesNotFitAndCopiesNothing() {
    try (PointerScope scope = new PointerScope()) {
      Classifier network = ResNet.builder("resnet8").classes(4).build();
      Map<String, Tensor> values = new LinkedHashMap<>();
      StateDict.of(network).forEach((name, value) -> values.put(name, torch.ones_like(value)));
      values.remove("bn1.weight");
      values.put("fc.bias", torch.zeros(5));
      values.put("extra", torch.zeros(1));
      Tensor before = StateDict.of(network).get("fc.weight").clone();
      assertThatExceptionOfType(WeightsException.class)
          .isThrownBy(() -> StateDict.load(network, values))
          .withMessage(
              "the weights do not fit: missing bn1.weight; fc.bias has shape [5], expected [4];"
                  + " unexpected extra");
      assertThat(torch.equal(before, StateDict.of(network).get("fc.weight"))).isTrue();
    }
  }
}
