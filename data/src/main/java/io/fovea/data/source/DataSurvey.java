package io.fovea.data.source;

import io.fovea.data.DataException;
import io.fovea.data.Dataset;
import io.fovea.data.ImageDataset;
import io.fovea.data.Progress;
import io.fovea.data.SkippedImage;
import io.fovea.data.TrainingData;
import io.fovea.data.UnreadableImageException;
import io.fovea.data.folder.NaturalOrder;
import io.fovea.data.image.ImageHeader;
import io.fovea.data.image.Images;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.IntStream;

/**
 * What there is to know about the files of a data set before a training: how many there are of each
 * class, how large they are, which were skipped, and which are there more than once.
 *
 * @param counts the number of samples of each class; empty for images with masks
 * @param sizes the sizes of the image files, as they are stored, by their number of pixels
 * @param skipped the names of skipped files, by the reason
 * @param damaged the names of JPEG files that can be read, but have missing or superfluous data, so that
 *     a part of the picture may be wrong
 * @param betweenParts groups of files with the same content that are in both parts
 * @param betweenClasses groups of files with the same content that are under different classes
 * @param repeated groups of files with the same content in one part and one class
 * @param naturalOrder the classes in the order of timm, which sorts numbers in names by value, if it
 *     differs from this order; empty otherwise
 */
public record DataSurvey(
    List<ClassCount> counts,
    List<Size> sizes,
    Map<String, List<String>> skipped,
    List<String> damaged,
    List<List<String>> betweenParts,
    List<List<String>> betweenClasses,
    List<List<String>> repeated,
    List<String> naturalOrder) {

  /** The number of samples of a class. */
  public record ClassCount(String name, int train, int test) {}

  /** The size of an image in pixels. */
  public record Size(long width, long height) {
    @Override
    public String toString() {
      return width + " x " + height;
    }
  }

  private record File(String id, boolean train, int label, Path path) {}

  /** The size is null for a video. */
  private record Looked(File file, String hash, Size size, boolean damaged) {}

  /**
   * Reads all files of a data set once.
   *
   * @param data the data set
   * @param progress receives the progress in files
   * @throws DataException if a file cannot be read any more
   */
  public static DataSurvey of(TrainingData<?> data, Progress progress) {
    Map<String, List<String>> skipped = new LinkedHashMap<>();
    for (SkippedImage one : data.skipped()) {
      skipped.computeIfAbsent(one.reason(), reason -> new ArrayList<>()).add(one.file());
    }
    List<File> files = new ArrayList<>();
    add(files, data.train(), true);
    add(files, data.test(), false);
    progress.begin("looking at " + data.name(), files.size());
    List<Looked> all =
        files.parallelStream()
            .filter(file -> file.path() != null)
            .map(
                file -> {
                  Looked looked = look(file);
                  synchronized (progress) {
                    progress.step(1);
                  }
                  return looked;
                })
            .toList();
    progress.end();
    List<Size> sizes =
        new ArrayList<>(all.stream().map(Looked::size).filter(Objects::nonNull).toList());
    Map<String, List<File>> byContent = new LinkedHashMap<>();
    all.forEach(
        one -> byContent.computeIfAbsent(one.hash(), hash -> new ArrayList<>()).add(one.file()));
    List<String> damaged =
        all.stream().filter(Looked::damaged).map(one -> one.file().id()).toList();
    sizes.sort(Comparator.comparingLong(size -> size.width() * size.height()));
    List<List<String>> betweenParts = new ArrayList<>();
    List<List<String>> betweenClasses = new ArrayList<>();
    List<List<String>> repeated = new ArrayList<>();
    for (List<File> same : byContent.values()) {
      if (same.size() > 1) {
        List<String> ids = same.stream().map(File::id).toList();
        boolean classes = same.stream().map(File::label).distinct().count() > 1;
        boolean parts = same.stream().map(File::train).distinct().count() > 1;
        (classes ? betweenClasses : parts ? betweenParts : repeated).add(ids);
      }
    }
    List<String> natural = new ArrayList<>(data.classes());
    if (data.train() instanceof ImageDataset) { // the classes of pixels have the order of a list
      natural.sort(NaturalOrder::compare);
    }
    return new DataSurvey(
        counts(data),
        sizes,
        skipped,
        damaged,
        betweenParts,
        betweenClasses,
        repeated,
        natural.equals(data.classes()) ? List.of() : Collections.unmodifiableList(natural));
  }

  private static void add(List<File> files, Dataset<?> part, boolean train) {
    for (int i = 0; i < part.size(); i++) {
      int label = part instanceof ImageDataset images ? images.label(i) : -1;
      List<Path> sources = part.files(i);
      boolean frames = label >= 0 && sources.size() > 1; // a folder of frames is not looked into
      Path first = sources.isEmpty() || frames ? null : sources.get(0);
      files.add(new File(part.id(i), train, label, first));
    }
  }

  private static List<ClassCount> counts(TrainingData<?> data) {
    if (data.train() instanceof ImageDataset train && data.test() instanceof ImageDataset test) {
      return IntStream.range(0, data.classes().size())
          .mapToObj(
              label ->
                  new ClassCount(
                      data.classes().get(label), count(train, label), count(test, label)))
          .toList();
    }
    return List.of();
  }

  private static int count(ImageDataset part, int label) {
    return (int) IntStream.range(0, part.size()).filter(i -> part.label(i) == label).count();
  }

  private static byte[] content(Path file) {
    try {
      return Files.readAllBytes(file);
    } catch (IOException e) {
      throw new DataException(file + ": cannot be read: " + e.getMessage(), e);
    }
  }

  private static Looked look(File file) {
    byte[] content = content(file.path());
    return new Looked(file, hash(content), size(content), Images.maybeDamagedInside(content));
  }

  private static Size size(byte[] content) {
    try {
      ImageHeader header = ImageHeader.of(content);
      return new Size(header.width(), header.height());
    } catch (UnreadableImageException e) {
      return null;
    }
  }

  private static String hash(byte[] content) {
    try {
      return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(content));
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e); // every Java has it
    }
  }
}
