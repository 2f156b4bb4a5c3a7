/**
 * Networks with attention, and files with their weights.
 *
 * <pre>{@code
 * try (PointerScope scope = new PointerScope()) {
 *   Classifier network =
 *       Classifier.builder("resnet50").classes(10).attention(AttentionSpec.parse("se")).build();
 *   Tensor scores = network.forward(torch.randn(1, 3, 224, 224)); // [1, 10]
 * }
 * }</pre>
 *
 * <p>Start with {@link io.fovea.models.Classifier}, {@link io.fovea.models.Segmenter} and {@link
 * io.fovea.models.placement.Placement}; {@link io.fovea.models.weights.Checkpoint} reads weights of
 * PyTorch, {@link io.fovea.models.onnx.Onnx} writes a network for other programs. Who wants to train,
 * predict and explain without tensors uses the module {@code io.fovea}.
 */
module io.fovea.models {
  requires transitive io.fovea.attention;
  requires com.fasterxml.jackson.databind;
  requires com.google.protobuf;
  requires org.tribuo.util.onnx;

  exports io.fovea.models;
  exports io.fovea.models.onnx;
  exports io.fovea.models.placement;
  exports io.fovea.models.weights;
  exports io.fovea.models.transfer to
      io.fovea,
      io.fovea.app,
      io.fovea.training;

  opens io.fovea.models to
      com.fasterxml.jackson.databind;
  opens io.fovea.models.placement to
      com.fasterxml.jackson.databind;
}
