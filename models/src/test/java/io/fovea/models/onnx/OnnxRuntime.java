package io.fovea.models.onnx;

import static org.assertj.core.api.Assertions.assertThat;

import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtSession;
import io.fovea.models.weights.StateDict;
import io.fovea.testing.Rounding;
import java.nio.FloatBuffer;
import java.nio.LongBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;
import org.bytedeco.pytorch.Module;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;

/** A model in ONNX Runtime, with all of its optimisations. */
public final class OnnxRuntime implements AutoCloseable {
  /** At least as many operations are behind each number of a network's result. */
  private static final int OPERATIONS = 1 << 12;

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

  /** The result of a file that returns labels, in the order of memory. */
  long[] labels(Tensor x) throws OrtException {
    try (OnnxTensor in =
            OnnxTensor.createTensor(ENVIRONMENT, FloatBuffer.wrap(values(x)), x.shape());
        OrtSession.Result result = session.run(Map.of(Onnx.INPUT, in))) {
      LongBuffer buffer = ((OnnxTensor) result.get(Onnx.LABELS).orElseThrow()).getLongBuffer();
      long[] values = new long[buffer.remaining()];
      buffer.get(values);
      return values;
    }
  }

  /**
   * Fails unless ONNX Runtime computes what {@code forward} does: both in float32, and as close to
   * {@code forward} in float64 as rounding explains.
   *
   * @param module what {@code forward} computes with; it is in float32 again afterwards
   * @return the largest value
   */
  double assertAgrees(Module module, UnaryOperator<Tensor> forward, Tensor x) throws OrtException {
    Tensor here = forward.apply(x);
    module.to(ScalarType.Double, false);
    Tensor wide = x.to(ScalarType.Double);
    Tensor exact = forward.apply(wide);
    double largest = Rounding.largest(exact);
    assertThat(largest).isLessThan(1e6);
    // A gate is off by roundings of 1, however small it is, so what it lets through of x may be.
    double terms = Math.max(largest, Rounding.largest(x));
    Tensor there = Tensor.create(run(x), exact.shape());
    double bound = Rounding.byReference(Rounding.error(here, exact), terms);
    if (Rounding.error(there, exact) > bound) { // the reference may have been close by chance
      List<Tensor> inputs = new ArrayList<>(List.of(wide));
      inputs.addAll(List.of(module.parameters().get()));
      double movement = Rounding.movement(inputs, () -> List.of(forward.apply(wide)))[0];
      bound = Rounding.byMovement(movement, terms, OPERATIONS);
    }
    Rounding.assertWithin("what ONNX Runtime computes", there, exact, bound);
    module.to(ScalarType.Float, false);
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
