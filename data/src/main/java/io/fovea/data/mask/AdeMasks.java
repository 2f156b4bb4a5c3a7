package io.fovea.data.mask;

import io.fovea.data.DataException;
import io.fovea.data.MaskedImage;
import io.fovea.data.UnreadableImageException;
import io.fovea.data.folder.FileKinds;
import io.fovea.data.folder.SplitPart;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * ADE20K's scene parsing ({@code ADEChallengeData2016}): the values of its masks are 1 to 150, and 0 stands
 * for everything else, which is ignored. So each label is one less than its value.
 */
final class AdeMasks implements MaskConversion.Source {
  private static final int CLASSES = 150;
  private static final String NAMES = "objectInfo150.txt";

  private final Map<SplitPart, List<Path>> images = new LinkedHashMap<>();
  private final Path masks;
  private final List<String> classes;

  private AdeMasks(Path root) throws IOException {
    masks = root.resolve("annotations");
    classes = classes(root.resolve(NAMES));
    for (Map.Entry<SplitPart, Path> part : SplitPart.in(root.resolve("images")).entrySet()) {
      try (Stream<Path> files = Files.list(part.getValue())) {
        images.put(part.getKey(), files.filter(FileKinds::isImage).sorted().toList());
      }
    }
  }

  static Optional<MaskConversion.Source> of(Path root) {
    boolean named =
        Files.isRegularFile(root.resolve(NAMES))
            || root.toAbsolutePath()
                .normalize()
                .getFileName()
                .toString()
                .startsWith("ADEChallengeData");
    if (!named
        || !Files.isDirectory(root.resolve("images").resolve("training"))
        || !Files.isDirectory(root.resolve("annotations").resolve("training"))) {
      return Optional.empty();
    }
    try {
      return Optional.of(new AdeMasks(root));
    } catch (IOException e) {
      throw new DataException(root + ": cannot be read: " + e.getMessage(), e);
    }
  }

  /** The last column of a line has the names of a class, the usual one first. */
  private static List<String> classes(Path file) throws IOException {
    if (!Files.isRegularFile(file)) {
      return IntStream.rangeClosed(1, CLASSES).mapToObj(Integer::toString).toList();
    }
    List<String> all = new ArrayList<>();
    for (String line : Files.readAllLines(file)) {
      String[] columns = line.strip().split("\t", -1);
      if (columns.length > 1 && columns[0].matches("\\d+")) {
        String names = columns[columns.length - 1].strip();
        String first = names.replaceFirst(",.*", "").strip();
        all.add(all.contains(first) ? names : first);
      }
    }
    if (all.size() != CLASSES) {
      throw new DataException(
          file + ": expected a line for each of " + CLASSES + " classes, found " + all.size());
    }
    return all;
  }

  @Override
  public String title() {
    return "ADE20K, in whose masks 0 is ignored";
  }

  @Override
  public List<String> classes() {
    return classes;
  }

  @Override
  public int size() {
    return images.values().stream().mapToInt(List::size).sum();
  }

  @Override
  public void each(MaskConversion.Receiver receiver) throws IOException {
    Map<SplitPart, Path> folders = SplitPart.in(masks);
    for (Map.Entry<SplitPart, List<Path>> part : images.entrySet()) {
      Path folder = folders.getOrDefault(part.getKey(), masks);
      for (Path image : part.getValue()) {
        String name = image.getFileName().toString().replaceFirst("\\.[^.]*$", "") + ".png";
        receiver.take(part.getKey(), image, () -> labels(folder.resolve(name)));
      }
    }
  }

  private static MaskConversion.Labels labels(Path file) throws UnreadableImageException {
    Masks.Mask mask = Masks.read(file);
    byte[] labels = new byte[mask.values().length];
    for (int i = 0; i < labels.length; i++) {
      int value = mask.values()[i];
      if (mask.coloured() || value > CLASSES) {
        throw new UnreadableImageException(
            "its mask " + file + " has the value " + value + ", expected 0 to " + CLASSES);
      }
      labels[i] = (byte) (value == 0 ? MaskedImage.IGNORED : value - 1);
    }
    return new MaskConversion.Labels(labels, mask.height(), mask.width());
  }
}
