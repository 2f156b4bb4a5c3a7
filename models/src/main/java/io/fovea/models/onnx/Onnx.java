package io.fovea.models.onnx;

import ai.onnx.proto.OnnxMl.ModelProto;
import ai.onnx.proto.OnnxMl.OperatorSetIdProto;
import ai.onnx.proto.OnnxMl.StringStringEntryProto;
import ai.onnx.proto.OnnxMl.ValueInfoProto;
import io.fovea.models.Classifier;
import io.fovea.nn.Graph;
import io.fovea.nn.Graph.Value;
import io.fovea.tensor.internal.AtomicFile;
import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.function.BiFunction;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Module;
import org.bytedeco.pytorch.NoGradGuard;

/**
 * Writes networks as ONNX files, for ONNX Runtime and everything that is built on it.
 *
 * <p>The network is written as it computes in evaluation mode, in float32 and with the operators of
 * opset 17. Batch norms are fused into the convolutions before them. The input is {@value #INPUT}
 * {@code [batch, C, height, width]} and the output {@value #OUTPUT} {@code [batch, classes]}, which
 * are logits. Batch, height and width may be different in every call. Nodes and weights are named
 * after the modules: {@code layer1.0.se.fc.0/Gemm}, {@code layer1.0.se.fc.0.weight}.
 */
public final class Onnx {
  /** The name of the graph's input. */
  public static final String INPUT = "images";

  /** The name of the graph's output. */
  public static final String OUTPUT = "scores";

  private static final int OPSET =
      17; // the first version with all needed operators; runtimes since 2022 support it
  private static final int IR_VERSION = 8; // of the same ONNX release

  private Onnx() {}

  /**
   * Writes a network. The file is written atomically.
   *
   * @param file the file, which is replaced if it exists
   * @param network the network, which is not changed
   * @param version the version of the writing program, which is stored in the file
   * @param metadata the metadata of the file, as text by name
   * @throws IOException if the file cannot be written; then it is unchanged
   */
  public static void write(
      Path file, Classifier network, String version, Map<String, String> metadata)
      throws IOException {
    AtomicFile.write(
        file,
        partial -> {
          try (PointerScope scope = new PointerScope();
              OutputStream out = new BufferedOutputStream(Files.newOutputStream(partial))) {
            model(network, version, metadata).writeTo(out);
          }
        });
  }

  private static ModelProto model(
      Classifier network, String version, Map<String, String> metadata) {
    ValueInfoProto images =
        OnnxGraph.info(
            INPUT,
            "images, normalised as in training",
            "batch",
            network.channels(),
            "height",
            "width");
    ModelProto.Builder model =
        model(
                network,
                network.name().getString(),
                network::write,
                images,
                new Object[] {"batch", network.classes()})
            .setProducerVersion(version);
    metadata.forEach(
        (key, value) ->
            model.addMetadataProps(
                StringStringEntryProto.newBuilder().setKey(key).setValue(value)));
    return model.build();
  }

  /** Any module with one input and one output. */
  static ModelProto.Builder model(
      Module module,
      String name,
      BiFunction<Graph, Value, Value> write,
      ValueInfoProto input,
      Object[] outputShape) {
    try (NoGradGuard guard = new NoGradGuard()) {
      OnnxGraph graph = new OnnxGraph(module);
      Value output = write.apply(graph, new Value(input.getName()));
      graph.fuseBatchNorms();
      return ModelProto.newBuilder()
          .setIrVersion(IR_VERSION)
          .addOpsetImport(OperatorSetIdProto.newBuilder().setDomain("").setVersion(OPSET))
          .setProducerName("fovea")
          .setGraph(graph.proto(name, input, output, OUTPUT, outputShape));
    }
  }
}
