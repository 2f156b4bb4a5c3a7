package io.fovea.training;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.fovea.data.ImageDataset;
import io.fovea.data.TrainingData;
import io.fovea.errors.SpecException;
import io.fovea.testing.Numeric;
import io.fovea.testing.Rounding;
import io.fovea.training.run.Json;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@Numeric
class ClassWeightsTest {
  private static final List<String> CLASSES = List.of("cat", "polar bear");

  @TempDir Path folder;

  private static ClassWeights resolved(ClassWeights weights) {
    return weights.resolved(CLASSES, () -> ClassWeights.balanced(new int[] {0, 0, 0, 1}, 2));
  }

  /** compute_class_weight("balanced", classes=[0, 1], y=[0, 0, 0, 1]) of scikit-learn. */
  @Test
  void balancedWeightsAreThoseOfScikitLearn() {
    assertThat(resolved(ClassWeights.BALANCED))
        .isEqualTo(ClassWeights.of(List.of(4 / (2 * 3.0), 2.0)));
    assertThat(ClassWeights.balanced(new int[] {0, 0}, 2)).containsExactly(0.5, 0.0);
  }

  @Test
  void aFileNamesTheClasses() throws IOException {
    Path file = folder.resolve("weights.txt");
    Files.writeString(file, "polar bear 2.5\n\ncat, 1\n");

    assertThat(resolved(ClassWeights.parse(file.toString())))
        .isEqualTo(ClassWeights.of(List.of(1.0, 2.5)));
    Files.writeString(file, "cat 1\ndog 2\n");
    assertThatThrownBy(() -> resolved(ClassWeights.parse(file.toString())))
        .isInstanceOf(SpecException.class)
        .hasMessage("there is a weight for \"dog\", but no such class");
    Files.writeString(file, "cat 1\n");
    assertThatThrownBy(() -> resolved(ClassWeights.parse(file.toString())))
        .hasMessage("there is no weight for the class \"polar bear\"");
    Files.writeString(file, "cat\n");
    assertThatThrownBy(() -> ClassWeights.parse(file.toString()))
        .hasMessage(file + ": expected NAME WEIGHT, got \"cat\"");
  }

  @ParameterizedTest
  @ValueSource(strings = {"0,0", "-1,1", "Infinity,1"})
  void weightsOutOfRangeAreRefused(String text) {
    assertThatThrownBy(() -> ClassWeights.parse(text))
        .isInstanceOf(SpecException.class)
        .hasMessageStartingWith("class weights must be at least 0 and not all 0, got [");
  }

  @Test
  void areReadBackFromJson() throws IOException {
    for (ClassWeights weights :
        List.of(
            ClassWeights.BALANCED,
            ClassWeights.of(List.of(1.0, 0.25)),
            ClassWeights.of(Map.of("cat", 2.0)))) {
      String json = Json.MAPPER.writeValueAsString(weights);
      assertThat(Json.MAPPER.readValue(json, ClassWeights.class)).isEqualTo(weights);
    }
  }

  /** Scores 0 and ln 3 for all: the loss is the mean over the images, weighted by their classes. */
  @Test
  void imagesOfRareClassesCountMore() {
    ImageDataset train = Shades.images(0, 0, 0, 1);
    TrainingData<ImageDataset> whole = Shades.data();
    TrainingData<ImageDataset> data =
        new TrainingData<>("shades", "4 shades", train, train, whole.normalization(), List.of());
    TrainingSpec spec =
        new TrainingSpec(1, 4, 1e-6, 0, 0, false, 1, new ClassificationExtras(0, 0))
            .withExtras(new ClassificationExtras(0, 0).withClassWeights(ClassWeights.BALANCED));
    List<Double> losses = new ArrayList<>();
    Trainer.train(
        Tasks.CLASSIFICATION,
        Shades.constant(0, (float) Math.log(3)),
        data,
        spec,
        new TrainingListener() {
          @Override
          public void step(int images, double loss) {
            losses.add(loss);
          }
        });

    assertThat(losses).hasSize(1);
    assertThat(losses.get(0))
        .isCloseTo(-(Math.log(0.25) + Math.log(0.75)) / 2, within(16 * Rounding.UNIT));
  }
}
