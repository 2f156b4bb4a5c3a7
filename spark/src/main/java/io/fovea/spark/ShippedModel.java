package io.fovea.spark;

import io.fovea.data.DataException;
import io.fovea.errors.FoveaException;
import io.fovea.training.Tasks;
import io.fovea.training.run.Run;
import java.io.IOException;
import java.io.OutputStream;
import java.io.Serializable;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.DigestOutputStream;
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
import java.util.zip.ZipOutputStream;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.FileSystem;
import org.apache.spark.SparkContext;
import org.apache.spark.SparkFiles;

/**
 * A network that travels with a job: the driver packs its files into an archive, and Spark unpacks
 * it once for each executor.
 *
 * @param name the name of the archive, which depends on its content
 * @param weights the weights of a run, or null for an ONNX file
 */
record ShippedModel(String name, Run.Weights weights) implements Serializable {
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
      return new ShippedModel(
          add(
              context,
              Stream.concat(OF_RUN.stream(), Stream.of(file))
                  .map(local::resolve)
                  .filter(Files::exists)
                  .toList(),
              null),
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
      return new ShippedModel(add(context, List.of(named), ONNX), null);
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

  /** Packs files and adds the archive, unless the session has it already. */
  private static String add(SparkContext context, List<Path> files, String singleName)
      throws IOException {
    Temporary temporary = Temporary.folder();
    temporary.keep(); // executors fetch the archive from it until the session ends
    Path packed = temporary.path.resolve("model.zip");
    MessageDigest digest = sha256();
    try (OutputStream out = Files.newOutputStream(packed);
        ZipOutputStream zip = new ZipOutputStream(new DigestOutputStream(out, digest))) {
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
    String name = "fovea-" + HexFormat.of().formatHex(digest.digest()).substring(0, DIGITS);
    synchronized (ShippedModel.class) {
      if (context.listArchives().mkString("\n").contains("#" + name)) {
        temporary.delete();
      } else {
        Path archive = Files.move(packed, packed.resolveSibling(name + ".zip"));
        context.addArchive(archive.toUri() + "#" + name);
      }
    }
    return name;
  }

  private static MessageDigest sha256() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e); // every Java has it
    }
  }

  /** A folder of temporary files, which are deleted on closing, or with the process. */
  private static final class Temporary implements AutoCloseable {
    private final Path path;

    private Temporary(Path path) {
      this.path = path;
    }

    static Temporary folder() throws IOException {
      return new Temporary(Files.createTempDirectory("fovea-spark-"));
    }

    void keep() {
      Runtime.getRuntime().addShutdownHook(new Thread(this::delete, "fovea-delete"));
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
