package io.fovea.attention.fast;

import io.fovea.tensor.internal.ChannelsLast;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.pytorch.MemoryFormatOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.Layout;
import org.bytedeco.pytorch.global.torch.ScalarType;

/** Converts tensors for {@link Kernels}. */
public final class KernelMaps {
  private KernelMaps() {}

  /** Whether kernels can read the tensor directly, in contiguous order. */
  public static boolean supports(Tensor x) {
    return isSupported(x) && x.is_contiguous();
  }

  /**
   * Whether kernels that support both memory orders can read these tensors directly: all must have
   * the same order.
   */
  static boolean supportInOneOrder(Tensor x, Tensor shortcut) {
    Tensor[] maps = shortcut == null ? new Tensor[] {x} : new Tensor[] {x, shortcut};
    return Arrays.stream(maps).allMatch(KernelMaps::isSupported)
        && (Arrays.stream(maps).allMatch(Tensor::is_contiguous)
            || Arrays.stream(maps).allMatch(ChannelsLast::is));
  }

  private static boolean isSupported(Tensor x) {
    return x.is_cpu()
        && x.scalar_type().intern() == ScalarType.Float
        && x.layout().intern() == Layout.Strided
        && x.numel() <= Integer.MAX_VALUE / Float.BYTES;
  }

  /** {@code [B, C, H, W]}; for other than two dimensions {@code [B, C, 1, all]}. */
  public static Kernels.Shape shape(Tensor x) {
    long[] shape = x.shape();
    int images = (int) shape[0];
    int channels = (int) shape[1];
    return shape.length == 4
        ? new Kernels.Shape(images, channels, (int) shape[2], (int) shape[3], ChannelsLast.is(x))
        : new Kernels.Shape(images, channels, 1, (int) (x.numel() / (shape[0] * shape[1])));
  }

  /**
   * The memory of a tensor that {@link #supports kernels can read}. It is valid as long as the
   * tensor exists.
   */
  public static ByteBuffer memory(Tensor x) {
    FloatPointer pointer = x.data_ptr_float();
    return pointer.capacity(x.numel()).asByteBuffer();
  }

  /** The memory of a tensor, or null if the tensor is null. */
  public static ByteBuffer optionalMemory(Tensor x) {
    return x == null ? null : memory(x);
  }

  /** Copies the numbers. */
  public static float[] copy(Tensor tensor) {
    float[] values = new float[(int) tensor.numel()];
    (tensor.is_contiguous() ? tensor : tensor.contiguous()).data_ptr_float().get(values);
    return values;
  }

  /** Creates a tensor of these numbers with the shape of another tensor. */
  static Tensor like(Tensor tensor, float... values) {
    return tensor(values, tensor.shape());
  }

  /** Creates a tensor of these numbers. */
  static Tensor tensor(float[] values, long... shape) {
    Tensor tensor =
        torch.empty(shape, new TensorOptions(ScalarType.Float), new MemoryFormatOptional());
    tensor.data_ptr_float().put(values);
    return tensor;
  }

  /** Rounds sums. */
  static float[] floats(double... values) {
    float[] rounded = new float[values.length];
    for (int i = 0; i < rounded.length; i++) {
      rounded[i] = (float) values[i];
    }
    return rounded;
  }

  /** Two layers with weights {@code [hidden, channels...]} and {@code [channels, hidden...]}. */
  public static Kernels.Perceptron perceptron(
      Tensor in, Optional<Tensor> inBias, Tensor out, Optional<Tensor> outBias) {
    int hidden = (int) in.size(0);
    return new Kernels.Perceptron(
        hidden,
        copy(in),
        inBias.map(KernelMaps::copy).orElseGet(() -> new float[hidden]),
        copy(out),
        outBias.map(KernelMaps::copy).orElseGet(() -> new float[(int) out.size(0)]));
  }

  /** A feature map and the parameters of two layers, in the order of their {@link #gradients}. */
  public static List<Tensor> inputs(
      Tensor x, Tensor in, Optional<Tensor> inBias, Tensor out, Optional<Tensor> outBias) {
    List<Tensor> inputs = new ArrayList<>(List.of(x, in));
    inBias.ifPresent(inputs::add);
    inputs.add(out);
    outBias.ifPresent(inputs::add);
    return inputs;
  }

  /** The gradients of two layers in the order weight, bias, weight, bias, as far as they exist. */
  public static List<Tensor> gradients(
      Kernels.PerceptronGradients computed,
      Tensor in,
      Optional<Tensor> inBias,
      Tensor out,
      Optional<Tensor> outBias) {
    List<Tensor> gradients = new ArrayList<>();
    gradients.add(like(in, computed.in()));
    inBias.ifPresent(bias -> gradients.add(like(bias, computed.inBias())));
    gradients.add(like(out, computed.out()));
    outBias.ifPresent(bias -> gradients.add(like(bias, computed.outBias())));
    return gradients;
  }
}
