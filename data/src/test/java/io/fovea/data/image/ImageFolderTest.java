package io.fovea.data.image;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.fovea.data.DataException;
import io.fovea.data.EvaluationData;
import io.fovea.data.ImageDataset;
import io.fovea.data.Normalization;
import io.fovea.data.Progress;
import io.fovea.data.RecordedProgress;
import io.fovea.data.SkippedImage;
import io.fovea.data.TrainingData;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

class ImageFolderTest {

  private static final ImageFolder.Options OPTIONS = new ImageFolder.Options(8);

  @TempDir Path root;

  private void write(String file, byte[] content) throws IOException {
    Path path = root.resolve(file);
    Files.createDirectories(path.getParent());
    Files.write(path, content);
  }

  private void writeGrey(String file, int value) throws IOException {
    write(file, SampleFiles.grey("png", 10, 10, value));
  }

  /** Twenty images of cats and ten of dogs, every one with its own grey. */
  private void writeCatsAndDogs() throws IOException {
    for (int index = 0; index < 20; index++) {
      writeGrey(String.format("cat/%02d.png", index), index);
    }
    for (int index = 0; index < 10; index++) {
      writeGrey(String.format("dog/%02d.png", index), 100 + index);
    }
  }

  private TrainingData<ImageDataset> open(ImageFolder.Options options) {
    return ImageFolder.open(root, options, Progress.NONE);
  }

  private static List<String> ids(ImageDataset dataset) {
    return IntStream.range(0, dataset.size()).mapToObj(dataset::id).toList();
  }

  private static long count(ImageDataset dataset, int label) {
    return IntStream.range(0, dataset.size())
        .filter(index -> dataset.label(index) == label)
        .count();
  }

  @Test
  void classesAreKnownWithoutReadingImages() throws IOException {
    write("dog/broken.png", new byte[] {1});
    write("cat/broken.png", new byte[] {1});
    assertThat(ImageFolder.classes(root)).containsExactly("cat", "dog");
    write("train/b/1.png", new byte[] {1});
    write("train/a/1.png", new byte[] {1});
    write("val/a/1.png", new byte[] {1});
    assertThat(ImageFolder.classes(root)).containsExactly("a", "b");
    assertThatThrownBy(() -> ImageFolder.classes(root.resolve("none")))
        .isInstanceOf(DataException.class)
        .hasMessageEndingWith("no such folder");
  }

  @Test
  @DisabledOnOs(OS.WINDOWS)
  void linksThatLeadNowhereAreNamed() throws IOException {
    writeCatsAndDogs();
    Files.createSymbolicLink(root.resolve("cat/moved.png"), root.resolve("elsewhere.png"));
    assertThat(open(OPTIONS).skipped())
        .containsExactly(new SkippedImage("cat/moved.png", "a link that leads nowhere"));

    Files.createSymbolicLink(root.resolve("birds"), root.resolve("elsewhere"));
    assertThatThrownBy(() -> open(OPTIONS))
        .isInstanceOf(DataException.class)
        .hasMessage(root.resolve("birds") + ": this link leads nowhere; mend it or delete it");
  }

  @Test
  void splitsEveryClass() throws IOException {
    writeCatsAndDogs();

    TrainingData<ImageDataset> data = open(OPTIONS);

    assertThat(data.train().classes()).containsExactly("cat", "dog");
    assertThat(data.test().classes()).containsExactly("cat", "dog");
    assertThat(count(data.train(), 0)).isEqualTo(16);
    assertThat(count(data.train(), 1)).isEqualTo(8);
    assertThat(count(data.test(), 0)).isEqualTo(4);
    assertThat(count(data.test(), 1)).isEqualTo(2);
    assertThat(ids(data.train())).isSorted().doesNotContainAnyElementsOf(ids(data.test()));
    assertThat(data.skipped()).isEmpty();
    assertThat(data.name()).isEqualTo(root.getFileName().toString());
    assertThat(data.description())
        .endsWith(
            ": 24 training and 6 test images (split by seed 0), 8 x 8, RGB, 2 classes: cat, dog");
  }

  @Test
  void imagesHaveTheirLabelsAndPixels() throws IOException {
    writeCatsAndDogs();
    ImageDataset train = open(OPTIONS).train();

    for (int index = 0; index < train.size(); index++) {
      int number = Integer.parseInt(train.id(index).replaceAll("\\D", ""));
      int grey = train.label(index) == 0 ? number : 100 + number;
      assertThat(train.id(index)).startsWith(train.classes().get(train.label(index)) + "/");
      assertThat(train.pixels(index)).hasSize(3 * 8 * 8).containsOnly(grey);
    }
  }

  @Test
  void theSeedFixesTheSplit() throws IOException {
    writeCatsAndDogs();

    List<String> test = ids(open(OPTIONS.withSeed(7)).test());

    assertThat(ids(open(OPTIONS.withSeed(7)).test())).isEqualTo(test);
    assertThat(ids(open(OPTIONS.withSeed(8)).test())).isNotEqualTo(test);
  }

  @Test
  void theSplitHardlyChangesWithAnotherImage() throws IOException {
    writeCatsAndDogs();
    List<String> before = ids(open(OPTIONS).test());
    writeGrey("cat/99.png", 99);

    assertThat(ids(open(OPTIONS).test()).stream().filter(id -> !before.contains(id)).count())
        .isLessThanOrEqualTo(1);
  }

  @Test
  void everyClassHasAnImageForEachPart() throws IOException {
    for (String file : List.of("a/1.png", "a/2.png", "b/1.png", "b/2.png", "b/3.png")) {
      writeGrey(file, 1);
    }

    TrainingData<ImageDataset> few = open(OPTIONS.withTestFraction(0.01));
    assertThat(few.test().size()).isEqualTo(2);
    TrainingData<ImageDataset> most = open(OPTIONS.withTestFraction(0.99));
    assertThat(most.train().size()).isEqualTo(2);
  }

  @Test
  void measuresTheTrainingImages() throws IOException {
    writeCatsAndDogs();

    TrainingData<ImageDataset> data = open(OPTIONS.withChannels(1));

    assertThat(data.train().channels()).isEqualTo(1);
    assertThat(data.normalization()).isEqualTo(Normalization.of(data.train()));
  }

  @Test
  void decodesAgainIfTheImagesDoNotFit() throws IOException {
    writeCatsAndDogs();
    ImageDataset kept = open(OPTIONS).train();
    ImageDataset decoded =
        ImageFolder.open(root, OPTIONS, Progress.NONE, 30 * 8 * 8 * 3 - 1).train();

    assertThat(ids(decoded)).isEqualTo(ids(kept));
    for (int index = 0; index < kept.size(); index++) {
      assertThat(decoded.pixels(index)).isEqualTo(kept.pixels(index));
    }
    Path file = root.resolve(decoded.id(0));
    Files.delete(file);
    assertThat(kept.pixels(0)).isNotEmpty();
    assertThatThrownBy(() -> decoded.pixels(0))
        .isInstanceOf(DataException.class)
        .hasMessage(file + ": no such file");
  }

  @Test
  void takesTheSplitOfTheFolder() throws IOException {
    writeGrey("train/b/1.png", 1);
    writeGrey("train/a/1.png", 2);
    writeGrey("train/a/2.png", 3);
    writeGrey("val/a/1.png", 4);
    writeGrey("val/b/deeper/1.png", 5);
    writeGrey("test/ignored/1.png", 6);

    TrainingData<ImageDataset> data = open(OPTIONS);

    assertThat(ids(data.train()))
        .containsExactly("train/a/1.png", "train/a/2.png", "train/b/1.png");
    assertThat(ids(data.test())).containsExactly("val/a/1.png", "val/b/deeper/1.png");
    assertThat(data.test().label(1)).isEqualTo(1);
    assertThat(data.test().pixels(1)).containsOnly(5);
    assertThat(data.description())
        .contains("3 training and 2 test images (train and val; not used: test)");
  }

  @Test
  void takesTestWhereThereIsNoVal() throws IOException {
    for (String file : List.of("train/a/1.png", "train/b/1.png", "test/a/1.png", "test/b/1.png")) {
      writeGrey(file, 1);
    }

    assertThat(ids(open(OPTIONS).test())).containsExactly("test/a/1.png", "test/b/1.png");
  }

  @Test
  void trainAloneIsAClass() throws IOException {
    for (String file : List.of("train/1.png", "train/2.png", "bus/1.png", "bus/2.png")) {
      writeGrey(file, 1);
    }

    assertThat(open(OPTIONS).train().classes()).containsExactly("bus", "train");
  }

  @Test
  void namesTheClassesThatDiffer() throws IOException {
    for (String file :
        List.of("train/a/1.png", "train/b/1.png", "train/c/1.png", "val/a/1.png", "val/d/1.png")) {
      writeGrey(file, 1);
    }

    assertThatThrownBy(() -> open(OPTIONS))
        .isInstanceOf(DataException.class)
        .hasMessage(
            "%s and %s have different classes: only the first has [b, c], only the second has [d]",
            root.resolve("train"), root.resolve("val"));
  }

  @Test
  void recognisesImagesByContentAndIgnoresTheRest() throws IOException {
    writeGrey("a/no-extension", 10);
    write("a/really-a-jpeg.PNG", SampleFiles.grey("jpg", 10, 10, 20));
    write("a/notes.txt", new byte[] {'h', 'i'});
    write("a/Thumbs.db", new byte[0]);
    write("a/.hidden.png", new byte[0]);
    write("a/.cache/x.png", new byte[0]);
    write("b/1.bmp", SampleFiles.grey("bmp", 10, 10, 30));
    write("b/2.webp", SampleFiles.grey("webp", 10, 10, 40));
    writeGrey(".git/1.png", 1);
    write("README.md", new byte[] {'#'});

    TrainingData<ImageDataset> data = open(OPTIONS.withStrict(true).withTestFraction(0.5));

    assertThat(data.train().classes()).containsExactly("a", "b");
    assertThat(ids(data.train())).hasSize(2);
    assertThat(ids(data.test())).hasSize(2);
    assertThat(data.skipped()).isEmpty();
  }

  @Test
  void skipsWhatCannotBeRead() throws IOException {
    writeCatsAndDogs();
    byte[] jpeg = SampleFiles.rgb("jpg", 30, 30);
    write("cat/cut.jpg", Arrays.copyOf(jpeg, jpeg.length / 2));
    write("dog/empty.png", new byte[0]);
    write("dog/text.jpeg", "not an image".getBytes(java.nio.charset.StandardCharsets.UTF_8));
    write("dog/scan.tiff", new byte[] {'I', 'I', 42, 0});
    RecordedProgress progress = new RecordedProgress();

    TrainingData<ImageDataset> data = ImageFolder.open(root, OPTIONS, progress);

    assertThat(data.skipped())
        .containsExactly(
            new SkippedImage("cat/cut.jpg", "truncated JPEG image"),
            new SkippedImage("dog/empty.png", "empty file"),
            new SkippedImage(
                "dog/scan.tiff",
                "TIFF image, which Fovea does not read; convert it to JPEG or PNG"),
            new SkippedImage("dog/text.jpeg", "not a JPEG, PNG, BMP or WebP image"));
    assertThat(data.train().size() + data.test().size()).isEqualTo(30);
    assertThat(progress.tasks()).containsExactly("Reading " + root + ": 34 of 34, ended");
  }

  @Test
  void strictEndsWithTheFirst() throws IOException {
    writeCatsAndDogs();
    write("cat/07.png", new byte[0]);
    write("dog/03.png", new byte[0]);

    assertThatThrownBy(() -> open(OPTIONS.withStrict(true)))
        .isInstanceOf(DataException.class)
        .hasMessage(root.resolve("cat/07.png") + ": empty file");
  }

  @Test
  void namesAFolderThatHasNoClasses() throws IOException {
    Path missing = root.resolve("missing");
    assertThatThrownBy(() -> ImageFolder.open(missing, OPTIONS, Progress.NONE))
        .isInstanceOf(DataException.class)
        .hasMessage(missing + ": no such folder");

    writeGrey("1.png", 1);
    assertThatThrownBy(() -> open(OPTIONS))
        .isInstanceOf(DataException.class)
        .hasMessage(
            root
                + ": expected at least two class folders, such as cats/*.jpg and dogs/*.jpg; found none");

    writeGrey("cat/1.png", 1);
    assertThatThrownBy(() -> open(OPTIONS))
        .isInstanceOf(DataException.class)
        .hasMessageEndingWith("found only cat");
  }

  @Test
  void aFolderWithoutImagesIsLeftOut() throws IOException {
    writeCatsAndDogs();
    Files.createDirectories(root.resolve("to sort"));
    write("@eaDir/thumb.txt", new byte[] {1});

    TrainingData<ImageDataset> data = open(OPTIONS);

    assertThat(data.classes()).containsExactly("cat", "dog");
    assertThat(data.skipped())
        .containsExactly(new SkippedImage("to sort", "a folder without images"));
  }

  @Test
  void theTestPartMayLackAClass() throws IOException {
    for (String file :
        List.of("train/a/1.png", "train/b/1.png", "train/c/1.png", "Validation/c/1.png")) {
      writeGrey(file, 1);
    }

    TrainingData<ImageDataset> data = open(OPTIONS);

    assertThat(data.classes()).containsExactly("a", "b", "c");
    assertThat(data.test().classes()).containsExactly("a", "b", "c");
    assertThat(data.test().label(0)).isEqualTo(2);
    assertThat(data.description()).contains("(train and Validation)");
  }

  @Test
  void allImagesOfAFolderAreForEvaluation() throws IOException {
    writeCatsAndDogs();
    writeGrey("unicorn/1.png", 3);

    EvaluationData<ImageDataset> data =
        ImageFolder.openAll(root, OPTIONS, List.of("dog", "bird", "cat"), Progress.NONE);

    assertThat(data.part()).isEqualTo("all");
    assertThat(data.unknown()).containsExactly(Map.entry("unicorn", 1));
    assertThat(data.samples().classes()).containsExactly("dog", "bird", "cat");
    assertThat(data.samples().size()).isEqualTo(30);
    assertThat(count(data.samples(), 2)).isEqualTo(20);
    assertThat(count(data.samples(), 0)).isEqualTo(10);
    assertThat(data.samples().id(0)).isEqualTo("cat/00.png");
    assertThat(data.samples().label(0)).isEqualTo(2);
  }

  @Test
  void namesAClassThatHasNoImages() throws IOException {
    writeGrey("cat/1.png", 1);
    writeGrey("cat/2.png", 1);
    Path dog = root.resolve("dog");
    Files.createDirectories(dog);
    assertThatThrownBy(() -> open(OPTIONS))
        .isInstanceOf(DataException.class)
        .hasMessageEndingWith("found only cat (without images: dog)");

    write("dog/1.png", new byte[0]);
    assertThatThrownBy(() -> open(OPTIONS))
        .isInstanceOf(DataException.class)
        .hasMessage(dog + ": no image in this class folder can be read");

    writeGrey("dog/2.png", 1);
    assertThatThrownBy(() -> open(OPTIONS))
        .isInstanceOf(DataException.class)
        .hasMessage(dog + ": only one readable image; training and testing need at least one each");
  }

  @Test
  void optionsAreChecked() {
    assertThatThrownBy(() -> OPTIONS.withTestFraction(1))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("image folder: expected a test fraction between 0 and 1, got 1.0");
    assertThatThrownBy(() -> OPTIONS.withChannels(4))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("1 or 3 channels");
    assertThatThrownBy(() -> new ImageFolder.Options(0))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("at least 1");
  }
}
