package io.fovea.data.bundled;

import static java.util.stream.Collectors.joining;

import io.fovea.data.ArrayDataset;
import io.fovea.data.DataException;
import io.fovea.data.ImageDataset;
import io.fovea.data.Normalization;
import io.fovea.data.Progress;
import io.fovea.data.TrainingData;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/**
 * Fashion-MNIST: greyscale photographs of clothes in ten classes, 28 x 28, by Zalando Research
 * (Xiao, Rasul and Vollgraf 2017, <a href="https://arxiv.org/abs/1708.07747">arXiv 1708.07747</a>;
 * MIT licence). A sample is bundled.
 */
public final class FashionMnist {

  private static final List<String> CLASSES =
      List.of(
          "T-shirt/top",
          "Trouser",
          "Pullover",
          "Dress",
          "Coat",
          "Sandal",
          "Shirt",
          "Sneaker",
          "Bag",
          "Ankle boot");

  private static final int SIDE = 28;

  private static final String SAMPLE = "fashion-mnist-sample/";

  /**
   * The folder in which the package dataset-fashion-mnist of Debian and Ubuntu installs the files.
   */
  private static final Path PACKAGED = Path.of("/usr/share/datasets/fashion-mnist");

  /** The authors' repository at a fixed commit, so that its content does not change. */
  private static final URI ORIGIN =
      URI.create(
          "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/"
              + "b2617bb6d3ffa2e429640350f613e3291e10b141/data/fashion/");

  // These files have the MD5 sums that the authors publish.
  private static final List<RemoteFile> FILES =
      List.of(
          new RemoteFile(
              "train-images-idx3-ubyte.gz",
              26_421_880,
              "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"),
          new RemoteFile(
              "train-labels-idx1-ubyte.gz",
              29_515,
              "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"),
          new RemoteFile(
              "t10k-images-idx3-ubyte.gz",
              4_422_102,
              "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"),
          new RemoteFile(
              "t10k-labels-idx1-ubyte.gz",
              5_148,
              "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"));

  private record RemoteFile(String name, long bytes, String sha256) {}

  /** Opens a file by its name, from a folder or from the class path. */
  private interface Source {
    InputStream open(String name) throws IOException;
  }

  private FashionMnist() {}

  /**
   * The bundled sample: the first 600 training and the first 200 test images of each class, in the
   * order of the data set.
   *
   * @return 6,000 training and 2,000 test images [1, 28, 28]
   */
  public static TrainingData<ImageDataset> sample() {
    try {
      return read(
          "fashion-mnist-sample",
          "Fashion-MNIST sample (bundled)",
          name -> FashionMnist.class.getResourceAsStream(SAMPLE + name),
          SAMPLE,
          6_000,
          2_000);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /**
   * Returns the whole data set. It is read from the given folder; otherwise from the folder of the
   * Debian package dataset-fashion-mnist; otherwise from the cache ({@code
   * $FOVEA_CACHE/fashion-mnist}, by default {@code ~/.cache/fovea/fashion-mnist}), into which the
   * files are downloaded the first time (31 MB).
   *
   * @param dataDir a folder with the four files of the data set, gzipped or not
   * @param progress receives the progress of the download in bytes
   * @return 60,000 training and 10,000 test images [1, 28, 28]
   * @throws DataException if the given folder lacks a file
   * @throws IOException if a file is damaged or cannot be downloaded
   */
  public static TrainingData<ImageDataset> full(Optional<Path> dataDir, Progress progress)
      throws IOException {
    Path folder;
    if (dataDir.isPresent()) {
      folder = dataDir.get();
      requireFiles(folder);
    } else if (missing(PACKAGED).isEmpty()) {
      folder = PACKAGED;
    } else {
      folder = cache();
      download(folder, progress);
    }
    return read(
        "fashion-mnist",
        "Fashion-MNIST",
        name -> Files.newInputStream(present(folder, name)),
        folder + "/",
        60_000,
        10_000);
  }

  private static TrainingData<ImageDataset> read(
      String name, String title, Source source, String location, int trainImages, int testImages)
      throws IOException {
    ImageDataset train = readPart("train", "train", source, location, trainImages);
    ImageDataset test = readPart("t10k", "test", source, location, testImages);
    String description =
        String.format(
            "%s: %d training and %d test images, %d x %d, greyscale, %d classes",
            title, train.size(), test.size(), SIDE, SIDE, CLASSES.size());
    return new TrainingData<>(name, description, train, test, Normalization.of(train), List.of());
  }

  private static ImageDataset readPart(
      String prefix, String idPrefix, Source source, String location, int count)
      throws IOException {
    String labelFile = prefix + "-labels-idx1-ubyte.gz";
    byte[] labels = readFile(source, location, labelFile, count);
    for (int index = 0; index < count; index++) {
      if (labels[index] < 0 || labels[index] >= CLASSES.size()) {
        throw new IOException(
            String.format(
                "%s%s: damaged: expected labels 0 to %d, found %d at %d",
                location, labelFile, CLASSES.size() - 1, Byte.toUnsignedInt(labels[index]), index));
      }
    }
    String imageFile = prefix + "-images-idx3-ubyte.gz";
    byte[] images = readFile(source, location, imageFile, count, SIDE, SIDE);
    int[] classes = new int[count];
    Arrays.setAll(classes, index -> labels[index]);
    int area = SIDE * SIDE;
    return new ArrayDataset(
        CLASSES,
        1,
        SIDE,
        SIDE,
        classes,
        index -> idPrefix + "/" + index,
        index -> Arrays.copyOfRange(images, index * area, (index + 1) * area));
  }

  private static byte[] readFile(Source source, String location, String name, int... shape)
      throws IOException {
    try (InputStream in = source.open(name)) {
      return Idx.read(in, location + name, shape);
    }
  }

  private static void requireFiles(Path folder) {
    List<String> missing = missing(folder);
    if (!missing.isEmpty()) {
      throw new DataException(
          String.format(
              "%s: expected the files of Fashion-MNIST, %s (or without .gz); missing: %s",
              folder,
              FILES.stream().map(RemoteFile::name).collect(joining(", ")),
              String.join(", ", missing)));
    }
  }

  private static List<String> missing(Path folder) {
    return FILES.stream()
        .map(RemoteFile::name)
        .filter(name -> !Files.isRegularFile(present(folder, name)))
        .toList();
  }

  /** The gzipped file as it is distributed, or the unpacked one. */
  private static Path present(Path folder, String name) {
    Path unpacked = folder.resolve(name.replace(".gz", ""));
    return Files.isRegularFile(unpacked) ? unpacked : folder.resolve(name);
  }

  private static Path cache() {
    String given = System.getenv("FOVEA_CACHE");
    Path root =
        given == null || given.isBlank()
            ? Path.of(System.getProperty("user.home"), ".cache", "fovea")
            : Path.of(given);
    return root.resolve("fashion-mnist");
  }

  private static void download(Path folder, Progress progress) throws IOException {
    Files.createDirectories(folder);
    Downloader downloader = new Downloader();
    for (RemoteFile file : FILES) {
      Path target = folder.resolve(file.name());
      if (!Files.isRegularFile(target)) {
        downloader.download(
            ORIGIN.resolve(file.name()), target, file.bytes(), file.sha256(), progress);
      }
    }
  }
}
