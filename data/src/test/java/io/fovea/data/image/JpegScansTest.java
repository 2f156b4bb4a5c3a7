package io.fovea.data.image;

import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.fovea.data.DataException;
import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.util.Arrays;
import javax.imageio.IIOImage;
import javax.imageio.ImageIO;
import javax.imageio.ImageWriteParam;
import javax.imageio.ImageWriter;
import javax.imageio.stream.MemoryCacheImageOutputStream;
import org.junit.jupiter.api.Test;

/** A JPEG of 1 MB with 21,000 scans takes more than 100 s to decode. */
class JpegScansTest {
  private static final byte[] COMMENT = {(byte) 0xff, (byte) 0xfe, 0, 4, (byte) 0xff, (byte) 0xd9};

  private static byte[] progressive() throws IOException {
    ImageWriter writer = ImageIO.getImageWritersByFormatName("jpeg").next();
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    try (MemoryCacheImageOutputStream image = new MemoryCacheImageOutputStream(out)) {
      writer.setOutput(image);
      ImageWriteParam settings = writer.getDefaultWriteParam();
      settings.setProgressiveMode(ImageWriteParam.MODE_DEFAULT);
      BufferedImage picture = new BufferedImage(32, 32, BufferedImage.TYPE_INT_RGB);
      for (int i = 0; i < 1024; i++) {
        picture.setRGB(i % 32, i / 32, 0x10203 * (i % 64));
      }
      writer.write(null, new IIOImage(picture, null, null), settings);
    } finally {
      writer.dispose();
    }
    return out.toByteArray();
  }

  /** The image with its last scan many times, each after some other bytes. */
  private static byte[] repeated(byte[] jpeg, int times, byte[] between) throws IOException {
    int last = jpeg.length - 2;
    while (!(jpeg[last] == (byte) 0xff && jpeg[last + 1] == (byte) 0xda)) {
      last--;
    }
    byte[] scan = Arrays.copyOfRange(jpeg, last, jpeg.length - 2);
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    out.write(jpeg, 0, last);
    for (int i = 0; i < times; i++) {
      out.write(between);
      out.write(scan);
    }
    out.write(jpeg, jpeg.length - 2, 2);
    return out.toByteArray();
  }

  private static void decode(byte[] jpeg) {
    Images.decode(jpeg, 3, 8, Images.MAX_PIXELS);
  }

  @Test
  void whatEncodersWriteIsDecoded() throws IOException {
    assertThatCode(() -> decode(progressive())).doesNotThrowAnyException();
    byte[] many = repeated(progressive(), 50, COMMENT);
    assertThatCode(() -> decode(many)).doesNotThrowAnyException();
  }

  @Test
  void endlessScansAreRefused() throws IOException {
    String reason = "JPEG image with more than 100 scans";
    byte[] plain = repeated(progressive(), 101, new byte[0]);
    byte[] hidden = repeated(progressive(), 101, COMMENT); // an end that is a comment
    for (byte[] bomb : new byte[][] {plain, hidden, Arrays.copyOf(plain, plain.length - 2)}) {
      assertThatThrownBy(() -> decode(bomb)).isInstanceOf(DataException.class).hasMessage(reason);
    }
  }

  /** Phones put a video behind the picture, in which markers occur by chance. */
  @Test
  void whatIsBehindTheEndDoesNotCount() throws IOException {
    byte[] jpeg = progressive();
    byte[] more = Arrays.copyOf(jpeg, jpeg.length + 1000);
    for (int i = jpeg.length; i + 1 < more.length; i += 2) {
      more[i] = (byte) 0xff;
      more[i + 1] = (byte) 0xda;
    }
    assertThatCode(() -> decode(more)).doesNotThrowAnyException();
  }
}
