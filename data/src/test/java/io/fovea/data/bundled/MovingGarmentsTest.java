package io.fovea.data.bundled;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.fovea.data.ImageDataset;
import io.fovea.data.TrainingData;
import io.fovea.data.bundled.MovingGarments.Relation;
import io.fovea.data.video.Sampling;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class MovingGarmentsTest {
  private static final int AREA = MovingGarments.SIDE * MovingGarments.SIDE;

  @ParameterizedTest
  @EnumSource(Relation.class)
  void isTheSameInEveryCall(Relation relation) {
    TrainingData<ImageDataset> first = MovingGarments.of(relation);
    TrainingData<ImageDataset> again = MovingGarments.of(relation);
    assertThat(first.train().size()).isEqualTo(1000);
    assertThat(first.test().size()).isEqualTo(400);
    for (int i : new int[] {0, 1, 399}) {
      assertThat(first.test().pixels(i)).isEqualTo(again.test().pixels(i)).hasSize(8 * AREA);
    }
    long[] sizes = new long[2];
    for (int i = 0; i < 1000; i++) {
      sizes[first.train().label(i)]++;
    }
    assertThat(sizes).containsExactly(500, 500);
  }

  /** What a single frame shows is distributed alike in both classes; so are its mean and its spread. */
  @ParameterizedTest
  @EnumSource(Relation.class)
  void aSingleFrameSaysNothing(Relation relation) {
    ImageDataset train = MovingGarments.of(relation).train();
    double[][] mean = new double[2][8];
    for (int i = 0; i < train.size(); i++) {
      byte[] clip = train.pixels(i);
      for (int t = 0; t < 8; t++) {
        for (int p = 0; p < AREA; p++) {
          mean[train.label(i)][t] += Byte.toUnsignedInt(clip[t * AREA + p]) / (500.0 * AREA);
        }
      }
    }
    if (relation == Relation.RETURN) {
      for (int t = 0; t < 8; t++) {
        assertThat(mean[0][t]).isCloseTo(mean[1][t], within(2.0));
      }
    } else { // one class is the other with its ends exchanged
      assertThat(mean[0][0]).isCloseTo(mean[1][7], within(2.0));
      assertThat(mean[0][7]).isCloseTo(mean[1][0], within(2.0));
    }
  }

  @Test
  void thereIsNothingInTheMiddle() {
    ImageDataset test = MovingGarments.of(Relation.RETURN).test();
    for (int i = 0; i < 50; i++) {
      byte[] clip = test.pixels(i);
      byte[] fourth = Arrays.copyOfRange(clip, 3 * AREA, 4 * AREA);
      assertThat(Arrays.copyOfRange(clip, 4 * AREA, 5 * AREA)).isEqualTo(fourth);
      assertThat(Arrays.copyOfRange(clip, 2 * AREA, 3 * AREA)).isNotEqualTo(fourth);
      assertThat(Arrays.copyOfRange(clip, 5 * AREA, 6 * AREA)).isNotEqualTo(fourth);
    }
  }

  @Test
  void showsPartsOfTheSameClips() {
    TrainingData<ImageDataset> whole = MovingGarments.of(Relation.RETURN);
    TrainingData<ImageDataset> single =
        MovingGarments.of(Relation.RETURN, new Sampling(1, 1, 8, 1));
    assertThat(single.description())
        .endsWith("sampled as 1 frames with stride 1, 8 times in tests");
    assertThat(single.normalization()).isEqualTo(whole.normalization());
    ImageDataset test = single.test();
    assertThat(new int[] {test.frames(), test.views(), test.size()}).containsExactly(1, 8, 400);
    for (int i : new int[] {0, 7, 399}) {
      byte[] clip = whole.test().pixels(i);
      assertThat(test.label(i)).isEqualTo(whole.test().label(i));
      for (int t = 0; t < 8; t++) {
        assertThat(test.view(i, t)).isEqualTo(Arrays.copyOfRange(clip, t * AREA, (t + 1) * AREA));
      }
    }
    // In training every frame comes, each as often as the others.
    byte[] clip = whole.train().pixels(3);
    int[] seen = new int[8];
    Random random = new Random(1);
    for (int i = 0; i < 800; i++) {
      byte[] frame = single.train().pixels(3, random);
      for (int t = 0; t < 8; t++) {
        if (Arrays.equals(frame, Arrays.copyOfRange(clip, t * AREA, (t + 1) * AREA))) {
          seen[t]++;
          break; // the two in the middle are alike
        }
      }
    }
    assertThat(seen[4]).isZero();
    for (int t : new int[] {0, 1, 2, 5, 6, 7}) {
      assertThat(seen[t]).isBetween(60, 140);
    }

    ImageDataset thin = MovingGarments.of(Relation.RETURN, new Sampling(3, 3, 1, 1)).test();
    byte[] first = whole.test().pixels(0);
    byte[] ends = thin.pixels(0);
    assertThat(Arrays.copyOfRange(ends, 0, AREA)).isEqualTo(Arrays.copyOfRange(first, 0, AREA));
    assertThat(Arrays.copyOfRange(ends, 2 * AREA, 3 * AREA))
        .isEqualTo(Arrays.copyOfRange(first, 6 * AREA, 7 * AREA));
    assertThatThrownBy(() -> MovingGarments.of(Relation.RETURN, new Sampling(8, 1, 1, 3)))
        .hasMessage("frames of garments-return are square, so only one crop is possible");
  }
}
