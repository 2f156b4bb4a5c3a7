package io.fovea.data.image;

import static org.bytedeco.opencv.global.opencv_core.CV_8UC1;
import static org.bytedeco.opencv.global.opencv_core.CV_8UC3;
import static org.bytedeco.opencv.global.opencv_imgcodecs.IMWRITE_WEBP_QUALITY;
import static org.bytedeco.opencv.global.opencv_imgcodecs.imencode;

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
