package io.fovea;

import io.fovea.data.DataException;
import io.fovea.data.MaskedImage;
import io.fovea.data.mask.Masks;
import io.fovea.errors.SpecException;
import io.fovea.explain.Overlay;
import io.fovea.explain.Png;
import io.fovea.explain.Strip;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;

/** The predicted class of each pixel of an image. Immutable and thread-safe. */
public final class Mask {
  private final MaskedImage image;
  private final List<String> classes;

  Mask(MaskedImage image, List<String> classes) {
    this.image = image;
    this.classes = List.copyOf(classes);
  }

  /** The width of the image in pixels. */
  public int width() {
    return image.width();
  }

  /** The height of the image in pixels. */
  public int height() {
    return image.height();
  }

  /** The names of the classes; a label is an index into this list. */
  public List<String> classes() {
    return classes;
  }

  /**
   * The label of a pixel.
   *
   * @param x the column, 0 to {@code width() - 1}
   * @param y the row, 0 to {@code height() - 1}
   * @throws IndexOutOfBoundsException if there is no such pixel
   */
  public int label(int x, int y) {
    if (x < 0 || x >= width() || y < 0 || y >= height()) {
      throw new IndexOutOfBoundsException(
          "pixel " + x + "," + y + " of an image of " + width() + " x " + height());
    }
    return image.label(y, x);
  }

  /**
   * The name of the class of a pixel.
   *
   * @throws IndexOutOfBoundsException if there is no such pixel
   */
  public String classAt(int x, int y) {
    return classes.get(label(x, y));
  }

  /**
   * The share of the pixels that have a class, 0 to 1.
   *
   * @throws SpecException if there is no such class
   */
  public double share(String name) {
    int label = classes.indexOf(name);
    if (label < 0) {
      throw new SpecException(
          "unknown class: \"" + name + "\"; available: " + String.join(", ", classes));
    }
    long count = 0;
    for (byte one : image.labels()) {
      count += Byte.toUnsignedInt(one) == label ? 1 : 0;
    }
    return (double) count / image.labels().length;
  }

  /** The labels as a new picture with Pascal VOC's palette: the index of a colour is the label. */
  public BufferedImage picture() {
    return Masks.image(image.labels(), height(), width());
  }

  /**
   * The colours of the classes over the image, as a new picture.
   *
   * @param opacity of the colours, 0 to 1
   * @throws SpecException if it is not from 0 to 1
   */
  public BufferedImage overlay(double opacity) {
    if (!(opacity >= 0 && opacity <= 1)) {
      throw new SpecException("the opacity must be from 0 to 1, got " + opacity);
    }
    return Overlay.over(Strip.of(image.image()), image.labels(), opacity);
  }

  /**
   * Writes {@link #picture} as a PNG, whole or not at all.
   *
   * @param file the file, which may exist
   * @throws DataException if it cannot be written
   */
  public void save(Path file) {
    try {
      Png.write(file, picture());
    } catch (IOException e) {
      throw new DataException(file + ": cannot be written: " + e.getMessage(), e);
    }
  }

  /** The size. */
  @Override
  public String toString() {
    return "mask of " + width() + " x " + height() + " pixels, " + classes.size() + " classes";
  }
}
