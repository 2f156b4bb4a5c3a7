package io.fovea.data.image;

import io.fovea.data.UnreadableImageException;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import javax.imageio.ImageIO;
import javax.imageio.ImageReader;
import javax.imageio.event.IIOReadWarningListener;
import javax.imageio.stream.MemoryCacheImageInputStream;

/**
 * JPEG files without their last marker. Cameras and downloads leave it out although the picture is
 * whole; in a truncated file rows are missing. OpenCV does not tell the two apart, but Java's own
 * decoder warns about missing data.
 */
final class JpegEnd {
  private static final byte[] MARKER = {(byte) 0xff, (byte) 0xd9};

  private JpegEnd() {}

  /**
   * Appends the last marker to a file.
   *
   * @throws UnreadableImageException if rows of the picture are missing
   */
  static byte[] appended(byte[] content) throws UnreadableImageException {
    byte[] whole = Arrays.copyOf(content, content.length + MARKER.length);
    System.arraycopy(MARKER, 0, whole, content.length, MARKER.length);
    if (!isWhole(whole)) {
      throw new UnreadableImageException("truncated JPEG image");
    }
    return whole;
  }

  private static boolean isWhole(byte[] content) {
    List<String> warnings = new ArrayList<>();
    Iterator<ImageReader> readers = ImageIO.getImageReadersByFormatName("jpeg");
    if (!readers.hasNext()) {
      return false;
    }
    ImageReader reader = readers.next();
    IIOReadWarningListener listener = (source, warning) -> warnings.add(warning);
    try (MemoryCacheImageInputStream in =
        new MemoryCacheImageInputStream(new ByteArrayInputStream(content))) {
      reader.addIIOReadWarningListener(listener);
      reader.setInput(in, true, true);
      reader.readRaster(0, null); // the colours are of no interest
      return warnings.isEmpty();
    } catch (IOException | RuntimeException e) {
      return false; // what this decoder cannot read is not known to be whole
    } finally {
      reader.dispose();
    }
  }
}
