package io.fovea.training;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import java.util.BitSet;
import java.util.zip.CRC32;
import org.junit.jupiter.api.Test;

class ScenesTest {
  private static BitSet labels(LabelledImage scene) {
    BitSet labels = new BitSet();
    for (byte label : scene.labels()) {
      labels.set(Byte.toUnsignedInt(label));
    }
    return labels;
  }

  @Test
  void theShoesTellTheSeason() {
    SegmentationData data = Scenes.data(60, 20, 1);
    int[] seasons = new int[2];
    for (int i = 0; i < 60; i++) {
      BitSet labels = labels(data.train().read(i));
      boolean summer = labels.get(2);
      seasons[summer ? 0 : 1]++;
      assertThat(labels.get(3)).isNotEqualTo(summer);
      assertThat(labels.get(4)).as("summer in %d", i).isIn(summer, false);
      assertThat(labels.get(5)).as("winter in %d", i).isIn(!summer, false);
      assertThat(labels.length()).isLessThanOrEqualTo(data.train().classes().size());
    }
    assertThat(seasons[0]).isBetween(15, 45);
    assertThat(data.train().read(0).pixels()).hasSize(3 * 96 * 96);
    assertThat(data.normalization().mean()).hasSize(3);
  }

  @Test
  void aSeedMakesTheSameScenes() {
    SegmentationData one = Scenes.data(3, 2, 5);
    SegmentationData other = Scenes.data(4, 2, 5);
    CRC32 sum = new CRC32();
    for (int i = 0; i < 3; i++) {
      assertThat(other.train().read(i).pixels()).isEqualTo(one.train().read(i).pixels());
      assertThat(other.train().read(i).labels()).isEqualTo(one.train().read(i).labels());
      sum.update(one.train().read(i).pixels());
      sum.update(one.train().read(i).labels());
    }
    assertThat(sum.getValue()).isEqualTo(CHECKSUM);
    assertThat(
            Arrays.equals(
                Scenes.data(1, 1, 6).train().read(0).pixels(), one.train().read(0).pixels()))
        .isFalse();
  }

  /** Published results are those of these very scenes. */
  private static final long CHECKSUM = 0;
}
