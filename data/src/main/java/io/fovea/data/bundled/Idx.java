package io.fovea.data.bundled;

import static java.util.stream.Collectors.joining;

import java.io.BufferedInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.zip.GZIPInputStream;
import java.util.zip.ZipException;

/** Reads the IDX format of MNIST: a magic number, the dimensions, the bytes. */
final class Idx {

  private static final int UNSIGNED_BYTES = 0x0800;

  private Idx() {}

  /**
   * Reads an array of unsigned bytes with a known shape, so that a damaged header cannot cause
   * large allocations.
   *
   * @param in the whole file, gzipped or plain
   * @param name the name of the file for messages
   * @param shape the required dimensions
   * @return the bytes, the last dimension varying fastest
   * @throws IOException if the file has another content; the message names the expected and the
   *     found value
   */
  static byte[] read(InputStream in, String name, int... shape) throws IOException {
    try {
      return readPlain(gunzipped(in), name, shape);
    } catch (EOFException | ZipException e) {
      throw new IOException(name + ": damaged gzip data: " + e.getMessage(), e);
    }
  }

  // The content decides, not the name, because browsers may unpack a .gz file without renaming it.
  private static InputStream gunzipped(InputStream in) throws IOException {
    BufferedInputStream buffered = new BufferedInputStream(in, 1 << 16);
    buffered.mark(2);
    boolean gzip = buffered.read() == 0x1f && buffered.read() == 0x8b;
    buffered.reset();
    return gzip ? new GZIPInputStream(buffered, 1 << 16) : buffered;
  }

  private static byte[] readPlain(InputStream in, String name, int[] shape) throws IOException {
    byte[] header = in.readNBytes(4 + 4 * shape.length);
    if (header.length < 4 + 4 * shape.length) {
      throw damaged(name, "a header of " + (4 + 4 * shape.length) + " bytes", header.length);
    }
    ByteBuffer numbers = ByteBuffer.wrap(header);
    int magic = numbers.getInt();
    if (magic != (UNSIGNED_BYTES | shape.length)) {
      throw damaged(
          name,
          String.format("magic number 0x%08x", UNSIGNED_BYTES | shape.length),
          String.format("0x%08x", magic));
    }
    int[] found = new int[shape.length];
    Arrays.setAll(found, dimension -> numbers.getInt());
    if (!Arrays.equals(found, shape)) {
      throw damaged(name, "dimensions " + text(shape), text(found));
    }
    int length = Arrays.stream(shape).reduce(1, Math::multiplyExact);
    byte[] data = in.readNBytes(length);
    if (data.length < length) {
      throw damaged(name, length + " bytes of data", data.length);
    }
    if (in.read() != -1) {
      throw damaged(name, length + " bytes of data", "more");
    }
    return data;
  }

  private static IOException damaged(String name, String expected, Object found) {
    return new IOException(name + ": damaged: expected " + expected + ", found " + found);
  }

  private static String text(int[] shape) {
    return Arrays.stream(shape).mapToObj(Integer::toUnsignedString).collect(joining(" x "));
  }
}
