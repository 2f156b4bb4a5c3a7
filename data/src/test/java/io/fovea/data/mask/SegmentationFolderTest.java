package io.fovea.data.mask;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.fovea.data.DataException;
import io.fovea.data.EvaluationData;
import io.fovea.data.MaskedImage;
import io.fovea.data.Progress;
import io.fovea.data.SegmentationDataset;
import io.fovea.data.TrainingData;
import io.fovea.data.UnreadableImageException;
import io.fovea.data.image.SampleFiles;
import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import javax.imageio.ImageIO;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class SegmentationFolderTest {
  @TempDir Path root;

  private void write(String file, byte[] content) throws IOException {
    Path path = root.resolve(file);
    Files.createDirectories(path.getParent());
    Files.write(path, content);
  }

  private static byte[] png(BufferedImage image) {
    try {
      ByteArrayOutputStream out = new ByteArrayOutputStream();
      ImageIO.write(image, "png", out);
      return out.toByteArray();
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  /** With VOC's palette: label {@code value} but for the first pixel, which is {@code first}. */
  private static byte[] mask(int width, int height, int value, int first) {
    byte[] labels = new byte[width * height];
    Arrays.fill(labels, (byte) value);
    labels[0] = (byte) first;
    return png(Masks.image(labels, height, width));
  }

  private void pair(String name, int value) throws IOException {
    write("images/" + name + ".jpg", SampleFiles.rgb("jpg", 12, 8));
    write("masks/" + name + ".png", mask(12, 8, value, 0));
  }

  private void pairs(int count) throws IOException {
    for (int i = 0; i < count; i++) {
      pair("p" + i, 1 + i % 2);
    }
  }

  private TrainingData<SegmentationDataset> open(boolean strict) {
    return SegmentationFolder.open(root, null, 1, strict, Progress.NONE);
  }

  @Test
  void aPairOfFoldersIsSplit() throws IOException {
    pairs(10);

    TrainingData<SegmentationDataset> data = open(true);

    assertThat(data.train().size()).isEqualTo(8);
    assertThat(data.test().size()).isEqualTo(2);
    assertThat(data.train().classes()).containsExactly("0", "1", "2");
    MaskedImage image = data.train().sample(0);
    assertThat(image.height()).isEqualTo(8);
    assertThat(image.width()).isEqualTo(12);
    assertThat(image.label(0, 0)).isZero();
    assertThat(image.label(7, 11)).isBetween(1, 2);
    assertThat(image.image().pixels()).hasSize(3 * 8 * 12);
    assertThat(open(true).test().ids()).isEqualTo(data.test().ids());
    TrainingData<SegmentationDataset> decoded = SegmentationFolder.open(root, null, 1, true, 0);
    assertThat(decoded.train().sample(0).image().pixels()).isEqualTo(image.image().pixels());
    assertThat(decoded.normalization()).isEqualTo(data.normalization());
  }

  @Test
  void classesHaveTheirNames() throws IOException {
    pairs(4);
    write("classes.txt", "ground\nroad\nhouse\n\n".getBytes(UTF_8));
    assertThat(open(true).train().classes()).containsExactly("ground", "road", "house");
    write("other.txt", "a\nb\nc\nd\n".getBytes(UTF_8));
    assertThat(
            SegmentationFolder.open(root, root.resolve("other.txt"), 1, true, Progress.NONE)
                .train()
                .classes())
        .containsExactly("a", "b", "c", "d");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "size       | has 11 x 8 pixels, the image 12 x 8",
        "label      | has the unknown label 9 at row 0, column 0",
        "missing    | bad.png: no such file",
        "damaged    | bad.png: truncated PNG image",
        "colour     | a mask must be a PNG with a palette or in greyscale," + " found 3 channels",
        "jpeg       | a mask must be a PNG with a palette or in greyscale, found JPEG",
        "image      | truncated JPEG image",
      })
  void whatCannotBeUsedIsNamedAndSkippedOrEndsIt(String fault, String reason) throws IOException {
    pairs(4);
    write("classes.txt", "ground\nroad\nhouse".getBytes(UTF_8));
    pair("bad", 1);
    byte[] jpeg = SampleFiles.rgb("jpg", 12, 8);
    byte[] good = mask(12, 8, 1, 0);
    switch (fault) {
      case "size" -> write("masks/bad.png", mask(11, 8, 1, 0));
      case "label" -> write("masks/bad.png", mask(12, 8, 1, 9));
      case "missing" -> Files.delete(root.resolve("masks/bad.png"));
      case "damaged" -> write("masks/bad.png", Arrays.copyOf(good, good.length - 20));
      case "colour" -> write("masks/bad.png", SampleFiles.rgb("png", 12, 8));
      case "jpeg" -> write("masks/bad.png", jpeg);
      default -> write("images/bad.jpg", Arrays.copyOf(jpeg, jpeg.length / 2));
    }

    TrainingData<SegmentationDataset> data = open(false);

    assertThat(data.train().size() + data.test().size()).isEqualTo(4);
    assertThat(data.skipped()).hasSize(1);
    assertThat(data.skipped().get(0).file()).isEqualTo("images/bad.jpg");
    assertThat(data.skipped().get(0).reason()).contains(reason);
    assertThatThrownBy(() -> open(true))
        .isInstanceOf(DataException.class)
        .hasMessageStartingWith(root.resolve("images/bad.jpg") + ": ")
        .hasMessageContaining(reason);
  }

  @ParameterizedTest
  @CsvSource({
    "none, SegmentationClass, png",
    "trainval.txt, SegmentationClass, jpg",
    "default.txt, SegmentationClassPNG, jpg",
    "train.txt, SegmentationClass, jpg"
  })
  void foldersOfVocWithoutItsListsAreSplit(String list, String masks, String format)
      throws IOException {
    for (int i = 0; i < 10; i++) {
      write("JPEGImages/p" + i + "." + format, SampleFiles.rgb(format, 12, 8));
      write(masks + "/p" + i + ".png", mask(12, 8, 1 + i % 2, 0));
    }
    if (!list.equals("none")) {
      String ids = "p0\np1\np2\np3\np4\n";
      write("ImageSets/Segmentation/" + list, ids.getBytes(UTF_8));
    }
    write("class_names.txt", "__ignore__\n_background_\ncat\ndog".getBytes(UTF_8));

    TrainingData<SegmentationDataset> data = open(true);

    assertThat(data.train().size() + data.test().size()).isEqualTo(list.equals("none") ? 10 : 5);
    assertThat(data.classes()).containsExactly("_background_", "cat", "dog");
    assertThat(data.description()).contains("Pascal VOC's folders", "split by seed 1");
  }

  @Test
  void vocOneLevelUpAndVocWithoutMasksAreRefusedWithTheFolder() throws IOException {
    write("VOC2012/JPEGImages/a.jpg", SampleFiles.rgb("jpg", 12, 8));

    assertThatThrownBy(() -> open(false))
        .hasMessage(root + ": did you mean " + root.resolve("VOC2012") + "? It has the images");
    assertThatThrownBy(
            () -> SegmentationFolder.open(root.resolve("VOC2012"), null, 1, false, Progress.NONE))
        .isInstanceOf(DataException.class)
        .hasMessageStartingWith(root.resolve("VOC2012/SegmentationClass") + ": no such folder");
  }

  private static byte[] grey(int width, int height, int... firstPixels) {
    byte[] values = new byte[width * height];
    for (int i = 0; i < firstPixels.length; i++) {
      values[i] = (byte) firstPixels[i];
    }
    return SampleFiles.encode(
        "png", width, height, org.bytedeco.opencv.global.opencv_core.CV_8UC1, values);
  }

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void masksOf0And255HaveTwoClasses(boolean named) throws IOException {
    for (int i = 0; i < 5; i++) {
      write("images/" + i + ".jpg", SampleFiles.rgb("jpg", 12, 8));
      write("masks/" + i + ".png", grey(12, 8, 255, 255));
    }
    if (named) {
      write("classes.txt", "background\nlesion\n".getBytes(UTF_8));
    }

    TrainingData<SegmentationDataset> data = open(true);

    assertThat(data.classes())
        .containsExactly(named ? "background" : "0", named ? "lesion" : "255");
    assertThat(data.train().sample(0).label(0, 1)).isEqualTo(1);
    assertThat(data.train().sample(0).label(0, 2)).isZero();
    assertThat(data.description()).contains(" 97.9 %", " 2.1 %");
    EvaluationData<SegmentationDataset> other =
        SegmentationFolder.openAll(root, List.of("background", "lesion"), true, Progress.NONE);
    assertThat(other.samples().size()).isEqualTo(5);
    assertThat(other.samples().sample(0).label(0, 1)).isEqualTo(1);
  }

  @Test
  void valuesMayStandInTheClassList() throws IOException {
    for (int i = 0; i < 4; i++) {
      write("images/" + i + ".jpg", SampleFiles.rgb("jpg", 12, 8));
      write("masks/" + i + ".png", grey(12, 8, 128, 255));
    }
    assertThatThrownBy(() -> open(true))
        .hasMessageContaining("the masks have the values 0, 128, expected labels 0, 1, ...")
        .hasMessageContaining("\"128: NAME\"");
    write("classes.txt", "# by hand\n0: background\n128: lesion\n".getBytes(UTF_8));

    TrainingData<SegmentationDataset> data = open(true);

    assertThat(data.classes()).containsExactly("background", "lesion");
    assertThat(data.train().sample(0).label(0, 0)).isEqualTo(1);
    assertThat(data.train().sample(0).label(0, 1)).isEqualTo(MaskedImage.IGNORED);
  }

  @Test
  void masksInColourNeedTheirColours() throws IOException {
    byte[] colours = new byte[3 * 12 * 8];
    colours[2] = (byte) 200; // red of the first pixel
    byte[] mask =
        SampleFiles.encode("png", 12, 8, org.bytedeco.opencv.global.opencv_core.CV_8UC3, colours);
    for (int i = 0; i < 4; i++) {
      write("images/" + i + ".jpg", SampleFiles.rgb("jpg", 12, 8));
      write("masks/" + i + ".png", mask);
    }
    assertThatThrownBy(() -> open(true)).hasMessageContaining("labelmap.txt must list the colours");
    write(
        "labelmap.txt",
        "# label:color_rgb:parts:actions\nbackground:0,0,0::\ncar:200,0,0::\n".getBytes(UTF_8));

    TrainingData<SegmentationDataset> data = open(true);

    assertThat(data.classes()).containsExactly("background", "car");
    assertThat(data.train().sample(0).label(0, 0)).isEqualTo(1);
    assertThat(data.train().sample(0).label(0, 1)).isZero();
    write("labelmap.txt", "background:0,0,0::\ncar:201,0,0::\n".getBytes(UTF_8));
    assertThatThrownBy(() -> open(true))
        .hasMessageContaining("has the unknown colour #c80000 at row 0, column 0");
  }

  @ParameterizedTest
  @CsvSource({"'',_mask", "'',_L", "mask-,''", "'',.jpg", "'',''"})
  void allMasksMayHaveOnePrefixOrSuffix(String prefix, String suffix) throws IOException {
    for (String name : List.of("1", "10", "2.5", "3")) {
      write("images/" + name + ".jpg", SampleFiles.rgb("jpg", 12, 8));
      write("labels/" + prefix + name + suffix + ".png", mask(12, 8, name.equals("10") ? 2 : 1, 0));
    }
    write("labels/1.txt", "a note".getBytes(UTF_8));
    write("images/notes.json", "{}".getBytes(UTF_8));

    TrainingData<SegmentationDataset> data = open(true);

    assertThat(data.train().size() + data.test().size()).isEqualTo(4);
    for (SegmentationDataset part : List.of(data.train(), data.test())) {
      for (int i = 0; i < part.size(); i++) {
        assertThat(part.sample(i).label(1, 1))
            .isEqualTo(part.id(i).equals("images/10.jpg") ? 2 : 1);
      }
    }
  }

  @Test
  void thePartsMayBeInTheFoldersOfImagesAndMasks() throws IOException {
    pair("train/a", 1);
    pair("train/b", 2);
    pair("valid/c", 2);

    TrainingData<SegmentationDataset> data = open(true);

    assertThat(data.train().ids()).containsExactly("images/train/a.jpg", "images/train/b.jpg");
    assertThat(data.test().ids()).containsExactly("images/valid/c.jpg");
  }

  @Test
  void masksFromWhichNothingCanBeLearntAreRefused() throws IOException {
    write("classes.txt", "background\nthing\n".getBytes(UTF_8));
    for (int i = 0; i < 4; i++) {
      write("images/" + i + ".jpg", SampleFiles.rgb("jpg", 12, 8));
      write("masks/" + i + ".png", grey(12, 8));
    }
    assertThatThrownBy(() -> open(true))
        .hasMessageContaining("every pixel of the training masks is background");
    for (int i = 0; i < 4; i++) {
      write("masks/" + i + ".png", mask(12, 8, 255, 255));
    }
    assertThatThrownBy(() -> open(true))
        .hasMessageContaining("no pixel of the training masks has a class");
  }

  /** The mask has the size of the picture as it is shown, or as it is stored. */
  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void theOrientationOfAPhotographFollowsItsMask(boolean shown) throws IOException {
    byte[] photograph = SampleFiles.turned(SampleFiles.rgb("jpg", 12, 8), 6);
    for (int i = 0; i < 3; i++) {
      write("images/" + i + ".jpg", photograph);
      write("masks/" + i + ".png", shown ? mask(8, 12, 1, 0) : mask(12, 8, 1, 0));
    }

    MaskedImage image = open(true).train().sample(0);

    assertThat(image.height()).isEqualTo(shown ? 12 : 8);
    assertThat(image.width()).isEqualTo(shown ? 8 : 12);
    // red grows to the right in the stored picture, downwards in the shown one
    byte[] red = Arrays.copyOf(image.image().pixels(), 12 * 8);
    int end = shown ? 11 * 8 : 11;
    assertThat(Byte.toUnsignedInt(red[end]) - Byte.toUnsignedInt(red[0])).isGreaterThan(30);
  }

  @Test
  void aSquarePhotographIsTurnedAsItIsShown() throws IOException {
    byte[] photograph = SampleFiles.turned(SampleFiles.rgb("jpg", 12, 12), 6);
    for (int i = 0; i < 3; i++) {
      write("images/" + i + ".jpg", photograph);
      write("masks/" + i + ".png", mask(12, 12, 1, 0));
    }

    byte[] pixels = open(true).train().sample(0).image().pixels();

    assertThat(Byte.toUnsignedInt(pixels[11 * 12]) - Byte.toUnsignedInt(pixels[0]))
        .isGreaterThan(30);
  }

  @Test
  void theFaultOfAFolderThatIsGivenRelativelyHasItsPathOnce() throws IOException {
    pairs(4);
    Files.delete(root.resolve("masks/p2.png"));
    Path relative = Path.of("").toAbsolutePath().relativize(root.toAbsolutePath());
    assertThatThrownBy(() -> SegmentationFolder.open(relative, null, 1, true, Progress.NONE))
        .isInstanceOf(DataException.class)
        .hasMessageStartingWith(
            relative.resolve("images/p2.jpg") + ": its mask " + relative.resolve("masks/p2.png"));
  }

  @Test
  void pascalVoc() throws IOException {
    for (String id : List.of("2007_000032", "2007_000033", "2007_000039")) {
      write("JPEGImages/" + id + ".jpg", SampleFiles.rgb("jpg", 9, 9));
      write("SegmentationClass/" + id + ".png", mask(9, 9, 20, 255));
    }
    write("ImageSets/Segmentation/train.txt", "2007_000032\n2007_000039\n".getBytes(UTF_8));
    write("ImageSets/Segmentation/val.txt", "2007_000033\n".getBytes(UTF_8));

    TrainingData<SegmentationDataset> data = open(true);

    assertThat(data.train().classes()).hasSize(21).startsWith("background").endsWith("tvmonitor");
    assertThat(data.train().ids()).containsExactly("2007_000032", "2007_000039");
    assertThat(data.test().ids()).containsExactly("2007_000033");
    assertThat(data.test().sample(0).label(0, 0)).isEqualTo(MaskedImage.IGNORED);
    assertThat(data.test().sample(0).label(1, 1)).isEqualTo(20);
    write("ImageSets/Segmentation/val.txt", "../2007_000033\n".getBytes(UTF_8));
    assertThatThrownBy(() -> open(true)).hasMessageContaining("val.txt: not the name of an image");
  }

  @Test
  void cityscapes() throws IOException {
    for (String part : List.of("train", "val")) {
      write("leftImg8bit/" + part + "/ulm/ulm_0_leftImg8bit.png", SampleFiles.rgb("png", 6, 4));
      byte[] ids = {
        0, 7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33, 29, 6, 4, 1
      };
      byte[] labelIds =
          SampleFiles.encode("png", 6, 4, org.bytedeco.opencv.global.opencv_core.CV_8UC1, ids);
      write("gtFine/" + part + "/ulm/ulm_0_gtFine_labelIds.png", labelIds);
    }

    TrainingData<SegmentationDataset> data = open(true);

    assertThat(data.train().classes()).hasSize(19).startsWith("road").endsWith("bicycle");
    assertThat(data.train().ids()).containsExactly("train/ulm/ulm_0");
    byte[] labels = data.test().sample(0).labels();
    assertThat(labels[0]).isEqualTo((byte) 255);
    for (int i = 0; i < 19; i++) {
      assertThat(labels[i + 1]).isEqualTo((byte) i);
    }
    assertThat(Arrays.copyOfRange(labels, 20, 24)).containsOnly((byte) 255);
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "one", "a\na"})
  void classListsThatCannotBeAreRefused(String list) throws IOException {
    pairs(3);
    write("classes.txt", list.getBytes(UTF_8));
    assertThatThrownBy(() -> open(true))
        .isInstanceOf(DataException.class)
        .hasMessageStartingWith(root.resolve("classes.txt") + ": ");
  }

  @Test
  void aFolderOfSomethingElseIsRefused() throws IOException {
    assertThatThrownBy(() -> open(false)).hasMessageContaining("expected images/ and masks/");
    pair("one", 1);
    assertThatThrownBy(() -> open(false)).hasMessageContaining("1 usable image");
    Files.delete(root.resolve("masks/one.png"));
    assertThatThrownBy(() -> open(false)).hasMessageContaining("0 usable image");
  }

  /** Whatever is done to a mask's bytes, it is read or it is refused. */
  @Property(tries = 300)
  void damagedMasksAreReadOrRefused(
      @ForAll @IntRange(min = 0, max = 10_000) int where, @ForAll byte value, @ForAll boolean cut) {
    byte[] file = mask(13, 7, 3, 1);
    int at = where % file.length;
    if (cut) {
      file = Arrays.copyOf(file, at);
    } else {
      file[at] = value;
    }
    try {
      Masks.Mask mask = Masks.decode(file);
      assertThat(mask.values()).hasSize(mask.height() * mask.width());
    } catch (UnreadableImageException e) {
      assertThat(e).hasMessageNotContaining("\n");
    }
  }

  /** Pascal VOC's first colours, as its development kit prints them. */
  @Test
  void thePaletteIsVocs() {
    int[] expected = {
      0, 0x800000, 0x008000, 0x808000, 0x000080, 0x800080, 0x008080, 0x808080, 0x400000
    };
    for (int label = 0; label < expected.length; label++) {
      assertThat(Masks.palette().getRGB(label) & 0xffffff).isEqualTo(expected[label]);
    }
    assertThat(Masks.palette().getRGB(255) & 0xffffff).isEqualTo(0xe0e0c0);
  }
}
