package io.fovea.data.video;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.fovea.data.DataException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** An MP4 of 9 kB that declares 80 million samples of one size took 3 GB. */
class Mp4SamplesTest {
  @TempDir Path folder;

  private static byte[] video() throws IOException {
    return Files.readAllBytes(Videos.resource("h264.mp4"));
  }

  private static int find(byte[] file, String box) {
    String text = new String(file, StandardCharsets.ISO_8859_1);
    assertThat(text).contains(box);
    return text.indexOf(box);
  }

  private Path written(byte[] content) throws IOException {
    return Files.write(folder.resolve("a.mp4"), content);
  }

  @Test
  void samplesOfOneSizeAreCounted() throws IOException {
    byte[] file = video();
    int box = find(file, "stsz");
    ByteBuffer.wrap(file).putInt(box + 8, 1).putInt(box + 12, 80_000_000);
    Path bomb = written(file);

    assertThatThrownBy(() -> VideoSource.open(bomb))
        .isInstanceOf(DataException.class)
        .hasMessage(bomb + ": declares 80000000 samples in a file of " + file.length + " bytes");
  }

  @Test
  void samplesOfFragmentsAreCounted() throws IOException {
    ByteBuffer fragments = ByteBuffer.allocate(2 * 32);
    for (int i = 0; i < 2; i++) {
      box(fragments, 32, "moof");
      box(fragments, 24, "traf");
      box(fragments, 16, "trun").putInt(0).putInt(600);
    }
    Path bomb = written(fragments.array());

    assertThatThrownBy(() -> VideoSource.open(bomb))
        .isInstanceOf(DataException.class)
        .hasMessage(bomb + ": declares 1200 samples in a file of 64 bytes");
  }

  @Test
  void boxesWithoutEndAreLeftToTheDecoder() throws IOException {
    ByteBuffer nested = ByteBuffer.allocate(80_000);
    while (nested.hasRemaining()) {
      box(nested, nested.remaining(), "moov");
    }
    Path file = written(nested.array());

    assertThatThrownBy(() -> VideoSource.open(file))
        .isInstanceOf(DataException.class)
        .hasMessageContaining("cannot be opened as a video");
  }

  private static ByteBuffer box(ByteBuffer out, int size, String type) {
    return out.putInt(size).put(type.getBytes(StandardCharsets.ISO_8859_1));
  }
}
