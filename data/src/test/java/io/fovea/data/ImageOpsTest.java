package io.fovea.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.fovea.data.ImageOps.Interpolation;
import java.io.IOException;
import java.io.InputStream;
import java.util.Base64;
import java.util.Locale;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The golden file has what torchvision's transforms v2 compute from the same images. */
class ImageOpsTest {
  private static final JsonNode GOLDEN = golden();

  private static JsonNode golden() {
    try (InputStream in = ImageOpsTest.class.getResourceAsStream("/golden/augmentation.json")) {
      return new ObjectMapper().readTree(in);
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  private static byte[] bytes(JsonNode node) {
    return Base64.getDecoder().decode(node.asText());
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 3})
  void everyOperationIsTorchvisions(int channels) {
    Image image =
        new Image(
            channels,
            GOLDEN.path("height").intValue(),
            GOLDEN.path("width").intValue(),
            bytes(GOLDEN.path("image " + channels)));
    JsonNode operations = GOLDEN.path("operations " + channels);
    assertThat(operations.size()).isGreaterThan(40);
    for (JsonNode one : operations) {
      String name = one.path("name").asText();
      JsonNode parameters = one.path("parameters");
      byte[] before = image.pixels().clone();

      byte[] found = apply(image, name, parameters).pixels();

      byte[] expected = bytes(one.path("pixels"));
      assertThat(found).as("%s %s", name, parameters).hasSameSizeAs(expected);
      int worst = 0;
      int different = 0;
      for (int i = 0; i < found.length; i++) {
        int difference = Math.abs(Byte.toUnsignedInt(found[i]) - Byte.toUnsignedInt(expected[i]));
        worst = Math.max(worst, difference);
        different += difference > 0 ? 1 : 0;
      }
      // torchvision computes in float32: at a border between two values it may be on the other side
      assertThat(worst).as("%s %s", name, parameters).isLessThanOrEqualTo(1);
      assertThat(different).as("%s %s", name, parameters).isLessThanOrEqualTo(found.length / 50);
      assertThat(image.pixels()).isEqualTo(before);
    }
  }

  private static Image apply(Image image, String name, JsonNode p) {
    String[] words = name.split(" ");
    Interpolation mode =
        words.length == 1 ? null : Interpolation.valueOf(words[1].toUpperCase(Locale.ROOT));
    return switch (words[0]) {
      case "horizontalFlip" -> ImageOps.horizontalFlip(image);
      case "verticalFlip" -> ImageOps.verticalFlip(image);
      case "rotate" -> ImageOps.rotate(image, p.path(0).doubleValue(), mode);
      case "translate" ->
          ImageOps.translate(image, p.path(0).intValue(), p.path(1).intValue(), mode);
      case "shear" -> ImageOps.shear(image, p.path(0).doubleValue(), p.path(1).doubleValue(), mode);
      case "resizedCrop" ->
          ImageOps.resizedCrop(
              image,
              p.path(0).intValue(),
              p.path(1).intValue(),
              p.path(2).intValue(),
              p.path(3).intValue(),
              p.path(4).intValue(),
              mode);
      case "brightness" -> ImageOps.brightness(image, p.path(0).doubleValue());
      case "contrast" -> ImageOps.contrast(image, p.path(0).doubleValue());
      case "saturation" -> ImageOps.saturation(image, p.path(0).doubleValue());
      case "sharpness" -> ImageOps.sharpness(image, p.path(0).doubleValue());
      case "hue" -> ImageOps.hue(image, p.path(0).doubleValue());
      case "posterize" -> ImageOps.posterize(image, p.path(0).intValue());
      case "solarize" -> ImageOps.solarize(image, p.path(0).doubleValue());
      case "invert" -> ImageOps.invert(image);
      case "autocontrast" -> ImageOps.autocontrast(image);
      case "equalize" -> ImageOps.equalize(image);
      case "erase" ->
          ImageOps.erase(
              image,
              p.path(0).intValue(),
              p.path(1).intValue(),
              p.path(2).intValue(),
              p.path(3).intValue(),
              7,
              8,
              9);
      default -> throw new AssertionError(name);
    };
  }

  @Test
  void equalizationOfAnImageWithManyPixels() {
    Image image = new Image(1, 40, 40, bytes(GOLDEN.path("large").path("image")));

    assertThat(ImageOps.equalize(image).pixels())
        .isEqualTo(bytes(GOLDEN.path("large").path("pixels")));
  }

  private static float[] floats(JsonNode list) {
    float[] values = new float[list.size()];
    for (int i = 0; i < values.length; i++) {
      values[i] = list.path(i).floatValue();
    }
    return values;
  }

  @Test
  void mixingIsTorchvisions() {
    JsonNode mixed = GOLDEN.path("mixed");
    for (JsonNode one : mixed.path("cases")) {
      float[] values = floats(mixed.path("a"));
      float[] other = floats(mixed.path("b"));
      double share = one.path("share").doubleValue();
      if (one.path("name").asText().equals("mixup")) {
        Mixing.mix(values, other, share);
      } else {
        JsonNode box = one.path("box");
        double left =
            Mixing.paste(
                values,
                other,
                6,
                8,
                box.path(0).intValue(),
                box.path(1).intValue(),
                box.path(2).intValue(),
                box.path(3).intValue());
        assertThat(left).isCloseTo(share, within(1e-12));
      }
      float[] expected = floats(one.path("pixels"));
      for (int i = 0; i < expected.length; i++) {
        assertThat(values[i]).isCloseTo(expected[i], within(1e-6f));
      }
    }
  }
}
