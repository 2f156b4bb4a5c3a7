package io.fovea.models.weights.internal;

import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.ReadableByteChannel;

/** A bounded reader of bytes that knows its position for error messages. */
final class BoundedReader implements AutoCloseable {
  private final InputStream in;
  private final String where;
  private final long end;
  private long position;

  /**
   * Reads a stream.
   *
   * @param in the stream, which should be buffered
   * @param where the name of the source in error messages
   * @param end the number of bytes of the source
   */
  BoundedReader(InputStream in, String where, long end) {
    this.in = in;
    this.where = where;
    this.end = end;
  }

  long position() {
    return position;
  }

  int next() throws IOException {
    int value = in.read();
    if (value < 0) {
      throw fault("ends too early");
    }
    position++;
    return value;
  }

  byte[] take(long count) throws IOException {
    require(count);
    byte[] bytes = in.readNBytes((int) count);
    position += bytes.length;
    if (bytes.length < count) {
      throw fault("ends too early");
    }
    return bytes;
  }

  void fill(ByteBuffer buffer) throws IOException {
    require(buffer.remaining());
    ReadableByteChannel channel = Channels.newChannel(in);
    while (buffer.hasRemaining()) {
      int count = channel.read(buffer);
      if (count < 0) {
        throw fault("ends too early");
      }
      position += count;
    }
  }

  void skip(long count) throws IOException {
    require(count);
    in.skipNBytes(count);
    position += count;
  }

  /**
   * Reads a little-endian integer of up to 8 bytes, which is unsigned if it has fewer than 8 bytes.
   */
  long little(int bytes) throws IOException {
    long value = 0;
    for (int i = 0; i < bytes; i++) {
      value |= (long) next() << (8 * i);
    }
    return value;
  }

  void requireEnd() throws IOException {
    if (position != end) {
      throw fault("expected its end, got " + (end - position) + " more bytes");
    }
  }

  IOException fault(String complaint) {
    return new IOException(where + ", byte " + position + ": " + complaint);
  }

  /** Throws an exception if fewer than this number of bytes are left. */
  void require(long count) throws IOException {
    if (count < 0 || count > end - position || count > Integer.MAX_VALUE) {
      throw fault(
          "expected " + Long.toUnsignedString(count) + " more bytes, it has " + (end - position));
    }
  }

  @Override
  public void close() throws IOException {
    in.close();
  }
}
