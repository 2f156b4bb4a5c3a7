package io.fovea.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.fovea.errors.SpecException;
import java.nio.FloatBuffer;
import java.nio.LongBuffer;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class AugmentSpecTest {
  private static Image noise(int channels, int side, long seed) {
    byte[] pixels = new byte[channels * side * side];
    new Random(seed).nextBytes(pixels);
    return new Image(channels, side, side, pixels);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "crop=0.08,1",
        "crop=0.5,1,0.8,1.25",
        "flip",
        "vflip=0.3",
        "rotate=15",
        "jitter=0.4,0.4,0.4,0.1",
        "trivial",
        "rand",
        "rand=3,12",
        "erase=1"
      })
  void aStepKeepsTheSizeAndDependsOnItsSeedAlone(String text) {
    AugmentSpec spec = AugmentSpec.parse(text);
    for (int channels : new int[] {1, 3}) {
      Image image = noise(channels, 20, 3);
      boolean changed = false;
      for (long seed = 0; seed < 40; seed++) {
        Image one = spec.apply(image, new Random(Seeds.mix(1, seed)), 10, 20, 30);
        assertThat(one.shape()).isEqualTo(image.shape());
        assertThat(spec.apply(image, new Random(Seeds.mix(1, seed)), 10, 20, 30).pixels())
            .isEqualTo(one.pixels());
        changed |= !Arrays.equals(one.pixels(), image.pixels());
      }
      assertThat(changed).isTrue();
    }
  }

  @Test
  void theTextIsItsJson() throws JsonProcessingException {
    AugmentSpec spec = AugmentSpec.parse(" crop=0.35,1 ; trivial;; mixup=0.2 ");
    ObjectMapper mapper = new ObjectMapper();

    assertThat(spec).hasToString("crop=0.35,1;trivial;mixup=0.2");
    assertThat(mapper.readValue(mapper.writeValueAsString(spec), AugmentSpec.class))
        .isEqualTo(spec);
    assertThat(spec.mixing()).isEqualTo(new Mixing(0.2, 0));
    assertThat(AugmentSpec.parse("").isEmpty()).isTrue();
    assertThat(AugmentSpec.parse("")).isEqualTo(AugmentSpec.NONE);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "blur | no step \"blur\"; there are crop, flip,",
        "crop | \"crop\" has 0 values, expected 2 to 4",
        "crop=0,1 | expected 0 < MIN <= MAX <= 1",
        "flip=2 | expected a probability from 0 to 1",
        "jitter=0.1,x | not a number in \"jitter=0.1,x\"",
        "jitter=0,0,0,0.6 | hue 0 to 0.5",
        "rand=2,31 | M 0 to 30",
        "mixup=0 | a positive ALPHA",
        "flip;flip | has flip twice",
      })
  void mistakesAreNamed(String text, String message) {
    assertThatThrownBy(() -> AugmentSpec.parse(text))
        .isInstanceOf(SpecException.class)
        .hasMessageStartingWith("augmentation: ")
        .hasMessageContaining(message);
  }

  /** The magnitudes of torchvision's _AUGMENTATION_SPACE, first, tenth and last bin. */
  @Test
  void magnitudesAreTorchvisions() {
    assertThat(Policies.wide(Policies.Operation.SHEAR_X, 30)).isCloseTo(0.99, within(1e-6));
    assertThat(Policies.wide(Policies.Operation.TRANSLATE_Y, 30)).isCloseTo(32, within(1e-6));
    assertThat(Policies.wide(Policies.Operation.ROTATE, 10)).isCloseTo(45, within(1e-6));
    assertThat(Policies.wide(Policies.Operation.POSTERIZE, 0)).isEqualTo(8);
    assertThat(Policies.wide(Policies.Operation.POSTERIZE, 30)).isEqualTo(2);
    assertThat(Policies.wide(Policies.Operation.SOLARIZE, 0)).isEqualTo(1);
    assertThat(Policies.rand(Policies.Operation.SHEAR_X, 9, 64, 64)).isCloseTo(0.09, within(1e-6));
    assertThat(Policies.rand(Policies.Operation.TRANSLATE_X, 30, 64, 331))
        .isCloseTo(150, within(1e-6));
    assertThat(Policies.rand(Policies.Operation.POSTERIZE, 30, 64, 64)).isEqualTo(4);
    assertThat(Policies.rand(Policies.Operation.BRIGHTNESS, 9, 64, 64))
        .isCloseTo(0.27, within(1e-6));
  }

  private static ImageDataset images(int count) {
    int[] labels = new int[count];
    for (int i = 0; i < count; i++) {
      labels[i] = i % 3;
    }
    return new ArrayDataset(
        List.of("a", "b", "c"), 3, 12, 12, labels, i -> "" + i, i -> noise(3, 12, i).pixels());
  }

  private static float[] epoch(String spec, int batchSize) {
    float[] all = new float[10 * 3 * 12 * 12];
    int at = 0;
    try (BatchLoader loader =
        BatchLoader.builder(images(10), Normalization.IMAGENET)
            .batchSize(batchSize)
            .augmentation(new Augmentation(2, true, AugmentSpec.parse(spec)))
            .seed(5)
            .build()) {
      for (Batch batch : loader.epoch(1)) {
        try (batch) {
          float[] values = new float[Math.toIntExact(batch.images().numel())];
          batch.images().<FloatBuffer>createBuffer().get(values);
          System.arraycopy(values, 0, all, at, values.length);
          at += values.length;
        }
      }
    }
    return all;
  }

  /** A batch is the work of one thread, so batches of one image spread over all of them. */
  @Test
  void imagesAreTheSameHoweverTheyAreSpreadOverThreads() {
    String spec = "crop=0.3,1;trivial;jitter=0.4;erase=0.5;mixup=0.4;cutmix=1";

    assertThat(epoch(spec, 1)).isEqualTo(epoch(spec, 10)).isEqualTo(epoch(spec, 3));
  }

  @Test
  void mixedImagesHaveBothClassesAndTheirShare() {
    try (BatchLoader loader =
        BatchLoader.builder(images(30), Normalization.IMAGENET)
            .batchSize(30)
            .augmentation(new Augmentation(0, false, AugmentSpec.parse("cutmix=1;mixup=1")))
            .build()) {
      for (Batch batch : loader.epoch(0)) {
        try (batch) {
          assertThat(batch.labels().shape()).containsExactly(30, MixedLabels.LENGTH);
          long[] labels = new long[30 * MixedLabels.LENGTH];
          batch.labels().<LongBuffer>createBuffer().get(labels);
          int others = 0;
          for (int i = 0; i < 30; i++) {
            assertThat(labels[3 * i]).isEqualTo(i % 3);
            assertThat(labels[3 * i + 1]).isBetween(0L, 2L);
            assertThat(labels[3 * i + 2]).isBetween(0L, MixedLabels.WHOLE);
            others += labels[3 * i + 1] != labels[3 * i] ? 1 : 0;
          }
          assertThat(others).isGreaterThan(5);
        }
      }
    }
  }

  /** Mean and variance of the distribution: 1/2 and 1 / (8 alpha + 4). */
  @ParameterizedTest
  @ValueSource(doubles = {0.2, 1, 4})
  void sharesHaveABetaDistribution(double alpha) {
    Random random = new Random(1);
    int count = 40_000;
    double sum = 0;
    double squares = 0;
    for (int i = 0; i < count; i++) {
      double share = Mixing.beta(alpha, random);
      assertThat(share).isBetween(0.0, 1.0);
      sum += share;
      squares += share * share;
    }
    double mean = sum / count;
    double variance = 1 / (8 * alpha + 4);
    assertThat(mean).isCloseTo(0.5, within(5 * Math.sqrt(variance / count)));
    assertThat(squares / count - mean * mean).isCloseTo(variance, within(0.02 * variance + 0.001));
  }
}
