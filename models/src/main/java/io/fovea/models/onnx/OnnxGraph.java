package io.fovea.models.onnx;

import ai.onnx.proto.OnnxMl.AttributeProto;
import ai.onnx.proto.OnnxMl.GraphProto;
import ai.onnx.proto.OnnxMl.NodeProto;
import ai.onnx.proto.OnnxMl.TensorProto;
import ai.onnx.proto.OnnxMl.TensorShapeProto;
import ai.onnx.proto.OnnxMl.TypeProto;
import ai.onnx.proto.OnnxMl.ValueInfoProto;
import com.google.protobuf.ByteString;
import io.fovea.nn.Graph;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.pytorch.Module;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.StringSharedModuleDict;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * Collects the nodes and weights of an ONNX graph in their order, with the names of the network's
 * modules. The caller must have opened a {@code PointerScope}.
 */
final class OnnxGraph implements Graph {
  /** A node. Its output has the same name as the node. */
  private static final class Node {
    private final String operator;
    private final Map<String, ?> attributes;
    private final List<String> inputs;
    private String name;

    Node(String name, String operator, Map<String, ?> attributes, List<String> inputs) {
      this.name = name;
      this.operator = operator;
      this.attributes = attributes;
      this.inputs = inputs;
    }
  }

  private final Map<Long, String> paths = new HashMap<>();
  private final List<Node> nodes = new ArrayList<>();
  private final Map<String, Tensor> initializers = new LinkedHashMap<>();
  private final Map<String, Integer> names = new HashMap<>();
  private final Map<String, String> fused = new HashMap<>();
  private String path = "";

  /** Creates an empty graph for a network, whose modules provide the names. */
  OnnxGraph(Module network) {
    try (StringSharedModuleDict modules = network.named_modules("", false)) {
      for (long i = 0; i < modules.size(); i++) {
        paths.put(modules.get(i).access().address(), modules.get(i).key().getString());
      }
    }
  }

  @Override
  public Value in(Module module, Supplier<Value> body) {
    String outer = path;
    path = paths.getOrDefault(module.address(), outer);
    try {
      return body.get();
    } finally {
      path = outer;
    }
  }

  @Override
  public Value weights(String name, Tensor values) {
    String wanted = path.isEmpty() ? name : path + "." + name;
    Tensor there = initializers.get(wanted);
    if (there != null && there.equal(values)) {
      return new Value(wanted);
    }
    return initializer(unique(wanted), values);
  }

  @Override
  public Value integers(long... values) {
    String name =
        Arrays.stream(values).mapToObj(Long::toString).collect(Collectors.joining(",", "[", "]"));
    return new Value(constant(name, torch.tensor(values)));
  }

  @Override
  public Value number(double value) {
    return new Value(constant(Double.toString(value), torch.tensor((float) value)));
  }

  private String constant(String name, Tensor value) {
    initializers.putIfAbsent(name, value);
    return name;
  }

  @Override
  public Value node(String operator, Map<String, ?> attributes, Value... inputs) {
    String name = unique(path.isEmpty() ? operator : path + "/" + operator);
    nodes.add(
        new Node(
            name,
            operator,
            attributes,
            new ArrayList<>(Arrays.stream(inputs).map(Value::name).toList())));
    return new Value(name);
  }

  private Value initializer(String name, Tensor values) {
    initializers.put(name, values);
    return new Value(name);
  }

  /** Returns a unique name: from the second use on, a number is appended. */
  private String unique(String name) {
    int times = names.merge(name, 1, Integer::sum);
    return times == 1 ? name : name + "_" + times;
  }

  /**
   * Fuses each batch norm into the convolution or linear layer before it, if nothing else uses the
   * value between them. In evaluation mode, both together are one linear map.
   */
  void fuseBatchNorms() {
    for (int i = nodes.size() - 1; i >= 0; i--) {
      Node norm = nodes.get(i);
      if (norm.operator.equals("BatchNormalization")) {
        Node layer = maker(norm.inputs.get(0));
        if (layer != null
            && (layer.operator.equals("Conv") || layer.operator.equals("Gemm"))
            && uses(layer.name) == 1
            && uses(layer.inputs.get(1)) == 1) {
          fuse(layer, norm);
          nodes.remove(i);
        }
      }
    }
    initializers.keySet().removeIf(name -> uses(name) == 0);
  }

  private Node maker(String value) {
    return nodes.stream().filter(node -> node.name.equals(value)).findFirst().orElse(null);
  }

  private long uses(String value) {
    return nodes.stream().flatMap(node -> node.inputs.stream()).filter(value::equals).count();
  }

  private void fuse(Node layer, Node norm) {
    Tensor scale = wide(norm.inputs.get(1));
    Tensor offset = wide(norm.inputs.get(2));
    Tensor mean = wide(norm.inputs.get(3));
    Tensor variance = wide(norm.inputs.get(4));
    double epsilon = (double) norm.attributes.get("epsilon");
    Tensor factor = scale.div(variance.add(new Scalar(epsilon)).sqrt());
    String weightName = layer.inputs.get(1);
    Tensor weight = wide(weightName);
    long[] perOutput = new long[(int) weight.dim()];
    Arrays.fill(perOutput, 1);
    perOutput[0] = -1;
    initializers.put(weightName, narrow(weight.mul(factor.view(perOutput))));
    Tensor bias = layer.inputs.size() > 2 ? wide(layer.inputs.get(2)).sub(mean) : mean.neg();
    String biasName =
        layer.inputs.size() > 2
            ? layer.inputs.get(2)
            : unique(weightName.replaceAll("weight$", "bias"));
    initializers.put(biasName, narrow(bias.mul(factor).add(offset)));
    if (layer.inputs.size() == 2) {
      layer.inputs.add(biasName);
    }
    rename(norm.name, layer.name);
    fused.put(norm.name, layer.name);
  }

  private Tensor wide(String name) {
    return initializers.get(name).to(ScalarType.Double);
  }

  private static Tensor narrow(Tensor x) {
    return x.to(ScalarType.Float);
  }

  /** Replaces all uses of one value by another. */
  private void rename(String value, String other) {
    for (Node node : nodes) {
      node.inputs.replaceAll(input -> input.equals(value) ? other : input);
    }
  }

  /**
   * Encodes the graph for a file.
   *
   * @param written the value that is the output
   * @param output the name and shape of the output in the file
   */
  GraphProto proto(String name, ValueInfoProto input, Value written, ValueInfoProto output) {
    Node last = maker(fused.getOrDefault(written.name(), written.name()));
    rename(last.name, output.getName());
    last.name = output.getName();
    GraphProto.Builder graph = GraphProto.newBuilder().setName(name).addInput(input);
    nodes.forEach(node -> graph.addNode(proto(node)));
    initializers.forEach((key, values) -> graph.addInitializer(proto(key, values)));
    return graph.addOutput(output).build();
  }

  private static NodeProto proto(Node node) {
    NodeProto.Builder proto =
        NodeProto.newBuilder()
            .setName(node.name)
            .setOpType(node.operator)
            .addAllInput(node.inputs)
            .addOutput(node.name);
    // sorted, so that the same network gives the same bytes
    new TreeMap<>(node.attributes)
        .forEach((name, value) -> proto.addAttribute(attribute(name, value)));
    return proto.build();
  }

  private static AttributeProto attribute(String name, Object value) {
    AttributeProto.Builder attribute = AttributeProto.newBuilder().setName(name);
    if (value instanceof Integer || value instanceof Long) {
      attribute.setType(AttributeProto.AttributeType.INT).setI(((Number) value).longValue());
    } else if (value instanceof Double real) {
      attribute.setType(AttributeProto.AttributeType.FLOAT).setF(real.floatValue());
    } else if (value instanceof long[] integers) {
      attribute.setType(AttributeProto.AttributeType.INTS);
      Arrays.stream(integers).forEach(attribute::addInts);
    } else if (value instanceof String text) {
      attribute.setType(AttributeProto.AttributeType.STRING).setS(ByteString.copyFromUtf8(text));
    } else {
      throw new IllegalArgumentException(
          "attribute " + name + ": expected Integer, Long, Double, String or long[], got " + value);
    }
    return attribute.build();
  }

  private static TensorProto proto(String name, Tensor values) {
    boolean integers = values.scalar_type().intern() == ScalarType.Long;
    TensorProto.Builder proto =
        TensorProto.newBuilder()
            .setName(name)
            .setDataType(
                (integers ? TensorProto.DataType.INT64 : TensorProto.DataType.FLOAT).getNumber());
    for (long size : values.shape()) {
      proto.addDims(size);
    }
    ScalarType type = integers ? ScalarType.Long : ScalarType.Float;
    // bytes are read, and not the sign beside them
    Tensor plain = values.detach().cpu().to(type).resolve_neg().contiguous();
    long length = plain.numel() * plain.element_size();
    return proto
        .setRawData( // little-endian, as the format requires and as libtorch's machines are
            ByteString.copyFrom(new BytePointer(plain.data_ptr()).capacity(length).asByteBuffer()))
        .build();
  }

  /**
   * The description of an input or output tensor in float32. Dimensions are numbers, or names for variable
   * ones.
   */
  static ValueInfoProto info(String name, String description, Object... shape) {
    return info(name, description, TensorProto.DataType.FLOAT, shape);
  }

  /** The same for a tensor of int64. */
  static ValueInfoProto integerInfo(String name, Object... shape) {
    return info(name, "", TensorProto.DataType.INT64, shape);
  }

  /** The same for a tensor of uint8. */
  static ValueInfoProto byteInfo(String name, String description, Object... shape) {
    return info(name, description, TensorProto.DataType.UINT8, shape);
  }

  private static ValueInfoProto info(
      String name, String description, TensorProto.DataType type, Object... shape) {
    TensorShapeProto.Builder dimensions = TensorShapeProto.newBuilder();
    for (Object size : shape) {
      dimensions.addDim(
          size instanceof String free
              ? TensorShapeProto.Dimension.newBuilder().setDimParam(free)
              : TensorShapeProto.Dimension.newBuilder().setDimValue(((Number) size).longValue()));
    }
    return ValueInfoProto.newBuilder()
        .setName(name)
        .setDocString(description)
        .setType(
            TypeProto.newBuilder()
                .setTensorType(
                    TypeProto.Tensor.newBuilder()
                        .setElemType(type.getNumber())
                        .setShape(dimensions)))
        .build();
  }
}
