package io.fovea.nn;

import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.bytedeco.pytorch.Module;
import org.bytedeco.pytorch.StringSharedModuleDict;

/**
 * The data flow of an equation: its steps with the shapes of their results, in terms of the batch B, the
 * channels C, the height H, the width W and the number of positions N. It is recorded from the equation
 * itself, with operators that compute shapes only; steps that only reshape are left out. A size has the
 * name of what it equals, such as C/16; for this to be unambiguous, C should be 3 times a power of 2.
 *
 * <p>Immutable and thread-safe.
 */
public final class Flow {
  private static final long BATCH = 11;
  private static final long HEIGHT = 20;
  private static final long WIDTH = 36;
  private static final int LONGEST_CONSTANT = 24;

  /**
   * A step.
   *
   * @param operation what it computes: {@code mean over positions}
   * @param layer the name of its layer or parameter, or empty
   * @param from the numbers of the steps whose results it takes; 0 is the input
   * @param shape the shape of its result: {@code [B, C/16]}
   */
  public record Step(String operation, String layer, List<Integer> from, String shape) {}

  /** An equation in any operators. */
  @FunctionalInterface
  public interface Equation {
    /** Computes the equation. */
    <T> T apply(Ops<T> ops, T x);
  }

  /** A value: its shape, and the number of its step, or the text of a constant. */
  private record Value(long[] shape, int step, String constant) {}

  private final long channels;
  private final Map<Long, String> names = new LinkedHashMap<>();
  private final ShapeOps shapes = new ShapeOps();
  private final List<Step> steps = new ArrayList<>();
  private String path = "";

  private Flow(long channels) {
    this.channels = channels;
  }

  /**
   * Records the steps of an equation for images.
   *
   * @param owner the module with the layers, which gives them their names
   * @param channels the channels C of its feature maps
   * @return the steps in the order of computation; the first one is the input
   */
  public static List<Step> of(Module owner, long channels, Equation equation) {
    Flow flow = new Flow(channels);
    try (StringSharedModuleDict modules = owner.named_modules("", false)) {
      for (long i = 0; i < modules.size(); i++) {
        String name = modules.get(i).key().getString();
        flow.names.put(modules.get(i).access().address(), name);
      }
    }
    long[] x = {BATCH, channels, HEIGHT, WIDTH};
    flow.steps.add(new Step("x", "", List.of(), flow.text(x)));
    equation.apply(flow.operators(), new Value(x, 0, null));
    return Collections.unmodifiableList(flow.steps);
  }

  @SuppressWarnings("unchecked") // a proxy of the interface has no type parameters
  private Ops<Value> operators() {
    return (Ops<Value>)
        Proxy.newProxyInstance(
            Flow.class.getClassLoader(),
            new Class<?>[] {Ops.class},
            (proxy, method, arguments) ->
                call((Ops<Value>) proxy, method, arguments == null ? new Object[0] : arguments));
  }

  private Object call(Ops<Value> ops, Method method, Object[] arguments) throws Throwable {
    String name = method.getName();
    return switch (name) {
      case "in" -> in((Module) arguments[0], (Supplier<?>) arguments[1]);
      case "affinity" -> null; // a report
      case "channelAffinity", "sharedAffinity" -> arguments[0];
      case "convolution" ->
          arguments.length > 2 ? normalised(ops, arguments) : computed(name, method, arguments);
      default -> computed(name, method, arguments);
    };
  }

  /** A convolution with a norm and perhaps an activation, which are steps, too. */
  private static Value normalised(Ops<Value> ops, Object[] arguments) {
    Value y = ((Convolution) arguments[0]).apply(ops, (Value) arguments[3]);
    Value normal = ops.batchNorm((BatchNorm) arguments[1], y);
    return arguments[2] == null ? normal : ((Activation) arguments[2]).apply(ops, normal);
  }

  private Value computed(String name, Method method, Object[] arguments) throws Throwable {
    Object[] onShapes =
        Arrays.stream(arguments).map(a -> a instanceof Value v ? v.shape : a).toArray();
    long[] shape;
    try {
      shape = (long[]) method.invoke(shapes, onShapes);
    } catch (InvocationTargetException e) {
      throw e.getCause();
    }
    List<Value> operands =
        Arrays.stream(arguments).filter(Value.class::isInstance).map(Value.class::cast).toList();
    return switch (name) {
      case "reshape", "flatten", "plane", "unflatten", "perChannel", "expand" ->
          new Value(shape, operands.get(0).step, operands.get(0).constant);
      case "number" -> constant(shape, number((double) arguments[0]));
      case "positions" -> constant(shape, "N");
      case "size" -> constant(shape, symbol(operands.get(0).shape[index(operands, arguments[1])]));
      case "indices" -> constant(shape, "0, 1, ...");
      default -> step(name, arguments, operands, shape);
    };
  }

  private Object in(Module module, Supplier<?> body) {
    String outer = path;
    path = names.getOrDefault(module.address(), outer);
    try {
      return body.get();
    } finally {
      path = outer;
    }
  }

  private static Value constant(long[] shape, String text) {
    return new Value(shape, -1, text.length() > LONGEST_CONSTANT ? "constants" : text);
  }

  private Value step(String name, Object[] arguments, List<Value> operands, long[] shape) {
    String operation = operation(name, arguments, operands, shape);
    boolean constant = !operands.isEmpty() && operands.stream().allMatch(v -> v.step < 0);
    if (constant) {
      String of = operands.stream().map(Value::constant).collect(Collectors.joining(", "));
      return constant(shape, operation + " of " + of);
    }
    String with =
        operands.stream()
            .filter(operand -> operand.step < 0)
            .map(Value::constant)
            .collect(Collectors.joining(", "));
    String layer = "";
    for (Object argument : arguments) {
      if (argument instanceof Module module) {
        layer = names.getOrDefault(module.address(), "");
      }
    }
    if (name.equals("parameter")) {
      layer = path.isEmpty() ? (String) arguments[0] : path + "." + arguments[0];
    }
    List<Integer> from = operands.stream().map(Value::step).filter(step -> step >= 0).toList();
    steps.add(
        new Step(with.isEmpty() ? operation : operation + " " + with, layer, from, text(shape)));
    return new Value(shape, steps.size() - 1, null);
  }

  private String operation(String name, Object[] arguments, List<Value> operands, long[] shape) {
    return switch (name) {
      case "convolution" -> convolution((Convolution) arguments[0], operands.get(0).shape);
      case "linear" -> "linear";
      case "batchNorm" -> "batch norm";
      case "groupNorm" -> "group norm";
      case "parameter" -> "parameter";
      case "add", "residual" -> "+" + second(arguments);
      case "sub" -> "−";
      case "mul" -> "×" + second(arguments);
      case "gate", "innerGate" -> "× gate";
      case "largerGated" -> "larger one of × gate, × gate";
      case "div" -> "÷" + second(arguments);
      case "neg" -> "negative";
      case "sqrt" -> "square root";
      case "abs" -> "absolute value";
      case "relu", "reluInPlace" -> "ReLU";
      case "hardSigmoid" -> "hard sigmoid";
      case "hardSwish" -> "hard swish";
      case "gelu" -> "GELU";
      case "softmax" -> "softmax" + over(operands, arguments);
      case "mean" -> "mean" + over(operands, arguments);
      case "max" -> "maximum" + over(operands, arguments);
      case "norm" -> "Euclidean norm over the positions";
      case "sum" -> "sum" + over(operands, arguments);
      case "windowMax" ->
          "maximum of windows of "
              + Arrays.stream((int[]) arguments[1])
                  .mapToObj(Integer::toString)
                  .collect(Collectors.joining(" × "));
      case "maxPool" -> "max pool " + arguments[1] + " × " + arguments[1];
      case "averagePool" ->
          "average pool " + arguments[1] + " × " + arguments[1] + ", stride " + arguments[2];
      case "adaptiveAverage", "nearest" ->
          (name.equals("nearest") ? "repeat" : "average")
              + " to "
              + symbol(shape[2])
              + " × "
              + symbol(shape[3]);
      case "matmul" -> "matrix product";
      case "attention" ->
          switch ((Ops.Similarity) arguments[0]) {
            case SOFTMAX -> "softmax(q · k) v";
            case PRODUCT -> "(q · k / N) v";
            case RECTIFIED_SUM -> "(relu(q + k) / N) v";
          };
      case "permute" ->
          "order of dimensions "
              + Arrays.stream((int[]) arguments[1])
                  .mapToObj(Integer::toString)
                  .collect(Collectors.joining(", "));
      case "transpose" -> "swap the last two dimensions";
      case "interleave" -> "interleave the channels of " + arguments[2] + " groups";
      case "concat" -> "concatenate";
      case "narrow" -> narrow(operands, arguments);
      case "first" -> "first " + symbol(shape[index(operands, arguments[1])]);
      case "last" -> "last " + symbol(shape[index(operands, arguments[1])]);
      default -> name; // sigmoid, tanh, square, maximum
    };
  }

  private String narrow(List<Value> operands, Object[] arguments) {
    long from = (long) arguments[2];
    long to = from + (long) arguments[3];
    long size = operands.get(0).shape[index(operands, arguments[1])];
    return from == 0
        ? "first " + symbol(to)
        : to == size ? "last " + symbol(to - from) : "from " + symbol(from) + " to " + symbol(to);
  }

  private static String second(Object[] arguments) {
    return arguments[1] instanceof Double number ? " " + number(number) : "";
  }

  private static String number(double value) {
    return new BigDecimal(Double.toString(value)).stripTrailingZeros().toPlainString();
  }

  private static int index(List<Value> operands, Object dimension) {
    int given = (int) dimension;
    return given < 0 ? operands.get(0).shape.length + given : given;
  }

  /** The dimension over which an operation goes: one, or all positions. */
  private String over(List<Value> operands, Object[] arguments) {
    if (arguments.length == 1) {
      return " over the positions";
    }
    String size = symbol(operands.get(0).shape[index(operands, arguments[1])]);
    return size.matches("\\d.*") ? " over " + size + " of them" : " over " + size;
  }

  private String convolution(Convolution convolution, long[] x) {
    long[] weight = convolution.weight().shape();
    String kernel =
        Arrays.stream(weight).skip(2).mapToObj(Long::toString).collect(Collectors.joining(" × "));
    boolean depthwise = convolution.groups() > 1 && convolution.groups() == x[1];
    StringBuilder text = new StringBuilder(depthwise ? "depthwise conv " : "conv ").append(kernel);
    if (Arrays.stream(convolution.dilation()).anyMatch(d -> d > 1)) {
      text.append(", dilation ").append(convolution.dilation()[0]);
    }
    if (convolution.groups() > 1 && !depthwise) {
      text.append(", ").append(convolution.groups()).append(" groups");
    }
    return text.toString();
  }

  private static boolean isPower(long value) {
    return Long.bitCount(value) == 1;
  }

  private String text(long[] shape) {
    return Arrays.stream(shape).mapToObj(this::symbol).collect(Collectors.joining(", ", "[", "]"));
  }

  /** A size in terms of B, C, H and W, if it is a plain multiple or part of them. */
  private String symbol(long size) {
    Map<Long, String> known = new LinkedHashMap<>();
    known.put(BATCH, "B");
    known.put(HEIGHT, "H");
    known.put(WIDTH, "W");
    known.put(HEIGHT + WIDTH, "H + W");
    known.put(HEIGHT * WIDTH, "N");
    known.put(HEIGHT / 2, "H/2");
    known.put(WIDTH / 2, "W/2");
    known.put(HEIGHT * WIDTH / 4, "N/4");
    if (known.containsKey(size)) {
      return known.get(size);
    }
    for (long factor : IntStream.rangeClosed(1, 4).toArray()) {
      if (size == factor * channels) {
        return (factor == 1 ? "" : factor) + "C";
      }
    }
    if (size > 1 && size < channels && channels % size == 0 && isPower(channels / size)) {
      return "C/" + channels / size;
    }
    return size > BATCH && size % BATCH == 0 && isPower(size / BATCH)
        ? size / BATCH + "B"
        : Long.toString(size);
  }
}
