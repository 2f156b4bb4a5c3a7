package io.fovea.explain;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.fovea.data.Image;
import java.awt.image.BufferedImage;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Pictures by their pixels; none of them depends on the fonts of the machine. */
class DrawingTest {
  private static final int PURPLE = 0x440154;
  private static final int YELLOW = 0xfde725;

  private static int rgb(BufferedImage image, int x, int y) {
    return image.getRGB(x, y) & 0xffffff;
  }

  private static Image grey(int height, int width) {
    byte[] values = new byte[3 * height * width];
    java.util.Arrays.fill(values, (byte) 100);
    return new Image(3, height, width, values);
  }

  @Test
  void viridisGoesFromPurpleToYellow() {
    assertThat(Viridis.of(0)).isEqualTo(PURPLE);
    assertThat(Viridis.of(-3)).isEqualTo(PURPLE);
    assertThat(Viridis.of(Double.NaN)).isEqualTo(PURPLE);
    assertThat(Viridis.of(5.0 / 255)).isEqualTo(0x46085c);
    assertThat(Viridis.of(1)).isEqualTo(YELLOW);
    assertThat(Viridis.of(7)).isEqualTo(YELLOW);
    int luminance = 0;
    for (int level = 0; level < 256; level++) {
      int colour = Viridis.of(level / 255.0);
      int now = 299 * (colour >> 16) + 587 * (colour >> 8 & 255) + 114 * (colour & 255);
      assertThat(now).isGreaterThanOrEqualTo(luminance - 1000); // rises, but for rounding
      luminance = now;
    }
  }

  @Test
  void aMapLiesOverTheSquareAndTheRestIsDimmed() {
    BufferedImage wide =
        Drawing.over(grey(224, 400), Plane.of(2, 2, 0, 0, 0, 1), "spatial gate\nentropy 0");

    assertThat(wide.getWidth()).isEqualTo(400);
    assertThat(wide.getHeight()).isEqualTo(224 + 28 + 2 * 18);
    assertThat(rgb(wide, 87, 100)).isEqualTo(0x282828); // 0.4 of 100
    assertThat(rgb(wide, 312, 100)).isEqualTo(0x282828);
    assertThat(rgb(wide, 88, 0)).isEqualTo(Viridis.mixed(0x646464, PURPLE, 0.15));
    assertThat(rgb(wide, 311, 223)).isEqualTo(Viridis.mixed(0x646464, YELLOW, 0.6));
    assertThat(rgb(wide, 1, 230)).isEqualTo(0xffffff);

    BufferedImage high = Drawing.over(grey(300, 224), Plane.of(1, 1, 3), "");
    assertThat(rgb(high, 0, 37)).isEqualTo(0x282828);
    assertThat(rgb(high, 0, 38)).isEqualTo(Viridis.mixed(0x646464, PURPLE, 0.15));
    assertThat(rgb(high, 223, 262)).isEqualTo(0x282828);
    assertThat(high.getHeight()).isEqualTo(300 + 28);
  }

  @Test
  void aSmallImageIsEnlargedByAWholeFactor() {
    BufferedImage image = Drawing.over(grey(28, 28), Plane.of(1, 1, 1), "");
    assertThat(image.getWidth()).isEqualTo(28 * 8);
  }

  @Test
  void aMapByItselfHasSquaresOfItsColours() {
    BufferedImage image = Drawing.of(Plane.of(2, 3, 0, 1, 0, 1, 0, 1), "a\nb\nc");

    assertThat(image.getWidth()).isEqualTo(3 * 149);
    assertThat(rgb(image, 148, 148)).isEqualTo(PURPLE);
    assertThat(rgb(image, 149, 148)).isEqualTo(YELLOW);
    assertThat(rgb(image, 148, 149)).isEqualTo(YELLOW);
    assertThat(image.getHeight()).isEqualTo(2 * 149 + 28 + 3 * 18);
  }

  @Test
  void gatesAreBarsFromTheLargestOn() {
    float[] values = {0.25f, 1, 0.5f, 0.75f};
    Plane map = Plane.of(1, 2, 0, 1);
    List<Explanation.FeatureMap> shown =
        List.of(new Explanation.FeatureMap(1, 1, map), new Explanation.FeatureMap(0, 0.25f, map));
    BufferedImage image =
        Drawing.of(new Explanation.ChannelGates(values, Statistics.of(values), shown), "gates");

    int start = 16 + 18; // one line of caption
    assertThat(rgb(image, 52, start + 1)).isEqualTo(0x31688b); // 1
    int last = image.getWidth() - 12;
    assertThat(rgb(image, last, start + 70)).isEqualTo(0xffffff); // 0.25
    assertThat(rgb(image, last, start + 138)).isEqualTo(0x31688b);
    int tiles = start + 10 + 140 + 34;
    assertThat(rgb(image, 12, tiles + 2)).isEqualTo(PURPLE);
    assertThat(rgb(image, 10 + 111, tiles + 2)).isEqualTo(YELLOW);
  }

  @Test
  void whatIsLowDoesNotHideTheFrame() {
    byte[] frames = new byte[3 * 2 * 4 * 4];
    java.util.Arrays.fill(frames, (byte) 100);
    BufferedImage image =
        Drawing.clip(
            new Image(3, 2, 4, 4, frames),
            List.of("one", "two"),
            new Grid(2, 1, 1),
            new float[] {0, 1},
            null,
            "");

    assertThat(image.getWidth()).isEqualTo(2 * 148 - 4);
    assertThat(rgb(image, 70, 70)).isEqualTo(Viridis.mixed(0x646464, PURPLE, 0.15));
    assertThat(rgb(image, 148 + 70, 70)).isEqualTo(Viridis.mixed(0x646464, YELLOW, 0.6));
  }

  @Test
  void aPreviewIsTheMeanOfItsPixels() {
    byte[] values = new byte[3 * 4 * 8];
    for (int i = 0; i < 32; i++) {
      values[i] = (byte) (i % 2 == 0 ? 200 : 100); // red
      values[64 + i] = (byte) 255; // blue
    }
    BufferedImage image = Drawing.preview(new Image(3, 4, 8, values), 4);

    assertThat(List.of(image.getWidth(), image.getHeight())).isEqualTo(List.of(4, 2));
    assertThat(rgb(image, 3, 1)).isEqualTo(150 << 16 | 255);
    assertThat(Drawing.preview(new Image(3, 4, 8, values), 8).getWidth()).isEqualTo(8);
  }

  @Test
  void aPngIsReadBackAsItWas(@TempDir Path folder) throws IOException {
    for (int type : new int[] {BufferedImage.TYPE_3BYTE_BGR, BufferedImage.TYPE_INT_RGB}) {
      BufferedImage image = new BufferedImage(5, 3, type);
      image.setRGB(4, 2, 0x123456);
      Path file = folder.resolve("a/b/c.png");
      Png.write(file, image);

      assertThat(rgb(ImageIO.read(file.toFile()), 4, 2)).isEqualTo(0x123456);
      assertThat(ImageIO.read(new ByteArrayInputStream(Png.bytes(image))).getWidth()).isEqualTo(5);
      assertThat(Png.uri(image)).startsWith("data:image/png;base64,iVBOR");
      try (var files = Files.list(file.getParent())) {
        assertThat(files).containsExactly(file); // nothing half written is left
      }
    }
  }

  @Test
  void aMapNeedsAsManyValuesAsItHasPositions() {
    assertThatThrownBy(() -> Plane.of(2, 2, 1, 2, 3))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("expected 2 x 2 values, got 3");
  }
}
