package io.fovea.data.image;

import static org.bytedeco.opencv.global.opencv_core.CV_8UC1;
import static org.bytedeco.opencv.global.opencv_core.CV_8UC3;
import static org.bytedeco.opencv.global.opencv_imgcodecs.IMWRITE_WEBP_QUALITY;
import static org.bytedeco.opencv.global.opencv_imgcodecs.imencode;

import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.Random;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.IntPointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.opencv.opencv_core.Mat;

/** Image files for tests, written by OpenCV. */
public final class SampleFiles {

  private SampleFiles() {}

  /** A picture without symmetry: red grows to the right, green downwards, blue is constant. */
  public static int red(int x) {
    return 5 * x;
  }

  public static int green(int y) {
    return 7 * y;
  }

  public static final int BLUE = 90;

  public static byte[] rgb(String extension, int width, int height) {
    byte[] pixels = new byte[width * height * 3];
    for (int y = 0; y < height; y++) {
      for (int x = 0; x < width; x++) {
        int at = (y * width + x) * 3;
        pixels[at] = BLUE;
        pixels[at + 1] = (byte) green(y);
        pixels[at + 2] = (byte) red(x);
      }
    }
    return encode(extension, width, height, CV_8UC3, pixels);
  }

  /** A picture that does not compress to almost nothing. */
  public static byte[] noise(String extension, int width, int height) {
    byte[] pixels = new byte[width * height * 3];
    new Random(1).nextBytes(pixels);
    return encode(extension, width, height, CV_8UC3, pixels);
  }

  public static byte[] grey(String extension, int width, int height, int value) {
    byte[] pixels = new byte[width * height];
    Arrays.fill(pixels, (byte) value);
    return encode(extension, width, height, CV_8UC1, pixels);
  }

  /** A JPEG with an EXIF orientation, 1 to 8. */
  public static byte[] turned(byte[] jpeg, int orientation) {
    byte[] exif = {
      (byte) 0xff,
      (byte) 0xe1,
      0,
      34,
      'E',
      'x',
      'i',
      'f',
      0,
      0,
      'M',
      'M',
      0,
      42,
      0,
      0,
      0,
      8,
      0,
      1,
      1,
      0x12,
      0,
      3,
      0,
      0,
      0,
      1,
      0,
      (byte) orientation,
      0,
      0,
      0,
      0,
      0,
      0
    };
    return ByteBuffer.allocate(jpeg.length + exif.length)
        .put(jpeg, 0, 2)
        .put(exif)
        .put(jpeg, 2, jpeg.length - 2)
        .array();
  }

  /** Pixels as OpenCV has them: interleaved, blue first. */
  public static byte[] encode(String extension, int width, int height, int type, byte[] pixels) {
    try (PointerScope scope = new PointerScope()) {
      Mat mat = new Mat(height, width, type);
      mat.data().put(pixels);
      BytePointer file = new BytePointer();
      // More than 100 is lossless.
      IntPointer options =
          extension.equals("webp") ? new IntPointer(IMWRITE_WEBP_QUALITY, 101) : new IntPointer(0L);
      if (!imencode("." + extension, mat, file, options)) {
        throw new AssertionError("cannot write " + extension);
      }
      byte[] bytes = new byte[Math.toIntExact(file.limit())];
      file.get(bytes);
      return bytes;
    }
  }
}
