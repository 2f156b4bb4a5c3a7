package io.fovea.benchmarks;

import io.fovea.app.Fovea;
import io.fovea.data.Image;
import io.fovea.data.Progress;
import io.fovea.data.bundled.FashionMnist;
import io.fovea.data.folder.ClassList;
import io.fovea.data.image.Images;
import io.fovea.data.video.VideoSource;
import io.fovea.errors.FoveaException;
import io.fovea.models.weights.Checkpoint;
import io.fovea.models.weights.Safetensors;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.stream.Stream;
import java.util.zip.CRC32;
import java.util.zip.GZIPInputStream;
import java.util.zip.GZIPOutputStream;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;
import java.util.zip.ZipInputStream;
import java.util.zip.ZipOutputStream;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.IntPointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.opencv.global.opencv_imgcodecs;
import org.bytedeco.opencv.opencv_core.Mat;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/** The kinds of files that {@link Mutations} damages, with whole files of each and with what reads them. */
@SuppressWarnings("ImmutableEnumChecker") // its functions have no state
enum FileKind {
  CHECKPOINT(
      ".pt", (project, made) -> checkpoints(project, ".zip.pt"), (file, made) -> weights(file)),
  /** Damage to the pickle alone, in a zip that is in order. */
  PICKLE(".pt", FileKind::zips, FileKind::withDamagedPickle, (file, made) -> weights(file)),
  OLD_CHECKPOINT(
      ".pth",
      (project, made) -> checkpoints(project, ".legacy.pth"),
      (file, made) -> weights(file)),
  SAFETENSORS(".safetensors", FileKind::safetensors, (file, made) -> weights(file)),
  JPEG(
      ".jpg",
      (project, made) ->
          List.of(
              picture(".jpg", 40, 30, 3),
              picture(".jpg", 17, 50, 1),
              picture(".jpg", 64, 64, 3, opencv_imgcodecs.IMWRITE_JPEG_PROGRESSIVE, 1)),
      (file, made) -> image(file)),
  PNG(
      ".png",
      (project, made) ->
          List.of(
              picture(".png", 40, 30, 3),
              picture(".png", 20, 20, 1),
              picture(".png", 33, 9, 4),
              picture(".png", 16, 16, 1, opencv_imgcodecs.IMWRITE_PNG_BILEVEL, 1)),
      (file, made) -> image(file)),
  WEBP(
      ".webp",
      (project, made) ->
          List.of(
              picture(".webp", 40, 30, 3, opencv_imgcodecs.IMWRITE_WEBP_QUALITY, 80),
              picture(".webp", 40, 30, 4, opencv_imgcodecs.IMWRITE_WEBP_QUALITY, 101)),
      (file, made) -> image(file)),
  BMP(
      ".bmp",
      (project, made) -> List.of(picture(".bmp", 40, 30, 3), picture(".bmp", 21, 7, 1)),
      (file, made) -> image(file)),
  MP4(".mp4", (project, made) -> videos(project, ".mp4", ".mov"), (file, made) -> video(file)),
  WEBM(".webm", (project, made) -> videos(project, ".webm", ".mkv"), (file, made) -> video(file)),
  AVI(".avi", (project, made) -> videos(project, ".avi", ".gif"), (file, made) -> video(file)),
  CLASS_LIST(
      ".txt",
      (project, made) ->
          List.of(
              "sky\nroad\ncar\n".getBytes(StandardCharsets.UTF_8),
              "0: sky\n1: road\n255: car\n".getBytes(StandardCharsets.UTF_8),
              "sky: 0,0,255\nroad: 1,2,3::\n# car\n".getBytes(StandardCharsets.UTF_8),
              "\ufeffsky\r\nroad\r\n".getBytes(StandardCharsets.UTF_16LE)),
      Damage::text,
      (file, made) -> ClassList.read(file)),
  /** A mask or a class list in a folder of images and masks. */
  MASK(
      ".png",
      (project, made) -> files(made.resolve("samples/scenes/masks"), ".png"),
      FileKind::surveyMasks),
  /** Annotations of COCO's form, which are converted to masks. */
  COCO(
      ".json",
      (project, made) -> made(made, "coco/" + FileKind.ANNOTATIONS),
      Damage::text,
      FileKind::convert),
  /** The configuration of a run. */
  RUN_CONFIG(
      ".json",
      (project, made) -> made(made, "run/config.json", "segmenter/config.json"),
      Damage::text,
      (file, made) -> useRun(made, "config.json", file)),
  /** The results of the epochs of a run. */
  RUN_METRICS(
      ".jsonl",
      (project, made) -> made(made, "run/metrics.jsonl"),
      Damage::text,
      (file, made) -> useRun(made, "metrics.jsonl", file)),
  /** The weights of a run: a damaged header, and names or shapes that do not fit. */
  RUN_WEIGHTS(
      ".safetensors",
      (project, made) -> made(made, "run/best.safetensors"),
      (file, made) -> useRun(made, "best.safetensors", file)),
  RECIPE(
      ".txt",
      (project, made) -> made(made, "run/recipe.txt", "segmenter/recipe.txt"),
      Damage::text,
      (file, made) -> command("train", "--recipe", file.toString(), "--print-recipe")),
  /** The settings or a result of a comparison, which is then reported again. */
  STUDY(
      ".json",
      (project, made) ->
          Stream.concat(
                  files(made.resolve("study/runs"), ".json").stream(),
                  made(made, "study/study.json").stream())
              .toList(),
      Damage::text,
      FileKind::reportAgain),
  /** What happened in a search, which is then reported again. */
  SEARCH(
      ".json",
      (project, made) -> made(made, "search/search.json"),
      Damage::text,
      (file, made) -> searchAgain(made, "search.json", file)),
  /** The result of a training of a search. */
  LAP(
      ".json",
      (project, made) -> made(made, "search/" + FileKind.LAP_FILE),
      Damage::text,
      (file, made) -> searchAgain(made, FileKind.LAP_FILE, file)),
  /** The labels of Fashion-MNIST, gzipped and plain. */
  IDX(
      ".idx",
      (project, made) -> made(made, "idx/" + FileKind.LABELS),
      FileKind::withDamagedIdx,
      FileKind::labels),
  /** The metadata of an ONNX file; what ONNX Runtime makes of the rest is its own. */
  ONNX_METADATA(
      ".onnx",
      (project, made) -> made(made, "run.onnx"),
      FileKind::withDamagedMetadata,
      (file, made) ->
          command(
              "predict", "--onnx", file.toString(), made.resolve("samples/boot.png").toString()));

  /** Makes whole files. */
  private interface Originals {
    List<byte[]> of(Path project, Path made) throws IOException;
  }

  /** Makes a damaged copy of a file. */
  private interface Damaging {
    byte[] damaged(byte[] original, byte[] other, Random random) throws IOException;
  }

  /** Reads a file as a user's program or command does. */
  private interface Reading {
    void read(Path file, Path made) throws IOException;
  }

  private static final String LAP_FILE = "runs/none-seed1-1.json";
  private static final String ANNOTATIONS = "annotations/instances_val2017.json";
  private static final String LABELS = "train-labels-idx1-ubyte.gz";
  private static final String CHECKPOINTS = "models/src/test/resources/checkpoints";
  private static final String VIDEOS = "data/src/test/resources/videos";
  private static final int MOST_VALUES = 10_000;
  private static final int MOST_FRAMES = 8;

  private final String extension;
  private final Originals originals;
  private final Damaging damaging;
  private final Reading reading;

  FileKind(String extension, Originals originals, Reading reading) {
    this(extension, originals, Damage::bytes, reading);
  }

  FileKind(String extension, Originals originals, Damaging damaging, Reading reading) {
    this.extension = extension;
    this.originals = originals;
    this.damaging = damaging;
    this.reading = reading;
  }

  /** The end of the names of such files. */
  String extension() {
    return extension;
  }

  /**
   * Whole files.
   *
   * @param project the folder of the sources
   * @param made what {@link Mutations#prepare} made
   */
  List<byte[]> originals(Path project, Path made) throws IOException {
    return originals.of(project, made);
  }

  /** A damaged copy of a file. */
  byte[] damaged(byte[] original, byte[] other, Random random) throws IOException {
    return damaging.damaged(original, other, random);
  }

  /**
   * Reads a file as a user's program or command does.
   *
   * @throws IOException or a {@link FoveaException} if it is refused
   */
  void read(Path file, Path made) throws IOException {
    reading.read(file, made);
  }

  private static List<byte[]> checkpoints(Path project, String end) throws IOException {
    return files(project.resolve(CHECKPOINTS), end);
  }

  private static List<byte[]> videos(Path project, String end, String otherEnd) throws IOException {
    Path folder = project.resolve(VIDEOS);
    return Stream.concat(files(folder, end).stream(), files(folder, otherEnd).stream()).toList();
  }

  private static List<byte[]> made(Path made, String... names) throws IOException {
    List<byte[]> all = new ArrayList<>();
    for (String name : names) {
      all.add(Files.readAllBytes(made.resolve(name)));
    }
    return all;
  }

  private static List<byte[]> zips(Path project, Path made) throws IOException {
    List<byte[]> all = new ArrayList<>(); // as PyTorch writes them, they cannot be read as streams
    try (Stream<Path> files = Files.list(project.resolve(CHECKPOINTS))) {
      for (Path file : files.filter(f -> f.toString().endsWith(".zip.pt")).sorted().toList()) {
        all.add(zipped(entries(file)));
      }
    }
    return all;
  }

  private static byte[] withDamagedPickle(byte[] original, byte[] other, Random random)
      throws IOException {
    Map<String, byte[]> entries = unzipped(original);
    byte[] piece =
        unzipped(other).entrySet().stream()
            .filter(entry -> entry.getKey().endsWith("/data.pkl"))
            .findFirst()
            .map(Map.Entry::getValue)
            .orElse(new byte[0]);
    entries.replaceAll(
        (name, content) ->
            name.endsWith("/data.pkl") ? Damage.bytes(content, piece, random) : content);
    return zipped(entries);
  }

  private static List<byte[]> safetensors(Path project, Path made) throws IOException {
    Path file = Files.createTempFile(made, "whole", ".safetensors");
    try (PointerScope scope = new PointerScope()) {
      Safetensors.write(
          file,
          Map.of(
              "weight",
              torch.randn(3, 4),
              "half",
              torch.randn(2).to(ScalarType.Half),
              "empty",
              torch.zeros(0, 2)),
          Map.of("format", "pt"));
      return List.of(Files.readAllBytes(file));
    } finally {
      Files.delete(file);
    }
  }

  private static void surveyMasks(Path file, Path made) throws IOException {
    Path folder = made.resolve("masks");
    if (!Files.exists(folder)) {
      copy(made.resolve("samples/scenes"), folder);
    }
    Files.copy(file, folder.resolve("masks/00.png"), StandardCopyOption.REPLACE_EXISTING);
    command("data", folder.toString(), "--task", "segmentation");
  }

  private static void reportAgain(Path file, Path made) throws IOException {
    Path study = made.resolve("studied");
    delete(study);
    copy(made.resolve("study"), study);
    boolean settings = Files.readString(file, StandardCharsets.ISO_8859_1).contains("\"format\"");
    Path target = study.resolve("study.json");
    if (!settings) {
      try (Stream<Path> runs = Files.list(study.resolve("runs"))) {
        target =
            runs.filter(run -> run.toString().endsWith(".json")).sorted().findFirst().orElseThrow();
      }
    }
    Files.copy(file, target, StandardCopyOption.REPLACE_EXISTING);
    command(Mutations.study(study));
  }

  private static void convert(Path file, Path made) throws IOException {
    Path folder = made.resolve("annotated");
    if (!Files.exists(folder)) {
      copy(made.resolve("coco"), folder);
    }
    Files.copy(file, folder.resolve(ANNOTATIONS), StandardCopyOption.REPLACE_EXISTING);
    Path out = made.resolve("converted");
    delete(out);
    command("data", folder.toString(), "--convert", out.toString());
  }

  /** Writes two images and annotations of them: polygons, a list of run lengths, and their text. */
  static void writeCoco(Path folder, Path image) throws IOException {
    Files.createDirectories(folder.resolve("annotations"));
    Files.createDirectories(folder.resolve("val2017"));
    Files.copy(image, folder.resolve("val2017/0.png"));
    Files.copy(image, folder.resolve("val2017/1.png"));
    Files.writeString(
        folder.resolve(ANNOTATIONS),
        """
        {"images": [{"id": 7, "file_name": "0.png", "height": 30, "width": 40},
         {"id": 8, "file_name": "1.png", "height": 30, "width": 40}],
        "annotations": [
        {"image_id": 7, "category_id": 1, "segmentation": [[2.5, 3, 15, 3.25, 15, 20, 2, 20],
         [20, 1, 30, 1, 25, 29]]},
        {"image_id": 8, "category_id": 5, "iscrowd": 1,
         "segmentation": {"size": [30, 40], "counts": [100, 200, 300, 600]}},
        {"image_id": 8, "category_id": 1, "iscrowd": 1,
         "segmentation": {"size": [30, 40], "counts": "05X3"}}],
        "categories": [{"id": 1, "name": "person"}, {"id": 5, "name": "car"}]}
        """);
  }

  private static void searchAgain(Path made, String name, Path file) throws IOException {
    Path search = made.resolve("searched");
    delete(search);
    copy(made.resolve("search"), search);
    Files.copy(file, search.resolve(name), StandardCopyOption.REPLACE_EXISTING);
    command(Mutations.search(search));
  }

  /** The damage is in the compressed file, or in the content of a plain one. */
  private static byte[] withDamagedIdx(byte[] original, byte[] other, Random random)
      throws IOException {
    byte[] file = original;
    if (random.nextBoolean()) {
      try (GZIPInputStream in = new GZIPInputStream(new ByteArrayInputStream(original))) {
        file = in.readAllBytes();
      }
    }
    return Damage.bytes(file, other, random);
  }

  private static void labels(Path file, Path made) throws IOException {
    Path folder = made.resolve("labelled");
    if (!Files.exists(folder)) {
      copy(made.resolve("idx"), folder);
    }
    Files.copy(file, folder.resolve(LABELS), StandardCopyOption.REPLACE_EXISTING);
    FashionMnist.full(Optional.of(folder), Progress.NONE);
  }

  /** Writes files like those of Fashion-MNIST, with almost black images. */
  static void writeIdx(Path folder) throws IOException {
    Files.createDirectories(folder);
    writeIdx(folder.resolve(LABELS), 60_000);
    writeIdx(folder.resolve("train-images-idx3-ubyte.gz"), 60_000, 28, 28);
    writeIdx(folder.resolve("t10k-labels-idx1-ubyte.gz"), 10_000);
    writeIdx(folder.resolve("t10k-images-idx3-ubyte.gz"), 10_000, 28, 28);
  }

  private static void writeIdx(Path file, int... shape) throws IOException {
    int area = Arrays.stream(shape).skip(1).reduce(1, Math::multiplyExact);
    try (DataOutputStream out =
        new DataOutputStream(new GZIPOutputStream(Files.newOutputStream(file)))) {
      out.writeInt(0x0800 | shape.length);
      for (int size : shape) {
        out.writeInt(size);
      }
      byte[] sample = new byte[area];
      for (int i = 0; i < shape[0]; i++) {
        sample[0] = (byte) (i % 10);
        out.write(sample);
      }
    }
  }

  private static byte[] withDamagedMetadata(byte[] original, byte[] other, Random random) {
    String text = new String(original, StandardCharsets.ISO_8859_1);
    byte[] bytes = original.clone();
    int begin = Math.max(0, text.lastIndexOf("image_size") - 1000);
    int length = Math.min(2000, bytes.length - begin);
    for (int i = 0; i <= random.nextInt(4); i++) { // values of the same length stay a protobuf
      int at = begin + random.nextInt(length);
      char c = text.charAt(at);
      if (c >= ' ' && c < 127) {
        bytes[at] = (byte) (' ' + random.nextInt(95));
      }
    }
    return bytes;
  }

  private static List<byte[]> files(Path folder, String end) throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      List<byte[]> all = new ArrayList<>();
      for (Path file : files.filter(f -> f.toString().endsWith(end)).sorted().toList()) {
        all.add(Files.readAllBytes(file));
      }
      return all;
    }
  }

  private static void weights(Path file) throws IOException {
    try (PointerScope scope = new PointerScope()) {
      for (Tensor tensor : Checkpoint.read(file).tensors().values()) {
        if (tensor.numel() < MOST_VALUES
            && !tensor.is_complex()) { // a view may stand for more than there is
          tensor.to(ScalarType.Double).sum().item_double();
        }
      }
    }
  }

  private static byte[] picture(
      String extension, int width, int height, int channels, int... options) {
    try (Mat image = new Mat(height, width, (channels - 1) << 3);
        BytePointer out = new BytePointer();
        IntPointer parameters = new IntPointer(options)) {
      byte[] pixels = new byte[width * height * channels];
      for (int i = 0; i < pixels.length; i++) {
        pixels[i] = (byte) (i * 7 + (i / width) * 13);
      }
      image.data().put(pixels);
      opencv_imgcodecs.imencode(extension, image, out, parameters);
      byte[] content = new byte[(int) out.limit()];
      out.get(content);
      return content;
    }
  }

  private static void image(Path file) throws IOException {
    byte[] content = Files.readAllBytes(file);
    Images.isKnown(content);
    Images.maybeDamagedInside(content);
    Image image = Images.readWhole(file, 3);
    if (image.pixels().length != 3 * image.width() * image.height()) {
      throw new IllegalStateException("an image of a wrong length");
    }
    Images.decode(content, 1, 24, Images.MAX_PIXELS);
  }

  private static void video(Path file) {
    VideoSource source = VideoSource.open(file);
    int frames = Math.min(MOST_FRAMES, source.length());
    int[] indices = new int[frames];
    for (int i = 0; i < frames; i++) {
      indices[i] = (int) ((long) i * source.length() / frames);
    }
    source.clip(indices, 3, 32, 0.5);
  }

  /** Predicts, describes or evaluates with a run, one of whose files is damaged. */
  private static void useRun(Path made, String name, Path file) throws IOException {
    Path run = made.resolve("used");
    if (!Files.exists(run)) {
      copy(made.resolve("run"), run);
    }
    Path target = run.resolve(name);
    Files.copy(file, target, StandardCopyOption.REPLACE_EXISTING);
    try {
      String image = made.resolve("samples/boot.png").toString();
      switch ((int) (Files.size(file) % 3)) {
        case 0 -> command("predict", run.toString(), image);
        case 1 -> command("evaluate", run.toString(), "--data", made.resolve("few").toString());
        default -> command("export", run.toString(), "--overwrite", "--out", made + "/used.onnx");
      }
    } finally {
      Files.copy(made.resolve("run").resolve(name), target, StandardCopyOption.REPLACE_EXISTING);
    }
  }

  /** Runs a command in this process. Status 2 and one line is a refusal; anything else but 0 is a fault. */
  static void command(String... arguments) throws IOException {
    PrintStream out = System.out;
    PrintStream err = System.err;
    ByteArrayOutputStream lines = new ByteArrayOutputStream();
    int status;
    try {
      System.setOut(new PrintStream(new ByteArrayOutputStream(), true, StandardCharsets.UTF_8));
      System.setErr(new PrintStream(lines, true, StandardCharsets.UTF_8));
      status = Fovea.run(arguments);
    } finally {
      System.setOut(out);
      System.setErr(err);
    }
    String text = lines.toString(StandardCharsets.UTF_8);
    boolean traced = text.lines().anyMatch(line -> line.startsWith("\tat "));
    if ((status != 0 && status != 2) || traced) {
      throw new IllegalStateException("status " + status + ": " + text);
    }
    if (status == 2) {
      if (text.lines().noneMatch(line -> line.startsWith("fovea: "))) {
        throw new IllegalStateException("refused without a reason: " + text);
      }
      throw new IOException(text.strip());
    }
  }

  static void copy(Path from, Path to) throws IOException {
    try (Stream<Path> all = Files.walk(from)) {
      for (Path each : all.toList()) {
        Path target = to.resolve(from.relativize(each).toString());
        if (Files.isDirectory(each)) {
          Files.createDirectories(target);
        } else {
          Files.copy(each, target, StandardCopyOption.REPLACE_EXISTING);
        }
      }
    }
  }

  static void delete(Path folder) throws IOException {
    if (Files.exists(folder)) {
      try (Stream<Path> all = Files.walk(folder)) {
        for (Path each : all.sorted(Comparator.reverseOrder()).toList()) {
          Files.delete(each);
        }
      }
    }
  }

  private static Map<String, byte[]> entries(Path file) throws IOException {
    Map<String, byte[]> entries = new LinkedHashMap<>();
    try (ZipFile zip = new ZipFile(file.toFile())) {
      for (ZipEntry entry : Collections.list(zip.entries())) {
        entries.put(entry.getName(), zip.getInputStream(entry).readAllBytes());
      }
    }
    return entries;
  }

  private static Map<String, byte[]> unzipped(byte[] content) throws IOException {
    Map<String, byte[]> entries = new LinkedHashMap<>();
    try (ZipInputStream in = new ZipInputStream(new ByteArrayInputStream(content))) {
      for (ZipEntry entry = in.getNextEntry(); entry != null; entry = in.getNextEntry()) {
        entries.put(entry.getName(), in.readAllBytes());
      }
    }
    return entries;
  }

  private static byte[] zipped(Map<String, byte[]> entries) throws IOException {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (ZipOutputStream out = new ZipOutputStream(bytes)) {
      for (Map.Entry<String, byte[]> entry : entries.entrySet()) {
        ZipEntry stored = new ZipEntry(entry.getKey());
        stored.setMethod(ZipEntry.STORED);
        stored.setSize(entry.getValue().length);
        CRC32 crc = new CRC32();
        crc.update(entry.getValue());
        stored.setCrc(crc.getValue());
        out.putNextEntry(stored);
        out.write(entry.getValue());
      }
    }
    return bytes.toByteArray();
  }
}
