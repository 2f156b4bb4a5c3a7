package io.fovea.training.run;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.fovea.data.DataException;
import io.fovea.data.SquareCrop;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What a file says of itself is checked before it is believed. */
class ModelCardTest {
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "classes | 7 | m.onnx: its metadata: classes is 7",
        "classes | [] | m.onnx: its metadata: classes is []",
        "classes | [1] | m.onnx: its metadata: classes is [1]",
        "mean | [0.1, 0.2] | m.onnx: its metadata: normalization: expected a mean and",
        "mean | [\"a\"] | m.onnx: its metadata: mean is [\"a\"]",
        "std | [0] | m.onnx: its metadata: normalization: expected finite means and positive",
        "std | [ | m.onnx: its metadata: std is not JSON: [",
        "channels | 3 | m.onnx: its metadata: inconsistent preprocessing: 3 channels",
        "channels | 2 | m.onnx: its metadata: inconsistent preprocessing: 2 channels",
        "resize | 20 | m.onnx: its metadata: inconsistent preprocessing: 1 channels, image size 28 of 20",
        "image_size | 2000000000 | m.onnx: its metadata: inconsistent"
            + " preprocessing: 1 channels, image size 2000000000",
        "task | naming | m.onnx: its metadata: unknown task \"naming\"",
        "sampling | [1] | m.onnx: its metadata: sampling is [1]",
        "image_size | 0 | m.onnx: its metadata: inconsistent preprocessing: 1"
            + " channels, image size 0",
      })
  void refusesDamage(String key, String value, String message) {
    Map<String, String> metadata = metadata();
    metadata.put(key, value);
    assertThatThrownBy(
            () -> {
              ModelCard.task(metadata, "m.onnx");
              ModelCard.of(metadata, "m.onnx");
            })
        .isInstanceOf(DataException.class)
        .hasMessageStartingWith(message);
  }

  @Test
  void theCropIsReadBackAndMayBeMissing() {
    Map<String, String> metadata = metadata();
    assertThat(ModelCard.of(metadata, "m.onnx").resize()).isZero();
    metadata.put("resize", "28");
    assertThat(ModelCard.of(metadata, "m.onnx").crop()).isEqualTo(SquareCrop.whole(28));
    metadata.put("resize", "32");
    assertThat(ModelCard.of(metadata, "m.onnx").crop()).isEqualTo(new SquareCrop(28, 32));
  }

  @Test
  void lettersBeyondAsciiAreEscapedAndReadBack() {
    String cat = "cat \uD83D\uDC31 \u732B";
    Map<String, String> metadata = metadata();
    metadata.put("classes", ModelCard.ascii(List.of(cat, "dog")));
    assertThat(metadata.get("classes")).isEqualTo("[\"cat \\ud83d\\udc31 \\u732b\",\"dog\"]");
    assertThat(ModelCard.of(metadata, "m.onnx").classes()).containsExactly(cat, "dog");
  }

  private static Map<String, String> metadata() {
    return new HashMap<>(
        Map.of(
            "classes",
            "[\"cat\",\"dog\"]",
            "channels",
            "1",
            "image_size",
            "28",
            "mean",
            "[0.5]",
            "std",
            "[0.25]"));
  }
}
