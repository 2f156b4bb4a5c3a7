package io.fovea.data.video;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.fovea.data.DataException;
import io.fovea.testing.MemoryGrowth;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class VideoSourceTest {
  @TempDir Path folder;

  @Test
  void readsTheFramesOfAFileThatWereAskedFor() throws IOException {
    VideoSource video =
        VideoSource.open(Videos.avi(folder.resolve("a.avi"), 20, 48, 32, i -> 10 * i));
    assertThat(video.length()).isEqualTo(20);
    assertThat(video.seconds(5)).isEqualTo(0.5);
    assertThat(video.seconds(20)).isEqualTo(2);
    assertThat(new int[] {video.width(), video.height()}).containsExactly(48, 32);
    byte[] clip = video.clip(new int[] {3, 7, 11, 19, 19}, 3, 8, 0.5).pixels();
    assertThat(clip).hasSize(3 * 5 * 64);
    for (int channel = 0; channel < 3; channel++) {
      assertBrightness(clip, channel * 5, 30, 70, 110, 190, 190);
    }
    assertBrightness(video.clip(new int[] {0, 0, 1}, 1, 4, 0).pixels(), 0, 0, 0, 10);
  }

  private static void assertBrightness(byte[] clip, int plane, int... expected) {
    int side = clip.length >= 960 ? 64 : 16;
    for (int t = 0; t < expected.length; t++) {
      assertThat(Byte.toUnsignedInt(clip[(plane + t) * side])).isCloseTo(expected[t], within(3));
    }
  }

  @Test
  void readsFoldersOfFramesInTheOrderOfTheirNumbers() throws IOException {
    VideoSource video =
        VideoSource.open(Videos.folder(folder.resolve("b"), 12, 10, 6, i -> 20 * i));
    assertThat(video.length()).isEqualTo(12);
    assertThat(video.seconds(5)).isNaN();
    assertThat(new int[] {video.width(), video.height()}).containsExactly(10, 6);
    byte[] clip = video.clip(new int[] {0, 1, 9, 11}, 1, 2, 0.5).pixels();
    assertThat(clip).hasSize(16);
    assertThat(new int[] {clip[0] & 255, clip[4] & 255, clip[8] & 255, clip[12] & 255})
        .containsExactly(0, 20, 180, 220);
  }

  @Test
  void saysWhatIsWrongWithAVideo() throws IOException {
    Path none = folder.resolve("none.avi");
    assertThatThrownBy(() -> VideoSource.open(none)).hasMessage(none + ": no such file");

    Path empty = Files.createDirectory(folder.resolve("empty"));
    assertThatThrownBy(() -> VideoSource.open(empty))
        .isInstanceOf(DataException.class)
        .hasMessageStartingWith(empty + ": no frames");

    Path text = Files.writeString(folder.resolve("text.avi"), "not a video");
    assertThatThrownBy(() -> VideoSource.open(text))
        .hasMessageStartingWith(text + ": cannot be opened as a video; it is something else");

    Path nothing = Files.createFile(folder.resolve("nothing.mp4"));
    assertThatThrownBy(() -> VideoSource.open(nothing)).hasMessage(nothing + ": is empty");

    Path sound = Videos.resource("sound.mp4");
    assertThatThrownBy(() -> VideoSource.open(sound))
        .hasMessage(sound + ": has no video stream, only sound");

    Path still = Videos.avi(folder.resolve("still.avi"), 0, 8, 8, i -> i);
    assertThatThrownBy(() -> VideoSource.open(still)).hasMessage(still + ": has no frames");

    Path frames = Videos.folder(folder.resolve("damaged"), 3, 8, 8, i -> i);
    Files.writeString(frames.resolve("2.png"), "not an image");
    assertThatThrownBy(() -> VideoSource.open(frames))
        .hasMessageStartingWith(frames + ": frame 2.png: ");
  }

  @Test
  void findsAVideoThatStopsHalfWay() throws IOException {
    Path file = Videos.avi(folder.resolve("half.avi"), 30, 64, 48, i -> 8 * i);
    byte[] bytes = Files.readAllBytes(file);
    // A JPEG in the middle that is none: from here on nothing can be decoded.
    Arrays.fill(bytes, bytes.length / 2, bytes.length - 600, (byte) 0);
    Files.write(file, bytes);
    assertThat(fault(file)).matches("stops after 1[0-9] of 30 frames: .*");

    assertThat(fault(cut("mjpeg.avi", 0.6)))
        .matches("stops after [1-9] of 10 frames: the file is cut off");
    assertThat(fault(cut("h264.mkv", 0.5)))
        .matches("stops after [23][0-9] frames: the file is cut off");
    assertThat(fault(cut("vp9-odd.webm", 0.5)))
        .matches("stops after [0-9]{1,2} frames: the file is cut off");
    // The index of an MP4 is at its end.
    assertThat(fault(cut("h264.mp4", 0.5)))
        .isEqualTo(
            "cannot be opened as a video; it is something else, or cut off (Invalid data found when"
                + " processing input)");
  }

  @Test
  void findsDamageWithinAVideo() throws IOException {
    byte[] bytes = Files.readAllBytes(Videos.resource("h264.mp4"));
    Random random = new Random(1);
    for (int i = 2_640; i < 2_740; i++) {
      bytes[i] = (byte) random.nextInt(256);
    }
    Path hit = Files.write(folder.resolve("hit.mp4"), bytes);
    assertThat(fault(hit))
        .matches("stops after 1?[0-9] of 20 frames: (the frame is damaged|it cannot be decoded.*)");
  }

  private Path cut(String name, double share) throws IOException {
    byte[] bytes = Files.readAllBytes(Videos.resource(name));
    return Files.write(
        folder.resolve("cut-" + name), Arrays.copyOf(bytes, (int) (bytes.length * share)));
  }

  private static String fault(Path file) {
    try {
      VideoSource video = VideoSource.open(file);
      return video.length() + " frames, no fault found";
    } catch (DataException e) {
      assertThat(e.getMessage()).startsWith(file + ": ");
      return e.getMessage().substring(file.toString().length() + 2);
    }
  }

  @Test
  void refusesFramesOfMoreThanAHundredMegapixels() throws IOException {
    byte[] bytes = Files.readAllBytes(Videos.resource("animation.gif"));
    for (int i = 6; i < 10; i += 2) { // width and height, 11,000 each
      bytes[i] = (byte) (11_000 & 255);
      bytes[i + 1] = (byte) (11_000 >> 8);
    }
    assertThat(fault(Files.write(folder.resolve("huge.gif"), bytes)))
        .isEqualTo("frames of 11000 x 11000 pixels, more than 100 megapixels");
  }

  /** Its content names another file, which FFmpeg would open if it were let to. */
  @Test
  void opensNoOtherFile() throws IOException {
    String other = Videos.resource("h264.mp4").toAbsolutePath().toString();
    for (String content :
        List.of(
            "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile://" + other + "\n#EXT-X-ENDLIST\n",
            "ffconcat version 1.0\nfile '" + other + "'\n")) {
      Path list = Files.writeString(folder.resolve("list.ts"), content);
      assertThat(fault(list)).startsWith("cannot be opened as a video");
    }
    Path named = Path.of("concat:" + folder.relativize(folder).resolve("none.mp4"));
    assertThat(fault(named)).isEqualTo("no such file");
  }

  /** The name may hold what FFmpeg takes for a protocol or a pattern. */
  @Test
  void opensFilesOfAnyName() throws IOException {
    byte[] bytes = Files.readAllBytes(Videos.resource("small.mp4"));
    for (String name : List.of("a:b.mp4", "50%d.mp4", "é 汉.mp4", "no-extension")) {
      Path file = Files.write(folder.resolve(name), bytes);
      assertThat(VideoSource.open(file).length()).isEqualTo(4);
    }
  }

  /**
   * Opened, read here and there and closed many times, the process does not grow: a decoder takes
   * far more than a quarter of a megabyte.
   */
  @Test
  void givesItsMemoryBack() throws Exception {
    Path good = Videos.resource("h264.mp4");
    Path bad = cut("h264.mkv", 0.5);
    MemoryGrowth.assertNone(
        80,
        1 << 18,
        () -> {
          VideoSource.open(good).clip(new int[] {3, 12}, 3, 32, 0.5);
          fault(bad);
        });
  }

  @Property
  void clipsLieInTheVideoAndCoverIt(
      @ForAll @IntRange(min = 1, max = 16) int frames,
      @ForAll @IntRange(min = 1, max = 9) int stride,
      @ForAll @IntRange(min = 1, max = 5) int clips,
      @ForAll @IntRange(min = 1, max = 90) int length) {
    Sampling sampling = new Sampling(frames, stride, clips, 1);
    for (int i = 0; i < clips; i++) {
      int start = sampling.start(i, length);
      int[] indices = sampling.indices(start, length);
      assertThat(indices).hasSize(frames).isSorted();
      assertThat(indices[0]).isEqualTo(start);
      assertThat(indices[frames - 1]).isEqualTo(Math.min(length - 1, start + sampling.span() - 1));
    }
    if (clips > 1) {
      assertThat(sampling.start(0, length)).isZero();
      assertThat(sampling.start(clips - 1, length))
          .isEqualTo(Math.max(0, length - sampling.span()));
    }
  }

  @Test
  void refusesImpossibleSampling() {
    assertThatThrownBy(() -> new Sampling(0, 1, 1, 1))
        .hasMessage("the frames must be at least 1, got 0");
    assertThatThrownBy(() -> new Sampling(8, 1, 1, 0))
        .hasMessage("the crops must be at least 1, got 0");
  }
}
