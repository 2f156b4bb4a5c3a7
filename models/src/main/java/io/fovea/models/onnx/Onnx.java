package io.fovea.models.onnx;

import ai.onnx.proto.OnnxMl.ModelProto;
import ai.onnx.proto.OnnxMl.OperatorSetIdProto;
import ai.onnx.proto.OnnxMl.StringStringEntryProto;
import ai.onnx.proto.OnnxMl.ValueInfoProto;
import io.fovea.models.Network;
import io.fovea.nn.Graph;
import io.fovea.nn.Graph.Value;
import io.fovea.tensor.internal.AtomicFile;
import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.function.BiFunction;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Module;
import org.bytedeco.pytorch.NoGradGuard;

/**
 * Writes networks as ONNX files, for ONNX Runtime and everything that is built on it.
 *
 * <p>The network is written as it computes in evaluation mode, in float32 and with the operators of
 * opset 17. Batch norms are fused into the convolutions before them. The input is {@value #INPUT}
 * {@code [batch, C, height, width]}, or for clips {@code [batch, C, frames, height, width]}. The
 * output is {@value #OUTPUT} {@code [batch, classes]}, or for the pixels of an image {@code [batch,
 * classes, height, width]}, which are logits; or {@value #LABELS}, the class with the largest one
 * (int64). All dimensions but the channels may be different in every call. Nodes and weights are
 * named after the modules: {@code layer1.0.se.fc.0/Gemm}, {@code layer1.0.se.fc.0.weight}.
 *
 * <p>Several threads may write at the same time, also the same network, if none changes it
 * meanwhile.
 */
public final class Onnx {
  /** The name of the graph's input. */
  public static final String INPUT = "images";

  /** The name of the graph's output if it is the scores of the classes. */
  public static final String OUTPUT = "scores";

  /** The name of the graph's output if it is the class with the highest score. */
  public static final String LABELS = "labels";

  /** What a file returns. */
  public enum Result {
    /** The unnormalised scores of all classes, float32. */
    SCORES,
    /** The number of the class with the highest score, int64; the smallest of several. */
    LABELS
  }

  private static final int OPSET =
      17; // the first version with all needed operators; runtimes since 2022 support it
  private static final int IR_VERSION = 8; // of the same ONNX release

  private Onnx() {}

  /**
   * Writes a network that returns its scores. The file is written atomically.
   *
   * @param file the file, which is replaced if it exists
   * @param network the network, which is not changed
   * @param version the version of the writing program, which is stored in the file
   * @param metadata the metadata of the file, as text by name
   * @throws io.fovea.errors.FoveaException if an equation in the network is written for tensors only
   * @throws IOException if the file cannot be written; then it is unchanged
   */
  public static void write(Path file, Network network, String version, Map<String, String> metadata)
      throws IOException {
    write(file, network, Result.SCORES, version, metadata);
  }

  /**
   * Writes a network. The file is written atomically.
   *
   * @param file the file, which is replaced if it exists
   * @param network the network, which is not changed
   * @param result what the file returns
   * @param version the version of the writing program, which is stored in the file
   * @param metadata the metadata of the file, as text by name
   * @throws io.fovea.errors.FoveaException if an equation in the network is written for tensors only
   * @throws IOException if the file cannot be written; then it is unchanged
   */
  public static void write(
      Path file, Network network, Result result, String version, Map<String, String> metadata)
      throws IOException {
    write(file, () -> model(network, result), version, metadata);
  }

  /**
   * Writes a network for whole images that accepts them as they are decoded and returns
   * probabilities. The input is {@value RawImage#INPUT} {@code [height, width, C]}, uint8; the output
   * {@value RawImage#OUTPUT} {@code [classes]}, float32. The file is written atomically.
   *
   * @param file the file, which is replaced if it exists
   * @param network the network, which is not changed
   * @param input how an image becomes the network's input
   * @param version the version of the writing program, which is stored in the file
   * @param metadata the metadata of the file, as text by name
   * @throws io.fovea.errors.FoveaException if an equation in the network is written for tensors only
   * @throws IllegalArgumentException if the network is for clips or scores pixels, or has another
   *     number of channels
   * @throws IOException if the file cannot be written; then it is unchanged
   */
  public static void write(
      Path file, Network network, RawImage input, String version, Map<String, String> metadata)
      throws IOException {
    if (network.frames() > 0 || network.scoresPixels() || network.channels() != input.channels()) {
      throw new IllegalArgumentException(
          "expected a network for the classes of images of "
              + input.channels()
              + " channels, got "
              + network.name().getString()
              + " of "
              + network.channels());
    }
    write(
        file,
        () ->
            model(
                network,
                network.name().getString(),
                (graph, image) ->
                    RawImage.probabilities(
                        graph, network.write(graph, input.prepare(graph, image))),
                OnnxGraph.byteInfo(
                    RawImage.INPUT,
                    "an image as it is decoded, of any size",
                    "height",
                    "width",
                    input.channels()),
                OnnxGraph.info(RawImage.OUTPUT, "", network.classes())),
        version,
        metadata);
  }

  private static void write(
      Path file, Supplier<ModelProto.Builder> model, String version, Map<String, String> metadata)
      throws IOException {
    AtomicFile.write(
        file,
        partial -> {
          try (PointerScope scope = new PointerScope();
              OutputStream out = new BufferedOutputStream(Files.newOutputStream(partial))) {
            ModelProto.Builder built = model.get().setProducerVersion(version);
            metadata.forEach(
                (key, value) ->
                    built.addMetadataProps(
                        StringStringEntryProto.newBuilder().setKey(key).setValue(value)));
            built.build().writeTo(out);
          }
        });
  }

  private static ModelProto.Builder model(Network network, Result result) {
    boolean clips = network.frames() > 0;
    List<Object> space = clips ? List.of("frames", "height", "width") : List.of("height", "width");
    List<Object> pixels = network.scoresPixels() ? space : List.of();
    ValueInfoProto input =
        OnnxGraph.info(
            INPUT,
            (clips ? "clips" : "images") + ", normalised as in training",
            shape(List.of("batch", network.channels()), space));
    return switch (result) {
      case SCORES ->
          model(
              network,
              network.name().getString(),
              network::write,
              input,
              OnnxGraph.info(OUTPUT, "", shape(List.of("batch", network.classes()), pixels)));
      case LABELS ->
          model(
              network,
              network.name().getString(),
              (graph, x) ->
                  graph.node("ArgMax", Map.of("axis", 1, "keepdims", 0), network.write(graph, x)),
              input,
              OnnxGraph.integerInfo(LABELS, shape(List.of("batch"), pixels)));
    };
  }

  private static Object[] shape(List<Object> first, List<Object> last) {
    return Stream.concat(first.stream(), last.stream()).toArray();
  }

  /** Any module with one input and one output. */
  static ModelProto.Builder model(
      Module module,
      String name,
      BiFunction<Graph, Value, Value> write,
      ValueInfoProto input,
      ValueInfoProto output) {
    try (NoGradGuard guard = new NoGradGuard()) {
      OnnxGraph graph = new OnnxGraph(module);
      Value written = write.apply(graph, new Value(input.getName()));
      graph.fuseBatchNorms();
      return ModelProto.newBuilder()
          .setIrVersion(IR_VERSION)
          .addOpsetImport(OperatorSetIdProto.newBuilder().setDomain("").setVersion(OPSET))
          .setProducerName("fovea")
          .setGraph(graph.proto(name, input, written, output));
    }
  }
}
