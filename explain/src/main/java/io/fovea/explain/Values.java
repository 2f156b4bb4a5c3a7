package io.fovea.explain;

import java.nio.FloatBuffer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;

/** Reads values from tensors. */
final class Values {
  private Values() {}

  /** A tensor's values, row by row, as floats. */
  static float[] of(Tensor tensor) {
    try (PointerScope scope = new PointerScope()) {
      float[] values = new float[Math.toIntExact(tensor.numel())];
      tensor.to(ScalarType.Float).contiguous().<FloatBuffer>createBuffer().get(values);
      return values;
    }
  }
}
