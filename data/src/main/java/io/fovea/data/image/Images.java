package io.fovea.data.image;

import static org.bytedeco.opencv.global.opencv_core.CV_8UC1;
import static org.bytedeco.opencv.global.opencv_imgcodecs.IMREAD_COLOR_RGB;
import static org.bytedeco.opencv.global.opencv_imgcodecs.IMREAD_GRAYSCALE;
import static org.bytedeco.opencv.global.opencv_imgcodecs.IMREAD_IGNORE_ORIENTATION;
import static org.bytedeco.opencv.global.opencv_imgcodecs.imdecode;
import static org.bytedeco.opencv.global.opencv_imgproc.INTER_AREA;
import static org.bytedeco.opencv.global.opencv_imgproc.INTER_LINEAR;
import static org.bytedeco.opencv.global.opencv_imgproc.resize;

import io.fovea.data.DataException;
import io.fovea.data.Image;
import io.fovea.data.ImageOps;
import io.fovea.data.SquareCrop;
import io.fovea.data.TooManyPixelsException;
import io.fovea.data.UnreadableImageException;
import io.fovea.data.folder.FolderLayout;
import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Optional;
import java.util.function.Function;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.opencv.opencv_core.Mat;
import org.bytedeco.opencv.opencv_core.Rect;
import org.bytedeco.opencv.opencv_core.Size;

/** Reads image files for networks: square, of one size, in RGB or greyscale. */
public final class Images {

  /** This limits the allocations of a decoder to about three bytes per pixel. */
  public static final long MAX_PIXELS = 100_000_000;

  private static final long MAX_FILE_BYTES = 1L << 29;

  private Images() {}

  /**
   * Reads a JPEG, PNG, BMP or WebP file, independently of its name. The EXIF orientation is
   * applied, the alpha channel is dropped, 16 bits are reduced to 8, CMYK and palettes are
   * converted, and the first image of an animation is taken. The largest centred square is scaled
   * to the given size, which equals scaling the shorter side and then cropping the centre.
   *
   * @param file the image
   * @param channels 3 for red, green and blue, 1 for greyscale
   * @param size the height and width of the result in pixels
   * @return {@code [channels, size, size]}
   * @throws DataException if the file does not exist, is damaged, is not an image, or has more than
   *     100 megapixels; the message names the file and the reason
   * @throws IllegalArgumentException if the number of channels is neither 1 nor 3, or the size is
   *     less than 1
   */
  public static Image read(Path file, int channels, int size) {
    requireShape(channels, size);
    try {
      return load(file, channels, size);
    } catch (UnreadableImageException e) {
      throw new DataException(file + ": " + e.getMessage(), e);
    }
  }

  /**
   * Reads a file as {@link #read(Path, int, int)} does, with another crop. A crop of less than the
   * largest square gives the pixels of torchvision's {@code Resize} (linear, with antialiasing) and
   * {@code CenterCrop}.
   *
   * @return {@code [channels, crop.size(), crop.size()]}
   * @throws DataException as {@link #read(Path, int, int)}
   */
  public static Image read(Path file, int channels, SquareCrop crop) {
    requireShape(channels, crop.size());
    try {
      return load(file, channels, crop);
    } catch (UnreadableImageException e) {
      throw new DataException(file + ": " + e.getMessage(), e);
    }
  }

  /**
   * Reads a whole image in its own size, with the EXIF orientation applied.
   *
   * @param file the image
   * @param channels 3 for red, green and blue, 1 for greyscale
   * @throws DataException as {@link #read(Path, int, int)}
   */
  public static Image readWhole(Path file, int channels) {
    requireShape(channels, 1);
    try {
      return loadWhole(file, channels);
    } catch (UnreadableImageException e) {
      throw new DataException(file + ": " + e.getMessage(), e);
    }
  }

  /**
   * Reads an image from the content of a file, as {@link #read(Path, int, SquareCrop)} does.
   *
   * @param content the content of a JPEG, PNG, BMP or WebP file
   * @param maxPixels the largest number of pixels; larger images are refused before anything is
   *     decoded
   * @throws TooManyPixelsException if the image has more pixels; the message is the reason
   * @throws DataException if the file is damaged or not an image; the message is the reason
   * @throws IllegalArgumentException if the number of channels is neither 1 nor 3, or the size is
   *     less than 1
   */
  public static Image decode(byte[] content, int channels, SquareCrop crop, long maxPixels) {
    requireShape(channels, crop.size());
    return decode(content, flags(channels), maxPixels, image -> cropped(image, channels, crop));
  }

  private static Image decode(byte[] content, int flags, long maxPixels, Function<Mat, Image> use) {
    try {
      ImageHeader header = ImageHeader.of(content);
      if (isAbove(header, maxPixels)) {
        throw new TooManyPixelsException(tooMany(header, maxPixels));
      }
      return decode(content, flags, use);
    } catch (UnreadableImageException e) {
      throw new DataException(e.getMessage(), e);
    }
  }

  /** As {@link #decode(byte[], int, SquareCrop, long)}, for the largest centred square. */
  public static Image decode(byte[] content, int channels, int size, long maxPixels) {
    requireShape(channels, size);
    return decode(content, channels, SquareCrop.whole(size), maxPixels);
  }

  /**
   * Reads a whole image from the content of a file, as {@link #readWhole} does.
   *
   * @param content the content of a JPEG, PNG, BMP or WebP file
   * @param maxPixels the largest number of pixels; larger images are refused before anything is
   *     decoded
   * @throws DataException as {@link #decode(byte[], int, SquareCrop, long)}
   */
  public static Image decodeWhole(byte[] content, int channels, long maxPixels) {
    requireShape(channels, 1);
    return decode(content, flags(channels), maxPixels, image -> whole(image, channels));
  }

  /** Whether the content begins like a JPEG, PNG, BMP or WebP file. */
  public static boolean isKnown(byte[] content) {
    return ImageHeader.Format.of(content).isPresent();
  }

  /**
   * Whether a part of a picture may be wrong because the data of its file is damaged, although it can
   * be read. Only JPEG hides this: its decoders fill what they miss with grey. This takes longer than
   * reading the image.
   *
   * @param content the content of an image file that can be read
   */
  public static boolean maybeDamagedInside(byte[] content) {
    return ImageHeader.Format.of(content).equals(Optional.of(ImageHeader.Format.JPEG))
        && JpegData.warnings(content)
            .map(all -> all.stream().anyMatch(one -> one.startsWith("Corrupt JPEG data")))
            .orElse(false);
  }

  /**
   * An image for display, and the same image for a network.
   *
   * @param whole the image from {@link #picture}, in colour and in its own size
   * @param input the image from {@link #read(Path, int, SquareCrop)} or {@link #readWhole}
   */
  public record Viewed(Image whole, Image input) {}

  /**
   * Reads a file once, for display and for a network.
   *
   * @param channels the number of channels of the network: 3 for red, green and blue, 1 for
   *     greyscale
   * @param crop how the image becomes the network's input
   * @throws DataException as {@link #read(Path, int, int)}
   */
  public static Viewed view(Path file, int channels, SquareCrop crop) {
    requireShape(channels, crop.size());
    try {
      byte[] content = content(file);
      if (channels == 1) { // the greyscale image of a decoder may differ from that of its colours
        Image square = decode(content, channels, crop);
        return new Viewed(decode(content, IMREAD_COLOR_RGB, image -> whole(image, 3)), square);
      }
      return decode(
          content,
          IMREAD_COLOR_RGB,
          image -> new Viewed(whole(image, 3), cropped(image, channels, crop)));
    } catch (UnreadableImageException e) {
      throw new DataException(file + ": " + e.getMessage(), e);
    }
  }

  /**
   * Reads a file for display and for a network that sees whole images.
   *
   * @param channels the number of channels of the network: 3 for red, green and blue, 1 for
   *     greyscale
   * @throws DataException as {@link #read(Path, int, int)}
   */
  public static Viewed viewWhole(Path file, int channels) {
    Image colours = picture(file);
    return new Viewed(colours, channels == 3 ? colours : readWhole(file, channels));
  }

  /**
   * Reads an image in colour and in its own size, with the EXIF orientation applied.
   *
   * @throws DataException as {@link #read(Path, int, int)}
   */
  public static Image picture(Path file) {
    try {
      return decode(content(file), IMREAD_COLOR_RGB, image -> whole(image, 3));
    } catch (UnreadableImageException e) {
      throw new DataException(file + ": " + e.getMessage(), e);
    }
  }

  private static Image whole(Mat image, int channels) {
    return new Image(channels, image.rows(), image.cols(), planar(image, channels));
  }

  /** As {@link #readWhole}, but the message of the exception is only the reason. */
  public static Image loadWhole(Path file, int channels) throws UnreadableImageException {
    return decode(content(file), flags(channels), image -> whole(image, channels));
  }

  /** As {@link #loadWhole}, but as the image is stored: the EXIF orientation is not applied. */
  public static Image loadStored(Path file, int channels) throws UnreadableImageException {
    return decode(
        content(file),
        flags(channels) | IMREAD_IGNORE_ORIENTATION,
        image -> whole(image, channels));
  }

  public static void requireShape(int channels, int size) {
    if (channels != 1 && channels != 3) {
      throw new IllegalArgumentException("images: expected 1 or 3 channels, got " + channels);
    }
    if (size < 1) {
      throw new IllegalArgumentException("images: expected a size of at least 1, got " + size);
    }
  }

  /**
   * As {@link #read(Path, int, SquareCrop)}, but the message of the exception is only the reason.
   */
  public static Image load(Path file, int channels, SquareCrop crop)
      throws UnreadableImageException {
    return decode(content(file), channels, crop);
  }

  /** As {@link #read(Path, int, int)}, but the message of the exception is only the reason. */
  public static Image load(Path file, int channels, int size) throws UnreadableImageException {
    return load(file, channels, size, 0.5);
  }

  /** The same for another square: 0 is the start of the longer side, 1 its end. */
  public static Image load(Path file, int channels, int size, double position)
      throws UnreadableImageException {
    return decode(content(file), channels, size, position);
  }

  private static byte[] content(Path file) throws UnreadableImageException {
    try {
      if (Files.size(file) > MAX_FILE_BYTES) {
        throw new UnreadableImageException("larger than " + (MAX_FILE_BYTES >> 20) + " MiB");
      }
      return Files.readAllBytes(file);
    } catch (NoSuchFileException e) {
      throw new UnreadableImageException(
          FolderLayout.leadsNowhere(file) ? "a link that leads nowhere" : "no such file", e);
    } catch (AccessDeniedException e) {
      throw new UnreadableImageException("permission denied", e);
    } catch (IOException e) {
      throw new UnreadableImageException("cannot be read: " + e.getMessage(), e);
    }
  }

  static Image decode(byte[] content, int channels, int size) throws UnreadableImageException {
    return decode(content, channels, size, 0.5);
  }

  private static Image decode(byte[] content, int channels, SquareCrop crop)
      throws UnreadableImageException {
    return decode(content, flags(channels), image -> cropped(image, channels, crop));
  }

  private static Image cropped(Mat image, int channels, SquareCrop crop) {
    return crop.isWhole()
        ? scaled(image, channels, crop.size(), 0.5)
        : ImageOps.centre(whole(image, channels), crop);
  }

  private static Image decode(byte[] content, int channels, int size, double position)
      throws UnreadableImageException {
    return decode(content, flags(channels), image -> scaled(image, channels, size, position));
  }

  private static int flags(int channels) {
    return channels == 1 ? IMREAD_GRAYSCALE : IMREAD_COLOR_RGB;
  }

  private static <T> T decode(byte[] content, int flags, Function<Mat, T> use)
      throws UnreadableImageException {
    ImageHeader header = ImageHeader.of(content);
    if (isAbove(header, MAX_PIXELS)) {
      throw new UnreadableImageException(tooMany(header, MAX_PIXELS));
    }
    try (PointerScope scope = new PointerScope()) {
      return use.apply(decoded(content, header, flags));
    }
  }

  private static boolean isAbove(ImageHeader header, long most) {
    // a division, because the product can overflow
    return header.height() > 0 && header.width() > most / header.height();
  }

  private static String tooMany(ImageHeader header, long most) {
    return String.format(
        "%d x %d pixels, more than %d megapixels",
        header.width(), header.height(), most / 1_000_000);
  }

  private static Mat decoded(byte[] content, ImageHeader header, int flags)
      throws UnreadableImageException {
    header.requireChecksums(content);
    try {
      byte[] whole = header.isEnded() ? content : JpegData.withEnd(content);
      Mat encoded = new Mat(1, whole.length, CV_8UC1, new BytePointer(whole));
      Mat image = imdecode(encoded, flags);
      if (image.empty()) {
        throw new UnreadableImageException("damaged " + header.format() + " image");
      }
      return image;
    } catch (RuntimeException e) {
      // a C++ exception arrives as this type
      throw new UnreadableImageException("damaged " + header.format() + " image", e);
    }
  }

  /** Scales a square of a decoded image: {@code [channels, size, size]}. */
  public static Image scaled(Mat image, int channels, int size, double position) {
    return new Image(channels, size, size, planar(square(image, size, position), channels));
  }

  // It is cropped first, because scaling a whole, very long image would waste memory.
  private static Mat square(Mat image, int size, double position) {
    int side = Math.min(image.rows(), image.cols());
    Rect part =
        new Rect(
            (int) ((image.cols() - side) * position),
            (int) ((image.rows() - side) * position),
            side,
            side);
    Mat result = new Mat();
    resize(
        image.apply(part),
        result,
        new Size(size, size),
        0,
        0,
        side > size ? INTER_AREA : INTER_LINEAR);
    return result;
  }

  private static byte[] planar(Mat image, int channels) {
    byte[] interleaved = new byte[Math.toIntExact(image.total() * channels)];
    image.data().get(interleaved);
    if (channels == 1) {
      return interleaved;
    }
    int area = interleaved.length / 3;
    byte[] planes = new byte[interleaved.length];
    for (int pixel = 0; pixel < area; pixel++) {
      planes[pixel] = interleaved[3 * pixel];
      planes[area + pixel] = interleaved[3 * pixel + 1];
      planes[2 * area + pixel] = interleaved[3 * pixel + 2];
    }
    return planes;
  }
}
