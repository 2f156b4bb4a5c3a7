package io.fovea.explain;

import static org.assertj.core.api.Assertions.assertThat;

import java.awt.Font;
import java.awt.Graphics2D;
import java.awt.image.BufferedImage;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Text with whatever fonts the machine has, and with none. */
class LetteringTest {
  /** What Java does without fonts differs from version to version. */
  private static Stream<Lettering> letterings() {
    Supplier<Font> broken =
        () -> {
          throw new IllegalStateException("Fontconfig head is null");
        };
    Supplier<Font> missing =
        () -> {
          throw new UnsatisfiedLinkError("libfreetype.so.6");
        };
    Supplier<Font> none =
        () -> {
          throw new InternalError("no physical fonts found");
        };
    return Stream.of(
        Lettering.inUse(), Lettering.of(broken), Lettering.of(missing), Lettering.of(none));
  }

  @ParameterizedTest
  @MethodSource("letterings")
  void drawsTextWhereItIsTold(Lettering lettering) {
    BufferedImage image = new BufferedImage(200, 60, BufferedImage.TYPE_3BYTE_BGR);
    Graphics2D graphics = image.createGraphics();
    graphics.fillRect(0, 0, 200, 60);

    lettering.draw(graphics, "0.983 boot", 50, 40);

    int inked = 0;
    for (int y = 0; y < 60; y++) {
      for (int x = 0; x < 200; x++) {
        boolean ink = (image.getRGB(x, y) & 0xff) < 250;
        inked += ink ? 1 : 0;
        assertThat(ink && (x < 48 || x > 52 + lettering.width("0.983 boot") || y < 20 || y > 50))
            .as("ink at %d, %d", x, y)
            .isFalse();
      }
    }
    assertThat(inked).isGreaterThan(50);
  }

  @ParameterizedTest
  @MethodSource("letterings")
  void drawsAnyScriptWithoutFailing(Lettering lettering) {
    BufferedImage image = new BufferedImage(200, 60, BufferedImage.TYPE_3BYTE_BGR);
    for (String text : new String[] {"猫", "собака", "قط", "café", "\uD83D\uDC31", "", "\n"}) {
      lettering.draw(image.createGraphics(), text, 10, 40);
      assertThat(lettering.width(text)).isBetween(0, 200);
    }
  }

  @ParameterizedTest
  @MethodSource("letterings")
  void breaksAndCutsWhatIsTooWide(Lettering lettering) {
    String text = "one two three four five six seven eight nine ten\nsecond";
    int width = lettering.width("one two three four");

    assertThat(lettering.wrapped(text, width))
        .hasSizeBetween(3, 6)
        .startsWith("one two three four")
        .endsWith("second")
        .allMatch(line -> lettering.width(line) <= width);
    assertThat(String.join(" ", lettering.wrapped(text, width))).isEqualTo(text.replace('\n', ' '));
    assertThat(lettering.wrapped("x".repeat(100), width)).hasSizeGreaterThan(1);
    assertThat(lettering.wrapped("", width)).isEmpty();
    assertThat(lettering.cut(text, 10_000)).isEqualTo(text);
    assertThat(lettering.cut("one two three four five", width)).startsWith("one t").endsWith("...");
    assertThat(lettering.cut("\uD83D\uDC31\uD83D\uDC31\uD83D\uDC31", 1))
        .isEqualTo("\uD83D\uDC31...");
  }
}
