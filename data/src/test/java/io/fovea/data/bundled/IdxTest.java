package io.fovea.data.bundled;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.zip.GZIPOutputStream;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;
import org.junit.jupiter.api.Test;

class IdxTest {

  private static final byte[] DATA = new byte[3 * 4 * 5];

  static {
    for (int index = 0; index < DATA.length; index++) {
      DATA[index] = (byte) (index * 7);
    }
  }

  private static byte[] file() {
    return ByteBuffer.allocate(16 + DATA.length)
        .putInt(0x803)
        .putInt(3)
        .putInt(4)
        .putInt(5)
        .put(DATA)
        .array();
  }

  private static byte[] gzip(byte[] content) {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (GZIPOutputStream out = new GZIPOutputStream(bytes)) {
      out.write(content);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return bytes.toByteArray();
  }

  private static byte[] read(byte[] file, int... shape) throws IOException {
    return Idx.read(new ByteArrayInputStream(file), "some.idx", shape);
  }

  @Test
  void readsPlainAndGzipped() throws IOException {
    assertThat(read(file(), 3, 4, 5)).isEqualTo(DATA);
    assertThat(read(gzip(file()), 3, 4, 5)).isEqualTo(DATA);
  }

  @Test
  void saysWhatWasExpectedAndWhatWasFound() {
    assertThatThrownBy(() -> read(file(), 60))
        .isInstanceOf(IOException.class)
        .hasMessage("some.idx: damaged: expected magic number 0x00000801, found 0x00000803");
    assertThatThrownBy(() -> read(file(), 3, 5, 4))
        .isInstanceOf(IOException.class)
        .hasMessage("some.idx: damaged: expected dimensions 3 x 5 x 4, found 3 x 4 x 5");
    assertThatThrownBy(() -> read(Arrays.copyOf(file(), 70), 3, 4, 5))
        .isInstanceOf(IOException.class)
        .hasMessage("some.idx: damaged: expected 60 bytes of data, found 54");
    assertThatThrownBy(() -> read(Arrays.copyOf(file(), 77), 3, 4, 5))
        .isInstanceOf(IOException.class)
        .hasMessage("some.idx: damaged: expected 60 bytes of data, found more");
    assertThatThrownBy(() -> read(new byte[0], 3, 4, 5))
        .isInstanceOf(IOException.class)
        .hasMessage("some.idx: damaged: expected a header of 16 bytes, found 0");
    byte[] gzip = gzip(file());
    assertThatThrownBy(() -> read(Arrays.copyOf(gzip, gzip.length / 2), 3, 4, 5))
        .isInstanceOf(IOException.class)
        .hasMessageStartingWith("some.idx: damaged gzip data: ");
  }

  @Property
  void aTruncatedFileIsAnIoException(
      @ForAll boolean gzipped, @ForAll @IntRange(max = 400) int cut) {
    byte[] whole = gzipped ? gzip(file()) : file();
    byte[] file = Arrays.copyOf(whole, cut % whole.length);

    assertThatThrownBy(() -> read(file, 3, 4, 5))
        .isInstanceOf(IOException.class)
        .hasMessageStartingWith("some.idx: ");
  }

  @Property
  void aMutatedFileIsReadRightOrAnIoException(
      @ForAll boolean gzipped, @ForAll @IntRange(max = 400) int at, @ForAll byte value) {
    byte[] file = gzipped ? gzip(file()) : file();
    file[at % file.length] = value;

    readsOrFails(file);
  }

  @Property
  void anyBytesAreAnIoException(@ForAll @Size(max = 100) byte[] file) {
    readsOrFails(file);
  }

  private static void readsOrFails(byte[] file) {
    try {
      assertThat(read(file, 3, 4, 5)).hasSize(DATA.length);
    } catch (IOException e) {
      assertThat(e).hasMessageStartingWith("some.idx: damaged");
    }
  }
}
