package io.fovea.data.mask;

import static java.util.Comparator.comparing;
import static java.util.Comparator.comparingLong;

import io.fovea.data.DataException;
import io.fovea.data.EvaluationData;
import io.fovea.data.Image;
import io.fovea.data.MaskedImage;
import io.fovea.data.PixelSums;
import io.fovea.data.Progress;
import io.fovea.data.Seeds;
import io.fovea.data.SegmentationDataset;
import io.fovea.data.SkippedImage;
import io.fovea.data.TrainingData;
import io.fovea.data.UnreadableImageException;
import io.fovea.data.folder.ClassList;
import io.fovea.data.folder.ClassMatch;
import io.fovea.data.folder.FileKinds;
import io.fovea.data.folder.FolderLayout;
import io.fovea.data.folder.SplitPart;
import io.fovea.data.image.ImageHeader;
import io.fovea.data.image.Images;
import java.io.IOException;
import java.nio.file.FileVisitOption;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A folder of images with masks in one of three layouts, which are recognised by the contents of
 * the folder:
 *
 * <ul>
 *   <li>Pascal VOC: {@code JPEGImages/ID.jpg}, {@code SegmentationClass/ID.png}, and the lists {@code
 *       ImageSets/Segmentation/train.txt} and {@code val.txt}; as annotation tools write it without
 *       these lists, or with one list, it is split by the seed;
 *   <li>Cityscapes: {@code leftImg8bit/train/CITY/ID_leftImg8bit.png} and {@code
 *       gtFine/train/CITY/ID_gtFine_labelIds.png}, and the same for {@code val}; label ids are
 *       converted to train ids, and classes that are not evaluated are ignored;
 *   <li>a pair of folders: {@code images/NAME.jpg} and {@code masks/NAME.png} (or {@code labels/} or
 *       {@code annotations/}), split by the seed, or both in {@code train/} and {@code val/} (or {@code test/}), or
 *       {@code images/train/} and {@code masks/train/}. All masks may have one prefix or suffix,
 *       such as {@code NAME_mask.png}.
 * </ul>
 *
 * <p>A mask is a PNG with a palette or in greyscale, whose values are the labels; 255 is ignored.
 * Masks with the values 0 and 255 alone have two classes. Masks in colour need a {@code
 * labelmap.txt} with the colours of the classes ({@link ClassList}). Names of classes are those of
 * the data set, or those in {@code classes.txt}, {@code labelmap.txt} or {@code class_names.txt} in the folder; without
 * either, classes are named after their labels. Images may have any size, and masks must have the
 * size of their image. The EXIF orientation is applied if the mask has the size of the image as it
 * is shown.
 *
 * <p>A pair that cannot be used (a damaged file, different sizes, an unknown label) is skipped with
 * a warning and listed, or is an error if strict.
 */
public final class SegmentationFolder {
  private static final Logger LOGGER = LoggerFactory.getLogger(SegmentationFolder.class);
  private static final double TEST_SHARE = 0.2;
  private static final int MAX_DECODERS = 4;
  private static final int CHANNELS = 3;
  private static final int MOST_CLASSES = 255;

  private static final List<String> VOC =
      List.of(
          "background",
          "aeroplane",
          "bicycle",
          "bird",
          "boat",
          "bottle",
          "bus",
          "car",
          "cat",
          "chair",
          "cow",
          "diningtable",
          "dog",
          "horse",
          "motorbike",
          "person",
          "pottedplant",
          "sheep",
          "sofa",
          "train",
          "tvmonitor");

  private static final List<String> CITYSCAPES =
      List.of(
          "road",
          "sidewalk",
          "building",
          "wall",
          "fence",
          "pole",
          "traffic light",
          "traffic sign",
          "vegetation",
          "terrain",
          "sky",
          "person",
          "rider",
          "car",
          "truck",
          "bus",
          "train",
          "motorcycle",
          "bicycle");

  /**
   * The label ids of Cityscapes' train ids, from 0 (from labels.py of its scripts). Other ids are
   * ignored.
   */
  private static final int[] CITYSCAPES_IDS = {
    7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33
  };

  private static final int CITYSCAPES_LABELS = 34;

  private final Path root;
  private final Path classFile;
  private final long seed;
  private final boolean strict;
  private final Progress progress;
  private final long memory;
  private final List<SkippedImage> skipped = new ArrayList<>();

  private SegmentationFolder(
      Path root, Path classFile, long seed, boolean strict, Progress progress, long memory) {
    this.root = root;
    this.classFile = classFile;
    this.seed = seed;
    this.strict = strict;
    this.progress = progress;
    this.memory = memory;
  }

  /** An image and its mask. */
  private record Pair(Path image, Path mask, String id) {}

  /**
   * The content of a folder.
   *
   * @param name the name of the layout
   * @param classes the names of the classes, or null to take them from the masks
   * @param labels the label of each value of a mask, -1 for unknown values; null if the value is
   *     the label
   * @param test the test pairs, or null to split the training pairs
   */
  private record Contents(
      String name, List<String> classes, int[] labels, List<Pair> train, List<Pair> test) {}

  /**
   * The result of reading a pair. The image is null if all images together would take too much
   * memory.
   */
  private record Checked(Pair pair, MaskedImage image, PixelSums sums, long[] counts) {}

  /**
   * Opens a folder. Every image and mask is decoded once, by several threads, to find those that
   * cannot be used and to measure the training images. They are kept in memory if they take at most
   * half of the maximum heap size; otherwise they are decoded at every access.
   *
   * @param root the folder
   * @param classes a text file with one class name on each line; null for {@code classes.txt} in
   *     the folder or the names of the layout
   * @param seed the seed for the split of a pair of folders without {@code train/} and {@code
   *     val/}, with a fifth for testing; the split depends only on it and on the names of the files
   * @param strict whether a pair that cannot be used is an error
   * @param progress receives the progress in images
   * @throws DataException if the folder does not exist, has no pairs, or has no usable pairs for
   *     training or for testing, or, if strict, a pair that cannot be used
   */
  public static TrainingData<SegmentationDataset> open(
      Path root, Path classes, long seed, boolean strict, Progress progress) {
    long memory = Runtime.getRuntime().maxMemory() / 2;
    return new SegmentationFolder(root, classes, seed, strict, progress, memory).open();
  }

  /** The same with a limit for the memory of decoded images in bytes. */
  static TrainingData<SegmentationDataset> open(
      Path root, Path classes, long seed, boolean strict, long memory) {
    return new SegmentationFolder(root, classes, seed, strict, Progress.NONE, memory).open();
  }

  private TrainingData<SegmentationDataset> open() {
    if (!Files.isDirectory(root)) {
      throw new DataException(root + ": no such folder");
    }
    Contents contents = contents();
    ClassList list = list(contents);
    List<String> named = list == null ? contents.classes() : list.names();
    Labelling labels = labelling(contents, list, named);
    List<Checked> train = read(contents.train(), labels);
    List<Checked> test = contents.test() == null ? null : read(contents.test(), labels);
    if (isBinary(train, test, named, list, contents)) {
      named = named != null ? named : List.of("0", "255");
      labels = labels.with(MaskedImage.IGNORED, 1);
      LOGGER.warn(
          "{}: the masks have the values 0 and 255 alone; 255 is read as {}", root, named.get(1));
      train = read(contents.train(), labels);
      test = contents.test() == null ? null : read(contents.test(), labels);
    }
    String split = "split as given";
    if (test == null) {
      if (train.size() < 2) {
        throw new DataException(
            root
                + ": "
                + train.size()
                + " usable image; training and testing need at least one each");
      }
      List<Checked> order = new ArrayList<>(train);
      order.sort(comparingLong(pair -> Seeds.mix(seed, pair.pair().id().hashCode())));
      test = order.subList(0, (int) Math.max(1, Math.round(TEST_SHARE * order.size())));
      Set<Checked> testing = new LinkedHashSet<>(test);
      train = train.stream().filter(pair -> !testing.contains(pair)).toList();
      split = "split by seed " + seed;
    }
    require(train, "for training");
    require(test, "for testing");
    List<String> classes = named != null ? named : numbers(train, test);
    checkCounts(classes, train, contents.classes() == null);
    return data(contents, classes, labels, train, test, split);
  }

  /**
   * Opens a folder to evaluate a network that was trained on other images: all images of a folder
   * without a split, or the test images of a split one.
   *
   * @param classes the classes of the network, in the order of its scores. If the folder names its
   *     classes, labels are matched by these names, and pixels of classes that the network does not
   *     know are ignored; otherwise labels are those of the network
   * @throws DataException if the folder has no pairs that can be used or none of the classes, or,
   *     if strict, a pair that cannot be used
   */
  public static EvaluationData<SegmentationDataset> openAll(
      Path root, List<String> classes, boolean strict, Progress progress) {
    long memory = Runtime.getRuntime().maxMemory() / 2;
    return new SegmentationFolder(root, null, 0, strict, progress, memory).openAll(classes);
  }

  private EvaluationData<SegmentationDataset> openAll(List<String> classes) {
    if (!Files.isDirectory(root)) {
      throw new DataException(root + ": no such folder");
    }
    Contents contents = contents();
    ClassList list = list(contents);
    List<String> named = list == null ? contents.classes() : list.names();
    Labelling labels = labelling(contents, list, named != null ? named : classes);
    List<Pair> all = contents.test() != null ? contents.test() : contents.train();
    List<Checked> pairs = read(all, labels);
    boolean binary = isBinary(pairs, null, named != null ? named : classes, list, contents);
    if (binary) {
      labels = labels.with(MaskedImage.IGNORED, 1);
    }
    Map<String, Integer> unknown = new LinkedHashMap<>();
    if (named != null) {
      ClassMatch match = ClassMatch.of(root, named, classes);
      labels = labels.matched(match);
      List<String> there = named;
      IntStream.range(0, there.size())
          .filter(label -> match.label(label) < 0)
          .forEach(label -> unknown.put(there.get(label), 0));
    }
    if (binary || named != null) {
      pairs = read(all, labels);
    }
    require(pairs, "for evaluation");
    return new EvaluationData<>(
        root.toAbsolutePath().normalize().getFileName().toString(),
        contents.test() != null ? "test" : EvaluationData.ALL,
        dataset(classes, labels, pairs),
        unknown,
        skipped);
  }

  private void require(List<Checked> pairs, String what) {
    if (pairs.isEmpty()) {
      throw new DataException(
          root
              + ": no image can be used "
              + what
              + (skipped.isEmpty()
                  ? ""
                  : "; the first reason: "
                      + skipped.get(0).file()
                      + ": "
                      + skipped.get(0).reason()));
    }
  }

  private TrainingData<SegmentationDataset> data(
      Contents contents,
      List<String> classes,
      Labelling labels,
      List<Checked> train,
      List<Checked> test,
      String split) {
    PixelSums sums = new PixelSums(CHANNELS);
    train.forEach(pair -> sums.add(pair.sums()));
    sums.darkness().ifPresent(what -> LOGGER.warn("{}: {}", root, what));
    String name = root.toAbsolutePath().normalize().getFileName().toString();
    String description =
        String.format(
            "%s (%s): %d training and %d test images (%s)%s, RGB, %d classes: %s",
            name,
            contents.name(),
            train.size(),
            test.size(),
            split,
            skipped.isEmpty() ? "" : ", " + skipped.size() + " skipped",
            classes.size(),
            shares(classes, train));
    return new TrainingData<>(
        name,
        description,
        dataset(classes, labels, train),
        dataset(classes, labels, test),
        sums.normalization(),
        skipped);
  }

  private static SegmentationDataset dataset(
      List<String> classes, Labelling labels, List<Checked> pairs) {
    return new SegmentationDataset(
        classes,
        CHANNELS,
        pairs.stream().map(pair -> pair.pair().id()).toList(),
        pairs.stream().map(pair -> List.of(pair.pair().image(), pair.pair().mask())).toList(),
        index -> {
          Checked checked = pairs.get(index);
          try {
            return checked.image() != null ? checked.image() : load(checked.pair(), labels);
          } catch (UnreadableImageException e) {
            throw new DataException(checked.pair().image() + ": " + e.getMessage(), e);
          }
        });
  }

  // The content of the folder.

  private Contents contents() {
    MaskConversion.of(root)
        .ifPresent(
            conversion -> {
              throw new DataException(
                  root
                      + ": is "
                      + conversion.title()
                      + ", which is not read as it stands; fovea data "
                      + root
                      + " --convert OUT writes it as images and masks");
            });
    if (Files.isDirectory(root.resolve("JPEGImages"))
        || Files.isDirectory(root.resolve("SegmentationClass"))) {
      return voc();
    }
    if (Files.isDirectory(root.resolve("leftImg8bit"))
        || Files.isDirectory(root.resolve("gtFine"))) {
      int[] labels = new int[256];
      Arrays.fill(labels, -1);
      Arrays.fill(labels, 0, CITYSCAPES_LABELS, MaskedImage.IGNORED);
      labels[MaskedImage.IGNORED] = MaskedImage.IGNORED;
      for (int i = 0; i < CITYSCAPES_IDS.length; i++) {
        labels[CITYSCAPES_IDS[i]] = i;
      }
      return new Contents("Cityscapes", CITYSCAPES, labels, cityscapes("train"), cityscapes("val"));
    }
    Optional<Contents> plain = plainContents();
    if (plain.isPresent()) {
      return plain.get();
    }
    for (Path below : FolderLayout.subfolders(root)) {
      if (Files.isDirectory(below.resolve("JPEGImages"))) {
        throw new DataException(root + ": did you mean " + below + "? It has the images");
      }
    }
    throw new DataException(
        root
            + ": expected images/ and masks/ (in train/ and val/ or not), JPEGImages/ and"
            + " SegmentationClass/ as Pascal VOC, or leftImg8bit/ and gtFine/ as Cityscapes");
  }

  /** Images and masks in two folders, with the parts above or below them, or without parts. */
  private Optional<Contents> plainContents() {
    String name = "images and masks";
    Map<SplitPart, Path> parts = SplitPart.in(root);
    Path train = parts.get(SplitPart.TRAIN);
    Path test = parts.getOrDefault(SplitPart.VAL, parts.get(SplitPart.TEST));
    if (train != null && test != null && masks(train).isPresent() && masks(test).isPresent()) {
      return Optional.of(
          new Contents(
              name,
              null,
              null,
              plain(images(train), masks(train).get()),
              plain(images(test), masks(test).get())));
    }
    Optional<Path> masks = masks(root);
    if (masks.isEmpty()) {
      return Optional.empty();
    }
    Map<SplitPart, Path> imageParts = SplitPart.in(images(root));
    Map<SplitPart, Path> maskParts = SplitPart.in(masks.get());
    SplitPart testing = imageParts.containsKey(SplitPart.VAL) ? SplitPart.VAL : SplitPart.TEST;
    if (imageParts.containsKey(SplitPart.TRAIN) && imageParts.containsKey(testing)) {
      for (SplitPart part : List.of(SplitPart.TRAIN, testing)) {
        if (!maskParts.containsKey(part)) {
          throw new DataException(
              masks.get() + ": has no " + part + "/, but " + images(root) + " has");
        }
      }
      return Optional.of(
          new Contents(
              name,
              null,
              null,
              plain(imageParts.get(SplitPart.TRAIN), maskParts.get(SplitPart.TRAIN)),
              plain(imageParts.get(testing), maskParts.get(testing))));
    }
    return Optional.of(new Contents(name, null, null, plain(images(root), masks.get()), null));
  }

  private static Path images(Path folder) {
    return folder.resolve("images");
  }

  /** The folder of the masks, if there is one beside a folder of images. */
  private static Optional<Path> masks(Path folder) {
    return Files.isDirectory(images(folder))
        ? Stream.of("masks", "labels", "annotations")
            .map(folder::resolve)
            .filter(Files::isDirectory)
            .findFirst()
        : Optional.empty();
  }

  /**
   * Pascal VOC itself has the lists {@code train.txt} and {@code val.txt}. Annotation tools write the
   * same folders without lists or with one list of all images; then the seed splits them, and the
   * classes are those of the tool's list.
   */
  private Contents voc() {
    Path lists = root.resolve("ImageSets").resolve("Segmentation");
    Path train = lists.resolve("train.txt");
    Path val = lists.resolve("val.txt");
    Path masks = vocMasks();
    Map<String, Path> images = vocImages();
    if (Files.exists(train) && Files.exists(val)) {
      return new Contents(
          "Pascal VOC",
          VOC,
          null,
          voc(listed(train), images, masks),
          voc(listed(val), images, masks));
    }
    Optional<Path> all =
        Stream.of("trainval.txt", "default.txt", "train.txt")
            .map(lists::resolve)
            .filter(Files::exists)
            .findFirst();
    List<String> ids =
        all.isPresent()
            ? listed(all.get())
            : files(masks).stream()
                .filter(FileKinds::isImage)
                .map(mask -> stem(mask.getFileName()))
                .toList();
    if (ids.isEmpty()) {
      throw new DataException(masks + ": contains no masks");
    }
    return new Contents("Pascal VOC's folders", null, null, voc(ids, images, masks), null);
  }

  /** The folder of the masks; older versions of labelme write it under another name. */
  private Path vocMasks() {
    Path png = root.resolve("SegmentationClassPNG");
    Path masks = Files.isDirectory(png) ? png : root.resolve("SegmentationClass");
    for (Path folder : List.of(root.resolve("JPEGImages"), masks)) {
      if (!Files.isDirectory(folder)) {
        throw new DataException(
            folder + ": no such folder; Pascal VOC has the images or masks there");
      }
    }
    return masks;
  }

  /** The images by their names; not all tools write JPEG. */
  private Map<String, Path> vocImages() {
    Path folder = root.resolve("JPEGImages");
    Map<String, Path> byId = new HashMap<>();
    files(folder).stream()
        .filter(FileKinds::isImage)
        .forEach(image -> byId.put(stem(folder.relativize(image)), image));
    return byId;
  }

  private List<Pair> voc(List<String> ids, Map<String, Path> images, Path masks) {
    Path folder = root.resolve("JPEGImages");
    return ids.stream()
        .map(
            id ->
                new Pair(
                    images.getOrDefault(id, folder.resolve(id + ".jpg")),
                    masks.resolve(id + ".png"),
                    id))
        .toList();
  }

  /** The names of a list. */
  private static List<String> listed(Path list) {
    List<String> ids = lines(list);
    for (String id : ids) {
      if (id.contains("/") || id.contains("\\") || id.startsWith(".")) {
        throw new DataException(list + ": not the name of an image: " + id);
      }
    }
    if (ids.isEmpty()) {
      throw new DataException(list + ": contains no names of images");
    }
    return ids;
  }

  private List<Pair> cityscapes(String part) {
    Path images = root.resolve("leftImg8bit").resolve(part);
    String ending = "_leftImg8bit.png";
    return files(images).stream()
        .filter(file -> file.toString().endsWith(ending))
        .map(
            file -> {
              String relative = name(images.relativize(file));
              String id = relative.substring(0, relative.length() - ending.length());
              Path masks = root.resolve("gtFine").resolve(part);
              return new Pair(file, masks.resolve(id + "_gtFine_labelIds.png"), part + "/" + id);
            })
        .toList();
  }

  private List<Pair> plain(Path images, Path masks) {
    Map<String, Path> byName = new HashMap<>();
    files(masks).stream()
        .filter(FileKinds::isImage)
        .forEach(mask -> byName.put(stem(masks.relativize(mask)), mask));
    List<Path> all = files(images).stream().filter(FileKinds::isImage).toList();
    if (all.isEmpty()) {
      throw new DataException(images + ": no images");
    }
    List<String> stems = all.stream().map(image -> stem(images.relativize(image))).toList();
    MaskNames rule = MaskNames.of(stems, byName.keySet());
    List<Pair> pairs = new ArrayList<>();
    for (int i = 0; i < all.size(); i++) {
      String stem = rule.of(stems.get(i));
      Path mask = byName.getOrDefault(stem, masks.resolve(stem + ".png"));
      pairs.add(new Pair(all.get(i), mask, name(root.relativize(all.get(i)))));
    }
    return pairs;
  }

  private static String stem(Path relative) {
    String name = name(relative);
    int dot = name.lastIndexOf('.');
    return dot > name.lastIndexOf('/') ? name.substring(0, dot) : name;
  }

  private static String name(Path relative) {
    return relative.toString().replace(relative.getFileSystem().getSeparator(), "/");
  }

  private static List<Path> files(Path folder) {
    try (Stream<Path> files = Files.walk(folder, FileVisitOption.FOLLOW_LINKS)) {
      return files
          .filter(file -> Files.isRegularFile(file) || FolderLayout.leadsNowhere(file))
          .filter(file -> !file.getFileName().toString().startsWith("."))
          .sorted(comparing(Path::toString))
          .toList();
    } catch (IOException e) {
      throw new DataException(folder + ": cannot be listed: " + e.getMessage(), e);
    }
  }

  // Classes.

  /** The list of classes in the folder, or the one that was given; null if there is none. */
  private ClassList list(Contents contents) {
    Path file = classFile;
    for (String name : List.of("classes.txt", "labelmap.txt", "class_names.txt")) {
      if (file == null && Files.isRegularFile(root.resolve(name))) {
        file = root.resolve(name);
      }
    }
    if (file == null) {
      return null;
    }
    ClassList list = ClassList.read(file);
    int count = list.names().size();
    if (count < 2 || count > MOST_CLASSES) {
      throw new DataException(
          file + ": expected 2 to " + MOST_CLASSES + " classes, one on each line, found " + count);
    }
    if (contents.labels() != null && count != contents.classes().size()) {
      throw new DataException(
          file
              + ": "
              + count
              + " classes; "
              + contents.name()
              + " has "
              + contents.classes().size());
    }
    return list;
  }

  /** How the values or colours of masks become labels. */
  private static Labelling labelling(Contents contents, ClassList list, List<String> named) {
    if (contents.labels() != null) {
      return new Labelling(contents.labels().clone(), Map.of());
    }
    if (list != null && !list.values().isEmpty()) {
      return Labelling.ofValues(list.values());
    }
    return Labelling.of(named == null ? MOST_CLASSES : named.size())
        .withColours(list == null ? List.of() : list.colours());
  }

  /**
   * Whether the masks have the values 0 and 255 alone, as tools for two classes write them. Then
   * 255 is a class, although it usually means "ignore".
   */
  private static boolean isBinary(
      List<Checked> train,
      List<Checked> test,
      List<String> named,
      ClassList list,
      Contents contents) {
    if (contents.labels() != null
        || (named != null && named.size() != 2)
        || (list != null && (!list.values().isEmpty() || !list.colours().isEmpty()))) {
      return false;
    }
    long[] counts = counts(train, test == null ? List.of() : test);
    return counts[0] > 0
        && counts[MaskedImage.IGNORED] > 0
        && LongStream.of(counts).sum() == counts[0] + counts[MaskedImage.IGNORED];
  }

  private static long[] counts(List<Checked> pairs, List<Checked> others) {
    long[] counts = new long[256];
    Stream.concat(pairs.stream(), others.stream())
        .forEach(pair -> Arrays.setAll(counts, value -> counts[value] + pair.counts()[value]));
    return counts;
  }

  /**
   * Refuses training masks from which nothing can be learnt, and names classes without pixels.
   *
   * @param own whether the values of the masks are the user's own, not those of a known data set
   */
  private void checkCounts(List<String> classes, List<Checked> train, boolean own) {
    long[] counts = counts(train, List.of());
    List<String> there = new ArrayList<>();
    List<String> missing = new ArrayList<>();
    for (int label = 0; label < classes.size(); label++) {
      (counts[label] > 0 ? there : missing).add(classes.get(label));
    }
    if (there.isEmpty()) {
      throw new DataException(
          root
              + ": no pixel of the training masks has a class; all values are 255, which means"
              + " \"ignore\"");
    }
    if (own && there.size() == 1) {
      throw new DataException(
          root
              + ": every pixel of the training masks is "
              + there.get(0)
              + ", so there is nothing"
              + " to learn; are the values of the masks the lines of the class list, from 0?");
    }
    if (!missing.isEmpty()) {
      LOGGER.warn("{}: no training mask has a pixel of {}", root, FolderLayout.some(missing));
    }
  }

  /** The classes with their shares of the training pixels: {@code ground 82 %, block 18 %}. */
  private static String shares(List<String> classes, List<Checked> train) {
    long[] counts = counts(train, List.of());
    counts[MaskedImage.IGNORED] = 0;
    double all = Math.max(1, LongStream.of(counts).sum());
    return FolderLayout.some(
        IntStream.range(0, classes.size())
            .mapToObj(
                label ->
                    String.format(
                        Locale.ROOT, "%s %.1f %%", classes.get(label), 100 * counts[label] / all))
            .toList());
  }

  private static List<String> lines(Path file) {
    try {
      return Files.readAllLines(file).stream()
          .map(String::strip)
          .filter(line -> !line.isEmpty())
          .toList();
    } catch (NoSuchFileException e) {
      throw new DataException(file + ": no such file", e);
    } catch (IOException e) {
      throw new DataException(file + ": cannot be read: " + e.getMessage(), e);
    }
  }

  /** Takes the labels up to the highest one as classes. */
  private List<String> numbers(List<Checked> train, List<Checked> test) {
    long[] counts = counts(train, test);
    List<Integer> there =
        IntStream.range(0, MaskedImage.IGNORED).filter(value -> counts[value] > 0).boxed().toList();
    int highest = there.isEmpty() ? 0 : there.get(there.size() - 1);
    if (highest < 1) {
      throw new DataException(root + ": the masks have one class only");
    }
    if (highest > 2 * there.size()) { // values of a tool, such as 0 and 128, are not labels
      throw new DataException(
          String.format(
              "%s: the masks have the values %s, expected labels 0, 1, ...; write classes.txt with"
                  + " a line for each value, such as \"%d: NAME\"",
              root, FolderLayout.some(there.stream().map(String::valueOf).toList()), highest));
    }
    return IntStream.rangeClosed(0, highest).mapToObj(Integer::toString).toList();
  }

  // Reading.

  private List<Checked> read(List<Pair> pairs, Labelling labels) {
    boolean keep = keep(pairs);
    progress.begin("Reading " + root.getFileName(), pairs.size());
    ExecutorService readers =
        Executors.newFixedThreadPool(
            Math.min(MAX_DECODERS, Runtime.getRuntime().availableProcessors()),
            task -> {
              Thread thread = new Thread(task, "fovea-decoder");
              thread.setDaemon(true);
              return thread;
            });
    try {
      List<Future<Checked>> futures =
          pairs.stream().map(pair -> readers.submit(() -> check(pair, labels, keep))).toList();
      List<Checked> usable = new ArrayList<>();
      for (int i = 0; i < pairs.size(); i++) {
        try {
          usable.add(futures.get(i).get());
        } catch (ExecutionException e) {
          skip(pairs.get(i), e.getCause());
        }
        progress.step(1);
      }
      return usable;
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new DataException(root + ": reading was interrupted", e);
    } finally {
      readers.shutdownNow();
      progress.end();
    }
  }

  /** Whether all images fit into memory, if they are as large as the first. */
  private boolean keep(List<Pair> pairs) {
    if (pairs.isEmpty()) {
      return true;
    }
    try {
      ImageHeader first = ImageHeader.of(Files.readAllBytes(pairs.get(0).image()));
      return first.width() * first.height() * (CHANNELS + 1) * pairs.size() <= memory / 2;
    } catch (IOException | UnreadableImageException e) {
      return false; // the fault is reported when the image is read
    }
  }

  private void skip(Pair pair, Throwable reason) {
    if (!(reason instanceof UnreadableImageException)) {
      throw new IllegalStateException(pair.image() + ": " + reason, reason);
    }
    if (strict) {
      throw new DataException(pair.image() + ": " + reason.getMessage(), reason);
    }
    LOGGER.warn("{}: skipped: {}", pair.image(), reason.getMessage());
    skipped.add(new SkippedImage(pair.id(), reason.getMessage()));
  }

  private Checked check(Pair pair, Labelling labels, boolean keep) throws UnreadableImageException {
    MaskedImage image = load(pair, labels);
    PixelSums sums = new PixelSums(CHANNELS);
    sums.add(image.image().pixels());
    long[] counts = new long[256];
    for (byte label : image.labels()) {
      counts[Byte.toUnsignedInt(label)]++;
    }
    return new Checked(pair, keep ? image : null, sums, counts);
  }

  private static MaskedImage load(Pair pair, Labelling labels) throws UnreadableImageException {
    Masks.Mask mask;
    try {
      mask = Masks.read(pair.mask());
    } catch (UnreadableImageException e) {
      throw new UnreadableImageException("its mask " + pair.mask() + ": " + e.getMessage(), e);
    }
    Image pixels = Images.loadWhole(pair.image(), CHANNELS);
    boolean stored = mask.height() == pixels.width() && mask.width() == pixels.height();
    if (stored && mask.height() != mask.width()) {
      // the mask was drawn over the image as it is stored, before its EXIF orientation
      pixels = Images.loadStored(pair.image(), CHANNELS);
    }
    if (mask.height() != pixels.height() || mask.width() != pixels.width()) {
      throw new UnreadableImageException(
          String.format(
              "its mask %s has %d x %d pixels, the image %d x %d",
              pair.mask(), mask.width(), mask.height(), pixels.width(), pixels.height()));
    }
    if (mask.coloured() && labels.colours().isEmpty()) {
      throw new UnreadableImageException(
          "its mask "
              + pair.mask()
              + ": a mask must be a PNG with a palette or in greyscale, found 3 channels; or"
              + " labelmap.txt must list the colours of the classes (NAME:R,G,B)");
    }
    byte[] values = new byte[mask.values().length];
    for (int i = 0; i < values.length; i++) {
      int label = labels.label(mask, i);
      if (label < 0) {
        throw new UnreadableImageException(
            String.format(
                "its mask %s has the unknown %s at row %d, column %d",
                pair.mask(),
                mask.coloured()
                    ? String.format("colour #%06x", mask.values()[i])
                    : "label " + mask.values()[i],
                i / mask.width(),
                i % mask.width()));
      }
      values[i] = (byte) label;
    }
    return new MaskedImage(pixels, values);
  }
}
