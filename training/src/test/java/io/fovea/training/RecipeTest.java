package io.fovea.training;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.fovea.data.DataException;
import io.fovea.errors.SpecException;
import io.fovea.training.run.Run;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class RecipeTest {
  @TempDir Path folder;

  @Test
  void everyRecipeIsItsText() {
    for (Task<?, ?> task : Tasks.all()) {
      for (String name : Recipe.NAMES) {
        if (!name.equals("torchvision-v2") || task == Tasks.CLASSIFICATION) {
          TrainingSpec spec = Recipe.named(name).settings(task);
          assertThat(Recipe.parse(name, Recipe.text(task, spec)).settings(task))
              .as("%s for %s", name, task)
              .isEqualTo(spec);
        }
      }
    }
  }

  /** What the settings of other options look like. */
  @Test
  void everyOptionIsPrintedAndRead() {
    TrainingSpec spec =
        Tasks.CLASSIFICATION
            .training()
            .withFlip(false)
            .withTransfer(new Transfer("2", 0.5))
            .withSchedule(Schedule.parse("multistep:milestones=3,6,warmup=0.1"))
            .withOptimization(new Optimization(Optimization.Method.RMSPROP, 1.5, 4, 2, 0.99, 90))
            .withExtras(
                ClassificationExtras.DEFAULT
                    .withLabelSmoothing(0.1)
                    .withBalance(true)
                    .withClassWeights(ClassWeights.of(List.of(1.0, 0.5))));

    String text = Recipe.text(Tasks.CLASSIFICATION, spec);

    assertThat(text.lines())
        .containsExactly(
            "# a training of classification",
            "--time 1m30s",
            "--batch-size 16",
            "--accumulate 2",
            "--optimizer rmsprop",
            "--learning-rate 0.1",
            "--momentum 0.9",
            "--weight-decay 0.0005",
            "--schedule multistep:milestones=3,6,warmup=0.1",
            "--clip-gradient 1.5",
            "--ema 0.99",
            "--patience 4",
            "--head-rate 0.5",
            "--freeze 2",
            "--no-flip",
            "--class-weights 1.0,0.5",
            "--label-smoothing 0.1",
            "--crop-padding 2",
            "--balance");
    assertThat(Recipe.parse("text", text).settings(Tasks.CLASSIFICATION)).isEqualTo(spec);
    TrainingSpec masks =
        Tasks.SEGMENTATION
            .training()
            .withExtras(
                SegmentationExtras.DEFAULT
                    .withKeptStatistics(true)
                    .withScales(0.75, 1.5)
                    .withClassWeights(ClassWeights.BALANCED));
    assertThat(
            Recipe.parse("text", Recipe.text(Tasks.SEGMENTATION, masks))
                .settings(Tasks.SEGMENTATION))
        .isEqualTo(masks);
  }

  @Test
  void sectionsAreForTheirTask() {
    Recipe recipe = Recipe.parse("text", "# mine\n--epochs=7\n\n[video]\n--epochs 8\n");

    assertThat(recipe.settings(Tasks.CLASSIFICATION).epochs()).isEqualTo(7);
    assertThat(recipe.settings(Tasks.VIDEO).epochs()).isEqualTo(8);
    assertThat(recipe.sets(Tasks.VIDEO, "--epochs")).isTrue();
    assertThat(recipe.sets(Tasks.VIDEO, "--flip")).isFalse();
    assertThatThrownBy(() -> Recipe.named("torchvision-v2").settings(Tasks.VIDEO))
        .isInstanceOf(SpecException.class)
        .hasMessage("recipe torchvision-v2: is for classification, not for video");
  }

  /** The run's folder has it, and it gives the same training again. */
  @Test
  void aRunHasItsRecipe() {
    Path run = folder.resolve("run");
    Shades.train(run, Shades.TRAINING.withEpochs(1));

    TrainingSpec again = Recipe.of("@" + run.resolve("recipe.txt")).settings(Tasks.CLASSIFICATION);
    assertThat(again).isEqualTo(Run.open(run).config().training());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "--data x | text: \"--data x\" is no setting of a recipe",
        "--no-flip yes | text: \"--no-flip yes\" is no setting of a recipe",
        "epochs 3 | text: \"epochs 3\" is no setting of a recipe",
        "--epochs many | text: --epochs many: expected a number",
        "--epochs 0 | text: --epochs 0: epochs must be at least 1, got 0",
        "--balance 2 | text: --balance 2: takes no value",
        "--scale 1,1 | text: --scale 1,1: is for segmentation",
        "--optimizer lion | text: --optimizer lion: unknown optimiser: \"lion\"; there are sgd, adamw"
            + " and rmsprop",
      })
  void mistakesAreNamed(String line, String message) {
    assertThatThrownBy(() -> Recipe.parse("text", line).settings(Tasks.CLASSIFICATION))
        .isInstanceOf(SpecException.class)
        .hasMessage(message);
  }

  @Test
  void whatIsNotThereIsNamed() throws IOException {
    assertThatThrownBy(() -> Recipe.of("papers"))
        .isInstanceOf(SpecException.class)
        .hasMessage(
            "unknown recipe: \"papers\"; there are paper, finetune, scratch, torchvision-v2, or a"
                + " file");
    Path file = folder.resolve("mine.txt");
    assertThatThrownBy(() -> Recipe.of("@" + file))
        .isInstanceOf(DataException.class)
        .hasMessage(file + ": cannot be read as a recipe: the file does not exist");
    Files.writeString(file, "--epochs 4\n");
    assertThat(Recipe.of(file.toString()).settings(Tasks.CLASSIFICATION).epochs()).isEqualTo(4);
  }
}
