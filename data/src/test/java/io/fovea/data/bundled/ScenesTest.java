package io.fovea.data.bundled;

import static org.assertj.core.api.Assertions.assertThat;

import io.fovea.data.MaskedImage;
import io.fovea.data.SegmentationDataset;
import io.fovea.data.TrainingData;
import java.util.Arrays;
import java.util.BitSet;
import java.util.zip.CRC32;
import org.junit.jupiter.api.Test;

class ScenesTest {
  private static BitSet labels(MaskedImage scene) {
    BitSet labels = new BitSet();
    for (byte label : scene.labels()) {
      labels.set(Byte.toUnsignedInt(label));
    }
    return labels;
  }

  /** The channel that is strongest in the pixels of a label. */
  private static int hue(MaskedImage scene, int label) {
    long[] sums = new long[3];
    for (int i = 0; i < scene.labels().length; i++) {
      for (int channel = 0; channel < 3 && scene.labels()[i] == label; channel++) {
        sums[channel] +=
            Byte.toUnsignedInt(scene.image().pixels()[channel * scene.labels().length + i]);
      }
    }
    return sums[0] >= Math.max(sums[1], sums[2]) ? 0 : sums[1] >= sums[2] ? 1 : 2;
  }

  @Test
  void theColourOfTheShoeTellsTheClassOfTheClothes() {
    TrainingData<SegmentationDataset> data = Scenes.data(60, 20, 1);
    int blue = 0;
    for (int i = 0; i < 60; i++) {
      MaskedImage scene = data.train().sample(i);
      BitSet labels = labels(scene);
      assertThat(labels.get(1)).isTrue();
      assertThat(labels.length()).isLessThanOrEqualTo(data.train().classes().size());
      int hue = hue(scene, 1);
      assertThat(hue).as("scene %d", i).isIn(0, 2);
      assertThat(labels.get(2)).as("scene %d", i).isEqualTo(hue == 0);
      assertThat(labels.get(3)).as("scene %d", i).isEqualTo(hue == 2);
      blue += hue / 2;
    }
    assertThat(blue).isBetween(18, 42);
    assertThat(data.train().sample(0).image().pixels()).hasSize(3 * 96 * 96);
    assertThat(data.normalization().mean()).hasSize(3);
  }

  /** No pixel of clothes is redder or bluer than it is green, so that they say nothing of the shoe. */
  @Test
  void clothesSayNothingOfTheShoe() {
    TrainingData<SegmentationDataset> data = Scenes.data(30, 1, 2);
    for (int i = 0; i < 30; i++) {
      MaskedImage scene = data.train().sample(i);
      int area = scene.labels().length;
      for (int at = 0; at < area; at++) {
        if (scene.labels()[at] >= 2) {
          int green = Byte.toUnsignedInt(scene.image().pixels()[area + at]);
          assertThat(Byte.toUnsignedInt(scene.image().pixels()[at])).isLessThanOrEqualTo(green);
          assertThat(Byte.toUnsignedInt(scene.image().pixels()[2 * area + at]))
              .isLessThanOrEqualTo(green);
        }
      }
    }
  }

  @Test
  void aSeedMakesTheSameScenes() {
    TrainingData<SegmentationDataset> one = Scenes.data(3, 2, 5);
    TrainingData<SegmentationDataset> other = Scenes.data(4, 2, 5);
    CRC32 sum = new CRC32();
    for (int i = 0; i < 3; i++) {
      assertThat(other.train().sample(i).image().pixels())
          .isEqualTo(one.train().sample(i).image().pixels());
      assertThat(other.train().sample(i).labels()).isEqualTo(one.train().sample(i).labels());
      sum.update(one.train().sample(i).image().pixels());
      sum.update(one.train().sample(i).labels());
    }
    assertThat(sum.getValue()).isEqualTo(CHECKSUM);
    assertThat(
            Arrays.equals(
                Scenes.data(1, 1, 6).train().sample(0).image().pixels(),
                one.train().sample(0).image().pixels()))
        .isFalse();
  }

  /** Published results are those of these very scenes. */
  private static final long CHECKSUM = 3339977795L;
}
