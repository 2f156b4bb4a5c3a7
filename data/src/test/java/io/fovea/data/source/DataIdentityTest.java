package io.fovea.data.source;

import static org.assertj.core.api.Assertions.assertThat;

import io.fovea.data.ArrayDataset;
import io.fovea.data.ImageDataset;
import io.fovea.data.Normalization;
import io.fovea.data.Progress;
import io.fovea.data.TrainingData;
import io.fovea.data.image.ImageFolder;
import io.fovea.data.mask.SegmentationFolder;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class DataIdentityTest {
  @TempDir Path folder;

  private Path images(String name, List<String> classes) throws IOException {
    Path root = folder.resolve(name);
    int grey = 0;
    for (String label : classes) {
      for (int i = 0; i < 5; i++) {
        write(root.resolve(label + "/" + i + ".png"), grey++);
      }
    }
    return root;
  }

  private static void write(Path file, int grey) throws IOException {
    BufferedImage picture = new BufferedImage(4, 4, BufferedImage.TYPE_BYTE_GRAY);
    for (int i = 0; i < 16; i++) {
      picture.getRaster().setSample(i % 4, i / 4, 0, grey);
    }
    Files.createDirectories(file.getParent());
    ImageIO.write(picture, "png", file.toFile());
  }

  private static DataIdentity identity(Path root, long seed) {
    return DataIdentity.of(
        ImageFolder.open(root, new ImageFolder.Options(4).withSeed(seed), Progress.NONE));
  }

  @Test
  void theSameImagesElsewhereAreTheSame() throws IOException {
    DataIdentity first = identity(images("a", List.of("cat", "dog")), 1);
    DataIdentity second = identity(images("b", List.of("cat", "dog")), 1);

    assertThat(second).isEqualTo(first);
    assertThat(first.classes()).containsExactly("cat", "dog");
    assertThat(first.train()).isEqualTo(8);
    assertThat(first.test()).isEqualTo(2);
    assertThat(first.checksum()).matches("[0-9a-f]{16}");
    assertThat(second.difference(first)).isEmpty();
  }

  @Test
  void otherLabelsFilesAndSplitsAreNamed() throws IOException {
    Path root = images("a", List.of("cat", "dog"));
    DataIdentity then = identity(root, 1);
    String other = "as many samples as then, but other files, other labels or another split";

    assertThat(identity(root, 2).difference(then)).isEqualTo(other);

    Files.move(root.resolve("cat/0.png"), root.resolve("swap"));
    Files.move(root.resolve("dog/0.png"), root.resolve("cat/0.png"));
    Files.move(root.resolve("swap"), root.resolve("dog/0.png"));
    assertThat(identity(root, 1).difference(then)).isEqualTo(other);

    write(root.resolve("cat/5.png"), 99);
    assertThat(identity(root, 1).difference(then))
        .isEqualTo("8 training and 2 test samples then, 9 and 2 now");
    images("a", List.of("bird"));
    assertThat(identity(root, 1).difference(then)).isEqualTo("2 classes then, 3 now");
    assertThat(identity(images("b", List.of("cat", "cow")), 1).difference(then))
        .isEqualTo("the classes [cat, dog] then, [cat, cow] now");
    assertThat(then.difference(null)).isEqualTo("it does not say which samples it is of");
  }

  @Test
  void aChangedMaskIsAnotherDataSet() throws IOException {
    for (int i = 0; i < 4; i++) {
      write(folder.resolve("images/" + i + ".png"), 100 + i);
      write(folder.resolve("masks/" + i + ".png"), i % 2);
    }
    DataIdentity then =
        DataIdentity.of(SegmentationFolder.open(folder, null, 1, true, Progress.NONE));

    write(folder.resolve("masks/1.png"), 0);
    write(folder.resolve("masks/0.png"), 1);

    DataIdentity now =
        DataIdentity.of(SegmentationFolder.open(folder, null, 1, true, Progress.NONE));
    assertThat(now).isNotEqualTo(then);
  }

  @Test
  void testImagesThatAreTrainingImagesAreNamed() throws IOException {
    for (String label : List.of("cat", "dog")) {
      for (int i = 0; i < 3; i++) {
        int grey = 10 * i + label.charAt(0);
        write(folder.resolve("train/" + label + "/" + i + ".png"), grey);
        write(folder.resolve("val/" + label + "/v" + i + ".png"), 5 + grey);
      }
    }
    assertThat(contents().inBothParts()).isEmpty();

    Files.copy(folder.resolve("train/dog/1.png"), folder.resolve("val/dog/copy.png"));
    Files.copy(folder.resolve("train/dog/1.png"), folder.resolve("train/dog/also.png"));
    Files.copy(folder.resolve("train/cat/2.png"), folder.resolve("val/dog/other class.png"));

    assertThat(contents().inBothParts())
        .extracting(
            same -> Path.of(same.test()).getFileName() + " " + Path.of(same.train()).getFileName())
        .containsExactlyInAnyOrder("copy.png 1.png", "other class.png 2.png");
    assertThat(contents().identity().test()).isEqualTo(8);
  }

  private DataIdentity.Contents contents() {
    return DataIdentity.contents(
        ImageFolder.open(folder, new ImageFolder.Options(4), Progress.NONE));
  }

  /** The mask of an image is often that of another one; nothing is wrong with that. */
  @Test
  void aMaskMayBeThereTwice() throws IOException {
    for (int i = 0; i < 6; i++) {
      write(folder.resolve("images/" + i + ".png"), 100 + i);
      write(folder.resolve("masks/" + i + ".png"), i % 2);
    }
    TrainingData<?> data = SegmentationFolder.open(folder, null, 1, true, Progress.NONE);
    assertThat(DataIdentity.contents(data).inBothParts()).isEmpty();
    write(folder.resolve("images/1.png"), 100);
    write(folder.resolve("images/2.png"), 100);
    write(folder.resolve("images/3.png"), 100);
    write(folder.resolve("images/4.png"), 100);
    write(folder.resolve("images/5.png"), 100);
    assertThat(DataIdentity.contents(data).inBothParts()).hasSize(data.test().size());
  }

  @Test
  void samplesInMemoryCountByTheirPixels() {
    assertThat(DataIdentity.of(inMemory(1))).isEqualTo(DataIdentity.of(inMemory(1)));
    assertThat(DataIdentity.of(inMemory(2))).isNotEqualTo(DataIdentity.of(inMemory(1)));
  }

  private static TrainingData<ImageDataset> inMemory(int pixel) {
    ImageDataset images =
        new ArrayDataset(
            List.of("a", "b"),
            1,
            1,
            1,
            new int[] {0, 1},
            Integer::toString,
            index -> new byte[] {(byte) (index * pixel)});
    Normalization plain = new Normalization(List.of(0.0), List.of(1.0));
    return new TrainingData<>("name", "text", images, images, plain, List.of());
  }
}
