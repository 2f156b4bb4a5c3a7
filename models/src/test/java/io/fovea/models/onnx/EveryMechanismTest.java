package io.fovea.models.onnx;

import static org.assertj.core.api.Assertions.assertThat;

import ai.onnxruntime.OrtException;
import io.fovea.attention.Mechanism;
import io.fovea.models.Classifier;
import io.fovea.models.ModelSpec;
import io.fovea.models.weights.StateDict;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.SGD;
import org.bytedeco.pytorch.SGDOptions;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Every mechanism can be tried with the smallest backbone and no options. */
class EveryMechanismTest {
  @TempDir private Path folder;

  static List<Mechanism> mechanisms() {
    return Mechanism.all();
  }

  /** In a network of 16, 32 and 64 channels, at the place of its paper, with its defaults. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("mechanisms")
  void everyMechanismTrainsAndIsExportedInASmallNetwork(Mechanism mechanism)
      throws IOException, OrtException {
    try (PointerScope scope = new PointerScope()) {
      torch.manual_seed(1);
      Classifier network = new ModelSpec("resnet8", 3, 3, 1, mechanism.name()).create();
      Map<String, Tensor> parameters = StateDict.parameters(network);
      SGD sgd = new SGD(network.parameters(), new SGDOptions(0.01));
      Tensor x = torch.randn(2, 3, 32, 32);
      torch.cross_entropy_loss(network.forward(x), Tensor.create(new long[] {0, 2})).backward();
      assertThat(parameters).allSatisfy((name, p) -> assertThat(p.grad().defined()).isTrue());
      sgd.step();
      network.eval();
      Path file = folder.resolve("network.onnx");
      Onnx.write(file, network, "1", Map.of());
      try (OnnxRuntime runtime = new OnnxRuntime(Files.readAllBytes(file));
          NoGradGuard guard = new NoGradGuard()) {
        runtime.assertAgrees(network, network::forward, torch.randn(1, 3, 32, 32));
      }
    }
  }
}
