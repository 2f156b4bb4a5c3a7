package io.fovea.app.tracking;

import com.google.protobuf.ByteString;
import com.google.protobuf.CodedOutputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Locale;
import java.util.stream.Stream;
import java.util.zip.CRC32C;

/**
 * Writes a file that TensorBoard shows: TFRecords of {@code tensorflow.Event} messages
 * (tensorflow/core/util/event.proto, tensorflow/core/framework/summary.proto). Only the few fields
 * that are needed are written, by their numbers, because the schema's Java classes come with all of
 * TensorFlow. Not thread-safe.
 */
final class EventFile implements AutoCloseable {
  private static final String PREFIX = "events.out.tfevents.";

  // tensorflow.Event
  private static final int WALL_TIME = 1;
  private static final int STEP = 2;
  private static final int FILE_VERSION = 3;
  private static final int SUMMARY = 5;
  private static final int SESSION_LOG = 7;
  // tensorflow.SessionLog
  private static final int STATUS = 1;
  private static final int START = 1;
  // tensorflow.Summary and its values
  private static final int VALUE = 1;
  private static final int TAG = 1;
  private static final int SIMPLE_VALUE = 2;
  private static final int IMAGE = 4;
  private static final int TENSOR = 8;
  private static final int METADATA = 9;
  // tensorflow.Summary.Image
  private static final int HEIGHT = 1;
  private static final int WIDTH = 2;
  private static final int COLOR_SPACE = 3;
  private static final int ENCODED = 4;
  private static final int RGB = 3;
  // tensorflow.TensorProto, tensorflow.SummaryMetadata and its PluginData
  private static final int DTYPE = 1;
  private static final int SHAPE = 2;
  private static final int STRINGS = 8;
  private static final int DT_STRING = 7;
  private static final int DIMENSION = 2;
  private static final int LENGTH = 1;
  private static final int PLUGIN = 1;
  private static final int PLUGIN_NAME = 1;

  private final Path file;
  private final OutputStream out;

  /**
   * Creates a file in a folder, with a name that TensorBoard recognises and no other file has.
   *
   * @param step the first step, after which TensorBoard forgets what an interrupted training wrote
   * @throws UncheckedIOException if it cannot be written
   */
  EventFile(Path folder, long step) {
    try {
      Files.createDirectories(folder);
      file = free(folder);
      out = Files.newOutputStream(file, StandardOpenOption.CREATE_NEW);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    write(message -> message.writeString(FILE_VERSION, "brain.Event:2"), 0);
    byte[] start = message(log -> log.writeEnum(STATUS, START));
    write(message -> message.writeByteArray(SESSION_LOG, start), step);
    flush();
  }

  /** Whether a folder has a file of this kind. */
  static boolean isIn(Path folder) {
    try (Stream<Path> files = Files.list(folder)) {
      return files.anyMatch(file -> file.getFileName().toString().startsWith(PREFIX));
    } catch (IOException e) {
      return false;
    }
  }

  private static Path free(Path folder) {
    String host;
    try {
      host = InetAddress.getLocalHost().getHostName().replaceAll("[^A-Za-z0-9-]", "-");
    } catch (UnknownHostException e) {
      host = "localhost";
    }
    String name =
        String.format(
            Locale.ROOT,
            PREFIX + "%d.%s.%d.fovea",
            System.currentTimeMillis() / 1000,
            host,
            ProcessHandle.current().pid());
    Path first = folder.resolve(name);
    Path free = first;
    for (int i = 2; Files.exists(free); i++) {
      free = first.resolveSibling(name + "." + i);
    }
    return free;
  }

  /** The file. */
  Path path() {
    return file;
  }

  /** Writes a number. */
  void scalar(String tag, long step, double value) {
    summary(step, message -> number(message, tag, value));
  }

  private static void number(CodedOutputStream message, String tag, double value)
      throws IOException {
    message.writeString(TAG, tag);
    message.writeFloat(SIMPLE_VALUE, (float) value);
  }

  /** Writes a picture, encoded as PNG. */
  void image(String tag, long step, int height, int width, byte[] png) {
    byte[] image =
        message(
            picture -> {
              picture.writeInt32(HEIGHT, height);
              picture.writeInt32(WIDTH, width);
              picture.writeInt32(COLOR_SPACE, RGB);
              picture.writeByteArray(ENCODED, png);
            });
    summary(
        step,
        message -> {
          message.writeString(TAG, tag);
          message.writeByteArray(IMAGE, image);
        });
  }

  /** Writes a text, in Markdown. */
  void text(String tag, long step, String markdown) {
    byte[] dimension = message(one -> one.writeInt64(LENGTH, 1));
    byte[] shape = message(one -> one.writeByteArray(DIMENSION, dimension));
    byte[] tensor =
        message(
            one -> {
              one.writeEnum(DTYPE, DT_STRING);
              one.writeByteArray(SHAPE, shape);
              one.writeBytes(STRINGS, ByteString.copyFromUtf8(markdown));
            });
    byte[] plugin = message(one -> one.writeString(PLUGIN_NAME, "text"));
    byte[] metadata = message(one -> one.writeByteArray(PLUGIN, plugin));
    summary(
        step,
        message -> {
          message.writeString(TAG, tag);
          message.writeByteArray(TENSOR, tensor);
          message.writeByteArray(METADATA, metadata);
        });
  }

  private interface Content {
    void to(CodedOutputStream message) throws IOException;
  }

  private static byte[] message(Content content) {
    try {
      ByteArrayOutputStream bytes = new ByteArrayOutputStream();
      CodedOutputStream message = CodedOutputStream.newInstance(bytes);
      content.to(message);
      message.flush();
      return bytes.toByteArray();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private void summary(long step, Content content) {
    byte[] value = message(content);
    byte[] summary = message(message -> message.writeByteArray(VALUE, value));
    write(message -> message.writeByteArray(SUMMARY, summary), step);
  }

  /** Writes an event as a TFRecord: length, its checksum, content, its checksum. */
  private void write(Content content, long step) {
    byte[] event =
        message(
            message -> {
              message.writeDouble(WALL_TIME, System.currentTimeMillis() / 1000.0);
              message.writeInt64(STEP, step);
              content.to(message);
            });
    byte[] length = new byte[Long.BYTES];
    little(length).putLong(event.length);
    byte[] record = new byte[Long.BYTES + 2 * Integer.BYTES + event.length];
    little(record).put(length).putInt(masked(length)).put(event).putInt(masked(event));
    try {
      out.write(record);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static ByteBuffer little(byte[] bytes) {
    return ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
  }

  /** TFRecord's checksum: CRC-32C, rotated and shifted, so that checksums of checksums differ. */
  static int masked(byte[] bytes) {
    CRC32C crc = new CRC32C();
    crc.update(bytes);
    int value = (int) crc.getValue();
    return Integer.rotateRight(value, 15) + 0xa282ead8;
  }

  /** Passes on what was written. */
  void flush() {
    try {
      out.flush();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  @Override
  public void close() {
    try {
      out.close();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
