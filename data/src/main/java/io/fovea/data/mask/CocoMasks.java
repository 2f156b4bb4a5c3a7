package io.fovea.data.mask;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.fovea.data.DataException;
import io.fovea.data.MaskedImage;
import io.fovea.data.UnreadableImageException;
import io.fovea.data.folder.SplitPart;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.Stream;

/**
 * COCO's panoptic annotations ({@code panoptic_val2017.json} beside a folder of this name with a PNG for
 * each image), stuff annotations ({@code stuff_val2017.json} with run lengths) and objects ({@code
 * instances_val2017.json} with polygons and run lengths, which many tools write). The classes are the
 * categories in the order of their ids; pixels without a category are ignored. Objects leave a background,
 * which is the first class, and pixels of objects of several classes are ignored.
 *
 * <p>The files may be larger than the memory, so they are read item by item. Only the polygons and run
 * lengths are kept, because those of an image may stand anywhere in the file.
 */
final class CocoMasks implements MaskConversion.Source {
  private static final ObjectMapper MAPPER = new ObjectMapper();
  private static final long MOST_PIXELS = 100_000_000;
  private static final String BACKGROUND = "background";

  /** Folders of annotations; those of parts are Roboflow's. */
  private static final List<String> FOLDERS =
      List.of("", "annotations", "train", "valid", "val", "test");

  /** The kinds of annotations; of several in a folder, the first is taken. */
  private enum Kind {
    PANOPTIC("COCO's panoptic annotations"),
    STUFF("COCO's stuff annotations"),
    OBJECTS("COCO's objects");

    private final String title;

    Kind(String title) {
      this.title = title;
    }
  }

  /** An annotation file and the kind of its annotations. */
  private record Annotations(Path file, Kind kind) {
    /** The name without {@code panoptic_} or {@code stuff_}: {@code val2017}. */
    String name() {
      return file.getFileName()
          .toString()
          .replaceFirst("\\.json$", "")
          .replaceFirst("^(panoptic|stuff|instances)_", "");
    }

    SplitPart part() {
      SplitPart part = part(name());
      Path folder = file.toAbsolutePath().getParent().getFileName();
      return part == null && folder != null && FOLDERS.contains(folder.toString())
          ? part(folder.toString())
          : part;
    }

    private static SplitPart part(String name) {
      String lower = name.toLowerCase(Locale.ROOT);
      return lower.contains("train")
          ? SplitPart.TRAIN
          : lower.contains("val") ? SplitPart.VAL : lower.contains("test") ? SplitPart.TEST : null;
    }
  }

  /** An image of a file, by its id there. */
  private record Entry(String file, int height, int width) {}

  private interface Item {
    void read(JsonNode node) throws IOException;
  }

  private final Path root;
  private final List<Annotations> files;
  private final Map<Integer, Integer> labels = new HashMap<>(); // by the id of a category
  private final List<String> classes;
  private int images;

  private CocoMasks(Path root, List<Annotations> files) throws IOException {
    this.root = root;
    this.files = files;
    Map<Integer, String> names = new TreeMap<>();
    for (Annotations one : files) {
      items(
          one.file(),
          "categories",
          node -> names.put(node.path("id").asInt(), node.path("name").asText()));
      items(one.file(), "images", node -> images++);
    }
    int first = files.get(0).kind() == Kind.OBJECTS ? 1 : 0;
    names.keySet().forEach(id -> labels.put(id, labels.size() + first));
    List<String> all = new ArrayList<>(names.values());
    if (first == 1) {
      all.add(0, BACKGROUND);
    }
    classes = List.copyOf(all);
    if (classes.size() < 2 || classes.size() > MaskConversion.MOST_CLASSES) {
      throw new DataException(
          files.get(0).file()
              + ": expected 2 to "
              + MaskConversion.MOST_CLASSES
              + " categories, found "
              + classes.size());
    }
  }

  static Optional<MaskConversion.Source> of(Path root) {
    boolean plain =
        Files.isDirectory(root.resolve("masks")) || Files.isDirectory(root.resolve("labels"));
    if (plain || !Files.isDirectory(root)) {
      return Optional.empty();
    }
    try {
      List<Annotations> found = new ArrayList<>();
      for (Path folder : FOLDERS.stream().map(root::resolve).toList()) {
        if (Files.isDirectory(folder)) {
          try (Stream<Path> all = Files.list(folder)) {
            for (Path file : all.filter(CocoMasks::isJson).sorted().toList()) {
              kind(file).ifPresent(found::add);
            }
          }
        }
      }
      Optional<Kind> kind = found.stream().map(Annotations::kind).min(Comparator.naturalOrder());
      if (kind.isEmpty()) {
        return Optional.empty();
      }
      return Optional.of(
          new CocoMasks(root, found.stream().filter(one -> one.kind() == kind.get()).toList()));
    } catch (IOException e) {
      throw new DataException(root + ": cannot be read: " + e.getMessage(), e);
    }
  }

  private static boolean isJson(Path file) {
    return file.getFileName().toString().endsWith(".json") && Files.isRegularFile(file);
  }

  /** Looks at the first annotation of a file. */
  private static Optional<Annotations> kind(Path file) throws IOException {
    try (JsonParser parser = MAPPER.getFactory().createParser(file.toFile())) {
      if (parser.nextToken() != JsonToken.START_OBJECT || !find(parser, "annotations")) {
        return Optional.empty();
      }
      if (parser.nextToken() != JsonToken.START_OBJECT) {
        return Optional.empty();
      }
      JsonNode first = MAPPER.readTree(parser);
      JsonNode segmentation = first.path("segmentation");
      boolean objects =
          file.getFileName().toString().startsWith("instances"); // or a crowd is first
      Kind kind =
          first.has("segments_info")
              ? Kind.PANOPTIC
              : first.has("keypoints")
                  ? null
                  : segmentation.isArray() || (segmentation.has("counts") && objects)
                      ? Kind.OBJECTS
                      : segmentation.has("counts") ? Kind.STUFF : null; // captions, boxes
      return Optional.ofNullable(kind).map(each -> new Annotations(file, each));
    } catch (com.fasterxml.jackson.core.JsonProcessingException e) {
      return Optional.empty(); // another tool's
    }
  }

  /** Goes to the beginning of an array of the root object. */
  private static boolean find(JsonParser parser, String name) throws IOException {
    while (parser.nextToken() == JsonToken.FIELD_NAME) {
      boolean here = parser.currentName().equals(name);
      if (parser.nextToken() == JsonToken.START_ARRAY && here) {
        return true;
      }
      parser.skipChildren();
    }
    return false;
  }

  private static void items(Path file, String name, Item item) throws IOException {
    try (JsonParser parser = MAPPER.getFactory().createParser(file.toFile())) {
      if (parser.nextToken() == JsonToken.START_OBJECT && find(parser, name)) {
        while (parser.nextToken() == JsonToken.START_OBJECT) {
          item.read(MAPPER.readTree(parser));
        }
      }
    } catch (com.fasterxml.jackson.core.JsonProcessingException e) {
      throw new DataException(file + ": damaged JSON: " + e.getOriginalMessage(), e);
    }
  }

  @Override
  public String title() {
    return files.get(0).kind().title;
  }

  @Override
  public List<String> classes() {
    return classes;
  }

  @Override
  public int size() {
    return images;
  }

  @Override
  public void each(MaskConversion.Receiver receiver) throws IOException {
    for (Annotations one : files) {
      Map<Long, Entry> entries = new LinkedHashMap<>();
      items(
          one.file(),
          "images",
          node ->
              entries.put(
                  node.path("id").asLong(),
                  new Entry(
                      node.path("file_name").asText(),
                      node.path("height").asInt(),
                      node.path("width").asInt())));
      Path folder = imageFolder(one, entries);
      switch (one.kind()) {
        case PANOPTIC -> panoptic(one, entries, folder, receiver);
        case STUFF -> areas(one, entries, folder, receiver, CocoMasks::ofStuff);
        case OBJECTS -> areas(one, entries, folder, receiver, CocoMasks::ofObjects);
      }
    }
  }

  /** The folder that has the first image that is there. */
  private Path imageFolder(Annotations one, Map<Long, Entry> entries) {
    List<Path> folders =
        List.of(
            root.resolve(one.name()),
            root.resolve("images").resolve(one.name()),
            root.resolve("images"),
            one.file().toAbsolutePath().getParent(),
            root);
    return entries.values().stream()
        .limit(100)
        .flatMap(
            entry ->
                folders.stream()
                    .filter(folder -> Files.isRegularFile(inside(folder, entry.file()))))
        .findFirst()
        .orElseThrow(
            () ->
                new DataException(
                    one.file()
                        + ": its images are neither in "
                        + folders.get(0)
                        + " nor in "
                        + folders.get(1)
                        + " nor in "
                        + folders.get(2)));
  }

  /** A file that a JSON file names; it must not lead out of the folder. */
  private static Path inside(Path folder, String name) {
    try {
      Path file = folder.resolve(name).normalize();
      if (file.startsWith(folder.normalize())) {
        return file;
      }
    } catch (InvalidPathException e) {
      // such as one with a zero byte, which no file has
    }
    throw new DataException("not the name of a file in " + folder + ": " + name);
  }

  private void panoptic(
      Annotations one, Map<Long, Entry> entries, Path folder, MaskConversion.Receiver receiver)
      throws IOException {
    Path masks = one.file().resolveSibling("panoptic_" + one.name());
    if (!Files.isDirectory(masks)) {
      throw new DataException(
          one.file()
              + ": its masks are not there; unpack panoptic_"
              + one.name()
              + ".zip to "
              + masks);
    }
    items(
        one.file(),
        "annotations",
        node -> {
          Entry entry = entries.get(node.path("image_id").asLong());
          if (entry == null) {
            throw new DataException(one.file() + ": no image " + node.path("image_id"));
          }
          Map<Integer, Integer> segments = new HashMap<>();
          for (JsonNode segment : node.path("segments_info")) {
            Integer label = labels.get(segment.path("category_id").asInt());
            if (label == null) {
              throw new DataException(one.file() + ": no category " + segment.path("category_id"));
            }
            segments.put(segment.path("id").asInt(), label);
          }
          Path mask = inside(masks, node.path("file_name").asText());
          receiver.take(one.part(), inside(folder, entry.file()), () -> ofSegments(mask, segments));
        });
  }

  /** The id of a segment is red + 256 green + 65536 blue. */
  private static MaskConversion.Labels ofSegments(Path file, Map<Integer, Integer> segments)
      throws UnreadableImageException {
    Masks.Mask mask = Masks.read(file);
    byte[] labels = new byte[mask.values().length];
    for (int i = 0; i < labels.length; i++) {
      int colour = mask.values()[i];
      int id =
          mask.coloured() ? (colour >> 16) | (colour & 0xff00) | ((colour & 0xff) << 16) : colour;
      Integer label = segments.get(id);
      if (label == null && id != 0) {
        throw new UnreadableImageException("its mask " + file + " has the unknown segment " + id);
      }
      labels[i] = (byte) (label == null ? MaskedImage.IGNORED : label);
    }
    return new MaskConversion.Labels(labels, mask.height(), mask.width());
  }

  /** A part of an image that has a category. */
  private record Area(int label, JsonNode segmentation) {
    /** Its pixels, column by column. */
    BitSet pixels(Entry image) throws UnreadableImageException {
      return segmentation.isArray() ? ofPolygons(image) : ofRuns(image);
    }

    private BitSet ofPolygons(Entry image) throws UnreadableImageException {
      BitSet pixels = new BitSet();
      for (JsonNode polygon : segmentation) {
        double[] points = new double[polygon.size()];
        Arrays.setAll(points, i -> polygon.path(i).asDouble());
        pixels.or(Polygons.pixels(points, image.height(), image.width()));
      }
      return pixels;
    }

    private BitSet ofRuns(Entry image) throws UnreadableImageException {
      JsonNode size = segmentation.path("size");
      if (size.path(0).asInt() != image.height() || size.path(1).asInt() != image.width()) {
        throw new UnreadableImageException("its annotations have another size");
      }
      BitSet pixels = new BitSet();
      long all = (long) image.height() * image.width();
      long at = 0;
      boolean inside = false;
      for (long length : counts(segmentation.path("counts"))) {
        if (length < 0 || length > all - at) {
          throw new UnreadableImageException("its run lengths lead out of the image");
        }
        if (inside) {
          pixels.set((int) at, (int) (at + length));
        }
        at += length;
        inside = !inside;
      }
      return pixels;
    }
  }

  private interface Painter {
    byte[] labels(List<Area> areas, Entry image) throws UnreadableImageException;
  }

  private void areas(
      Annotations one,
      Map<Long, Entry> entries,
      Path folder,
      MaskConversion.Receiver receiver,
      Painter painter)
      throws IOException {
    Map<Long, List<Area>> all = new HashMap<>();
    items(
        one.file(),
        "annotations",
        node -> {
          Integer label = labels.get(node.path("category_id").asInt());
          if (label == null) {
            throw new DataException(one.file() + ": no category " + node.path("category_id"));
          }
          all.computeIfAbsent(node.path("image_id").asLong(), any -> new ArrayList<>())
              .add(new Area(label, node.path("segmentation")));
        });
    for (Map.Entry<Long, Entry> image : entries.entrySet()) {
      List<Area> areas = all.getOrDefault(image.getKey(), List.of());
      Entry entry = image.getValue();
      receiver.take(
          one.part(),
          inside(folder, entry.file()),
          () -> {
            long pixels = (long) entry.height() * entry.width();
            if (entry.height() < 1 || entry.width() < 1 || pixels > MOST_PIXELS) {
              throw new UnreadableImageException(
                  "its size is " + entry.width() + " x " + entry.height() + " in the annotations");
            }
            return new MaskConversion.Labels(
                painter.labels(areas, entry), entry.height(), entry.width());
          });
    }
  }

  /** Of overlapping annotations the last wins; other pixels are ignored. */
  private static byte[] ofStuff(List<Area> areas, Entry image) throws UnreadableImageException {
    byte[] labels = new byte[image.height() * image.width()];
    Arrays.fill(labels, (byte) MaskedImage.IGNORED);
    for (Area area : areas) {
      area.pixels(image).stream().forEach(i -> labels[place(i, image)] = (byte) area.label());
    }
    return labels;
  }

  /** Pixels of objects of several classes are ignored; other pixels are background. */
  private static byte[] ofObjects(List<Area> areas, Entry image) throws UnreadableImageException {
    byte[] labels = new byte[image.height() * image.width()];
    for (Area area : areas) {
      byte own = (byte) area.label();
      area.pixels(image).stream()
          .map(i -> place(i, image))
          .forEach(
              i ->
                  labels[i] =
                      labels[i] == 0 || labels[i] == own ? own : (byte) MaskedImage.IGNORED);
    }
    return labels;
  }

  /** The place in rows of a pixel that is counted in columns. */
  private static int place(int pixel, Entry image) {
    return pixel % image.height() * image.width() + pixel / image.height();
  }

  /**
   * Run lengths, in a list or as COCO's text: numbers of 5 bits a character, the lowest first, with their
   * sign in the last; from the fourth on, the difference to the one before the last.
   */
  static long[] counts(JsonNode counts) throws UnreadableImageException {
    if (counts.isArray()) {
      long[] list = new long[counts.size()];
      Arrays.setAll(list, i -> counts.path(i).asLong());
      return list;
    }
    String text = counts.asText();
    long[] list = new long[text.length()];
    int size = 0;
    for (int at = 0; at < text.length(); ) {
      long value = 0;
      int shift = 0;
      int bits;
      do {
        bits = at < text.length() ? text.charAt(at++) - '0' : -1;
        if (bits < 0 || bits > 63 || shift > 40) {
          throw new UnreadableImageException("its run lengths are damaged");
        }
        value |= (long) (bits & 0x1f) << shift;
        shift += 5;
      } while ((bits & 0x20) != 0);
      if ((bits & 0x10) != 0) {
        value |= -1L << shift;
      }
      list[size] = size > 2 ? value + list[size - 2] : value;
      size++;
    }
    return Arrays.copyOf(list, size);
  }
}
