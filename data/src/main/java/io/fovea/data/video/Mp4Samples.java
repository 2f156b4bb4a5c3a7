package io.fovea.data.video;

import io.fovea.data.UnreadableImageException;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Set;

/**
 * Counts the samples that the boxes of an MP4 or QuickTime file declare (ISO/IEC 14496-12). A few
 * bytes can declare four thousand million samples of one size, for each of which FFmpeg takes
 * memory when it opens the file.
 */
final class Mp4Samples {
  /**
   * The most samples for each byte of a file. Samples of video have at least one byte. QuickTime
   * counts compressed sound by uncompressed samples.
   */
  private static final int MOST_PER_BYTE = 16;

  /** Boxes that contain boxes. */
  private static final Set<String> CONTAINERS =
      Set.of(
          "moov", "trak", "mdia", "minf", "stbl", "moof", "traf", "mvex", "edts", "dinf", "udta",
          "gmhd", "wave", "sinf", "schi", "strk", "iprp", "ipco", "tapt");

  private static final int MOST_LEVELS = 32;
  private static final int MOST_BOXES = 1_000_000;

  private final RandomAccessFile file;
  private final long length;
  private long samples;
  private int boxes;

  private Mp4Samples(RandomAccessFile file) throws IOException {
    this.file = file;
    length = file.length();
  }

  /**
   * Refuses a file that declares far more samples than it has bytes. A file of another format has
   * no boxes, and is accepted.
   *
   * @throws UnreadableImageException if it declares too many samples; the message is the reason
   */
  static void check(Path path) throws UnreadableImageException {
    try (RandomAccessFile file = new RandomAccessFile(path.toFile(), "r")) {
      Mp4Samples samples = new Mp4Samples(file);
      samples.read(0, samples.length, 0);
    } catch (IOException e) {
      return; // FFmpeg says what is wrong
    }
  }

  private void read(long begin, long end, int level) throws IOException, UnreadableImageException {
    long at = begin;
    while (at + 8 <= end && boxes++ < MOST_BOXES) {
      file.seek(at);
      long size = file.readInt() & 0xffffffffL;
      byte[] name = new byte[4];
      file.readFully(name);
      long header = 8;
      if (size == 1) { // the size does not fit into 32 bits
        size = file.readLong();
        header = 16;
      } else if (size == 0) { // the last box
        size = end - at;
      }
      if (size < header) {
        return;
      }
      long next = size > end - at ? end : at + size;
      String type = new String(name, StandardCharsets.ISO_8859_1);
      if (CONTAINERS.contains(type)) {
        if (level < MOST_LEVELS) {
          read(at + header, next, level + 1);
        }
      } else {
        count(type, at + header);
      }
      at = next;
    }
  }

  private void count(String type, long content) throws IOException, UnreadableImageException {
    if (type.equals("stsz")) { // version and flags, the size of all samples, their number
      file.seek(content + 4);
      boolean same = file.readInt() != 0;
      long number = file.readInt() & 0xffffffffL;
      add(same ? number : 0); // otherwise the size of each is in the file
    } else if (type.equals("trun")) { // version and flags, number
      file.seek(content + 4);
      add(file.readInt() & 0xffffffffL);
    } else if (type.equals("cmov")) {
      throw new UnreadableImageException("its header is compressed, which is not read");
    }
  }

  private void add(long number) throws UnreadableImageException {
    samples += number;
    if (samples > MOST_PER_BYTE * length) {
      throw new UnreadableImageException(
          "declares " + samples + " samples in a file of " + length + " bytes");
    }
  }
}
