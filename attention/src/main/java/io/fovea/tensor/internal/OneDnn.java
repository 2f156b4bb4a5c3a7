package io.fovea.tensor.internal;

import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Dispatcher;
import org.bytedeco.pytorch.IValueVector;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/** The types in which oneDNN computes on this processor. Threads may share it. */
public final class OneDnn {
  private OneDnn() {}

  /**
   * Whether oneDNN computes convolutions of this type: float32 on every processor, bfloat16 where
   * it has the instructions (on x86 AVX-512 or AVX-NE-CONVERT). libtorch's own convolutions compute
   * the others.
   */
  public static boolean computes(ScalarType type) {
    return switch (type) {
      case Float -> torch.hasMKLDNN();
      case BFloat16 -> torch.hasMKLDNN() && Bfloat16.SUPPORTED;
      default -> false;
    };
  }

  /** Asked when it is needed for the first time, because it loads libtorch. */
  private static final class Bfloat16 {
    private static final boolean SUPPORTED = ask();

    private static boolean ask() {
      try (PointerScope scope = new PointerScope()) {
        IValueVector stack = new IValueVector();
        Dispatcher.singleton()
            .findSchemaOrThrow("mkldnn::_is_mkldnn_bf16_supported", "")
            .callBoxed(stack);
        return stack.get(0).toBool();
      }
    }
  }
}
