package io.fovea.data.image;

import static java.nio.charset.StandardCharsets.ISO_8859_1;

import io.fovea.data.UnreadableImageException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Optional;
import java.util.Set;
import java.util.zip.CRC32;

/**
 * Reads the structure of an image file without decoding it: the size of the image, so that a small
 * file cannot fill the memory, and whether the file is truncated. Other damage is found by the
 * decoder.
 *
 * @param format the format, recognised by its content
 * @param width the width in pixels, before any rotation
 * @param height the height in pixels, before any rotation
 * @param isEnded whether the file has the marker of its end; only a JPEG can lack it
 */
public record ImageHeader(Format format, long width, long height, boolean isEnded) {
  /** Creates the header of a file that has its end. */
  ImageHeader(Format format, long width, long height) {
    this(format, width, height, true);
  }

  /** The number of bytes that {@link Format#of(byte[])} needs. */
  static final int MAGIC_BYTES = 18;

  private static final int PNG_END = 0x49454e44; // "IEND"

  /** The markers of JPEG's frame headers. */
  private static final Set<Integer> FRAMES =
      Set.of(
          0xffc0, 0xffc1, 0xffc2, 0xffc3, 0xffc5, 0xffc6, 0xffc7, 0xffc9, 0xffca, 0xffcb, 0xffcd,
          0xffce, 0xffcf);

  /**
   * A decoder goes through the whole image in every scan, so that a small file with many of them takes
   * hours. Encoders write at most a few dozen.
   */
  private static final int MOST_SCANS = 100;

  /** The supported formats. */
  public enum Format {
    JPEG("JPEG"),
    PNG("PNG"),
    BMP("BMP"),
    WEBP("WebP");

    /**
     * The possible sizes of the following information header, which are checked because texts can
     * begin with {@code BM}, too.
     */
    private static final Set<Integer> BMP_HEADERS = Set.of(12, 40, 52, 56, 64, 108, 124);

    /** The brands of ISO 23008-12 (annex B) that phones write. */
    private static final Set<String> HEIF_BRANDS =
        Set.of("heic", "heix", "heim", "heis", "hevc", "mif1", "msf1");

    private final String name;

    Format(String name) {
      this.name = name;
    }

    /** Recognises a format by the first bytes of a file. */
    static Optional<Format> of(byte[] head) {
      String text = new String(head, 0, Math.min(head.length, MAGIC_BYTES), ISO_8859_1);
      if (text.startsWith("\u00ff\u00d8\u00ff")) {
        return Optional.of(JPEG);
      } else if (text.startsWith("\u0089PNG\r\n\u001a\n")) {
        return Optional.of(PNG);
      } else if (text.startsWith("RIFF") && text.startsWith("WEBP", 8)) {
        return Optional.of(WEBP);
      } else if (text.startsWith("BM")
          && text.length() == MAGIC_BYTES
          && BMP_HEADERS.contains(littleEndian(head).getInt(14))) {
        return Optional.of(BMP);
      }
      return Optional.empty();
    }

    /** What a file is that has none of the formats, and what to do about it. */
    private static String whatElse(byte[] head) {
      String text = new String(head, 0, Math.min(head.length, MAGIC_BYTES), ISO_8859_1);
      String other = null;
      if (text.startsWith("GIF8")) {
        other = "GIF";
      } else if (text.startsWith("II*\0") || text.startsWith("MM\0*")) {
        other = "TIFF";
      } else if (text.startsWith("ftypavi", 4)) {
        other = "AVIF";
      } else if (HEIF_BRANDS.stream().anyMatch(brand -> text.startsWith("ftyp" + brand, 4))) {
        other = "HEIC";
      } else if (text.startsWith("\u00ff\n") || text.startsWith("JXL ", 4)) {
        other = "JPEG XL";
      } else if (text.startsWith("jP  ", 4)) {
        other = "JPEG 2000";
      }
      return other == null
          ? "not a JPEG, PNG, BMP or WebP image"
          : other + " image, which Fovea does not read; convert it to JPEG or PNG";
    }

    @Override
    public String toString() {
      return name;
    }
  }

  /**
   * Reads the structure of a file.
   *
   * @param file the content of the file
   * @throws UnreadableImageException if the file has none of the formats or is truncated
   */
  public static ImageHeader of(byte[] file) throws UnreadableImageException {
    if (file.length == 0) {
      throw new UnreadableImageException("empty file");
    }
    Format format =
        Format.of(file).orElseThrow(() -> new UnreadableImageException(Format.whatElse(file)));
    try {
      return switch (format) {
        case JPEG -> {
          ImageHeader header = jpeg(ByteBuffer.wrap(file));
          requireFewScans(ByteBuffer.wrap(file));
          yield header;
        }
        case PNG -> png(ByteBuffer.wrap(file));
        case BMP -> bmp(littleEndian(file));
        case WEBP -> webp(littleEndian(file));
      };
    } catch (IndexOutOfBoundsException e) {
      // An index outside the file means that the file is truncated.
      throw new UnreadableImageException("truncated " + format + " image", e);
    }
  }

  // ITU T.81, annex B: segments, each a marker and a length, up to the scan; the last marker is FF
  // D9, which cannot occur
  // inside a scan.
  private static ImageHeader jpeg(ByteBuffer file) {
    int width = 0;
    int height = 0;
    int at = 2;
    while (true) {
      int marker = file.getShort(at) & 0xffff;
      boolean restart = marker >= 0xffd0 && marker <= 0xffd7;
      if (marker <= 0xff01 || marker == 0xffff || restart) {
        // padding, or a marker without a segment
        at++;
      } else if (marker == 0xffda) {
        break;
      } else {
        if (FRAMES.contains(marker)) {
          height = file.getShort(at + 5) & 0xffff;
          width = file.getShort(at + 7) & 0xffff;
        }
        at += 2 + (file.getShort(at + 2) & 0xffff);
      }
    }
    while (at + 1 < file.limit() && (file.getShort(at) & 0xffff) != 0xffd9) {
      at++;
    }
    return new ImageHeader(Format.JPEG, width, height, at + 1 < file.limit());
  }

  // As a decoder reads it: after each scan, the next marker begins another segment.
  private static void requireFewScans(ByteBuffer file) throws UnreadableImageException {
    int scans = 0;
    int at = 2;
    while (at + 3 < file.limit()) {
      int marker = file.getShort(at) & 0xffff;
      boolean restart = marker >= 0xffd0 && marker <= 0xffd7;
      if (marker <= 0xff01 || marker == 0xffff || restart) {
        at++;
      } else if (marker == 0xffd9) {
        return;
      } else {
        scans += marker == 0xffda ? 1 : 0;
        at += 2 + (file.getShort(at + 2) & 0xffff);
      }
      if (scans > MOST_SCANS) {
        throw new UnreadableImageException("JPEG image with more than " + MOST_SCANS + " scans");
      }
    }
  }

  // Chunks with their length before and their checksum after them, up to IEND.
  private static ImageHeader png(ByteBuffer file) {
    long width = file.getInt(16) & 0xffffffffL;
    long height = file.getInt(20) & 0xffffffffL;
    long at = 8;
    int type;
    do {
      type = file.getInt((int) at + 4);
      at += 12 + (file.getInt((int) at) & 0xffffffffL);
      if (at > file.limit()) {
        throw new IndexOutOfBoundsException();
      }
    } while (type != PNG_END);
    return new ImageHeader(Format.PNG, width, height);
  }

  /**
   * Checks the checksums of the chunks of a PNG before decoding, because the decoder prints its own
   * message if one is wrong. Ancillary chunks (with a lower-case first letter) are not checked, as
   * in the decoder.
   *
   * @param file the content of the file
   * @throws UnreadableImageException if a checksum is wrong
   */
  void requireChecksums(byte[] file) throws UnreadableImageException {
    if (format != Format.PNG) {
      return;
    }
    ByteBuffer chunks = ByteBuffer.wrap(file);
    int at = 8;
    int type;
    do {
      int length = chunks.getInt(at);
      type = chunks.getInt(at + 4);
      CRC32 checksum = new CRC32();
      checksum.update(file, at + 4, length + 4);
      boolean critical = (type & 0x20000000) == 0;
      if (critical && (int) checksum.getValue() != chunks.getInt(at + 8 + length)) {
        throw new UnreadableImageException("damaged PNG image");
      }
      at += 12 + length;
    } while (type != PNG_END);
  }

  private static ImageHeader bmp(ByteBuffer file) {
    boolean os2 = file.getInt(14) == 12;
    long width = os2 ? file.getShort(18) & 0xffff : Math.abs((long) file.getInt(18));
    // A negative height means that the first row is the top row.
    long height = os2 ? file.getShort(20) & 0xffff : Math.abs((long) file.getInt(22));
    int bits = file.getShort(os2 ? 24 : 28);
    int compression = os2 ? 0 : file.getInt(30);
    boolean plain = compression == 0 || compression == 3;
    long pixels = file.getInt(10) & 0xffffffffL;
    long rowBytes = (width * bits + 31) / 32 * 4;
    // a division, because the product can overflow
    if (plain && rowBytes > 0 && (file.limit() - pixels) / rowBytes < height) {
      throw new IndexOutOfBoundsException();
    }
    return new ImageHeader(Format.BMP, width, height);
  }

  // RFC 9649: a RIFF container whose first chunk is lossy, lossless, or a header of the extended
  // format.
  private static ImageHeader webp(ByteBuffer file) throws UnreadableImageException {
    if (8 + (file.getInt(4) & 0xffffffffL) > file.limit()) {
      throw new IndexOutOfBoundsException();
    }
    int chunk = file.getInt(12);
    if (chunk == 0x20385056) { // "VP8 "
      return new ImageHeader(Format.WEBP, file.getShort(26) & 0x3fff, file.getShort(28) & 0x3fff);
    } else if (chunk == 0x4c385056) { // "VP8L"
      int bits = file.getInt(21);
      return new ImageHeader(Format.WEBP, (bits & 0x3fff) + 1, (bits >> 14 & 0x3fff) + 1);
    } else if (chunk == 0x58385056) { // "VP8X"
      return new ImageHeader(
          Format.WEBP, (file.getInt(24) & 0xffffff) + 1, (file.getInt(26) >>> 8) + 1);
    }
    throw new UnreadableImageException("damaged WebP image");
  }

  private static ByteBuffer littleEndian(byte[] bytes) {
    return ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
  }
}
