package io.fovea.models.onnx;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.onnx.proto.OnnxMl.ModelProto;
import ai.onnx.proto.OnnxMl.NodeProto;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.TensorInfo;
import io.fovea.attention.Attention;
import io.fovea.attention.AttentionSpec;
import io.fovea.attention.Mechanism;
import io.fovea.attention.Option;
import io.fovea.errors.SpecException;
import io.fovea.models.Classifier;
import io.fovea.models.ModelSpec;
import io.fovea.models.Network;
import io.fovea.models.ResNet;
import io.fovea.models.SegmentationHeads;
import io.fovea.models.Segmenter;
import io.fovea.models.SegmenterForm;
import io.fovea.models.SegmenterSpec;
import io.fovea.nn.Activation;
import io.fovea.nn.BatchNorm;
import io.fovea.nn.Convolution;
import io.fovea.nn.Graph;
import io.fovea.nn.Graph.Value;
import io.fovea.nn.GraphOps;
import io.fovea.nn.GroupNorm;
import io.fovea.nn.Ops;
import io.fovea.nn.Sequence;
import io.fovea.nn.TensorOps;
import io.fovea.tensor.Threads;
import io.fovea.testing.Numeric;
import io.fovea.testing.Thorough;
import java.io.IOException;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.BiFunction;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Module;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** ONNX Runtime computes from the file what the network computes here. */
@Numeric
class OnnxTest {
  private static final int CLASSES = 5;
  private static final int STEPS = 6;

  /** They multiply features with each other: without a batch norm behind, values grow without bounds. */
  private static final List<String> UNBOUNDED = List.of("cpca", "lsk");

  @TempDir Path folder;

  @BeforeAll
  static void oneThread() {
    Threads.set(1); // for networks this small, the rest is waiting
  }

  static Stream<Arguments> mechanisms() {
    return Mechanism.all().stream()
        .flatMap(
            mechanism ->
                mechanism.dimensions().stream()
                    .map(dimensions -> Arguments.of(mechanism, dimensions)));
  }

  /** Each value of each option beside the defaults, without those that a mechanism refuses. */
  @ParameterizedTest(name = "{0}, {1} dimensions")
  @MethodSource
  void mechanisms(Mechanism mechanism, int dimensions) throws OrtException {
    Set<AttentionSpec> specs = new LinkedHashSet<>(List.of(mechanism.spec()));
    for (Option<?> option : mechanism.options()) {
      for (String value : option.samples()) {
        add(specs, mechanism + ":" + option.name() + "=" + value);
      }
    }
    agree(specs, dimensions);
  }

  /** All pairs of values of all options, without those that a mechanism refuses. */
  @Thorough
  @ParameterizedTest(name = "{0}, {1} dimensions")
  @MethodSource("mechanisms")
  void pairsOfOptions(Mechanism mechanism, int dimensions) throws OrtException {
    Set<AttentionSpec> specs = new LinkedHashSet<>();
    for (Option<?> first : mechanism.options()) {
      for (Option<?> second : mechanism.options()) {
        for (String a : first.samples()) {
          for (String b : second.samples()) {
            if (first != second) {
              add(specs, mechanism + ":" + first.name() + "=" + a + "," + second.name() + "=" + b);
            }
          }
        }
      }
    }
    agree(specs, dimensions);
  }

  private static void add(Set<AttentionSpec> specs, String text) {
    try {
      specs.add(AttentionSpec.parse(text));
    } catch (SpecException e) {
      assertThat(e).hasMessageContaining("has no effect with");
    }
  }

  private static void agree(Set<AttentionSpec> specs, int dimensions) throws OrtException {
    for (AttentionSpec spec : specs) {
      try (PointerScope scope = new PointerScope();
          NoGradGuard guard = new NoGradGuard()) {
        torch.manual_seed(3);
        Attention attention = attention(spec, dimensions);
        long channels = attention.channels();
        long[][] shapes = {{1, channels, 4, 6, 5}, {3, channels, 3, 7, 9}};
        Tensor[] inputs =
            Arrays.stream(shapes)
                .map(shape -> torch.randn(Arrays.copyOf(shape, 2 + dimensions)))
                .toArray(Tensor[]::new);
        agrees(attention, attention::write, attention::forward, spec.toString(), inputs);
      }
    }
  }

  /** A module of 64 channels, or of 128 if the spec has groups that need them. */
  private static Attention attention(AttentionSpec spec, int dimensions) {
    try {
      return spec.create(64, dimensions);
    } catch (IllegalArgumentException e) {
      assertThat(e).hasMessageContaining("does not divide");
      return spec.create(128, dimensions);
    }
  }

  /** Fails unless ONNX Runtime computes the same from a module with random weights. */
  private static ModelProto agrees(
      Module module,
      BiFunction<Graph, Value, Value> write,
      UnaryOperator<Tensor> forward,
      String name,
      Tensor... inputs)
      throws OrtException {
    OnnxRuntime.randomise(module);
    module.eval();
    Object[] shape = new Object[(int) inputs[0].dim()];
    Arrays.setAll(shape, i -> "size" + i);
    shape[1] = inputs[0].size(1);
    ModelProto model =
        Onnx.model(
                module,
                name,
                write,
                OnnxGraph.info(Onnx.INPUT, "", shape),
                OnnxGraph.info(Onnx.OUTPUT, "", shape))
            .build();
    try (OnnxRuntime runtime = new OnnxRuntime(model.toByteArray())) {
      for (Tensor x : inputs) {
        double largest = runtime.assertAgrees(module, forward, x);
        assertThat(largest > 0 || name.contains("excitation=relu")).isTrue(); // that may close all
      }
    } catch (OrtException | AssertionError e) {
      throw new AssertionError(name + ": " + e.getMessage(), e);
    }
    return model;
  }

  /** Operators that stand in no mechanism alone, for all sizes that fall differently. */
  @ParameterizedTest
  @ValueSource(ints = {1, 2, 3})
  void operators(int dimensions) throws OrtException {
    int[] three = {3, 3, 3};
    Map<String, Activation> operators = new LinkedHashMap<>();
    operators.put(
        "adaptive",
        new Activation() {
          @Override
          public <T> T apply(Ops<T> ops, T x) {
            T some = ops.adaptiveAverage(x, Arrays.copyOf(three, dimensions));
            return ops.mul(x, ops.adaptiveAverage(some, x));
          }
        });
    operators.put(
        "windows",
        new Activation() {
          @Override
          public <T> T apply(Ops<T> ops, T x) {
            T counted = ops.nearest(ops.averagePool(x, 3, 2, 1, true), x);
            return ops.mul(counted, ops.nearest(ops.averagePool(x, 7, 4, 3, false), x));
          }
        });
    if (dimensions == 2) {
      operators.put(
          "bilinear",
          new Activation() {
            @Override
            public <T> T apply(Ops<T> ops, T x) {
              T some = ops.adaptiveAverage(x, 2, 3);
              return ops.add(ops.bilinear(some, x, true), ops.bilinear(some, x, false));
            }
          });
    }
    operators.put(
        "incomplete windows",
        new Activation() {
          @Override
          public <T> T apply(Ops<T> ops, T x) {
            T two = ops.nearest(ops.windowMean(x, 2), x);
            return ops.mul(two, ops.nearest(ops.windowMean(x, 3), x));
          }
        });
    operators.put(
        "indices",
        new Activation() {
          @Override
          public <T> T apply(Ops<T> ops, T x) {
            T shares = ops.div(ops.indices(x, -1), ops.size(x, 2));
            return ops.add(x, ops.expand(shares, x));
          }
        });
    try (PointerScope scope = new PointerScope();
        NoGradGuard guard = new NoGradGuard()) {
      torch.manual_seed(3);
      Tensor[] inputs = {
        torch.randn(Arrays.copyOf(new long[] {1, 8, 5, 7, 4}, 2 + dimensions)),
        torch.randn(Arrays.copyOf(new long[] {2, 8, 12, 1, 6}, 2 + dimensions)),
        torch.randn(Arrays.copyOf(new long[] {2, 8, 2, 11, 3}, 2 + dimensions))
      };
      for (Map.Entry<String, Activation> operator : operators.entrySet()) {
        Activation equation = operator.getValue();
        agrees(
            new BatchNorm(1), // it has nothing to do here
            (graph, x) -> equation.apply(new GraphOps(graph, 2 + dimensions), x),
            x -> equation.apply(TensorOps.PLAIN, x),
            operator.getKey(),
            inputs);
      }
      for (int groups : new int[] {1, 4, 8}) {
        GroupNorm norm = new GroupNorm(groups, 8);
        agrees(
            norm,
            (graph, x) -> norm.apply(new GraphOps(graph, 2 + dimensions), x),
            norm::forward,
            groups + " groups",
            inputs);
      }
    }
  }

  /** Without those that differ from another one only in their numbers of blocks, groups or channels. */
  static List<String> backbones() {
    String alike =
        "resnext101_.*|wide_resnet101_2|resnet(34|101|152)d|resnet(18|101)c|resnet(50|101)s|seresnet50|ecaresnet50t"
            + "|efficientnet_b[12]|regnet_y_(800mf|1_6gf)";
    return Classifier.backbones().stream().filter(name -> !name.matches(alike)).toList();
  }

  @ParameterizedTest
  @MethodSource
  void backbones(String backbone) throws IOException, OrtException {
    agrees(backbone, "none");
    Classifier.Builder<?> builder = Classifier.builder(backbone);
    if (builder.ownAttention().isPresent()) {
      agrees(backbone, builder.ownAttention().orElseThrow().toString());
    }
  }

  /** Each mechanism at two places of one backbone; a gate and a map everywhere in two others. */
  static List<Arguments> placements() {
    List<Arguments> all = new ArrayList<>();
    List<String> places = Classifier.builder("resnet14").placements();
    List<String> mechanisms = AttentionSpec.mechanisms();
    for (int i = 0; i < mechanisms.size(); i++) {
      for (int place : new int[] {i, i + 1 + places.size() / 2}) {
        add(all, "resnet14", mechanisms.get(i), places.get(place % places.size()));
      }
    }
    addEverywhere(all, "googlenet", "cbam", "nonlocal:subsample=false");
    addEverywhere(all, "mobilenetv3-small", "cbam", "nonlocal:subsample=false");
    return all;
  }

  /** Everything everywhere in one backbone, and in larger ones. */
  static List<Arguments> allPlacements() {
    List<Arguments> all = new ArrayList<>();
    addEverywhere(all, "resnet14", AttentionSpec.mechanisms().toArray(String[]::new));
    addEverywhere(all, "resnet18", "cbam", "nonlocal:subsample=false");
    addEverywhere(all, "resnet50", "cbam", "bam"); // 16 maps magnify roundings by thousands
    return all;
  }

  private static void addEverywhere(List<Arguments> all, String backbone, String... mechanisms) {
    for (String placement : Classifier.builder(backbone).placements()) {
      for (String mechanism : mechanisms) {
        add(all, backbone, mechanism, placement);
      }
    }
  }

  private static void add(
      List<Arguments> all, String backbone, String mechanism, String placement) {
    if (UNBOUNDED.contains(mechanism) && Set.of("post", "identity").contains(placement)) {
      return;
    }
    String text =
        !placement.equals("after")
            ? placement
            : backbone.equals("mobilenetv3-small") ? "after:2.1,3.1" : "after:every-other";
    all.add(Arguments.of(backbone, narrow(mechanism) + "@" + text));
  }

  /** A mechanism with the options that the narrowest stage needs. */
  private static String narrow(String mechanism) {
    AttentionSpec spec = AttentionSpec.parse(mechanism);
    Set<String> options = spec.options().keySet();
    for (String option : List.of("reduction=2", "groups=4", "factor=4", "frequencies=low4")) {
      String[] nameAndValue = option.split("=");
      if (options.contains(nameAndValue[0])) {
        spec = spec.with(nameAndValue[0], nameAndValue[1]);
      }
    }
    return spec.toString();
  }

  @Test
  void allMechanismsArePlaced() {
    String placed =
        placements().stream().map(arguments -> (String) arguments.get()[1]).toList().toString();
    assertThat(AttentionSpec.mechanisms()).allSatisfy(name -> assertThat(placed).contains(name));
  }

  @ParameterizedTest(name = "{0} with {1}")
  @MethodSource
  void placements(String backbone, String attention) throws IOException, OrtException {
    agrees(backbone, attention);
  }

  @Thorough
  @ParameterizedTest(name = "{0} with {1}")
  @MethodSource
  void allPlacements(String backbone, String attention) throws IOException, OrtException {
    agrees(backbone, attention);
  }

  @ParameterizedTest(name = "{0} with {1}")
  @CsvSource(
      delimiter = '|',
      value = {
        "resnet8 | se:reduction=4; cbam:reduction=4; bam:reduction=4@stage; nonlocal@after:2.1; pam@head",
        "mobilenetv3-large | cbam:reduction=2@identity; cam@head; dual:reduction=4@stage:4",
        "efficientnet_b0 | cbam:reduction=2@pre; se:reduction=2@standard; se:reduction=2@post; se:reduction=2@identity; bam:reduction=2@stage; se:reduction=2@after:5.1; cam@head",
        "regnet_y_400mf | se:reduction=2@pre; eca@standard; mhsa:heads=1@conv:4; se:reduction=2@post; se:reduction=2@identity; bam:reduction=2@stage; se:reduction=2@after:3.2; cam@head",
        "regnet_y_400mf | sk:groups=2@conv",
        "densenet121 | se:reduction=2@pre; cbam:reduction=2@standard; bam:reduction=2@stage; se:reduction=2@after:every-other; cam@head",
        "convnext_tiny | cbam:reduction=2@pre; grn@standard; se:reduction=2@post; se:reduction=2@identity; bam:reduction=2@stage; se:reduction=2@after:every-other; cam@head",
      })
  void severalAtOnce(String backbone, String attention) throws IOException, OrtException {
    agrees(backbone, attention);
  }

  private void agrees(String backbone, String attention) throws IOException, OrtException {
    try (PointerScope scope = new PointerScope();
        NoGradGuard guard = new NoGradGuard()) {
      torch.manual_seed(4);
      double width = backbone.matches("resnet[1-5]?[0-9]") ? 0.5 : 0.125;
      Classifier network = new ModelSpec(backbone, CLASSES, 3, width, attention).create();
      long side = Classifier.builder(backbone).imageSize() == 32 ? 24 : 64;
      OnnxRuntime.randomise(network);
      for (int i = 0; i < STEPS; i++) { // else values grow from layer to layer without bounds
        network.forward(torch.randn(4, 3, side, side));
      }
      network.eval();
      Path file = folder.resolve("network.onnx");
      Onnx.write(file, network, "1", Map.of());
      byte[] model = Files.readAllBytes(file);
      assertBatchNormsAreFused(ModelProto.parseFrom(model).getGraph().getNodeList());
      try (OnnxRuntime runtime = new OnnxRuntime(model)) {
        Tensor one = torch.randn(1, 3, side, side);
        Tensor three = torch.randn(3, 3, side + 6, 3 * side / 4 - 1);
        assertThat(runtime.assertAgrees(network, network::forward, one)).isPositive();
        assertThat(runtime.assertAgrees(network, network::forward, three)).isPositive();
      }
    }
  }

  /**
   * None is left that a convolution or a linear layer before it could take; it cannot if others have the
   * same weights.
   */
  private static void assertBatchNormsAreFused(List<NodeProto> nodes) {
    Map<String, NodeProto> makers = new HashMap<>();
    Map<String, Integer> uses = new HashMap<>();
    for (NodeProto node : nodes) {
      makers.put(node.getOutput(0), node);
      node.getInputList().forEach(input -> uses.merge(input, 1, Integer::sum));
    }
    assertThat(nodes)
        .filteredOn(node -> node.getOpType().equals("BatchNormalization"))
        .filteredOn(node -> uses.get(node.getInput(0)) == 1)
        .extracting(node -> makers.get(node.getInput(0)))
        .filteredOn(maker -> List.of("Conv", "Gemm").contains(maker.getOpType()))
        .filteredOn(maker -> uses.get(maker.getInput(1)) == 1)
        .isEmpty();
  }

  /** Every mechanism as the head of a small network, and the other options once. */
  static List<SegmenterSpec> segmenters() {
    List<SegmenterSpec> all = new ArrayList<>();
    all.add(new SegmenterSpec("small", CLASSES, 1, "none", 16, false));
    Mechanism.all().stream()
        .filter(mechanism -> mechanism.dimensions().contains(2))
        .map(
            mechanism -> new SegmenterSpec("small", CLASSES, 3, narrow(mechanism.name()), 8, false))
        .forEach(all::add);
    all.add(new SegmenterSpec("small", CLASSES, 3, "dual", 8, true));
    SegmentationHeads.names()
        .forEach(head -> all.add(new SegmenterSpec("small", CLASSES, 3, head, 8, false)));
    all.add(new SegmenterSpec("resnet18", 2, 3, "cam", 32, true));
    for (String head : List.of("none", "psp", "aspp", "ocr")) {
      SegmenterForm form = SegmenterForm.MMSEGMENTATION;
      all.add(new SegmenterSpec("small", CLASSES, 3, head, 8, false, form, null));
    }
    return all;
  }

  @ParameterizedTest
  @MethodSource
  void segmenters(SegmenterSpec spec) throws IOException, OrtException {
    int side = spec.backbone().equals("small") ? 32 : 48;
    Tensor one = torch.randn(1, spec.channels(), side, side);
    Tensor two = torch.randn(2, spec.channels(), side / 2 + 5, side + 14);
    agrees(spec.create(), one, two);
  }

  static List<Arguments> videos() {
    List<Arguments> all = new ArrayList<>();
    for (String backbone : Classifier.videoBackbones()) {
      boolean small = Classifier.builder(backbone).imageSize() == 32;
      if (small || backbone.endsWith("50")) {
        all.add(Arguments.of(backbone, 8, "nonlocal"));
      }
    }
    all.add(Arguments.of("i3d-resnet18", 32, "none"));
    for (String mode : List.of("gaussian", "dot_product", "concatenation")) {
      all.add(Arguments.of("c2d-resnet8", 8, "nonlocal:mode=" + mode));
    }
    all.add(Arguments.of("c2d-resnet8", 8, "nonlocal:subsample=false@post:2,3"));
    all.add(Arguments.of("i3d-resnet8", 8, "se:reduction=4; cbam:reduction=4; cam@head"));
    return all;
  }

  @ParameterizedTest(name = "{0} for {1} frames with {2}")
  @MethodSource
  void videos(String backbone, int frames, String attention) throws IOException, OrtException {
    ModelSpec spec = new ModelSpec(backbone, CLASSES, 3, 0.25, frames, attention);
    int side = Classifier.builder(backbone).imageSize() == 32 ? 16 : 32;
    Tensor one = torch.randn(1, 3, frames, side, side);
    Tensor two = torch.randn(2, 3, frames + 3, side + 9, side - 3);
    agrees(spec.create(), one, two);
  }

  /** ONNX Runtime computes the same for inputs of two sizes. */
  private void agrees(Network network, Tensor one, Tensor two) throws IOException, OrtException {
    try (PointerScope scope = new PointerScope();
        NoGradGuard guard = new NoGradGuard()) {
      torch.manual_seed(4);
      OnnxRuntime.randomise(network);
      for (int i = 0; i < STEPS; i++) { // else values grow from layer to layer without bounds
        network.forwardOnly(torch.randn(concat(4, one.shape())));
      }
      network.eval();
      Path file = folder.resolve("network.onnx");
      Onnx.write(file, network, "1", Map.of());
      byte[] model = Files.readAllBytes(file);
      assertBatchNormsAreFused(ModelProto.parseFrom(model).getGraph().getNodeList());
      try (OnnxRuntime runtime = new OnnxRuntime(model)) {
        assertThat(runtime.assertAgrees(network, network::scores, one)).isPositive();
        assertThat(runtime.assertAgrees(network, network::scores, two)).isPositive();
      }
    }
  }

  /** A shape with another size of the batch. */
  private static long[] concat(long batch, long[] shape) {
    long[] other = shape.clone();
    other[0] = batch;
    return other;
  }

  @Test
  void labelsAreTheClassesWithTheHighestScores() throws IOException, OrtException {
    try (PointerScope scope = new PointerScope();
        NoGradGuard guard = new NoGradGuard()) {
      Segmenter network = new SegmenterSpec("small", CLASSES, 3, "pam", 8, false).create(3);
      network.eval();
      Path file = folder.resolve("labels.onnx");
      Onnx.write(file, network, Onnx.Result.LABELS, "1", Map.of());
      Tensor x = torch.randn(2, 3, 32, 40);
      try (OnnxRuntime runtime = new OnnxRuntime(Files.readAllBytes(file))) {
        TensorInfo output =
            (TensorInfo) runtime.session().getOutputInfo().get(Onnx.LABELS).getInfo();
        assertThat(output.getShape()).containsExactly(-1, -1, -1);
        long[] labels = runtime.labels(x);
        Tensor scores = network.scores(x).contiguous(); // [2, 5, 32, 40]
        float[] all = new float[(int) scores.numel()];
        scores.<FloatBuffer>createBuffer().get(all);
        int plane = 32 * 40;
        for (int i = 0; i < labels.length; i++) {
          int first = i / plane * CLASSES * plane + i % plane;
          float chosen = all[first + (int) labels[i] * plane];
          for (int label = 0; label < CLASSES; label++) { // but for rounding, none is higher
            assertThat(all[first + label * plane]).isLessThanOrEqualTo(chosen + 1e-4F);
          }
        }
        assertThat(labels).hasSize(2 * plane);
        assertThat(Arrays.stream(labels).distinct().count()).isGreaterThan(1);
      }
    }
  }

  @Test
  void strideInTheFirstConvolutionIsExportedToo() throws IOException, OrtException {
    try (PointerScope scope = new PointerScope();
        NoGradGuard guard = new NoGradGuard()) {
      ResNet network = ResNet.builder("resnet50").width(0.125).strideFirst(true).build();
      OnnxRuntime.randomise(network);
      network.eval();
      Path file = folder.resolve("network.onnx");
      Onnx.write(file, network, "1", Map.of());
      try (OnnxRuntime runtime = new OnnxRuntime(Files.readAllBytes(file))) {
        Tensor x = torch.randn(2, 3, 63, 40);
        runtime.assertAgrees(network, network::forward, x);
      }
    }
  }

  private static Classifier network(String attention) {
    return new ModelSpec("resnet8", CLASSES, 1, 1, attention).create();
  }

  @Test
  void sizesAreFreeAndMetadataIsThere() throws IOException, OrtException {
    Path file = folder.resolve("network.onnx");
    try (PointerScope scope = new PointerScope()) {
      Onnx.write(file, network("se"), "1.2.3", Map.of("classes", "[\"hüte\"]"));
    }
    try (OnnxRuntime runtime = new OnnxRuntime(Files.readAllBytes(file))) {
      var session = runtime.session();
      assertThat(((TensorInfo) session.getInputInfo().get("images").getInfo()).getShape())
          .containsExactly(-1, 1, -1, -1);
      assertThat(((TensorInfo) session.getOutputInfo().get("scores").getInfo()).getShape())
          .containsExactly(-1, CLASSES);
      assertThat(session.getMetadata().getProducerName()).isEqualTo("fovea");
      assertThat(session.getMetadata().getGraphName()).isEqualTo("resnet8");
      assertThat(session.getMetadata().getCustomMetadata())
          .containsExactly(Map.entry("classes", "[\"hüte\"]"));
    }
    ModelProto model = ModelProto.parseFrom(Files.readAllBytes(file));
    assertThat(model.getProducerVersion()).isEqualTo("1.2.3");
    assertThat(model.getOpsetImport(0).getVersion()).isEqualTo(17);
  }

  @Test
  void namesAreThoseOfTheModules() throws IOException {
    Path file = folder.resolve("network.onnx");
    try (PointerScope scope = new PointerScope()) {
      Onnx.write(file, network("se; cbam; nonlocal@stage:2"), "1", Map.of());
    }
    var graph = ModelProto.parseFrom(Files.readAllBytes(file)).getGraph();
    assertThat(graph.getNodeList())
        .extracting(NodeProto::getName)
        .doesNotHaveDuplicates()
        .contains(
            "conv1/Conv",
            "layer1.0.conv2/Conv",
            "layer1.0.se.fc.0/Gemm",
            "layer1.0.se/Mul",
            "layer2.0/Slice",
            "layer2.0.ca.sharedMLP.0/Conv",
            "layer2.0.ca.sharedMLP.0/Conv_2",
            "layer2.0.sa.conv/Conv",
            "nonlocal2.theta/Conv",
            "nonlocal2.W.0/Conv",
            "nonlocal2/Softmax");
    assertThat(graph.getInitializerList())
        .extracting(tensor -> tensor.getName())
        .doesNotHaveDuplicates()
        .contains("conv1.weight", "conv1.bias", "layer2.0.ca.sharedMLP.0.weight", "fc.bias");
    assertThat(graph.getInitializerList()) // the shared MLP's, used twice
        .extracting(tensor -> tensor.getName())
        .noneMatch(name -> name.matches(".*weight_\\d"));
  }

  @Test
  void theSameNetworkGivesTheSameBytes() throws IOException {
    try (PointerScope scope = new PointerScope()) {
      Classifier network = network("cbam; bam@stage");
      Path one = folder.resolve("one.onnx");
      Path two = folder.resolve("two.onnx");
      Onnx.write(one, network, "1", Map.of("a", "b"));
      Onnx.write(two, network, "1", Map.of("a", "b"));
      assertThat(two).hasSameBinaryContentAs(one);
    }
  }

  /** A map of all pairs of positions is made once and not turned round. */
  @ParameterizedTest
  @ValueSource(
      strings = {"pam", "nonlocal", "nonlocal:mode=gaussian", "nonlocal:mode=concatenation"})
  void theMapIsNotTransposed(String spec) {
    try (PointerScope scope = new PointerScope()) {
      Attention attention = AttentionSpec.parse(spec).create(8, 2);
      ModelProto model =
          Onnx.model(
                  attention,
                  spec,
                  attention::write,
                  OnnxGraph.info(Onnx.INPUT, "", "b", 8, "h", "w"),
                  OnnxGraph.info(Onnx.OUTPUT, "", "b", 8, "h", "w"))
              .build();
      List<String> maps =
          model.getGraph().getNodeList().stream()
              .filter(node -> List.of("Softmax", "Relu").contains(node.getOpType()))
              .map(node -> node.getOutput(0))
              .toList();
      assertThat(maps).hasSize(1);
      assertThat(model.getGraph().getNodeList())
          .filteredOn(node -> node.getInputList().contains(maps.get(0)))
          .extracting(NodeProto::getOpType)
          .containsExactly("MatMul");
    }
  }

  @Test
  void theDotProductHasNoMapAtAll() throws OrtException {
    try (PointerScope scope = new PointerScope();
        NoGradGuard guard = new NoGradGuard()) {
      Attention attention = AttentionSpec.parse("nonlocal:mode=dot_product").create(2, 2);
      Tensor x = torch.randn(1, 2, 600, 500); // the map would have 10¹¹ bytes
      ModelProto model =
          Onnx.model(
                  attention,
                  "dot",
                  attention::write,
                  OnnxGraph.info(Onnx.INPUT, "", 1, 2, "h", "w"),
                  OnnxGraph.info(Onnx.OUTPUT, "", 1, 2, "h", "w"))
              .build();
      try (OnnxRuntime runtime = new OnnxRuntime(model.toByteArray())) {
        assertThat(runtime.run(x)).hasSize((int) x.numel());
      }
    }
  }

  @Test
  void aBatchNormIsFusedOnlyIntoAConvolutionThatNothingElseNeeds() throws OrtException {
    try (PointerScope scope = new PointerScope();
        NoGradGuard guard = new NoGradGuard()) {
      Tensor x = torch.randn(2, 3, 5, 4);
      Sequence alone = new Sequence().add("bn", new BatchNorm(3));
      assertThat(operators(agrees(alone, alone::write, alone::forward, "alone", x)))
          .containsExactly("BatchNormalization");

      Convolution conv = Convolution.builder(2, 3, 3, 3).padding(1).build();
      BatchNorm norm = new BatchNorm(3);
      Sequence both = new Sequence().add("conv", conv).add("bn", norm);
      assertThat(operators(agrees(both, both::write, both::forward, "both", x)))
          .containsExactly("Conv");

      BiFunction<Graph, Value, Value> twice =
          (graph, value) -> {
            Value y = conv.write(graph, value);
            return graph.node("Add", y, norm.write(graph, y));
          };
      UnaryOperator<Tensor> forward =
          value -> conv.forward(value).add(norm.forward(conv.forward(value)));
      assertThat(operators(agrees(both, twice, forward, "twice", x)))
          .containsExactly("Conv", "BatchNormalization", "Add");
    }
  }

  private static List<String> operators(ModelProto model) {
    return model.getGraph().getNodeList().stream().map(NodeProto::getOpType).toList();
  }

  @Test
  void aFileIsWrittenWholeOrNotAtAll() throws IOException {
    try (PointerScope scope = new PointerScope()) {
      Classifier network = network("none");
      Path folderInTheWay = folder.resolve("model.onnx");
      Files.createDirectories(folderInTheWay.resolve("something"));
      assertThatThrownBy(() -> Onnx.write(folderInTheWay, network, "1", Map.of()))
          .isInstanceOf(IOException.class);
      Path fileInTheWay = Files.writeString(folder.resolve("file"), "");
      assertThatThrownBy(
              () -> Onnx.write(fileInTheWay.resolve("in/model.onnx"), network, "1", Map.of()))
          .isInstanceOf(IOException.class);
      try (Stream<Path> files = Files.list(folder)) {
        assertThat(files).containsExactlyInAnyOrder(folderInTheWay, fileInTheWay);
      }
    }
  }

  @Test
  void attributesOfOtherTypesAreRefused() {
    try (PointerScope scope = new PointerScope()) {
      BatchNorm module = new BatchNorm(1);
      assertThatThrownBy(
              () ->
                  Onnx.model(
                      module,
                      "wrong",
                      (graph, x) -> graph.node("Relu", Map.of("a", List.of()), x),
                      OnnxGraph.info(Onnx.INPUT, "", 1),
                      OnnxGraph.info(Onnx.OUTPUT, "", 1)))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessage("attribute a: expected Integer, Long, Double, String or long[], got []");
    }
  }
}
