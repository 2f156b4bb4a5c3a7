package io.fovea.spark;

import io.fovea.data.DataException;
import io.fovea.errors.FoveaException;
import io.fovea.training.Tasks;
import io.fovea.training.run.Run;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.Serializable;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.function.Supplier;
import java.util.stream.Stream;
import java.util.zip.Deflater;
import java.util.zip.ZipEntry;
import java.util.zip.ZipInputStream;
import java.util.zip.ZipOutputStream;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.FileSystem;
import org.apache.spark.SparkContext;
import org.apache.spark.SparkFiles;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.broadcast.Broadcast;

/**
 * A network that travels with a job: the driver packs its files into an archive, which Spark brings
 * to each executor once.
 *
 * @param name a hash of the content
 * @param weights the weights of a run, or null for an ONNX file
 * @param content the archive
 */
record ShippedModel(String name, Run.Weights weights, Broadcast<byte[]> content)
    implements Serializable {
  /** The name of an ONNX file in the archive. */
  static final String ONNX = "model.onnx";

  private static final List<String> OF_RUN = List.of("config.json", "metrics.jsonl");
  private static final int DIGITS = 16;

  /**
   * Adds a run to the files of a session.
   *
   * @param run a folder: of this machine, of {@code spark-submit --files} or {@code --archives}, or
   *     a URI of any file system that Spark knows
   * @param weights the weights, or null for those of the best epoch
   * @throws DataException if it is no run of a classifier of images, or cannot be read
   */
  static ShippedModel ofRun(SparkContext context, String run, Run.Weights weights) {
    try (Temporary folder = Temporary.folder()) {
      Path local = local(context, run, folder.path);
      if (!Files.isDirectory(local)) {
        throw new DataException(run + ": no such folder");
      }
      Run<?, ?> opened = renamed(run, local, () -> Run.open(local, Tasks.CLASSIFICATION));
      Run.Weights chosen = weights != null ? weights : opened.usualWeights();
      check(run, local, chosen);
      String file = chosen.name().toLowerCase(Locale.ROOT) + ".safetensors";
      return ship(
          context,
          Stream.concat(OF_RUN.stream(), Stream.of(file))
              .map(local::resolve)
              .filter(Files::exists)
              .toList(),
          null,
          chosen);
    } catch (IOException e) {
      throw new DataException(run + ": cannot be read: " + e.getMessage(), e);
    }
  }

  /**
   * Adds an ONNX file to the files of a session.
   *
   * @param file what {@code fovea export} wrote, named as {@link #ofRun} describes
   * @throws DataException if it is no such file, or not for classifying images
   */
  static ShippedModel ofOnnx(SparkContext context, String file) {
    try (Temporary folder = Temporary.folder()) {
      Path local = local(context, file, folder.path);
      if (!Files.isRegularFile(local)) {
        throw new DataException(file + ": no such file");
      }
      Path named = Files.createDirectories(folder.path.resolve("named")).resolve(ONNX);
      Files.copy(local, named);
      check(file, named.getParent(), null);
      return ship(context, List.of(named), ONNX, null);
    } catch (IOException e) {
      throw new DataException(file + ": cannot be read: " + e.getMessage(), e);
    }
  }

  /** Loads the network once in the driver, so that one line says what is wrong, not each task. */
  private static void check(String given, Path folder, Run.Weights weights) {
    Natives.unlimited();
    Path copy = weights == null ? folder.resolve(ONNX) : folder;
    renamed(given, copy, () -> ExecutorModel.load(folder, weights)).free();
  }

  /** Names what the user gave, where a message names a copy of it. */
  private static <T> T renamed(String given, Path copy, Supplier<T> body) {
    try {
      return body.get();
    } catch (FoveaException e) {
      String message = e.getMessage().replace(copy.toString(), given);
      throw new DataException(message.contains(given) ? message : given + ": " + message, e);
    }
  }

  /** The folder or file, copied into {@code to} if it is in another file system. */
  private static Path local(SparkContext context, String text, Path to) throws IOException {
    org.apache.hadoop.fs.Path named = new org.apache.hadoop.fs.Path(text);
    String scheme = named.toUri().getScheme();
    if (scheme == null && Files.exists(Path.of(text))) {
      return Path.of(text);
    }
    if (scheme == null && Files.exists(Path.of(SparkFiles.get(text)))) {
      return Path.of(SparkFiles.get(text)); // of --files or --archives
    }
    Configuration configuration = context.hadoopConfiguration();
    FileSystem files = named.getFileSystem(configuration);
    if (!files.exists(named)) {
      throw new DataException(text + ": does not exist");
    }
    FileStatus status = files.getFileStatus(named);
    Path copy = to.resolve(named.getName().isEmpty() ? "run" : named.getName());
    if (!status.isDirectory()) {
      copy(files, named, copy);
      return copy;
    }
    Files.createDirectories(copy);
    for (FileStatus file : files.listStatus(named)) {
      String name = file.getPath().getName();
      boolean wanted =
          OF_RUN.contains(name)
              || Arrays.stream(Run.Weights.values())
                  .anyMatch(w -> name.equals(w.name().toLowerCase(Locale.ROOT) + ".safetensors"));
      if (file.isFile() && wanted) {
        copy(files, file.getPath(), copy.resolve(name));
      }
    }
    return copy;
  }

  private static void copy(FileSystem files, org.apache.hadoop.fs.Path from, Path to)
      throws IOException {
    try (var in = files.open(from)) {
      Files.copy(in, to);
    }
  }

  /** Packs files and gives them to the executors. */
  private static ShippedModel ship(
      SparkContext context, List<Path> files, String singleName, Run.Weights weights)
      throws IOException {
    ByteArrayOutputStream packed = new ByteArrayOutputStream();
    try (ZipOutputStream zip = new ZipOutputStream(packed)) {
      zip.setLevel(Deflater.BEST_SPEED);
      for (Path file : files) {
        ZipEntry entry =
            new ZipEntry(singleName != null ? singleName : file.getFileName().toString());
        entry.setTime(0); // equal files must give an equal name
        zip.putNextEntry(entry);
        Files.copy(file, zip);
        zip.closeEntry();
      }
    }
    byte[] content = packed.toByteArray();
    String name = HexFormat.of().formatHex(sha256().digest(content)).substring(0, DIGITS);
    return new ShippedModel(name, weights, new JavaSparkContext(context).broadcast(content));
  }

  /** Unpacks the files in an executor; the caller closes the folder when it has read them. */
  Temporary unpacked() throws IOException {
    Temporary folder = Temporary.folder();
    try (ZipInputStream zip = new ZipInputStream(new ByteArrayInputStream(content.value()))) {
      for (ZipEntry entry = zip.getNextEntry(); entry != null; entry = zip.getNextEntry()) {
        Files.copy(zip, folder.path.resolve(Path.of(entry.getName()).getFileName()));
      }
    }
    return folder;
  }

  /** What is equal in two jobs with the same network. */
  String key() {
    return name + " " + weights;
  }

  private static MessageDigest sha256() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e); // every Java has it
    }
  }

  /** A folder of temporary files, which are deleted on closing. */
  static final class Temporary implements AutoCloseable {
    final Path path;

    private Temporary(Path path) {
      this.path = path;
    }

    static Temporary folder() throws IOException {
      return new Temporary(Files.createTempDirectory("fovea-spark-"));
    }

    void delete() {
      try (Stream<Path> files = Files.walk(path)) {
        files.sorted(Comparator.reverseOrder()).forEach(file -> file.toFile().delete());
      } catch (IOException e) {
        // what stays behind is in the folder of temporary files
      }
    }

    @Override
    public void close() {
      delete();
    }
  }
}
