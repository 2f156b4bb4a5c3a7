package io.fovea.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.fovea.errors.SpecException;
import java.util.List;
import org.junit.jupiter.api.Test;

class NormalizationTest {

  @Test
  void measuresEachChannel() {
    byte[][] images = {
      {0, (byte) 255, 51, 51, 0, 0},
      {(byte) 255, 0, 51, 51, 0, 102}
    };
    ImageDataset dataset =
        new ArrayDataset(
            List.of("a"), 3, 1, 2, new int[2], Integer::toString, index -> images[index]);

    Normalization measured = Normalization.of(dataset);

    assertThat(measured.mean().get(0)).isCloseTo(0.5, within(1e-12));
    assertThat(measured.std().get(0)).isCloseTo(0.5, within(1e-12));
    assertThat(measured.mean().get(1)).isCloseTo(0.2, within(1e-12));
    assertThat(measured.std().get(1)).as("a constant channel").isEqualTo(1);
    assertThat(measured.mean().get(2)).isCloseTo(0.1, within(1e-12));
    assertThat(measured.std().get(2)).isCloseTo(0.4 * Math.sqrt(3) / 4, within(1e-12));
  }

  @Test
  void tableHoldsWhatEveryByteBecomes() {
    float[][] table = new Normalization(List.of(0.5, 0.0), List.of(0.25, 1.0)).table();

    assertThat(table).hasDimensions(2, 256);
    assertThat(table[0][0]).isEqualTo(-2f);
    assertThat(table[0][255]).isEqualTo(2f);
    assertThat(table[1][51]).isEqualTo(0.2f);
  }

  @Test
  void refusesWhatCannotNormalize() {
    List<Double> one = List.of(1.0);
    assertThatThrownBy(() -> new Normalization(one, List.of(1.0, 1.0)))
        .isInstanceOf(SpecException.class)
        .hasMessageContaining("for each channel");
    assertThatThrownBy(() -> new Normalization(one, List.of(0.0)))
        .isInstanceOf(SpecException.class)
        .hasMessageContaining("positive");
    assertThatThrownBy(() -> new Normalization(List.of(Double.NaN), one))
        .isInstanceOf(SpecException.class)
        .hasMessageContaining("NaN");
  }

  /** 12 bits in files of 16 bits, which are divided by 256. */
  @Test
  void imagesThatAreAllNearlyBlackAreNoticed() {
    PixelSums dark = new PixelSums(1);
    dark.add(new byte[] {0, 15, 3, 8});
    assertThat(dark.darkness()).hasValueSatisfying(what -> assertThat(what).contains("15 of 255"));

    PixelSums bright = new PixelSums(1);
    bright.add(new byte[] {(byte) 200});
    dark.add(bright);
    assertThat(dark.darkness()).isEmpty();
  }
}
