package io.fovea.training;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
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
    assertThat(video.framesPerSecond()).isEqualTo(10);
    byte[] clip = video.clip(new int[] {3, 7, 11, 19, 19}, 3, 8, 0.5);
    assertThat(clip).hasSize(3 * 5 * 64);
    for (int channel = 0; channel < 3; channel++) {
      assertBrightness(clip, channel * 5, 30, 70, 110, 190, 190);
    }
    assertBrightness(video.clip(new int[] {0, 0, 1}, 1, 4, 0), 0, 0, 0, 10);
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
    assertThat(video.framesPerSecond()).isNaN();
    byte[] clip = video.clip(new int[] {0, 1, 9, 11}, 1, 2, 0.5);
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
        .hasMessageStartingWith(text + ": cannot be decoded as a video");

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
    assertThatThrownBy(() -> VideoSource.open(file))
        .isInstanceOf(DataException.class)
        .hasMessageMatching(".*half\\.avi: (stops after \\d+ of 30 frames|cannot be decoded.*)");

    Path cut = Videos.avi(folder.resolve("cut.avi"), 30, 64, 48, i -> 8 * i);
    Files.write(cut, Arrays.copyOf(Files.readAllBytes(cut), bytes.length / 2));
    assertThatThrownBy(() -> VideoSource.open(cut))
        .isInstanceOf(DataException.class)
        .hasMessageContaining("cut.avi: ");
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
