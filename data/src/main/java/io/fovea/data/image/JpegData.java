package io.fovea.data.image;

import io.fovea.data.UnreadableImageException;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import java.util.Optional;
import javax.imageio.ImageIO;
import javax.imageio.ImageReader;
import javax.imageio.event.IIOReadWarningListener;
import javax.imageio.stream.MemoryCacheImageInputStream;

/**
 * Whether the compressed data of a JPEG file is whole. OpenCV's decoder fills what is missing with
 * grey and says nothing, but Java's own decoder warns. It takes two to three times as long as
 * OpenCV's, for progressive files five times.
 */
final class JpegData {
  private static final byte[] MARKER = {(byte) 0xff, (byte) 0xd9};

  private JpegData() {}

  /**
   * Appends the last marker to a file that lacks it. Cameras and downloads leave it out although the
   * picture is whole; in a truncated file rows are missing.
   *
   * @throws UnreadableImageException if rows of the picture are missing
   */
  static byte[] withEnd(byte[] content) throws UnreadableImageException {
    byte[] whole = Arrays.copyOf(content, content.length + MARKER.length);
    System.arraycopy(MARKER, 0, whole, content.length, MARKER.length);
    if (!warnings(whole).map(List::isEmpty).orElse(false)) { // what it cannot read may be truncated
      throw new UnreadableImageException("truncated JPEG image");
    }
    return whole;
  }

  /**
   * What the decoder warns about: missing or superfluous data, from which a part of the picture is
   * wrong.
   *
   * @return empty if it cannot read such files, such as those with arithmetic coding
   */
  static Optional<List<String>> warnings(byte[] content) {
    List<String> warnings = new ArrayList<>();
    Iterator<ImageReader> readers = ImageIO.getImageReadersByFormatName("jpeg");
    if (!readers.hasNext()) {
      return Optional.empty();
    }
    ImageReader reader = readers.next();
    IIOReadWarningListener listener = (source, warning) -> warnings.add(warning);
    try (MemoryCacheImageInputStream in =
        new MemoryCacheImageInputStream(new ByteArrayInputStream(content))) {
      reader.addIIOReadWarningListener(listener);
      reader.setInput(in, true, true);
      reader.readRaster(0, null); // the colours are of no interest
      return Optional.of(warnings);
    } catch (IOException | RuntimeException e) {
      return Optional.empty();
    } finally {
      reader.dispose();
    }
  }
}
