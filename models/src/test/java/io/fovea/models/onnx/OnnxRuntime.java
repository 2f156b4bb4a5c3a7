package io.fovea.models.onnx;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtSession;
import io.fovea.models.weights.StateDict;
import java.nio.FloatBuffer;
import java.util.Map;
import org.bytedeco.pytorch.Module;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;

/** A model in ONNX Runtime, with all of its optimisations. */
public final class OnnxRuntime implements AutoCloseable {
  private static final OrtEnvironment ENVIRONMENT = OrtEnvironment.getEnvironment();

  private final OrtSession session;

  OnnxRuntime(byte[] model) throws OrtException {
    try (OrtSession.SessionOptions options = new OrtSession.SessionOptions()) {
      options.setOptimizationLevel(OrtSession.SessionOptions.OptLevel.ALL_OPT);
      options.setIntraOpNumThreads(1);
      session = ENVIRONMENT.createSession(model, options);
    }
  }

  OrtSession session() {
    return session;
  }

  /** The values of the result, in the order of memory. */
  float[] run(Tensor x) throws OrtException {
    try (OnnxTensor in =
            OnnxTensor.createTensor(ENVIRONMENT, FloatBuffer.wrap(values(x)), x.shape());
        OrtSession.Result result = session.run(Map.of(Onnx.INPUT, in))) {
      FloatBuffer buffer = ((OnnxTensor) result.get(0)).getFloatBuffer();
      float[] values = new float[buffer.remaining()];
      buffer.get(values);
      return values;
    }
  }

  /**
   * Fails unless ONNX Runtime gives what libtorch did, to 1e-4 of the largest value.
   *
   * @return that value
   */
  float assertAgrees(Tensor x, Tensor expected) throws OrtException {
    float[] actual = run(x);
    float[] wanted = values(expected);
    assertThat(actual).hasSameSizeAs(wanted);
    float largest = 0;
    for (float value : wanted) {
      largest = Math.max(largest, Math.abs(value));
    }
    assertThat(largest).isLessThan(1e6f);
    for (int i = 0; i < actual.length; i++) {
      assertThat(actual[i]).as("value %d", i).isCloseTo(wanted[i], within(1e-4f * largest));
    }
    return largest;
  }

  private static float[] values(Tensor x) {
    float[] values = new float[(int) x.numel()];
    x.contiguous().<FloatBuffer>createBuffer().get(values);
    return values;
  }

  /** Fills all that a training would change, statistics included: nothing is zero, and nothing is one. */
  public static void randomise(Module module) {
    try (NoGradGuard guard = new NoGradGuard()) {
      StateDict.of(module)
          .forEach(
              (name, tensor) -> {
                if (name.endsWith("running_mean") || name.endsWith("bias")) {
                  tensor.normal_(0, 0.2, null);
                } else if (name.endsWith("gamma")) {
                  tensor.uniform_(0.2, 0.5, null);
                } else if (name.endsWith("running_var") || tensor.dim() == 1) {
                  tensor.uniform_(0.5, 1.5, null);
                } else if (tensor.dim() > 1) {
                  double fanIn = (double) tensor.numel() / tensor.size(0);
                  // The softmax of large energies is a choice, and roundings may choose another
                  boolean energies = name.matches(".*(theta|phi|query_conv|key_conv).*");
                  tensor.normal_(0, (energies ? 0.2 : 1.2) / Math.sqrt(fanIn), null);
                } else {
                  tensor.fill_(new Scalar(7L)); // the number of batches, which nothing depends on
                }
              });
    }
  }

  @Override
  public void close() throws OrtException {
    session.close();
  }
}
