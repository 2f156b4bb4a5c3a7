package io.fovea.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.fovea.data.image.Images;
import io.fovea.errors.SpecException;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Path;
import java.util.Base64;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The golden file has what torchvision's transforms of published weights make of images. */
class SquareCropTest {
  @TempDir Path folder;

  private static JsonNode cases() {
    try (InputStream in = SquareCropTest.class.getResourceAsStream("/golden/crops.json")) {
      return new ObjectMapper().readTree(in).path("cases");
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  private static byte[] bytes(JsonNode node) {
    return Base64.getDecoder().decode(node.asText());
  }

  private static Image image(JsonNode one) {
    return new Image(
        one.path("channels").intValue(),
        one.path("height").intValue(),
        one.path("width").intValue(),
        bytes(one.path("image")));
  }

  private static SquareCrop crop(JsonNode one) {
    return new SquareCrop(one.path("size").intValue(), one.path("resize").intValue());
  }

  private static int largestDifference(byte[] found, byte[] expected) {
    assertThat(found).hasSameSizeAs(expected);
    int worst = 0;
    for (int i = 0; i < found.length; i++) {
      int difference = Byte.toUnsignedInt(found[i]) - Byte.toUnsignedInt(expected[i]);
      worst = Math.max(worst, Math.abs(difference));
    }
    return worst;
  }

  @Test
  void thePixelsAreTorchvisions() {
    assertThat(cases()).hasSize(6);
    for (JsonNode one : cases()) {
      byte[] found = ImageOps.centre(image(one), crop(one)).pixels();
      assertThat(found).as("%s", crop(one)).isEqualTo(bytes(one.path("exact")));
      // the preset rounds after its first pass, too: by at most half a value
      assertThat(largestDifference(found, bytes(one.path("preset"))))
          .as("%s", crop(one))
          .isLessThanOrEqualTo(1);
    }
  }

  @Test
  void aScaledImageHasTheSamePixelsAroundItsCentre() {
    for (JsonNode one : cases()) {
      Image image = image(one);
      SquareCrop crop = crop(one);
      int shorter = Math.min(image.height(), image.width());
      int height = crop.resize() * image.height() / shorter;
      int width = crop.resize() * image.width() / shorter;

      Image scaled = ImageOps.resized(image, height, width);

      assertThat(new int[] {scaled.height(), scaled.width()}).containsExactly(height, width);
      int top = (int) Math.rint((height - crop.size()) / 2.0);
      int left = (int) Math.rint((width - crop.size()) / 2.0);
      byte[] square = new byte[image.channels() * crop.size() * crop.size()];
      for (int i = 0; i < square.length; i++) {
        int channel = i / crop.size() / crop.size();
        int row = top + i / crop.size() % crop.size();
        int column = left + i % crop.size();
        square[i] = scaled.pixels()[(channel * height + row) * width + column];
      }
      assertThat(square).as("%s", crop).isEqualTo(bytes(one.path("exact")));
    }
  }

  @Test
  void aFileHasTheSamePixels() throws IOException {
    for (JsonNode one : cases()) {
      Image image = image(one);
      boolean colours = image.channels() == 3;
      int area = image.height() * image.width();
      BufferedImage picture =
          new BufferedImage(
              image.width(),
              image.height(),
              colours ? BufferedImage.TYPE_INT_RGB : BufferedImage.TYPE_BYTE_GRAY);
      for (int i = 0; i < image.pixels().length; i++) {
        int at = i % area;
        picture
            .getRaster()
            .setSample(
                at % image.width(),
                at / image.width(),
                i / area,
                Byte.toUnsignedInt(image.pixels()[i]));
      }
      Path file = folder.resolve("picture.png");
      ImageIO.write(picture, "png", file.toFile());
      SquareCrop crop = crop(one);
      if (!crop.isWhole()) {
        assertThat(Images.read(file, image.channels(), crop).pixels())
            .isEqualTo(bytes(one.path("exact")));
      }
      assertThat(Images.read(file, image.channels(), SquareCrop.whole(8)).pixels())
          .isEqualTo(Images.read(file, image.channels(), 8).pixels());
    }
  }

  @Test
  void whatANetworkSeesOfAnImage() {
    assertThat(SquareCrop.whole(224).in(640, 480)).isEqualTo(new SquareCrop.Square(80, 0, 480));
    assertThat(new SquareCrop(224, 256).in(640, 480))
        .isEqualTo(new SquareCrop.Square(110, 30, 420));
    assertThat(new SquareCrop(224, 256).in(1, 1)).isEqualTo(new SquareCrop.Square(0, 0, 1));
  }

  @Test
  void aCropIsNotLargerThanTheImage() {
    assertThatThrownBy(() -> new SquareCrop(224, 200))
        .isInstanceOf(SpecException.class)
        .hasMessage("the shorter side must be scaled to at least the image size 224, got 200");
  }
}
