package io.fovea.training;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Map;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Optimizer;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.Test;

class OptimizerStateTest {
  private static final long SIDE = 2000;

  /**
   * The state has 32 MB and Java 24. Java's memory once ran out inside libtorch's writer, which ends
   * the process.
   */
  @Test
  void mayBeLargerThanJavasMemory() throws IOException, InterruptedException {
    Process process =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Xmx24m",
                "-Dorg.bytedeco.javacpp.maxPhysicalBytes=0",
                "-cp",
                System.getProperty("java.class.path"),
                OptimizerStateTest.class.getName())
            .redirectErrorStream(true)
            .start();
    String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);

    assertThat(process.waitFor()).as(said).isZero();
    assertThat(said).contains("equal: true");
  }

  /** Moves the state of one optimiser to another, and prints whether it arrived. */
  public static void main(String[] arguments) {
    try (PointerScope scope = new PointerScope()) {
      Map<String, Tensor> parameters = Map.of("weight", weight());
      Optimizer first = optimizer(parameters);
      parameters.get("weight").sum().backward();
      first.step();
      Map<String, Tensor> state = OptimizerState.of(first, parameters);

      Map<String, Tensor> others = Map.of("weight", weight());
      Optimizer second = optimizer(others);
      OptimizerState.load(second, others, state);
      Map<String, Tensor> arrived = OptimizerState.of(second, others);

      boolean equal = !state.isEmpty() && state.keySet().equals(arrived.keySet());
      for (String name : state.keySet()) {
        equal &= state.get(name).equal(arrived.get(name));
      }
      System.out.println("equal: " + equal);
    }
  }

  private static Tensor weight() {
    return torch.ones(SIDE, SIDE).set_requires_grad(true);
  }

  private static Optimizer optimizer(Map<String, Tensor> parameters) {
    return Optimization.DEFAULT
        .withMethod(Optimization.Method.ADAMW)
        .optimizer(parameters, 0.1, 0, 0);
  }
}
