/** Networks with attention, and files with their weights. */
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
