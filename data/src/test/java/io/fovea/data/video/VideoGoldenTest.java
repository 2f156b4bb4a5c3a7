package io.fovea.data.video;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import io.fovea.data.Image;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.constraints.Size;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.opencv.opencv_core.Mat;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Videos that Debian's ffmpeg made, and what it decodes of them: {@code scripts/data/videos.py}. */
class VideoGoldenTest {
  /** Of 255: how far two versions of FFmpeg are apart when they convert to red, green and blue. */
  private static final int PIXEL = 3;

  /** The same of 10 bits, which are converted by other code: it takes the colours' samples to lie elsewhere. */
  private static final int PIXEL_OF_10_BITS = 10;

  static Stream<String> names() {
    Iterator<String> names = Videos.expected().fieldNames();
    return Stream.generate(() -> names.hasNext() ? names.next() : null).takeWhile(n -> n != null);
  }

  @ParameterizedTest
  @MethodSource("names")
  void decodesWhatFfmpegDecodes(String name) throws Exception {
    JsonNode expected = Videos.expected().path(name);
    Path path = Videos.resource(name);
    VideoSource video = VideoSource.open(path);
    assertThat(video.length()).isEqualTo(expected.path("frames").size());
    assertThat(video.width()).isEqualTo(expected.path("width").asInt());
    assertThat(video.height()).isEqualTo(expected.path("height").asInt());
    try (VideoFile file = new VideoFile(path)) {
      for (int i = 0; i < video.length(); i++) {
        JsonNode frame = expected.path("frames").path(i);
        assertThat(video.seconds(i))
            .as("time of frame %d", i)
            .isCloseTo(frame.path("time").asDouble(), within(1e-6));
        assertThat(file.next()).isTrue();
        try (PointerScope scope = new PointerScope()) {
          compare(file.picture(3), frame, name.contains("10bit") ? PIXEL_OF_10_BITS : PIXEL);
        }
      }
      assertThat(file.next()).isFalse();
      assertThat(file.next()).isFalse();
    }
    double last = video.seconds(video.length() - 1);
    assertThat(video.seconds(video.length())).isGreaterThan(last).isLessThan(last + 0.31);
  }

  private static void compare(Mat picture, JsonNode frame, int tolerance) {
    BytePointer data = picture.data();
    long step = picture.step();
    for (JsonNode pixel : frame.path("pixels")) {
      long at = pixel.path(1).asLong() * step + 3 * pixel.path(0).asLong();
      for (int channel = 0; channel < 3; channel++) {
        assertThat(Byte.toUnsignedInt(data.get(at + channel)))
            .as("channel %d of pixel %s at %s s", channel, pixel, frame.path("time"))
            .isCloseTo(pixel.path(2 + channel).asInt(), within(tolerance));
      }
    }
    double[] sums = new double[3];
    for (int y = 0; y < picture.rows(); y++) {
      for (int x = 0; x < 3 * picture.cols(); x++) {
        sums[x % 3] += Byte.toUnsignedInt(data.get(y * step + x));
      }
    }
    for (int channel = 0; channel < 3; channel++) {
      assertThat(sums[channel] / picture.total())
          .as("mean of channel %d at %s s", channel, frame.path("time"))
          .isCloseTo(frame.path("mean").path(channel).asDouble(), within(tolerance / 3.0));
    }
  }

  @Provide
  Arbitrary<String> videos() {
    return Arbitraries.of(names().toList());
  }

  /** Back and forth, a reader gives what it gives from the start on, in every format. */
  @Property(tries = 60)
  void readsFramesInAnyOrder(
      @ForAll("videos") String name, @ForAll @Size(min = 1, max = 5) int[] wanted) {
    VideoSource video = VideoSource.open(Videos.resource(name));
    int[] all = IntStream.range(0, video.length()).toArray();
    byte[] whole = video.clip(all, 3, 8, 0.5).pixels();
    try (VideoSource.Reader reader = video.reader()) {
      for (int any : wanted) {
        int index = Math.floorMod(any, video.length());
        List<Image> squares = reader.clips(new int[] {index, index}, 3, 8, 0.5, 0);
        for (int channel = 0; channel < 3; channel++) {
          int from = (channel * video.length() + index) * 64;
          assertThat(
                  Arrays.copyOfRange(
                      squares.get(0).pixels(), 2 * channel * 64, (2 * channel + 1) * 64))
              .as("frame %d of %s", index, name)
              .isEqualTo(Arrays.copyOfRange(whole, from, from + 64));
        }
      }
    }
  }
}
