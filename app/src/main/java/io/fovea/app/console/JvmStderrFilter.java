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
 * Filters what Java and native libraries print to the error stream. If the kernels are used, the
 * launcher redirects this stream to a file, because Java warns about their module on every start.
 * Fovea's own messages go to the real stream by another file descriptor.
 */
public final class JvmStderrFilter {
  private static final String OF_THE_KERNELS =
      "WARNING: Using incubator modules: jdk.incubator.vector";

  /**
   * Messages of image decoders about damaged files. They do not name the file; Fovea reports it
   * with its name.
   */
  private static final Pattern OF_DECODERS =
      Pattern.compile("(libpng (error|warning): |Corrupt JPEG data: |Premature end of JPEG).*");

  private static final Charset NATIVE =
      Charset.forName(System.getProperty("native.encoding", "UTF-8"));

  private final InputStream said;

  private JvmStderrFilter(InputStream said) {
    this.said = said;
  }

  /** Sends Fovea's messages to the file descriptor {@code fovea.stderr}, if the launcher set it. */
  public static JvmStderrFilter keptApart() {
    Integer stderr = Integer.getInteger("fovea.stderr");
    String file = System.getProperty("fovea.jvm.stderr");
    if (stderr == null || file == null) {
      return new JvmStderrFilter(InputStream.nullInputStream());
    }
    try {
      InputStream said = Files.newInputStream(Path.of(file));
      Files.delete(Path.of(file)); // the stream stays open until the process ends
      // /dev/fd/3 does not work: with "> log 2>&1" it would open the file again and write from its
      // beginning.
      Constructor<FileDescriptor> number = FileDescriptor.class.getDeclaredConstructor(int.class);
      number.setAccessible(true); // the launcher passes --add-opens for java.io
      System.setErr(
          new PrintStream(new FileOutputStream(number.newInstance(stderr)), true, NATIVE));
      return new JvmStderrFilter(said);
    } catch (IOException | ReflectiveOperationException e) {
      System.err.println("fovea: " + e);
      return new JvmStderrFilter(InputStream.nullInputStream());
    }
  }

  /** Prints the redirected messages, without those that users need not see. */
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
