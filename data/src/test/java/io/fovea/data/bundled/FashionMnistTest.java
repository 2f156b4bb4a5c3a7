package io.fovea.data.bundled;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;
import static org.assertj.core.api.Assumptions.assumeThat;

import io.fovea.data.DataException;
import io.fovea.data.ImageDataset;
import io.fovea.data.Normalization;
import io.fovea.data.Progress;
import io.fovea.data.TrainingData;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.Optional;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class FashionMnistTest {

  private static final Path PACKAGED = Path.of("/usr/share/datasets/fashion-mnist");

  private static String sha256(ImageDataset dataset) throws Exception {
    ByteArrayOutputStream all = new ByteArrayOutputStream();
    for (int index = 0; index < dataset.size(); index++) {
      all.write(dataset.pixels(index));
    }
    return sha256(all.toByteArray());
  }

  private static String sha256(byte[] bytes) throws Exception {
    return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes));
  }

  private static int[] countByLabel(ImageDataset dataset) {
    int[] counts = new int[dataset.classes().size()];
    IntStream.range(0, dataset.size()).forEach(index -> counts[dataset.label(index)]++);
    return counts;
  }

  private static int[] repeated(int value) {
    int[] values = new int[10];
    Arrays.fill(values, value);
    return values;
  }

  @Test
  void sampleIsBalanced() {
    TrainingData<ImageDataset> sample = FashionMnist.sample();

    assertThat(sample.name()).isEqualTo("fashion-mnist-sample");
    assertThat(sample.train().size()).isEqualTo(6000);
    assertThat(sample.test().size()).isEqualTo(2000);
    assertThat(countByLabel(sample.train())).isEqualTo(repeated(600));
    assertThat(countByLabel(sample.test())).isEqualTo(repeated(200));
    assertThat(countByLabel(sample.train().limit(500))).isEqualTo(repeated(50));
    assertThat(sample.skipped()).isEmpty();
  }

  @Test
  void sampleHasTheShapeAndTheClasses() {
    ImageDataset train = FashionMnist.sample().train();

    assertThat(train.channels()).isEqualTo(1);
    assertThat(train.height()).isEqualTo(28);
    assertThat(train.width()).isEqualTo(28);
    assertThat(train.classes()).hasSize(10).startsWith("T-shirt/top").endsWith("Ankle boot");
    assertThat(train.classes().get(train.label(0))).isEqualTo("Ankle boot");
    assertThat(IntStream.range(0, 10).map(train::label))
        .containsExactly(9, 0, 0, 3, 0, 2, 7, 2, 5, 5);
    assertThat(train.id(123)).isEqualTo("train/123");
  }

  @Test
  void samplePixelsAreThoseOfTheDataSet() throws Exception {
    TrainingData<ImageDataset> sample = FashionMnist.sample();

    assertThat(sha256(sample.train().pixels(0)))
        .isEqualTo("5bd44e331a6d6998daf675700cd0c13dcd7af8ab954b7585124124da61459e7b");
    assertThat(sha256(sample.train()))
        .isEqualTo("2b17438af55637db62c122a92490b5b4275bed5719a838b5b0486ea2193a98a4");
    assertThat(sha256(sample.test()))
        .isEqualTo("96315b1732ab731e68b8def3c284f34b605f7deb7a61e683c7d786265c827c83");
  }

  @Test
  void sampleIsNormalizedByItself() {
    Normalization normalization = FashionMnist.sample().normalization();

    assertThat(normalization.mean().get(0)).isCloseTo(0.2869149, within(1e-7));
    assertThat(normalization.std().get(0)).isCloseTo(0.3537793, within(1e-7));
  }

  @Test
  void pixelsAreTheCallersOwn() {
    ImageDataset test = FashionMnist.sample().test();
    byte[] pixels = test.pixels(1999);
    byte[] copy = pixels.clone();
    Arrays.fill(pixels, (byte) 1);

    assertThat(test.pixels(1999)).isEqualTo(copy);
  }

  @Test
  void fullSetHasItsKnownStatistics() throws Exception {
    assumeThat(PACKAGED).isDirectory();
    TrainingData<ImageDataset> full = FashionMnist.full(Optional.empty(), Progress.NONE);

    assertThat(full.train().size()).isEqualTo(60_000);
    assertThat(full.test().size()).isEqualTo(10_000);
    assertThat(full.normalization().mean().get(0)).isCloseTo(0.2860, within(5e-5));
    assertThat(full.normalization().std().get(0)).isCloseTo(0.3530, within(5e-5));
    assertThat(countByLabel(full.train())).isEqualTo(repeated(6000));
    TrainingData<ImageDataset> sample = FashionMnist.sample();
    assertThat(sha256(full.train().limit(6000))).isEqualTo(sha256(sample.train()));
    assertThat(sha256(full.test().limit(2000))).isEqualTo(sha256(sample.test()));
  }

  @Test
  void aFolderWithoutTheFilesIsNamedWithWhatIsMissing(@TempDir Path folder) throws IOException {
    Files.createFile(folder.resolve("train-images-idx3-ubyte.gz"));
    Files.createFile(folder.resolve("train-labels-idx1-ubyte"));

    assertThatThrownBy(() -> FashionMnist.full(Optional.of(folder), Progress.NONE))
        .isInstanceOf(DataException.class)
        .hasMessageStartingWith(folder + ": expected the files of Fashion-MNIST")
        .hasMessageEndingWith("missing: t10k-images-idx3-ubyte.gz, t10k-labels-idx1-ubyte.gz");
  }

  @Test
  void aDamagedFileIsNamed(@TempDir Path folder) throws IOException {
    for (String name : new String[] {"train-images-idx3", "t10k-images-idx3", "t10k-labels-idx1"}) {
      Files.createFile(folder.resolve(name + "-ubyte"));
    }
    Path labels = folder.resolve("train-labels-idx1-ubyte.gz");

    Files.write(labels, new byte[] {0, 0, 8, 1, 0, 0, 0, 10});
    assertThatThrownBy(() -> FashionMnist.full(Optional.of(folder), Progress.NONE))
        .isInstanceOf(IOException.class)
        .hasMessage(labels + ": damaged: expected dimensions 60000, found 10");

    byte[] content = new byte[60_008];
    ByteBuffer.wrap(content).putInt(0x801).putInt(60_000).put(8 + 5, (byte) 10);
    Files.write(labels, content);
    assertThatThrownBy(() -> FashionMnist.full(Optional.of(folder), Progress.NONE))
        .isInstanceOf(IOException.class)
        .hasMessage(labels + ": damaged: expected labels 0 to 9, found 10 at 5");
  }
}
