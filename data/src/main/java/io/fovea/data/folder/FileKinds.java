package io.fovea.data.folder;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Set;

/** What files are by the extensions of their names. */
public final class FileKinds {
  /**
   * Image formats, including those that cannot be read, so that a folder of TIFF files is not
   * ignored silently.
   */
  private static final Set<String> IMAGES =
      Set.of(
          "jpg", "jpeg", "jpe", "jfif", "png", "bmp", "dib", "webp", "gif", "tif", "tiff", "heic",
          "heif", "avif", "jp2", "jxl");

  private static final Set<String> VIDEOS =
      Set.of(
          "avi", "mp4", "m4v", "mov", "mkv", "webm", "mpg", "mpeg", "wmv", "flv", "3gp", "ogv",
          "mjpeg", "mjpg", "ts", "mts", "m2ts", "gif");

  private FileKinds() {}

  /** The extensions of images, of formats that can be read or not, in lower case without the dot. */
  public static Set<String> images() {
    return IMAGES;
  }

  /** Whether a file has the extension of an image, of a format that can be read or not. */
  public static boolean isImage(Path file) {
    return IMAGES.contains(extension(file));
  }

  /** Whether a path is a file with the extension of a video. */
  public static boolean isVideo(Path file) {
    return VIDEOS.contains(extension(file)) && Files.isRegularFile(file);
  }

  /** The extension of a file's name in lower case, without the dot; the name if it has none. */
  public static String extension(Path file) {
    String name = file.getFileName().toString();
    return name.substring(name.lastIndexOf('.') + 1).toLowerCase(Locale.ROOT);
  }
}
