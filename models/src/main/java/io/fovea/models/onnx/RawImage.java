package io.fovea.models.onnx;

import static io.fovea.errors.SpecException.check;

import io.fovea.nn.Graph;
import io.fovea.nn.Graph.Value;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.bytedeco.pytorch.Tensor;

/**
 * The input of an ONNX file that accepts images of any size as they are decoded: uint8, {@code
 * [height, width, C]}, with red first. The graph crops, scales and normalises them as in training,
 * so that its caller needs no preprocessing.
 *
 * <p>Scaling is two products with matrices of weights, which the graph computes from the size of the
 * image: {@code Resize} gets antialiasing only in opset 18, and has no averaging over areas. A pixel
 * may differ by one level of 255 from that of Fovea's reader, because the sums are rounded once
 * instead of twice.
 *
 * <p>Immutable and thread-safe.
 *
 * @param channels the number of channels: 3 for red, green and blue, 1 for greyscale
 * @param size the height and width of the network's input in pixels
 * @param resize the length to which the shorter side is scaled before the centred square is cut out;
 *     {@code size} for the largest centred square
 * @param mean the mean of each channel, of values from 0 to 1
 * @param std the standard deviation of each channel
 */
public record RawImage(int channels, int size, int resize, List<Double> mean, List<Double> std) {
  /** The name of the graph's input. */
  public static final String INPUT = "image";

  /** The name of the graph's output: the probability of each class, float32 {@code [classes]}. */
  public static final String OUTPUT = "probabilities";

  private static final int FLOAT = 1; // in ONNX's TensorProto.DataType
  private static final Map<String, Object> KEEP = Map.of("keepdims", 1);

  /**
   * Checks the values.
   *
   * @throws io.fovea.errors.SpecException if they do not fit each other
   */
  public RawImage {
    mean = List.copyOf(mean);
    std = List.copyOf(std);
    check(size >= 1, "the image size must be at least 1, got " + size);
    check(resize >= size, "the shorter side " + resize + " is less than the image size " + size);
    check(
        mean.size() == channels && std.size() == channels,
        "expected " + channels + " means and deviations, got " + mean + " and " + std);
  }

  /** Writes the preprocessing: from uint8 {@code [height, width, C]} to {@code [1, C, size, size]}. */
  Value prepare(Graph graph, Value image) {
    Value planes =
        graph.node(
            "Transpose",
            Map.of("perm", new long[] {2, 0, 1}),
            graph.node("Cast", Map.of("to", FLOAT), image));
    Value shape = graph.node("Cast", Map.of("to", FLOAT), graph.node("Shape", planes));
    Value height = graph.node("Gather", shape, graph.integers(1));
    Value width = graph.node("Gather", shape, graph.integers(2));
    Value shorter = graph.node("Min", height, width);
    Value rows = weights(graph, height, shorter);
    Value columns = weights(graph, width, shorter);
    Value scaled =
        graph.node(
            "MatMul",
            graph.node("MatMul", rows, planes),
            graph.node("Transpose", Map.of("perm", new long[] {1, 0}), columns));
    Value pixels = graph.node("Round", scaled);
    double[] factors = new double[channels];
    double[] offsets = new double[channels];
    for (int c = 0; c < channels; c++) {
      factors[c] = 1 / (255 * std.get(c));
      offsets[c] = -mean.get(c) / std.get(c);
    }
    Value normalised =
        graph.node(
            "Add",
            graph.node("Mul", pixels, graph.weights("image.factor", perChannel(factors))),
            graph.weights("image.offset", perChannel(offsets)));
    return graph.node("Unsqueeze", normalised, graph.integers(0));
  }

  /** Writes the softmax: from {@code [1, classes]} to {@code [classes]}. */
  static Value probabilities(Graph graph, Value scores) {
    return graph.node(
        "Squeeze", graph.node("Softmax", Map.of("axis", 1), scores), graph.integers(0));
  }

  /**
   * The weights with which the pixels of one dimension become those of the square.
   *
   * @param length the length of the dimension
   * @param shorter the length of the shorter dimension
   * @return {@code [size, length]}, whose rows have the sum 1
   */
  private Value weights(Graph graph, Value length, Value shorter) {
    Value one = graph.number(1);
    Value half = graph.number(0.5);
    Value target =
        graph.weights( // [size, 1]
            "image.pixels",
            Tensor.create(IntStream.range(0, size).asDoubleStream().toArray()).unsqueeze(1));
    Value source = // [length]
        graph.node("Range", graph.number(0), graph.node("Squeeze", length, graph.integers(0)), one);
    return resize == size
        ? square(graph, length, shorter, target, source, one, half)
        : antialiased(graph, length, shorter, target, source, one, half);
  }

  /** OpenCV's INTER_AREA if the square is larger than the input, otherwise INTER_LINEAR. */
  private Value square(
      Graph graph, Value length, Value side, Value target, Value source, Value one, Value half) {
    Value start = graph.node("Floor", graph.node("Mul", graph.node("Sub", length, side), half));
    Value position = graph.node("Sub", source, start);
    Value scale = graph.node("Div", side, graph.number(size));
    Value from = graph.node("Mul", target, scale);
    Value to = graph.node("Mul", graph.node("Add", target, one), scale);
    Value overlap =
        graph.node(
            "Relu",
            graph.node(
                "Sub",
                graph.node("Min", graph.node("Add", position, one), to),
                graph.node("Max", position, from)));
    Value area = graph.node("Div", overlap, scale);
    Value centre =
        graph.node(
            "Clip",
            graph.node("Sub", graph.node("Mul", graph.node("Add", target, half), scale), half),
            graph.number(0));
    Value inside = graph.node("Min", centre, graph.node("Sub", side, one));
    Value linear =
        graph.node(
            "Relu", graph.node("Sub", one, graph.node("Abs", graph.node("Sub", position, inside))));
    return graph.node("Where", graph.node("Greater", scale, one), area, linear);
  }

  /** torchvision's Resize with antialiasing, and the centred part of it. */
  private Value antialiased(
      Graph graph, Value length, Value shorter, Value target, Value source, Value one, Value half) {
    Value scaledLength =
        graph.node(
            "Floor", graph.node("Div", graph.node("Mul", length, graph.number(resize)), shorter));
    Value start = // rounded to the nearest, halves to even
        graph.node(
            "Round", graph.node("Mul", graph.node("Sub", scaledLength, graph.number(size)), half));
    Value scale = graph.node("Div", length, scaledLength);
    Value centre =
        graph.node("Mul", graph.node("Add", graph.node("Add", target, start), half), scale);
    Value distance = graph.node("Abs", graph.node("Sub", graph.node("Add", source, half), centre));
    Value support = graph.node("Max", scale, one);
    Value triangle =
        graph.node("Relu", graph.node("Sub", one, graph.node("Div", distance, support)));
    Value sums = graph.node("ReduceSum", KEEP, triangle, graph.integers(1));
    return graph.node("Div", triangle, sums);
  }

  private static Tensor perChannel(double... values) {
    return Tensor.create(values).view(values.length, 1, 1);
  }
}
