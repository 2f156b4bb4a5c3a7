package io.fovea.models.onnx;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.within;

import ai.onnxruntime.OnnxJavaType;
import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtSession;
import com.fasterxml.jackson.databind.JsonNode;
import io.fovea.models.Filling;
import io.fovea.models.ResNet;
import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import java.nio.file.Path;
import java.util.Base64;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Module;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The preprocessing in the graph, beside OpenCV's and torchvision's. */
class RawImageTest {
  @TempDir Path folder;

  @Test
  void scalesAsOpenCvAndTorchvision() throws Exception {
    for (JsonNode example : Filling.golden("raw_image.json")) {
      int channels = example.get("channels").asInt();
      int size = example.get("size").asInt();
      RawImage input = // what is left of the normalisation are the pixels themselves
          new RawImage(
              channels,
              size,
              example.get("resize").asInt(),
              Collections.nCopies(channels, 0.0),
              Collections.nCopies(channels, 1 / 255.0));
      float[] pixels =
          run(
              input,
              Base64.getDecoder().decode(example.get("image").asText()),
              example.get("height").asInt(),
              example.get("width").asInt());
      assertThat(pixels).hasSize(channels * size * size);
      for (int i = 0; i < pixels.length; i++) {
        // rounded in float32: near a half, either neighbour is right
        assertThat((double) pixels[i])
            .as("pixel %d of %s", i, example)
            .isEqualTo(Math.rint(pixels[i]))
            .isCloseTo(example.get("pixels").get(i).asDouble(), within(0.5 + 0.001));
      }
    }
  }

  @Test
  void normalisesEachChannel() throws Exception {
    RawImage input = new RawImage(3, 1, 1, List.of(0.5, 0.25, 0.0), List.of(0.5, 0.25, 2.0));
    float[] values = run(input, new byte[] {(byte) 255, 0, 51}, 1, 1);
    assertThat(values).containsExactly(new float[] {1, -1, 0.1f}, within(1e-6f));
  }

  @Test
  void refusesNetworksOfOtherImages() {
    try (PointerScope scope = new PointerScope()) {
      ResNet grey = ResNet.builder("resnet8").classes(2).channels(1).build();
      RawImage colours = new RawImage(3, 8, 8, List.of(0.0, 0.0, 0.0), List.of(1.0, 1.0, 1.0));
      assertThatIllegalArgumentException()
          .isThrownBy(() -> Onnx.write(folder.resolve("x.onnx"), grey, colours, "1", Map.of()))
          .withMessageContaining("3 channels")
          .withMessageContaining("of 1");
      assertThat(folder).isEmptyDirectory();
    }
  }

  private static float[] run(RawImage input, byte[] image, int height, int width)
      throws OrtException {
    byte[] model;
    try (PointerScope scope = new PointerScope()) {
      model =
          Onnx.model(
                  new Module(),
                  "preprocessing",
                  input::prepare,
                  OnnxGraph.byteInfo(RawImage.INPUT, "", "height", "width", input.channels()),
                  OnnxGraph.info("x", "", 1, input.channels(), input.size(), input.size()))
              .build()
              .toByteArray();
    }
    OrtEnvironment environment = OrtEnvironment.getEnvironment();
    try (OnnxRuntime runtime = new OnnxRuntime(model);
        OnnxTensor in =
            OnnxTensor.createTensor(
                environment,
                ByteBuffer.wrap(image),
                new long[] {height, width, input.channels()},
                OnnxJavaType.UINT8);
        OrtSession.Result result = runtime.session().run(Map.of(RawImage.INPUT, in))) {
      FloatBuffer values = ((OnnxTensor) result.get(0)).getFloatBuffer();
      float[] all = new float[values.remaining()];
      values.get(all);
      return all;
    }
  }
}
