package io.fovea.app.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.fovea.app.Outcome;
import io.fovea.app.TestRuns;
import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class DataCommandTest {
  @TempDir Path root;

  private void write(String name, byte[] content) throws IOException {
    Path file = root.resolve(name);
    Files.createDirectories(file.getParent());
    Files.write(file, content);
  }

  @Test
  void showsWhatTheLoaderSees() throws IOException {
    for (int i = 0; i < 4; i++) {
      write("train/class2/" + i + ".png", TestRuns.png(40 + i, 40));
      write("train/class10/" + i + ".png", TestRuns.png(50 + i, 40));
    }
    write("valid/class2/a.png", TestRuns.png(40, 40)); // the same as train/class2/0.png
    write("valid/class10/b.png", TestRuns.png(41, 40)); // the same as train/class2/1.png
    write("train/class2/x.heic", new byte[] {1, 2});
    write("test/class2/unused.png", TestRuns.png(60, 40));

    Outcome outcome = Outcome.of("data", root.toString());

    assertThat(outcome.status()).as(outcome.err()).isZero();
    assertThat(outcome.outLines().get(0))
        .endsWith(
            ": 8 training and 2 test images (train and valid; not used: test), RGB, 2 classes:"
                + " class10, class2");
    assertThat(outcome.outLines())
        .anyMatch(line -> line.matches("class10 +4 +1"))
        .anyMatch(line -> line.matches("class2 +4 +1"))
        .contains(
            "sizes: 40 x 40 to 53 x 40 pixels, median 43 x 40",
            "1 file skipped: not a JPEG, PNG, BMP or WebP image: train/class2/x.heic",
            "1 image is in training and test; the test result is too good: train/class2/0.png ="
                + " valid/class2/a.png",
            "1 image is under two classes; one of them is wrong: train/class2/1.png ="
                + " valid/class10/b.png");
    assertThat(outcome.out()).contains("timm sorts them by the numbers", ": class2, class10. ");
  }

  @Test
  void jpegsWithDamageInsideAreNamed() throws IOException {
    byte[] jpeg = jpeg();
    for (String name : List.of("a/0.jpg", "a/1.jpg", "b/0.jpg", "b/1.jpg")) {
      write(name, jpeg);
    }
    byte[] half = Arrays.copyOf(jpeg, jpeg.length / 2);
    half[half.length - 2] = (byte) 0xff; // the marker of the end
    half[half.length - 1] = (byte) 0xd9;
    write("a/half.jpg", half);

    Outcome outcome = Outcome.of("data", root.toString());

    assertThat(outcome.status()).as(outcome.err()).isZero();
    assertThat(outcome.outLines())
        .contains(
            "1 file perhaps damaged inside, with a part of the picture in grey or wrong colours;"
                + " used as it is: a/half.jpg");
  }

  private static byte[] jpeg() throws IOException {
    BufferedImage image = new BufferedImage(64, 64, BufferedImage.TYPE_INT_RGB);
    Random random = new Random(1);
    for (int i = 0; i < 64 * 64; i++) {
      image.setRGB(i % 64, i / 64, random.nextInt(1 << 24));
    }
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    ImageIO.write(image, "jpg", out);
    return out.toByteArray();
  }

  @Test
  void theFolderIsReadAsTheTaskReadsIt() {
    Outcome outcome = Outcome.of("data", root.toString(), "--task", "segmentation");

    assertThat(outcome.status()).isEqualTo(2);
    assertThat(outcome.errLines())
        .singleElement()
        .asString()
        .contains("expected images/ and masks/");
  }

  @Test
  void bundledSamplesAreNoFolder() {
    assertThat(Outcome.of("data", "fashion-mnist-sample").errLines())
        .containsExactly(
            "fovea: fashion-mnist-sample: expected a folder, not the name of bundled samples");
  }

  @Test
  void aPageShowsImagesBesideAugmentedOnes() throws IOException {
    for (int i = 0; i < 5; i++) {
      write("cat/" + i + ".png", TestRuns.png(40 + i, 40));
      write("dog/" + i + ".png", TestRuns.png(50 + i, 40));
    }
    Path page = root.resolve("page.html");
    Outcome outcome =
        Outcome.of("data", root.toString(), "--augment", "crop=0.5,1", "--page", page.toString());

    assertThat(outcome.status()).as(outcome.err()).isZero();
    String html = Files.readString(page);
    assertThat(html).contains("Steps: crop=0.5,1.", "cat: cat/");
    assertThat(html.split("<img ", -1)).hasSize(1 + 8 * 7); // eight to train on, six epochs beside
  }
}
