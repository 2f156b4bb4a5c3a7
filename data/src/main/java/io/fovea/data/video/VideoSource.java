package io.fovea.data.video;

import static org.bytedeco.ffmpeg.global.avutil.AV_NOPTS_VALUE;

import io.fovea.data.DataException;
import io.fovea.data.Image;
import io.fovea.data.UnreadableImageException;
import io.fovea.data.folder.FileKinds;
import io.fovea.data.image.Images;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CancellationException;
import java.util.stream.Stream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.opencv.opencv_core.Mat;

/**
 * A video: a file that FFmpeg decodes, or a folder of images, which are its frames in the order of
 * their names (with numbers compared as numbers). Frames are counted from 0.
 */
public final class VideoSource {
  private static final Set<String> IMAGES = Set.of("jpg", "jpeg", "png", "bmp", "webp");
  private static final int MAX_FRAMES = 10_000_000; // 46 hours at 60 frames per second

  private final Path path;
  private final List<Path> frames; // for a folder; null for a file
  private final int width;
  private final int height;
  private final Times times;

  private VideoSource(Path path, List<Path> frames, int width, int height, Times times) {
    this.path = path;
    this.frames = frames;
    this.width = width;
    this.height = height;
    this.times = times;
  }

  /** Whether a folder contains images. */
  static boolean isFrames(Path folder) {
    return Files.isDirectory(folder) && !images(folder).isEmpty();
  }

  private static List<Path> images(Path folder) {
    try (Stream<Path> files = Files.list(folder)) {
      return files
          .filter(file -> IMAGES.contains(FileKinds.extension(file)) && Files.isRegularFile(file))
          .filter(file -> !file.getFileName().toString().startsWith("."))
          .sorted((a, b) -> Names.compare(a.getFileName().toString(), b.getFileName().toString()))
          .toList();
    } catch (IOException e) {
      throw new DataException(folder + ": cannot be listed: " + e.getMessage(), e);
    }
  }

  /**
   * Opens a video and decodes it once, to determine its length and to find damage before the
   * training.
   *
   * @throws DataException if it does not exist, is not a video, has no frames, or cannot be decoded
   *     to its end; the message names the file, the fault, and the number of frames before it
   * @throws CancellationException if the thread is interrupted
   */
  public static VideoSource open(Path path) {
    try {
      return scan(path);
    } catch (UnreadableImageException e) {
      throw new DataException(path + ": " + e.getMessage(), e);
    }
  }

  /** As {@link #open}, but the message of the exception is only the reason. */
  static VideoSource scan(Path path) throws UnreadableImageException {
    return Files.isDirectory(path) ? scanFolder(path) : scanFile(path);
  }

  private static VideoSource scanFolder(Path path) throws UnreadableImageException {
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
    Image first = Images.picture(images.get(0));
    return new VideoSource(path, images, first.width(), first.height(), null);
  }

  private static VideoSource scanFile(Path path) throws UnreadableImageException {
    if (!Files.isRegularFile(path)) {
      throw new UnreadableImageException("no such file");
    }
    try (VideoFile file = new VideoFile(path);
        PointerScope scope = new PointerScope()) {
      Times times = new Times(file.secondsPerTick(), file.framesPerSecond());
      int width = 0;
      int height = 0;
      try {
        while (file.next()) {
          if (Thread.currentThread().isInterrupted()) {
            throw new CancellationException(path + ": reading was interrupted");
          }
          if (times.length == 0) {
            Mat first = file.picture(3);
            width = first.cols();
            height = first.rows();
          }
          times.add(file);
        }
        if (file.isCutOff()) {
          throw new UnreadableImageException("the file is cut off");
        }
      } catch (UnreadableImageException e) {
        throw stops(times.length, file.declaredFrames(), e);
      }
      if (times.length == 0) {
        throw new UnreadableImageException("has no frames");
      }
      return new VideoSource(path, null, width, height, times);
    } catch (CancellationException e) {
      throw e;
    } catch (RuntimeException e) { // a C++ exception arrives as this type
      throw new UnreadableImageException("cannot be decoded as a video", e);
    }
  }

  private static UnreadableImageException stops(
      int decoded, long declared, UnreadableImageException reason) {
    String of = declared > 0 ? decoded + " of " + declared : Integer.toString(decoded);
    return new UnreadableImageException(
        "stops after " + of + " frames: " + reason.getMessage(), reason);
  }

  /** The file or folder. */
  public Path path() {
    return path;
  }

  /** The number of frames. */
  public int length() {
    return frames != null ? frames.size() : times.length;
  }

  /** The displayed width of the first frame in pixels. */
  public int width() {
    return width;
  }

  /** The displayed height of the first frame in pixels. */
  public int height() {
    return height;
  }

  /**
   * The time of a frame.
   *
   * @param frame the frame, from 0 to {@link #length}, which is the end of the video
   * @return the time in seconds after the first frame; NaN for a folder and if the file has no
   *     times
   */
  public double seconds(int frame) {
    return frames != null ? Double.NaN : times.seconds(frame);
  }

  /**
   * Reads a clip.
   *
   * @param indices the indices of the frames in ascending order, each below {@link #length}
   * @param channels 3 for red, green and blue, 1 for greyscale
   * @param size the height and width to which a square of each frame is scaled
   * @param position the place of the square along the longer side; 0.5 is the centre
   * @return {@code [C, T, size, size]}
   * @throws DataException if a frame cannot be read any more
   */
  public Image clip(int[] indices, int channels, int size, double position) {
    try (Reader reader = new Reader()) {
      return reader.clips(indices, channels, size, position).get(0);
    }
  }

  /**
   * Reads clips, continuing from the end of the last one. It must be closed, and is not
   * thread-safe.
   */
  public Reader reader() {
    return new Reader();
  }

  /** See {@link #reader}. */
  public final class Reader implements AutoCloseable {
    /** Decoding up to this number of frames takes no longer than seeking a key frame. */
    private static final int NEAR = 48;

    /**
     * The largest distance between the stored and the displayed place of a frame; codecs do not
     * keep more frames.
     */
    private static final int REORDERED = 16;

    private VideoFile file;
    private int next; // the next frame of the file

    private Reader() {}

    /**
     * Reads the frames as one clip for each position.
     *
     * @return the clips, as for {@link VideoSource#clip}, one for each position
     */
    public List<Image> clips(int[] indices, int channels, int size, double... positions) {
      byte[][] clips = new byte[positions.length][channels * indices.length * size * size];
      byte[][] squares = new byte[positions.length][];
      for (int t = 0; t < indices.length; t++) {
        if (t == 0 || indices[t] != indices[t - 1]) {
          read(indices[t], channels, size, positions, squares);
        }
        for (int i = 0; i < squares.length; i++) {
          put(squares[i], t, indices.length, channels, clips[i]);
        }
      }
      return Arrays.stream(clips)
          .map(clip -> new Image(channels, indices.length, size, size, clip))
          .toList();
    }

    private void read(int index, int channels, int size, double[] positions, byte[][] squares) {
      Path from = frames != null ? frames.get(index) : path;
      try (PointerScope scope = new PointerScope()) {
        Mat picture = null;
        if (frames == null) {
          goTo(index);
          picture = file.picture(channels);
        }
        for (int i = 0; i < squares.length; i++) {
          Image square =
              picture == null
                  ? Images.load(from, channels, size, positions[i])
                  : Images.scaled(picture, channels, size, positions[i]);
          squares[i] = square.pixels();
        }
      } catch (UnreadableImageException e) {
        throw new DataException(from + ": " + e.getMessage(), e);
      }
    }

    /** Decodes up to a frame. */
    private void goTo(int index) throws UnreadableImageException {
      if (file == null) {
        rewind();
      }
      if (index < next - 1 || index > next + NEAR) {
        if (seek(index)) {
          return;
        }
        rewind();
      }
      while (next <= index) {
        if (!file.next()) {
          throw new UnreadableImageException("stops at frame " + next + " of " + length());
        }
        next++;
      }
    }

    /**
     * Whether the frame was found after seeking a key frame; otherwise it must be searched from the
     * start.
     */
    private boolean seek(int index) {
      if (!times.exact || !file.seek(times.ticks[Math.max(0, index - REORDERED)])) {
        return false;
      }
      try {
        while (file.next()) {
          if (file.timestamp() >= times.ticks[index]) {
            next = index + 1;
            return file.timestamp() == times.ticks[index];
          }
        }
        return false;
      } catch (UnreadableImageException e) {
        return false;
      }
    }

    private void rewind() throws UnreadableImageException {
      close();
      file = new VideoFile(path);
      next = 0;
    }

    @Override
    public void close() {
      if (file != null) {
        file.close();
      }
    }
  }

  /** Copies frame t into a clip, whose channels are not contiguous. */
  private static void put(byte[] frame, int t, int frames, int channels, byte[] clip) {
    int area = frame.length / channels;
    for (int channel = 0; channel < channels; channel++) {
      System.arraycopy(frame, channel * area, clip, (channel * frames + t) * area, area);
    }
  }

  /** The times of the frames of a file, by which frames are identified. */
  private static final class Times {
    private final double secondsPerTick;
    private final double framesPerSecond;
    private long[] ticks = new long[64];
    private int length;
    private long last; // duration of the last frame, or 0 if it is unknown
    private boolean known = true;
    private boolean exact = true; // each frame has a different time

    Times(double secondsPerTick, double framesPerSecond) {
      this.secondsPerTick = secondsPerTick;
      this.framesPerSecond = framesPerSecond;
    }

    void add(VideoFile file) throws UnreadableImageException {
      if (length == MAX_FRAMES) {
        throw new UnreadableImageException("longer videos are not supported");
      }
      if (length == ticks.length) {
        ticks = Arrays.copyOf(ticks, 2 * length);
      }
      long time = file.timestamp();
      known &= time != AV_NOPTS_VALUE;
      exact &= file.isTimed() && (length == 0 || time > ticks[length - 1]);
      ticks[length++] = time;
      last = file.duration();
    }

    double seconds(int frame) {
      if (!known) {
        return framesPerSecond > 0 ? frame / framesPerSecond : Double.NaN;
      }
      if (frame < length) {
        return (ticks[frame] - ticks[0]) * secondsPerTick;
      }
      double shown = ticks[length - 1] - ticks[0];
      return (shown + (last > 0 || length == 1 ? last : shown / (length - 1))) * secondsPerTick;
    }
  }

  /** Sorts {@code frame9} before {@code frame10}. */
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
