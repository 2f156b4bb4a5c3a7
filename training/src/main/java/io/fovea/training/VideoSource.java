package io.fovea.training;

import static org.bytedeco.opencv.global.opencv_imgproc.COLOR_BGR2GRAY;
import static org.bytedeco.opencv.global.opencv_imgproc.COLOR_BGR2RGB;
import static org.bytedeco.opencv.global.opencv_imgproc.cvtColor;
import static org.bytedeco.opencv.global.opencv_videoio.CAP_PROP_FPS;
import static org.bytedeco.opencv.global.opencv_videoio.CAP_PROP_FRAME_COUNT;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.stream.Stream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.opencv.opencv_core.Mat;
import org.bytedeco.opencv.opencv_videoio.VideoCapture;

/**
 * A video: a file that OpenCV decodes, or a folder of images, which are its frames in the order of their
 * names (numbers in them are compared as numbers).
 *
 * @param path the file or folder
 * @param frames the images of a folder; null for a file
 * @param length how many frames there are
 * @param framesPerSecond NaN if it is not known
 */
public record VideoSource(Path path, List<Path> frames, int length, double framesPerSecond) {
  private static final Set<String> VIDEOS =
      Set.of(
          "avi", "mp4", "m4v", "mov", "mkv", "webm", "mpg", "mpeg", "wmv", "flv", "3gp", "ogv",
          "mjpeg", "mjpg", "ts", "gif");
  private static final Set<String> IMAGES = Set.of("jpg", "jpeg", "png", "bmp", "webp");

  /** Whether a file's name ends as a video's does. */
  static boolean isVideo(Path file) {
    return Files.isRegularFile(file) && VIDEOS.contains(extension(file));
  }

  /** Whether a folder holds images. */
  static boolean isFrames(Path folder) {
    return Files.isDirectory(folder) && !images(folder).isEmpty();
  }

  private static String extension(Path file) {
    String name = file.getFileName().toString();
    return name.substring(name.lastIndexOf('.') + 1).toLowerCase(Locale.ROOT);
  }

  private static List<Path> images(Path folder) {
    try (Stream<Path> files = Files.list(folder)) {
      return files
          .filter(file -> IMAGES.contains(extension(file)) && Files.isRegularFile(file))
          .filter(file -> !file.getFileName().toString().startsWith("."))
          .sorted((a, b) -> Names.compare(a.getFileName().toString(), b.getFileName().toString()))
          .toList();
    } catch (IOException e) {
      throw new DataException(folder + ": cannot be listed: " + e.getMessage(), e);
    }
  }

  /**
   * Opens a video and goes through all of it once, to know its length and to find damage before it is
   * trained on.
   *
   * @throws DataException if it is not there, holds no frames, or stops decoding before its end; names the
   *     file and the fault
   */
  public static VideoSource open(Path path) {
    try {
      return scan(path);
    } catch (UnreadableImageException e) {
      throw new DataException(path + ": " + e.getMessage(), e);
    }
  }

  /** As {@link #open}, with the reason alone in the exception. */
  static VideoSource scan(Path path) throws UnreadableImageException {
    if (Files.isDirectory(path)) {
      List<Path> images = images(path);
      if (images.isEmpty()) {
        throw new UnreadableImageException("no frames (JPEG, PNG, BMP or WebP) in this folder");
      }
      for (Path image : images) {
        try {
          Images.load(image, 1, 1);
        } catch (UnreadableImageException e) {
          throw new UnreadableImageException(
              "frame " + image.getFileName() + ": " + e.getMessage(), e);
        }
      }
      return new VideoSource(path, images, images.size(), Double.NaN);
    }
    if (!Files.isRegularFile(path)) {
      throw new UnreadableImageException("no such file");
    }
    try (PointerScope scope = new PointerScope()) {
      VideoCapture capture = new VideoCapture(path.toString());
      if (!capture.isOpened()) {
        throw new UnreadableImageException(
            "cannot be decoded as a video; this OpenCV reads Motion JPEG in AVI, of others make a"
                + " folder of frames");
      }
      double declared = capture.get(CAP_PROP_FRAME_COUNT);
      double rate = capture.get(CAP_PROP_FPS);
      Mat frame = new Mat();
      int length = 0;
      while (capture.read(frame) && !frame.empty()) {
        length++;
      }
      if (length < declared) {
        throw new UnreadableImageException(
            String.format(Locale.ROOT, "stops after %d of %.0f frames", length, declared));
      }
      if (length == 0) {
        throw new UnreadableImageException("has no frames");
      }
      return new VideoSource(path, null, length, rate > 0 ? rate : Double.NaN);
    } catch (RuntimeException e) { // this is how a C++ exception arrives
      throw new UnreadableImageException("cannot be decoded as a video", e);
    }
  }

  /**
   * Reads a clip.
   *
   * @param indices of its frames, rising; each below {@link #length}
   * @param channels 3 for red, green and blue, 1 for grey
   * @param size height and width that a square of each frame is scaled to
   * @param position where the square lies along the longer side: 0.5 is the centre
   * @return {@code [C, T, size, size]}, each byte unsigned
   * @throws DataException if a frame cannot be read (any more)
   */
  public byte[] clip(int[] indices, int channels, int size, double position) {
    byte[] clip = new byte[channels * indices.length * size * size];
    if (frames != null) {
      for (int t = 0; t < indices.length; t++) {
        Path file = frames.get(indices[t]);
        try {
          put(Images.load(file, channels, size, position), t, indices.length, channels, clip);
        } catch (UnreadableImageException e) {
          throw new DataException(file + ": " + e.getMessage(), e);
        }
      }
      return clip;
    }
    // From the start on: seeking lands on the wrong frame in many files.
    try (PointerScope scope = new PointerScope()) {
      VideoCapture capture = new VideoCapture(path.toString());
      Mat frame = new Mat();
      Mat converted = new Mat();
      int next = 0;
      byte[] last = null;
      for (int t = 0; t < indices.length; t++) {
        if (last == null || next <= indices[t]) {
          while (next < indices[t] && capture.grab()) {
            next++;
          }
          if (next < indices[t] || !capture.read(frame) || frame.empty()) {
            throw new DataException(path + ": stops at frame " + next + " of " + length);
          }
          next++;
          cvtColor(frame, converted, channels == 1 ? COLOR_BGR2GRAY : COLOR_BGR2RGB);
          last = Images.scaled(converted, channels, size, position);
        }
        put(last, t, indices.length, channels, clip);
      }
      return clip;
    }
  }

  /** Frame t of a clip: its channels lie apart. */
  private static void put(byte[] frame, int t, int frames, int channels, byte[] clip) {
    int area = frame.length / channels;
    for (int channel = 0; channel < channels; channel++) {
      System.arraycopy(frame, channel * area, clip, (channel * frames + t) * area, area);
    }
  }

  /** {@code frame9} before {@code frame10}. */
  private static final class Names {
    static int compare(String a, String b) {
      int i = 0;
      int j = 0;
      while (i < a.length() && j < b.length()) {
        if (Character.isDigit(a.charAt(i)) && Character.isDigit(b.charAt(j))) {
          int from = i;
          int other = j;
          i = end(a, i);
          j = end(b, j);
          String first = a.substring(from, i).replaceFirst("^0+", "");
          String second = b.substring(other, j).replaceFirst("^0+", "");
          int order =
              first.length() != second.length()
                  ? first.length() - second.length()
                  : first.compareTo(second);
          if (order != 0) {
            return order;
          }
        } else if (a.charAt(i) != b.charAt(j)) {
          return a.charAt(i) - b.charAt(j);
        } else {
          i++;
          j++;
        }
      }
      return (a.length() - i) - (b.length() - j) != 0
          ? (a.length() - i) - (b.length() - j)
          : a.compareTo(b);
    }

    private static int end(String text, int from) {
      int end = from;
      while (end < text.length() && Character.isDigit(text.charAt(end))) {
        end++;
      }
      return end;
    }
  }
}
