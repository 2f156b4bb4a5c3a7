package io.fovea.data.video;

import static org.assertj.core.api.Assertions.assertThat;
import static org.bytedeco.opencv.global.opencv_core.CV_8UC3;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.function.IntUnaryOperator;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.opencv.global.opencv_imgcodecs;
import org.bytedeco.opencv.opencv_core.Mat;
import org.bytedeco.opencv.opencv_core.Scalar;
import org.bytedeco.opencv.opencv_core.Size;
import org.bytedeco.opencv.opencv_videoio.VideoWriter;

/** Videos made for tests: every frame has one brightness. */
public final class Videos {
  private Videos() {}

  /** A video of {@code scripts/data/videos.py}. */
  public static Path resource(String name) {
    return Path.of("src/test/resources/videos").resolve(name);
  }

  /** What Debian's ffmpeg decodes of them, by name. */
  static JsonNode expected() {
    try {
      return new ObjectMapper().readTree(resource("videos.json").toFile());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** A file of Motion JPEG in AVI, 10 frames a second. */
  public static Path avi(Path file, int frames, int width, int height, IntUnaryOperator brightness)
      throws IOException {
    Files.createDirectories(file.getParent());
    try (PointerScope scope = new PointerScope()) {
      VideoWriter writer =
          new VideoWriter(
              file.toString(),
              VideoWriter.fourcc((byte) 'M', (byte) 'J', (byte) 'P', (byte) 'G'),
              10,
              new Size(width, height),
              true);
      assertThat(writer.isOpened()).isTrue();
      for (int i = 0; i < frames; i++) {
        writer.write(frame(width, height, brightness.applyAsInt(i)));
      }
      writer.release();
    }
    return file;
  }

  /** A folder of PNG files: 1.png, 2.png, ... */
  public static Path folder(
      Path folder, int frames, int width, int height, IntUnaryOperator brightness)
      throws IOException {
    Files.createDirectories(folder);
    try (PointerScope scope = new PointerScope()) {
      for (int i = 0; i < frames; i++) {
        Mat frame = frame(width, height, brightness.applyAsInt(i));
        opencv_imgcodecs.imwrite(folder.resolve((i + 1) + ".png").toString(), frame);
      }
    }
    return folder;
  }

  private static Mat frame(int width, int height, int brightness) {
    return new Mat(height, width, CV_8UC3, new Scalar(brightness, brightness, brightness, 0));
  }
}
