package io.fovea.data.image;

import static java.util.Comparator.comparing;
import static java.util.Comparator.comparingLong;
import static java.util.stream.Collectors.groupingBy;
import static java.util.stream.Collectors.partitioningBy;
import static java.util.stream.Collectors.toSet;

import io.fovea.data.ArrayDataset;
import io.fovea.data.DataException;
import io.fovea.data.EvaluationData;
import io.fovea.data.ImageDataset;
import io.fovea.data.PixelSums;
import io.fovea.data.Progress;
import io.fovea.data.Seeds;
import io.fovea.data.SkippedImage;
import io.fovea.data.SquareCrop;
import io.fovea.data.TrainingData;
import io.fovea.data.UnreadableImageException;
import io.fovea.data.folder.ClassMatch;
import io.fovea.data.folder.FileKinds;
import io.fovea.data.folder.FolderLayout;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.FileVisitOption;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.IntFunction;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A folder of class folders of images: {@code root/cat/1.jpg}, {@code root/dog/2.png}. If the root
 * has the folders of a split, such as {@code train} and {@code val}, they contain the class folders;
 * {@link FolderLayout} recognises them. Otherwise every class is split by the seed.
 *
 * <p>Classes are sorted by name. Class folders may have subfolders, and one without any image is
 * left out with a warning. Names that begin with a dot are
 * ignored. A file is an image if its content is that of an image, or if its extension is; other
 * files are ignored. An image that cannot be read is skipped with a warning, and listed.
 */
public final class ImageFolder {

  private static final Logger LOGGER = LoggerFactory.getLogger(ImageFolder.class);

  private static final int MAX_DECODERS = 4;
  private static final int GLANCED = 40;
  private static final int LEAST_CLASSES = 2;

  private final Path root;
  private final Options options;
  private final Progress progress;
  private final long memory;
  private final List<SkippedImage> skipped = new ArrayList<>();
  private boolean keep;

  private ImageFolder(Path root, Options options, Progress progress, long memory) {
    this.root = root;
    this.options = options;
    this.progress = progress;
    this.memory = memory;
  }

  /**
   * The options for reading a folder.
   *
   * @param crop how every image becomes a square
   * @param channels 3 for red, green and blue, 1 for greyscale
   * @param testFraction the fraction of every class that is used for testing if the folder has no
   *     split, between 0 and 1; at least one image of each class
   * @param seed the seed that selects the test images; the split depends only on it and on the
   *     names of the files
   * @param strict whether an unreadable image is an error
   */
  public record Options(
      SquareCrop crop, int channels, double testFraction, long seed, boolean strict) {

    /**
     * Checks the numbers.
     *
     * @throws IllegalArgumentException if the number of channels is neither 1 nor 3, or the
     *     fraction is not between 0 and 1
     */
    public Options {
      Images.requireShape(channels, crop.size());
      if (!(testFraction > 0 && testFraction < 1)) {
        throw new IllegalArgumentException(
            "image folder: expected a test fraction between 0 and 1, got " + testFraction);
      }
    }

    /**
     * Creates options with three channels, a test fraction of a fifth, seed 0, not strict.
     *
     * @param imageSize the height and width to which every image is scaled, in pixels
     * @throws IllegalArgumentException if the size is less than 1
     */
    public Options(int imageSize) {
      this(whole(imageSize), 3, 0.2, 0, false);
    }

    private static SquareCrop whole(int imageSize) {
      Images.requireShape(3, imageSize);
      return SquareCrop.whole(imageSize);
    }

    /** Returns options with another crop. */
    public Options withCrop(SquareCrop newCrop) {
      return new Options(newCrop, channels, testFraction, seed, strict);
    }

    /** The height and width of the images in pixels. */
    public int imageSize() {
      return crop.size();
    }

    /**
     * Returns options with another number of channels.
     *
     * @param newChannels 1 or 3
     * @return the new options
     */
    public Options withChannels(int newChannels) {
      return new Options(crop, newChannels, testFraction, seed, strict);
    }

    /**
     * Returns options with another test fraction.
     *
     * @param newTestFraction between 0 and 1
     * @return the new options
     */
    public Options withTestFraction(double newTestFraction) {
      return new Options(crop, channels, newTestFraction, seed, strict);
    }

    /**
     * Returns options with another seed.
     *
     * @param newSeed the seed that selects the test images
     * @return the new options
     */
    public Options withSeed(long newSeed) {
      return new Options(crop, channels, testFraction, newSeed, strict);
    }

    /**
     * Returns options that are strict or not.
     *
     * @param newStrict whether an unreadable image is an error
     * @return the new options
     */
    public Options withStrict(boolean newStrict) {
      return new Options(crop, channels, testFraction, seed, newStrict);
    }
  }

  /**
   * Opens a folder. Every image is decoded once, by several threads, to find damaged ones and to
   * measure the training images. The decoded images are kept in memory if they take at most half of
   * the maximum heap size; otherwise they are decoded at every access.
   *
   * @param root the folder
   * @param options the options
   * @param progress receives the progress in images
   * @return the images, [channels, imageSize, imageSize] each, and the list of skipped ones
   * @throws DataException if the folder does not exist, has fewer than two class folders, a class
   *     without readable images, a split whose parts have different classes, or a class with too
   *     few images for a split, or, if strict, an unreadable image
   */
  public static TrainingData<ImageDataset> open(Path root, Options options, Progress progress) {
    return open(root, options, progress, Runtime.getRuntime().maxMemory() / 2);
  }

  /**
   * Returns the names of the classes of a folder, in the order of a network's scores. No image is
   * read.
   *
   * @throws DataException if the folder does not exist or has no classes
   */
  public static List<String> classes(Path root) {
    FolderLayout layout = FolderLayout.of(root);
    ImageFolder folder = new ImageFolder(root, new Options(1), Progress.NONE, 0);
    return folder.scan(layout.isSplit() ? layout.train() : root, LEAST_CLASSES).classes();
  }

  /**
   * What a folder holds at first sight: no image is decoded.
   *
   * @param images the number of images to train on
   * @param width the median width of some of them in pixels
   * @param height their median height
   */
  public record Glance(int images, int width, int height) {}

  /**
   * Looks at a folder without decoding its images: counts them, and reads the sizes of some 40 of
   * them from their headers.
   *
   * @return empty if it is no folder of class folders with readable images; {@link #open} says why
   */
  public static Optional<Glance> glance(Path root) {
    if (!Files.isDirectory(root)) {
      return Optional.empty();
    }
    try {
      FolderLayout layout = FolderLayout.of(root);
      ImageFolder folder = new ImageFolder(root, new Options(1), Progress.NONE, 0);
      List<Candidate> found = new ArrayList<>();
      for (Path part : FolderLayout.subfolders(layout.isSplit() ? layout.train() : root)) {
        found.addAll(folder.scanClass(part, 0));
      }
      List<Integer> widths = new ArrayList<>();
      List<Integer> heights = new ArrayList<>();
      int every = Math.max(1, found.size() / GLANCED);
      for (int i = 0; i < found.size(); i += every) {
        try {
          ImageHeader header = ImageHeader.of(Files.readAllBytes(found.get(i).file()));
          widths.add((int) header.width());
          heights.add((int) header.height());
        } catch (UnreadableImageException | IOException e) {
          LOGGER.debug("{}: {}", found.get(i).file(), e.getMessage()); // open() says so aloud
        }
      }
      return widths.isEmpty()
          ? Optional.empty()
          : Optional.of(new Glance(found.size(), median(widths), median(heights)));
    } catch (DataException e) {
      return Optional.empty();
    }
  }

  private static int median(List<Integer> values) {
    return values.stream().sorted().toList().get(values.size() / 2);
  }

  /**
   * As {@link #open(Path, Options, Progress)}, with a limit for the memory of decoded images in
   * bytes.
   */
  static TrainingData<ImageDataset> open(
      Path root, Options options, Progress progress, long memory) {
    return new ImageFolder(root, options, progress, memory).open();
  }

  /** A file that must be an image. */
  private record Candidate(Path file, String id, int label) {}

  /** The files of a folder of class folders. */
  private record Part(Path folder, List<String> classes, List<Candidate> candidates) {}

  /** A decoded image. The pixels are null if all images together would take too much memory. */
  private record Decoded(Candidate candidate, byte[] pixels, PixelSums sums) {}

  private TrainingData<ImageDataset> open() {
    FolderLayout layout = FolderLayout.of(root);
    return layout.isSplit() ? openSplit(layout) : openWhole(scan(root, LEAST_CLASSES));
  }

  private TrainingData<ImageDataset> openSplit(FolderLayout layout) {
    Part train = scan(layout.train(), LEAST_CLASSES);
    Part test = matched(train, scan(layout.testing(), 1));
    keep = fits(train.candidates().size() + test.candidates().size());
    List<Decoded> trainImages = decode(train);
    List<Decoded> testImages = decode(test);
    requireEveryClass(train, trainImages);
    if (testImages.isEmpty()) {
      throw new DataException(test.folder() + ": none of its images can be read");
    }
    return data(train.classes(), trainImages, testImages, layout.splitText());
  }

  private TrainingData<ImageDataset> openWhole(Part whole) {
    keep = fits(whole.candidates().size());
    List<Decoded> images = decode(whole);
    requireEveryClass(whole, images);
    Set<Decoded> test = chooseTest(whole, images);
    Map<Boolean, List<Decoded>> parts = images.stream().collect(partitioningBy(test::contains));
    return data(
        whole.classes(), parts.get(false), parts.get(true), "split by seed " + options.seed());
  }

  /**
   * Opens a folder to evaluate a network that was trained on other images: all images of a folder
   * of class folders, or the {@code val} (or {@code test}) part of a split folder.
   *
   * @param root the folder
   * @param options the options; test fraction and seed are not used
   * @param classes the classes of the network, in the order of its scores; the folder may lack some
   *     of them, and images of classes that the network does not know are left out
   * @param progress receives the progress in images
   * @return the images with the labels of the network
   * @throws DataException if the folder has none of the classes, or, if strict, an unreadable image
   */
  public static EvaluationData<ImageDataset> openAll(
      Path root, Options options, List<String> classes, Progress progress) {
    return new ImageFolder(root, options, progress, Runtime.getRuntime().maxMemory() / 2)
        .openAll(classes);
  }

  private EvaluationData<ImageDataset> openAll(List<String> classes) {
    FolderLayout layout = FolderLayout.of(root);
    Part part = scan(layout.isSplit() ? layout.testing() : root, 1);
    ClassMatch match = ClassMatch.of(part.folder(), part.classes(), classes);
    List<Candidate> known = new ArrayList<>();
    Map<String, Integer> unknown = new LinkedHashMap<>();
    for (Candidate candidate : part.candidates()) {
      int label = match.label(candidate.label());
      if (label < 0) {
        unknown.merge(part.classes().get(candidate.label()), 1, Integer::sum);
      } else {
        known.add(new Candidate(candidate.file(), candidate.id(), label));
      }
    }
    keep = fits(known.size());
    List<Decoded> images = decode(new Part(part.folder(), classes, known));
    if (images.isEmpty()) {
      throw new DataException(part.folder() + ": none of its images can be read");
    }
    String name = root.toAbsolutePath().normalize().getFileName().toString();
    String which = layout.isSplit() ? FolderLayout.name(layout.testing()) : EvaluationData.ALL;
    return new EvaluationData<>(name, which, dataset(classes, images), unknown, skipped);
  }

  private boolean fits(int images) {
    long side = options.imageSize();
    return images * side * side * options.channels() <= memory;
  }

  /**
   * Lists the images of the class folders in a folder, without reading them.
   *
   * @param least the smallest number of classes
   */
  private Part scan(Path folder, int least) {
    List<Path> classFolders = FolderLayout.subfolders(folder);
    List<Candidate> candidates = new ArrayList<>();
    List<String> classes = new ArrayList<>();
    for (Path classFolder : classFolders) {
      List<Candidate> found = scanClass(classFolder, classes.size());
      if (found.isEmpty()) {
        LOGGER.warn("{}: left out: there are no images in this folder", classFolder);
        skipped.add(new SkippedImage(id(classFolder), "a folder without images"));
      } else {
        candidates.addAll(found);
        classes.add(FolderLayout.name(classFolder));
      }
    }
    if (classes.size() < least) {
      throw new DataException(tooFew(folder, classFolders, classes, least));
    }
    return new Part(folder, classes, candidates);
  }

  private static String tooFew(
      Path folder, List<Path> classFolders, List<String> classes, int least) {
    if (classes.isEmpty() && classFolders.stream().anyMatch(ImageFolder::hasVideos)) {
      return folder + ": its folders contain videos, not images; did you mean --task video?";
    }
    List<String> empty =
        classFolders.stream()
            .map(FolderLayout::name)
            .filter(name -> !classes.contains(name))
            .toList();
    return String.format(
        "%s: expected %s, such as cats/*.jpg%s; found %s%s",
        folder,
        least == 1 ? "a class folder" : "at least two class folders",
        least == 1 ? "" : " and dogs/*.jpg",
        classes.isEmpty() ? "none" : "only " + classes.get(0),
        empty.isEmpty() ? "" : " (without images: " + FolderLayout.some(empty) + ")");
  }

  private static boolean hasVideos(Path folder) {
    try (Stream<Path> files = Files.walk(folder, FileVisitOption.FOLLOW_LINKS)) {
      return files.anyMatch(FileKinds::isVideo);
    } catch (IOException | UncheckedIOException e) {
      return false; // this only looks for a hint
    }
  }

  private List<Candidate> scanClass(Path classFolder, int label) {
    try (Stream<Path> files = Files.walk(classFolder, FileVisitOption.FOLLOW_LINKS)) {
      return files
          .filter(file -> !anyHidden(classFolder.relativize(file)))
          .filter(ImageFolder::isImage)
          .map(file -> new Candidate(file, id(file), label))
          .sorted(comparing(Candidate::id))
          .toList();
    } catch (IOException e) {
      throw new DataException(FolderLayout.cannotList(classFolder, e), e);
    } catch (UncheckedIOException e) {
      throw new DataException(FolderLayout.cannotList(classFolder, e.getCause()), e);
    }
  }

  private static boolean anyHidden(Path relative) {
    return StreamSupport.stream(relative.spliterator(), false).anyMatch(FolderLayout::isHidden);
  }

  private static boolean isImage(Path file) {
    if (FileKinds.isImage(file)) {
      return Files.isRegularFile(file) || FolderLayout.leadsNowhere(file); // which reading it says
    }
    if (!Files.isRegularFile(file)) {
      return false;
    }
    try (InputStream in = Files.newInputStream(file)) {
      return ImageHeader.Format.of(in.readNBytes(ImageHeader.MAGIC_BYTES)).isPresent();
    } catch (IOException e) {
      // neither content nor name is that of an image
      return false;
    }
  }

  private String id(Path file) {
    return root.relativize(file).toString().replace(file.getFileSystem().getSeparator(), "/");
  }

  /** Labels the test images as the training images; the test part may lack classes. */
  private static Part matched(Part train, Part test) {
    List<String> missing = without(train.classes(), test.classes());
    List<String> unknown = without(test.classes(), train.classes());
    if (!unknown.isEmpty()) {
      throw new DataException(
          String.format(
              "%s and %s have different classes: only the first has %s, only the second has %s",
              train.folder(), test.folder(), missing, unknown));
    }
    if (missing.isEmpty()) {
      return test;
    }
    LOGGER.warn("{}: has no images of {}", test.folder(), FolderLayout.some(missing));
    return new Part(
        test.folder(),
        train.classes(),
        test.candidates().stream()
            .map(
                image ->
                    new Candidate(
                        image.file(),
                        image.id(),
                        train.classes().indexOf(test.classes().get(image.label()))))
            .toList());
  }

  private static List<String> without(List<String> names, List<String> others) {
    return names.stream().filter(name -> !others.contains(name)).toList();
  }

  private static void requireEveryClass(Part part, List<Decoded> images) {
    Set<Integer> present = images.stream().map(image -> image.candidate().label()).collect(toSet());
    for (int label = 0; label < part.classes().size(); label++) {
      if (!present.contains(label)) {
        throw new DataException(
            part.folder().resolve(part.classes().get(label))
                + ": no image in this class folder can be read");
      }
    }
  }

  private List<Decoded> decode(Part part) {
    List<Candidate> candidates = part.candidates();
    progress.begin("Reading " + part.folder(), candidates.size());
    ExecutorService decoders = decoders();
    try {
      List<Future<Decoded>> results =
          candidates.stream().map(file -> decoders.submit(() -> decode(file))).toList();
      List<Decoded> images = new ArrayList<>();
      for (int index = 0; index < results.size(); index++) {
        try {
          images.add(results.get(index).get());
        } catch (ExecutionException e) {
          skip(candidates.get(index), e.getCause());
        }
        progress.step(1);
      }
      return images;
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new DataException(part.folder() + ": reading was interrupted", e);
    } finally {
      decoders.shutdownNow();
      progress.end();
    }
  }

  private static ExecutorService decoders() {
    int threads = Math.min(MAX_DECODERS, Runtime.getRuntime().availableProcessors());
    return Executors.newFixedThreadPool(
        threads,
        task -> {
          Thread thread = new Thread(task, "fovea-decoder");
          thread.setDaemon(true);
          return thread;
        });
  }

  private Decoded decode(Candidate candidate) throws UnreadableImageException {
    byte[] pixels = Images.load(candidate.file(), options.channels(), options.crop()).pixels();
    PixelSums sums = new PixelSums(options.channels());
    sums.add(pixels);
    return new Decoded(candidate, keep ? pixels : null, sums);
  }

  private void skip(Candidate candidate, Throwable reason) {
    if (!(reason instanceof UnreadableImageException)) {
      throw new IllegalStateException(candidate.file() + ": " + reason, reason);
    }
    if (options.strict()) {
      throw new DataException(candidate.file() + ": " + reason.getMessage(), reason);
    }
    LOGGER.warn("{}: skipped: {}", candidate.file(), reason.getMessage());
    skipped.add(new SkippedImage(candidate.id(), reason.getMessage()));
  }

  /**
   * The test images of every class are the first ones in the order of a hash of seed and name, so
   * that an added or repaired image changes the split only at its border.
   */
  private Set<Decoded> chooseTest(Part whole, List<Decoded> images) {
    Map<Integer, List<Decoded>> byClass =
        images.stream().collect(groupingBy(image -> image.candidate().label()));
    Set<Decoded> test = new HashSet<>();
    byClass.forEach(
        (label, members) -> {
          if (members.size() < 2) {
            throw new DataException(
                whole.folder().resolve(whole.classes().get(label))
                    + ": only one readable image; training and testing need at least one each");
          }
          long count = Math.round(options.testFraction() * members.size());
          members.stream()
              .sorted(comparingLong(this::rank))
              .limit(Math.max(1, Math.min(members.size() - 1, count)))
              .forEach(test::add);
        });
    return test;
  }

  private long rank(Decoded image) {
    return Seeds.mix(options.seed(), image.candidate().id().hashCode());
  }

  private TrainingData<ImageDataset> data(
      List<String> classes, List<Decoded> train, List<Decoded> test, String split) {
    PixelSums sums = new PixelSums(options.channels());
    train.forEach(image -> sums.add(image.sums()));
    sums.darkness().ifPresent(what -> LOGGER.warn("{}: {}", root, what));
    String name = root.toAbsolutePath().normalize().getFileName().toString();
    String description =
        String.format(
            "%s: %d training and %d test images (%s), %d x %d, %s, %d classes: %s",
            name,
            train.size(),
            test.size(),
            split,
            options.imageSize(),
            options.imageSize(),
            options.channels() == 1 ? "grey" : "RGB",
            classes.size(),
            FolderLayout.some(classes));
    return new TrainingData<>(
        name,
        description,
        dataset(classes, train),
        dataset(classes, test),
        sums.normalization(),
        skipped);
  }

  private ImageDataset dataset(List<String> classes, List<Decoded> images) {
    int[] labels = images.stream().mapToInt(image -> image.candidate().label()).toArray();
    IntFunction<byte[]> pixels =
        keep
            ? index -> images.get(index).pixels().clone()
            : index ->
                Images.read(
                        images.get(index).candidate().file(), options.channels(), options.crop())
                    .pixels();
    return new ArrayDataset(
        classes,
        options.channels(),
        0,
        options.imageSize(),
        options.imageSize(),
        labels,
        index -> images.get(index).candidate().id(),
        pixels,
        index -> List.of(images.get(index).candidate().file()));
  }
}
