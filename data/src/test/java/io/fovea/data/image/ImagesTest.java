package io.fovea.data.image;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;
import static org.bytedeco.opencv.global.opencv_core.CV_16UC3;
import static org.bytedeco.opencv.global.opencv_core.CV_8UC4;

import io.fovea.data.DataException;
import io.fovea.data.Image;
import io.fovea.data.UnreadableImageException;
import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Base64;
import java.util.Map;
import javax.imageio.ImageIO;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.DoubleRange;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class ImagesTest {

  /** 8 x 8 pixels of (200, 100, 50), written with Adobe's inverted inks as Pillow does. */
  private static final byte[] CMYK_JPEG =
      Base64.getDecoder()
          .decode(
              "/9j/7gAOQWRvYmUAZAAAAAAA/9sAQwACAQEBAQECAQEBAgICAgIEAwICAgIFBAQDBAYFBgYGBQYG"
                  + "BgcJCAYHCQcGBggLCAkKCgoKCgYICwwLCgwJCgoK/8AAFAgACAAIBEMRAE0RAFkRAEsRAP/EABUA"
                  + "AQEAAAAAAAAAAAAAAAAAAAkH/8QAFBABAAAAAAAAAAAAAAAAAAAAAP/aAA4EQwBNAFkASwAAPwBI"
                  + "EPGOfx//2Q==");

  private static int at(byte[] image, int size, int channel, int y, int x) {
    return Byte.toUnsignedInt(image[(channel * size + y) * size + x]);
  }

  /** The picture of {@link SampleFiles}, from column {@code left} and row {@code top} on. */
  private static void assertPicture(byte[] image, int size, int left, int top, int tolerance) {
    assertThat(image).hasSize(3 * size * size);
    for (int y = 0; y < size; y++) {
      for (int x = 0; x < size; x++) {
        assertThat(at(image, size, 0, y, x))
            .isCloseTo(SampleFiles.red(left + x), within(tolerance));
        assertThat(at(image, size, 1, y, x))
            .isCloseTo(SampleFiles.green(top + y), within(tolerance));
        assertThat(at(image, size, 2, y, x)).isCloseTo(SampleFiles.BLUE, within(tolerance));
      }
    }
  }

  @ParameterizedTest
  @CsvSource({"png, 0", "bmp, 0", "webp, 0", "jpg, 12"})
  void readsEachFormatCroppedToItsCentre(String extension, int tolerance) throws Exception {
    assertPicture(
        Images.decode(SampleFiles.rgb(extension, 44, 24), 3, 24).pixels(), 24, 10, 0, tolerance);
    assertPicture(
        Images.decode(SampleFiles.rgb(extension, 24, 32), 3, 24).pixels(), 24, 0, 4, tolerance);
  }

  @Test
  void scalesDownByArea() throws Exception {
    byte[] image = Images.decode(SampleFiles.rgb("png", 32, 32), 3, 8).pixels();

    // The mean of columns 4 to 7 and of rows 8 to 11.
    assertThat(at(image, 8, 0, 2, 1)).isCloseTo((int) (5 * 5.5), within(1));
    assertThat(at(image, 8, 1, 2, 1)).isCloseTo((int) (7 * 9.5), within(1));
    assertThat(at(image, 8, 2, 2, 1)).isEqualTo(SampleFiles.BLUE);
  }

  @Test
  void scalesUp() throws Exception {
    byte[] image = Images.decode(SampleFiles.rgb("png", 8, 8), 3, 32).pixels();

    assertThat(at(image, 32, 0, 0, 0)).isZero();
    assertThat(at(image, 32, 0, 0, 31)).isEqualTo(35);
    assertThat(at(image, 32, 0, 0, 16)).isBetween(18, 20);
    assertThat(at(image, 32, 1, 31, 0)).isEqualTo(49);
  }

  @Test
  void scalesALineWithoutTakingMemoryForItsLength() throws Exception {
    byte[] image = Images.decode(SampleFiles.grey("png", 60_000, 1, 77), 1, 224).pixels();

    assertThat(image).hasSize(224 * 224).containsOnly(77);
  }

  @ParameterizedTest
  @ValueSource(strings = {"png", "bmp", "webp", "jpg"})
  void greyBecomesThreeEqualChannelsOrStaysOne(String extension) throws Exception {
    byte[] file = SampleFiles.grey(extension, 9, 9, 120);

    assertThat(Images.decode(file, 3, 9).pixels()).hasSize(3 * 81).containsOnly(120);
    assertThat(Images.decode(file, 1, 9).pixels()).hasSize(81).containsOnly(120);
  }

  @ParameterizedTest
  @ValueSource(strings = {"png", "bmp", "webp", "jpg"})
  void colourBecomesLuminance(String extension) throws Exception {
    byte[] image = Images.decode(SampleFiles.rgb(extension, 24, 24), 1, 24).pixels();

    double luminance =
        0.299 * SampleFiles.red(10) + 0.587 * SampleFiles.green(20) + 0.114 * SampleFiles.BLUE;
    assertThat((double) at(image, 24, 0, 20, 10)).isCloseTo(luminance, within(4.0));
  }

  @ParameterizedTest
  @ValueSource(strings = {"png", "bmp", "webp"})
  void alphaIsDropped(String extension) throws Exception {
    byte[] transparent = new byte[16 * 16 * 4];
    for (int at = 0; at < transparent.length; at += 4) {
      transparent[at] = 30;
      transparent[at + 1] = 60;
      transparent[at + 2] = 90;
      transparent[at + 3] = 40;
    }

    byte[] image =
        Images.decode(SampleFiles.encode(extension, 16, 16, CV_8UC4, transparent), 3, 16).pixels();

    assertThat(at(image, 16, 0, 5, 5)).isEqualTo(90);
    assertThat(at(image, 16, 1, 5, 5)).isEqualTo(60);
    assertThat(at(image, 16, 2, 5, 5)).isEqualTo(30);
  }

  @Test
  void sixteenBitsBecomeEight() throws Exception {
    byte[] pixels = new byte[4 * 4 * 6];
    for (int at = 0; at < pixels.length; at += 6) {
      // Little endian: blue 0x1234, green 0x5678, red 0x7abc.
      System.arraycopy(new byte[] {0x34, 0x12, 0x78, 0x56, (byte) 0xbc, 0x7a}, 0, pixels, at, 6);
    }

    byte[] image = Images.decode(SampleFiles.encode("png", 4, 4, CV_16UC3, pixels), 3, 4).pixels();

    assertThat(at(image, 4, 0, 1, 1)).isCloseTo(0x7a, within(1));
    assertThat(at(image, 4, 1, 1, 1)).isCloseTo(0x56, within(1));
    assertThat(at(image, 4, 2, 1, 1)).isCloseTo(0x12, within(1));
  }

  @ParameterizedTest
  @ValueSource(strings = {"png", "bmp"})
  void palettesAreLookedUp(String extension) throws Exception {
    BufferedImage indexed = new BufferedImage(6, 6, BufferedImage.TYPE_BYTE_INDEXED);
    for (int at = 0; at < 36; at++) {
      indexed.setRGB(at % 6, at / 6, 0xff3300);
    }

    byte[] image = Images.decode(writtenByJava(indexed, extension), 3, 6).pixels();

    assertThat(Arrays.copyOfRange(image, 0, 36)).containsOnly(0xff);
    assertThat(Arrays.copyOfRange(image, 36, 72)).containsOnly(0x33);
    assertThat(Arrays.copyOfRange(image, 72, 108)).containsOnly(0);
  }

  private static byte[] writtenByJava(BufferedImage image, String format) throws IOException {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    assertThat(ImageIO.write(image, format, out)).isTrue();
    return out.toByteArray();
  }

  @Test
  void cmykIsConverted() throws Exception {
    byte[] image = Images.decode(CMYK_JPEG, 3, 8).pixels();

    assertThat(at(image, 8, 0, 3, 3)).isCloseTo(200, within(3));
    assertThat(at(image, 8, 1, 3, 3)).isCloseTo(100, within(3));
    assertThat(at(image, 8, 2, 3, 3)).isCloseTo(50, within(3));
  }

  @Test
  void orientationIsHonoured() throws Exception {
    // Orientation 6: the camera was held so that the picture has to be turned right.
    byte[] turned = SampleFiles.turned(SampleFiles.rgb("jpg", 24, 24), 6);

    byte[] image = Images.decode(turned, 3, 24).pixels();

    // The left column, dark in red, is on top; the top row, dark in green, is on the right.
    assertThat(at(image, 24, 0, 0, 5)).isLessThan(15);
    assertThat(at(image, 24, 0, 23, 5)).isGreaterThan(100);
    assertThat(at(image, 24, 1, 5, 23)).isLessThan(15);
    assertThat(at(image, 24, 1, 5, 0)).isGreaterThan(145);
  }

  @ParameterizedTest
  @ValueSource(strings = {"png", "bmp", "webp", "jpg"})
  void aTruncatedFileIsNamedSo(String extension) {
    byte[] file = SampleFiles.noise(extension, 50, 36);

    // a JPEG without its last bytes is whole; what follows from that is tested below
    int last = extension.equals("jpg") ? file.length - 41 : file.length - 1;
    for (int length : new int[] {20, 60, file.length / 2, file.length - 40, last}) {
      assertThatThrownBy(() -> Images.decode(Arrays.copyOf(file, length), 3, 24))
          .as("%d of %d bytes", length, file.length)
          .isInstanceOf(UnreadableImageException.class)
          .hasMessageMatching("truncated (PNG|BMP|WebP|JPEG) image");
    }
  }

  /** Cameras and downloads leave out the marker of the end. */
  @ParameterizedTest
  @ValueSource(ints = {1, 2})
  void aJpegWithoutItsEndMarkerIsWhole(int cut) throws Exception {
    byte[] file = SampleFiles.noise("jpg", 50, 36);

    Image image = Images.decode(Arrays.copyOf(file, file.length - cut), 3, 24);

    assertThat(image.pixels()).isEqualTo(Images.decode(file, 3, 24).pixels());
  }

  @Property(tries = 400)
  void aTruncatedFileNeverBecomesAnotherImage(
      @ForAll @IntRange(max = 3) int format,
      @ForAll @DoubleRange(max = 1, maxIncluded = false) double fraction) {
    byte[] file = FORMATS[format];
    byte[] cut = Arrays.copyOf(file, (int) (fraction * file.length));

    try {
      // only the marker of the end is missing
      assertThat(Images.decode(cut, 3, 16).pixels()).isEqualTo(Images.decode(file, 3, 16).pixels());
    } catch (UnreadableImageException e) {
      assertThat(e).hasMessageStartingWith(cut.length == 0 ? "empty file" : "");
    }
  }

  // Of the structure alone: the decoders print what they find to the console.
  @Property
  void aMutatedFileHasASizeOrIsUnreadable(
      @ForAll @IntRange(max = 3) int format,
      @ForAll @DoubleRange(max = 1, maxIncluded = false) double position,
      @ForAll byte value) {
    byte[] file = FORMATS[format].clone();
    // Most of them at the beginning, where the structure is.
    file[(int) (position * position * position * file.length)] = value;

    try {
      ImageHeader header = ImageHeader.of(file);
      assertThat(header.width()).isNotNegative();
      assertThat(header.height()).isNotNegative();
    } catch (UnreadableImageException e) {
      assertThat(e.getMessage()).isNotBlank();
    }
  }

  private static final byte[][] FORMATS = {
    SampleFiles.noise("png", 50, 36),
    SampleFiles.noise("bmp", 50, 36),
    SampleFiles.noise("webp", 50, 36),
    SampleFiles.noise("jpg", 50, 36)
  };

  @Test
  void damageInsideIsFoundByTheDecoder() {
    byte[] file = SampleFiles.noise("png", 50, 36);
    file[file.length / 2] ^= 0x10;

    assertThatThrownBy(() -> Images.decode(file, 3, 24))
        .isInstanceOf(UnreadableImageException.class)
        .hasMessage("damaged PNG image");
  }

  @Test
  void aHugeImageIsRefusedBeforeItIsDecoded() {
    byte[] png = SampleFiles.noise("png", 50, 36);
    ByteBuffer.wrap(png).putInt(16, 50_000).putInt(20, 40_000);
    byte[] bmp = SampleFiles.noise("bmp", 50, 36);
    // Compressed by run length, so that the size of the file says nothing about that of the image.
    ByteBuffer.wrap(bmp).putInt(18, 0x00000100).putInt(22, 0x00000100).putInt(30, 0x01000000);

    assertThatThrownBy(() -> Images.decode(png, 3, 24))
        .isInstanceOf(UnreadableImageException.class)
        .hasMessage("50000 x 40000 pixels, more than 100 megapixels");
    assertThatThrownBy(() -> Images.decode(bmp, 3, 24))
        .isInstanceOf(UnreadableImageException.class)
        .hasMessage("65536 x 65536 pixels, more than 100 megapixels");
  }

  @Test
  void anythingElseIsNotAnImage() throws IOException {
    for (byte[] file : new byte[][] {"BMW is a make of cars".getBytes(UTF_8), {1}}) {
      assertThatThrownBy(() -> Images.decode(file, 3, 24))
          .isInstanceOf(UnreadableImageException.class)
          .hasMessage("not a JPEG, PNG, BMP or WebP image");
    }
    assertThatThrownBy(() -> Images.decode(new byte[0], 3, 24))
        .isInstanceOf(UnreadableImageException.class)
        .hasMessage("empty file");
  }

  @Test
  void otherFormatsAreNamed() throws IOException {
    BufferedImage image = new BufferedImage(4, 4, BufferedImage.TYPE_BYTE_INDEXED);
    Map<String, byte[]> files =
        Map.of(
            "GIF", writtenByJava(image, "gif"),
            "TIFF", writtenByJava(image, "tiff"),
            "HEIC", "\0\0\0$ftypheic\0\0\0\0mif1heic".getBytes(ISO_8859_1),
            "AVIF", "\0\0\0 ftypavif\0\0\0\0avifmif1".getBytes(ISO_8859_1),
            "JPEG XL", "\0\0\0\fJXL \r\n\u0087\n".getBytes(ISO_8859_1),
            "JPEG 2000", "\0\0\0\fjP  \r\n\u0087\n".getBytes(ISO_8859_1));
    files.forEach(
        (format, file) ->
            assertThatThrownBy(() -> Images.decode(file, 3, 24))
                .isInstanceOf(UnreadableImageException.class)
                .hasMessage(
                    format + " image, which Fovea does not read; convert it to JPEG or PNG"));
  }

  @Test
  void readsAFileOfAnyName(@TempDir Path folder) throws IOException {
    Path file = folder.resolve("größe 24.txt");
    Files.write(file, SampleFiles.rgb("webp", 24, 24));

    assertPicture(Images.read(file, 3, 24).pixels(), 24, 0, 0, 0);
  }

  @Test
  void namesTheFileAndTheReason(@TempDir Path folder) {
    Path missing = folder.resolve("missing.png");

    assertThatThrownBy(() -> Images.read(missing, 3, 24))
        .isInstanceOf(DataException.class)
        .hasMessage(missing + ": no such file");
    assertThatThrownBy(() -> Images.read(folder, 3, 24))
        .isInstanceOf(DataException.class)
        .hasMessageStartingWith(folder + ": cannot be read: ");
    assertThatThrownBy(() -> Images.read(missing, 2, 24))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("images: expected 1 or 3 channels, got 2");
    assertThatThrownBy(() -> Images.read(missing, 3, 0))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("images: expected a size of at least 1, got 0");
  }

  @Test
  void readsAPictureAtItsOwnSize(@TempDir Path folder) throws IOException {
    Path file = folder.resolve("picture.png");
    Files.write(file, SampleFiles.rgb("png", 44, 24));

    Image picture = Images.picture(file);

    assertThat(picture.width()).isEqualTo(44);
    assertThat(picture.height()).isEqualTo(24);
    assertThat(picture.side()).isEqualTo(24);
    assertThat(picture.left()).isEqualTo(10);
    assertThat(picture.top()).isZero();
    int at = 7 * 44 + 30;
    int area = 44 * 24;
    assertThat(Byte.toUnsignedInt(picture.pixels()[at])).isEqualTo(SampleFiles.red(30));
    assertThat(Byte.toUnsignedInt(picture.pixels()[area + at])).isEqualTo(SampleFiles.green(7));
    assertThat(Byte.toUnsignedInt(picture.pixels()[2 * area + at])).isEqualTo(SampleFiles.BLUE);
    assertThatThrownBy(() -> Images.picture(folder.resolve("none.png")))
        .isInstanceOf(DataException.class)
        .hasMessageContaining("no such file");
  }

  @Test
  void decodesFromMemoryUpToALimit() throws UnreadableImageException {
    byte[] content = SampleFiles.rgb("png", 44, 24);

    assertThat(Images.decode(content, 3, 8, 44 * 24).pixels())
        .isEqualTo(Images.decode(content, 3, 8).pixels());
    assertThatThrownBy(() -> Images.decode(content, 3, 8, 44 * 24 - 1))
        .isInstanceOf(DataException.class)
        .hasMessage("44 x 24 pixels, more than 0 megapixels");
    assertThatThrownBy(() -> Images.decode(new byte[0], 3, 8, 100)).hasMessage("empty file");
    assertThatThrownBy(() -> Images.decode(content, 2, 8, 100))
        .hasMessage("images: expected 1 or 3 channels, got 2");
    assertThat(Images.isKnown(content)).isTrue();
    assertThat(Images.isKnown("GIF89a".getBytes(UTF_8))).isFalse();
    assertThat(Images.isKnown(new byte[0])).isFalse();
  }

  /** Whatever sides a header claims: their product may be more than a long holds. */
  @Property(tries = 200)
  void hugeSidesAreRefusedFromTheHeader(
      @ForAll @IntRange(min = 10_000) int width, @ForAll @IntRange(min = 10_000) int height) {
    byte[] content = SampleFiles.rgb("png", 8, 8);
    ByteBuffer.wrap(content).putInt(16, width | 0x80000000).putInt(20, height | 0x80000000);

    assertThatThrownBy(() -> Images.decode(content, 3, 8, 25_000_000))
        .isInstanceOf(DataException.class)
        .hasMessageContaining("more than 25 megapixels");
  }

  /** The decoder is not asked: it would print a line that does not say which file. */
  @Property(tries = 100)
  void aWrongByteInAPngIsNoticed(@ForAll @IntRange(min = 0) int at, @ForAll byte by)
      throws UnreadableImageException {
    byte[] content = SampleFiles.rgb("png", 8, 8);
    int place =
        41 + at % (content.length - 41 - 16); // in the pixels: behind the header, before the end
    content[place] ^= by == 0 ? 1 : by;

    ImageHeader header = ImageHeader.of(content);
    assertThatThrownBy(() -> header.requireChecksums(content))
        .isInstanceOf(UnreadableImageException.class)
        .hasMessage("damaged PNG image");
  }
}
