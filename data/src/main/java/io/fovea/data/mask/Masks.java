package io.fovea.data.mask;

import io.fovea.data.UnreadableImageException;
import io.fovea.data.image.ImageHeader;
import java.awt.image.BufferedImage;
import java.awt.image.IndexColorModel;
import java.awt.image.Raster;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.stream.IntStream;
import javax.imageio.ImageIO;
import javax.imageio.stream.MemoryCacheImageInputStream;

/**
 * Reads and writes masks as PNG files, with a palette as in Pascal VOC or greyscale. The value of a
 * pixel is its label.
 */
public final class Masks {
  private static final long MAX_PIXELS = 100_000_000;
  private static final int COLOURS = 256;

  private Masks() {}

  /**
   * The labels of a mask.
   *
   * @param height the height in pixels
   * @param width the width in pixels
   * @param values {@code [height * width]}, 0 to 65535; colours {@code 0xRRGGBB} if coloured
   * @param coloured whether the values are colours
   */
  record Mask(int height, int width, int[] values, boolean coloured) {}

  /**
   * Reads a mask. For a palette, the labels are the indices, not the colours.
   *
   * @throws UnreadableImageException if the file does not exist, is damaged, or is not a PNG with
   *     one channel
   */
  static Mask read(Path file) throws UnreadableImageException {
    try {
      return decode(Files.readAllBytes(file));
    } catch (NoSuchFileException e) {
      throw new UnreadableImageException("no such file", e);
    } catch (IOException e) {
      throw new UnreadableImageException("cannot be read: " + e.getMessage(), e);
    }
  }

  static Mask decode(byte[] content) throws UnreadableImageException {
    ImageHeader header = ImageHeader.of(content);
    if (header.format() != ImageHeader.Format.PNG) {
      throw new UnreadableImageException(
          "a mask must be a PNG with a palette or in greyscale, found " + header.format());
    }
    if (header.width() * header.height() > MAX_PIXELS) {
      throw new UnreadableImageException(
          header.width() + " x " + header.height() + " pixels, more than 100 megapixels");
    }
    try {
      // closes its input; reads from memory, so that no temporary file is created
      BufferedImage image =
          ImageIO.read(new MemoryCacheImageInputStream(new ByteArrayInputStream(content)));
      if (image == null) {
        throw new UnreadableImageException("damaged PNG image");
      }
      Raster raster = image.getRaster();
      int width = image.getWidth();
      int height = image.getHeight();
      int[] values = raster.getSamples(0, 0, width, height, 0, (int[]) null);
      if (raster.getNumBands() < 3) { // grey, perhaps with an alpha channel
        return new Mask(height, width, values, false);
      }
      int[] green = raster.getSamples(0, 0, width, height, 1, (int[]) null);
      int[] blue = raster.getSamples(0, 0, width, height, 2, (int[]) null);
      if (Arrays.equals(values, green) && Arrays.equals(values, blue)) { // grey as RGB
        return new Mask(height, width, values, false);
      }
      for (int i = 0; i < values.length; i++) {
        values[i] = values[i] << 16 | green[i] << 8 | blue[i];
      }
      return new Mask(height, width, values, true);
    } catch (IOException | RuntimeException e) { // the decoder throws either of them
      throw new UnreadableImageException("damaged PNG image", e);
    }
  }

  /**
   * Converts a mask to an image with Pascal VOC's palette.
   *
   * @param labels {@code [height * width]}, unsigned bytes
   */
  public static BufferedImage image(byte[] labels, int height, int width) {
    BufferedImage image =
        new BufferedImage(width, height, BufferedImage.TYPE_BYTE_INDEXED, palette());
    image.getRaster().setDataElements(0, 0, width, height, labels);
    return image;
  }

  /** The colours of the first labels in {@link #palette}, such as {@code #800000}. */
  public static List<String> colours(int labels) {
    IndexColorModel palette = palette();
    return IntStream.range(0, labels)
        .mapToObj(label -> String.format(Locale.ROOT, "#%06x", palette.getRGB(label) & 0xffffff))
        .toList();
  }

  /**
   * The colours of Pascal VOC, which distribute the bits of a label over red, green and blue,
   * highest bits of the colours first.
   */
  public static IndexColorModel palette() {
    byte[][] colours = new byte[3][COLOURS];
    for (int label = 0; label < COLOURS; label++) {
      for (int bit = 0; bit < 8; bit++) {
        for (int channel = 0; channel < 3; channel++) {
          colours[channel][label] |= (byte) ((label >> (3 * bit + channel) & 1) << (7 - bit));
        }
      }
    }
    return new IndexColorModel(8, COLOURS, colours[0], colours[1], colours[2]);
  }
}
