package io.fovea.training;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.fovea.training.MovingGarments.Relation;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class MovingGarmentsTest {
  private static final int AREA = MovingGarments.SIDE * MovingGarments.SIDE;

  @ParameterizedTest
  @EnumSource(Relation.class)
  void isTheSameInEveryCall(Relation relation) {
    ImageData first = MovingGarments.of(relation);
    ImageData again = MovingGarments.of(relation);
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
}
