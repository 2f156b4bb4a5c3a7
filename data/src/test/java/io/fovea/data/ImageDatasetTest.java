package io.fovea.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class ImageDatasetTest {

  /** One pixel an image, its value the index. */
  private static ImageDataset dataset(int... labels) {
    return new ArrayDataset(
        List.of("a", "b", "c"),
        1,
        1,
        1,
        labels,
        index -> "image/" + index,
        index -> new byte[] {(byte) index});
  }

  private static int[] pixels(ImageDataset dataset) {
    return IntStream.range(0, dataset.size()).map(index -> dataset.pixels(index)[0]).toArray();
  }

  @Test
  void limitTakesTheFirstOfEachClassAndKeepsTheOrder() {
    ImageDataset limited = dataset(0, 0, 0, 1, 2, 1, 2, 2).limit(6);

    assertThat(pixels(limited)).containsExactly(0, 1, 3, 4, 5, 6);
    assertThat(limited.label(3)).isEqualTo(2);
    assertThat(limited.id(3)).isEqualTo("image/4");
    assertThat(limited.classes()).containsExactly("a", "b", "c");
  }

  @Test
  void limitGivesWhatIsLeftToTheFirstClasses() {
    assertThat(pixels(dataset(2, 2, 1, 1, 0, 0).limit(4))).containsExactly(0, 2, 4, 5);
    assertThat(pixels(dataset(2, 1, 0).limit(1))).containsExactly(2);
  }

  @Test
  void limitFillsUpFromTheOtherClassesWhereOneHasTooFew() {
    assertThat(pixels(dataset(0, 1, 1, 1, 2, 2).limit(5))).containsExactly(0, 1, 2, 4, 5);
  }

  @Test
  void limitAboveTheSizeIsTheSetItself() {
    ImageDataset all = dataset(0, 1, 2);

    assertThat(all.limit(3)).isSameAs(all);
    assertThat(all.limit(100)).isSameAs(all);
  }

  @Test
  void limitOfALimit() {
    assertThat(pixels(dataset(0, 1, 2, 0, 1, 2, 0, 1, 2).limit(6).limit(4)))
        .containsExactly(0, 1, 2, 3);
  }

  @Test
  void limitBelowOneIsRefused() {
    assertThatThrownBy(() -> dataset(0, 1).limit(0))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("limit: expected at least 1 image, got 0");
  }

  @Test
  void imageDataIsLimitedInItsTrainingImagesOnly() {
    ImageDataset all = dataset(0, 1, 2, 0, 1, 2);
    Normalization normalization = new Normalization(List.of(0.5), List.of(0.25));
    TrainingData<ImageDataset> data =
        new TrainingData<>("name", "six images", all, all, normalization, List.of());

    TrainingData<ImageDataset> limited = data.withTrain(all.limit(3));

    assertThat(limited.train().size()).isEqualTo(3);
    assertThat(limited.test()).isSameAs(all);
    assertThat(limited.normalization()).isEqualTo(normalization);
    assertThat(limited.description()).isEqualTo("six images, limited to 3 training images");
    assertThat(data.withTrain(all.limit(6))).isSameAs(data);
  }

  @Test
  void anIndexOutsideIsRefused() {
    ImageDataset all = dataset(0, 1);

    assertThatThrownBy(() -> all.pixels(2)).isInstanceOf(IndexOutOfBoundsException.class);
    assertThatThrownBy(() -> all.id(-1)).isInstanceOf(IndexOutOfBoundsException.class);
    assertThatThrownBy(() -> all.label(2)).isInstanceOf(IndexOutOfBoundsException.class);
  }
}
