package io.fovea.app.console;

import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.PrintStream;
import java.lang.reflect.Constructor;
import java.nio.charset.Charset;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.regex.Pattern;

/**
 * What Java and native libraries print to the error stream. With the kernels the launcher keeps it in a
 * file, because Java warns of their module on every start; ours goes to the real stream by another number.
 */
public final class JvmStderrFilter {
  private static final String OF_THE_KERNELS =
      "WARNING: Using incubator modules: jdk.incubator.vector";

  /** What the decoders of images say of a damaged one, without its name; we say it with its name. */
  private static final Pattern OF_DECODERS =
      Pattern.compile("(libpng (error|warning): |Corrupt JPEG data: |Premature end of JPEG).*");

  private static final Charset NATIVE =
      Charset.forName(System.getProperty("native.encoding", "UTF-8"));

  private final InputStream said;

  private JvmStderrFilter(InputStream said) {
    this.said = said;
  }

  /** Sends what we print to the stream with the number {@code fovea.stderr}, if the launcher says so. */
  public static JvmStderrFilter keptApart() {
    Integer stderr = Integer.getInteger("fovea.stderr");
    String file = System.getProperty("fovea.jvm.stderr");
    if (stderr == null || file == null) {
      return new JvmStderrFilter(InputStream.nullInputStream());
    }
    try {
      InputStream said = Files.newInputStream(Path.of(file));
      Files.delete(Path.of(file)); // it lives as long as it is open
      // Not /dev/fd/3: with "> log 2>&1" that is the file once more, from its beginning.
      Constructor<FileDescriptor> number = FileDescriptor.class.getDeclaredConstructor(int.class);
      number.setAccessible(true); // the launcher opens java.io
      System.setErr(
          new PrintStream(new FileOutputStream(number.newInstance(stderr)), true, NATIVE));
      return new JvmStderrFilter(said);
    } catch (IOException | ReflectiveOperationException e) {
      System.err.println("fovea: " + e);
      return new JvmStderrFilter(InputStream.nullInputStream());
    }
  }

  /** Prints what was kept apart, but for what users need not know. */
  public void repeat() {
    try (said) {
      new String(said.readAllBytes(), NATIVE)
          .lines()
          .filter(line -> !line.equals(OF_THE_KERNELS) && !OF_DECODERS.matcher(line).matches())
          .forEach(System.err::println);
    } catch (IOException e) {
      System.err.println("fovea: " + e);
    }
  }
}
