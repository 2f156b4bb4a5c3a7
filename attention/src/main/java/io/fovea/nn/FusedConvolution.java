package io.fovea.nn;

import io.fovea.tensor.internal.ChannelsLast;
import io.fovea.tensor.internal.Macs;
import io.fovea.tensor.internal.OneDnn;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.stream.Stream;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Argument;
import org.bytedeco.pytorch.Dispatcher;
import org.bytedeco.pytorch.GenericList;
import org.bytedeco.pytorch.IValue;
import org.bytedeco.pytorch.IValueVector;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.OperatorHandle;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * A convolution with a fused batch norm: {@code s · W * x + (b - s · mean)} with {@code s = weight
 * / sqrt(variance + epsilon)}. The factors and offsets are computed in float64.
 *
 * <p>If oneDNN computes the type of the images ({@link OneDnn}), this calls its operator with a fused
 * activation, {@code mkldnn::_convolution_pointwise}, which PyTorch's compiler uses, too. The
 * presets have no method for it, so it is called through the dispatcher. The weight order of oneDNN
 * depends on the shape of the input. The weights are reordered for the last shape, and again when
 * the shape changes.
 */
final class FusedConvolution implements AutoCloseable {
  private static final String OPERATOR = "mkldnn::_convolution_pointwise";
  private static final String REORDER = "mkldnn::_reorder_convolution_weight";

  /** The indices of the operator's arguments in its schema. */
  private static final int PADDING = 3;

  private static final int SCALARS = 8;

  private final Convolution convolution;
  private final Tensor weight;
  private final Tensor bias;
  private final TensorOptional optionalBias;
  private final long macsPerOutput;
  private final OperatorHandle operator; // null without oneDNN
  private final List<Pointer> kept;
  private Packed packed;

  /**
   * The arguments of a call for inputs of one shape and type, without the input itself, which is
   * put in front.
   */
  private record Packed(ScalarType type, long[] shape, String activation, IValueVector call) {
    boolean serves(ScalarType type, long[] shape, String activation) {
      return this.type == type
          && this.activation.equals(activation)
          && Arrays.equals(this.shape, shape);
    }
  }

  FusedConvolution(Convolution convolution, BatchNorm norm) {
    this.convolution = convolution;
    try (PointerScope scope = new PointerScope();
        NoGradGuard guard = new NoGradGuard()) {
      Tensor own = convolution.weight();
      Tensor scale = norm.scale();
      long[] perOutput = new long[(int) own.dim()];
      Arrays.fill(perOutput, 1);
      perOutput[0] = -1;
      weight = own.mul(scale.view(perOutput).to(own.scalar_type().intern())).detach();
      Tensor shift = norm.shift();
      if (convolution.bias().isPresent()) {
        shift = shift.add(convolution.bias().orElseThrow().to(ScalarType.Double).mul(scale));
      }
      bias = shift.to(own.scalar_type().intern());
      optionalBias = new TensorOptional(bias);
      macsPerOutput = weight.numel() / weight.size(0);
      operator = torch.hasMKLDNN() ? Dispatcher.singleton().findSchemaOrThrow(OPERATOR, "") : null;
      kept =
          Stream.of(weight, bias, optionalBias, operator)
              .filter(Objects::nonNull)
              .map(Pointer.class::cast)
              .toList();
      kept.forEach(Pointer::retainReference);
    }
  }

  /**
   * Computes.
   *
   * @param function the activation after the norm, or null
   */
  Tensor forward(Tensor x, Activation function) {
    Tensor in = convolution.padded(x);
    String activation = activation(function);
    ScalarType type = in.scalar_type().intern();
    Tensor y;
    if (operator != null && activation != null && ChannelsLast.is(in) && OneDnn.computes(type)) {
      y = byOneDnn(in, type, activation);
    } else {
      y = convolution.convolve(in, converted(weight, type), optional(type));
      if (function != null) {
        y = function.apply(TensorOps.PLAIN, y);
      }
    }
    Macs.add(y.numel() * macsPerOutput);
    return y;
  }

  /** oneDNN's name for an activation, or null if it does not have it. */
  private static String activation(Activation function) {
    if (function == null) {
      return "none";
    }
    if (function == Activation.RELU || function == Activation.RELU_IN_PLACE) {
      return "relu";
    }
    return function == Activation.HARD_SWISH ? "hardswish" : null;
  }

  private static Tensor converted(Tensor tensor, ScalarType type) {
    return tensor.scalar_type().intern() == type ? tensor : tensor.to(type);
  }

  private TensorOptional optional(ScalarType type) {
    return bias.scalar_type().intern() == type ? optionalBias : new TensorOptional(bias.to(type));
  }

  private Tensor byOneDnn(Tensor x, ScalarType type, String activation) {
    IValueVector stack = new IValueVector();
    begin(stack, x.shape(), type, activation);
    stack.put(0, new IValue(x));
    operator.callBoxed(stack);
    return new Tensor(stack.get(0).toTensor()); // the element of the stack is freed with it
  }

  /** Pushes the arguments after the input to the stack. */
  private synchronized void begin(
      IValueVector stack, long[] shape, ScalarType type, String activation) {
    if (packed == null || !packed.serves(type, shape, activation)) {
      if (packed != null) {
        packed.call.releaseReference();
      }
      packed = pack(shape, type, activation);
    }
    stack.put(packed.call);
  }

  private Packed pack(long[] shape, ScalarType type, String activation) {
    try (PointerScope scope = new PointerScope()) {
      Argument arguments = operator.schema().arguments();
      IValue padding = integers(arguments, convolution.padding());
      IValue stride = integers(arguments, convolution.stride());
      IValue dilation = integers(arguments, convolution.dilation());
      IValue groups = new IValue(convolution.groups());
      IValueVector reorder =
          new IValueVector(
              new IValue(converted(weight, type)),
              padding,
              stride,
              dilation,
              groups,
              integers(arguments, shape));
      Dispatcher.singleton().findSchemaOrThrow(REORDER, "").callBoxed(reorder);
      IValue none = new IValue();
      List<IValue> call = new ArrayList<>();
      call.add(none); // the place of the input
      call.add(reorder.get(0));
      call.add(new IValue(converted(bias, type)));
      call.addAll(List.of(padding, stride, dilation, groups, new IValue(activation)));
      call.add(new IValue(new GenericList(elementType(arguments, SCALARS))));
      call.add(none);
      IValueVector begun = new IValueVector(call.toArray(IValue[]::new));
      begun.retainReference();
      return new Packed(type, shape, activation, begun);
    }
  }

  private static IValue integers(Argument arguments, long... values) {
    GenericList list = new GenericList(elementType(arguments, PADDING));
    for (long value : values) {
      list.push_back(new IValue(value));
    }
    return new IValue(list);
  }

  private static org.bytedeco.pytorch.Type.TypePtr elementType(Argument arguments, int index) {
    return arguments.getPointer(index).type().get().containedType(0);
  }

  @Override
  public synchronized void close() {
    if (packed != null) {
      packed.call.releaseReference();
      packed = null;
    }
    kept.forEach(Pointer::releaseReference);
  }
}
