package io.fovea.app.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import io.fovea.app.Outcome;
import io.fovea.training.run.Json;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Train, evaluate and predict, one after the other. */
class TrainCommandTest {
  @TempDir static Path folder;
  private static Outcome trained;

  @BeforeAll
  static void trainOnce() {
    trained = train();
  }

  private static Outcome train() {
    return Outcome.of(
        "train",
        "--attention",
        "se:reduction=4",
        "--limit",
        "200",
        "--width",
        "0.25",
        "--epochs",
        "1",
        "--out",
        run());
  }

  private static String run() {
    return folder.resolve("run").toString();
  }

  private static String picture(int side) throws IOException {
    BufferedImage image = new BufferedImage(side, side, BufferedImage.TYPE_BYTE_GRAY);
    for (int i = 0; i < side * side / 2; i++) {
      image.getRaster().setSample(i % side, i / side, 0, 200);
    }
    Path file = folder.resolve("picture" + side + ".png");
    ImageIO.write(image, "png", file.toFile());
    return file.toString();
  }

  @Test
  void trainLeavesARunAndSaysHowGoodItIs() {
    assertThat(trained.status()).isZero();
    assertThat(trained.outLines()).hasSize(1);
    assertThat(trained.out())
        .matches("top-1 \\d+\\.\\d % on the test images; \\Q" + run() + "\\E\\R");
    assertThat(trained.err()).contains("resnet8 with se:reduction=4: ", "epoch 1/1");
    assertThat(folder.resolve("run")).isDirectoryContaining("glob:**config.json");
    assertThat(folder.resolve("run")).isDirectoryContaining("glob:**last.safetensors");
  }

  /** Two threads would only wait for each other. */
  @Test
  void aSmallNetworkTrainsOnOneThread() {
    JsonNode config = Json.read(folder.resolve("run/config.json"), JsonNode.class);
    assertThat(config.path("machine").path("threads").asInt()).isEqualTo(1);
  }

  @Test
  void evaluateGivesTheTop1OfTheTraining() {
    Outcome outcome = Outcome.of("evaluate", run());

    assertThat(outcome.status()).isZero();
    String top1 = trained.out().substring(0, trained.out().indexOf(" %"));
    List<String> lines = outcome.outLines();
    assertThat(lines.get(lines.size() - 1)).startsWith(top1 + " % of 2000 test images of ");
    assertThat(lines).hasSize(15); // head, ten classes, two means, nothing, sum
  }

  @Test
  void predictClassifiesImagesOfAnySize() throws IOException {
    String small = picture(28);
    String large = picture(90);

    Outcome outcome = Outcome.of("predict", "--run", run(), "--top", "2", small, large);

    assertThat(outcome.status()).isZero();
    List<String> lines = outcome.outLines();
    assertThat(lines).hasSize(6);
    assertThat(lines.get(0)).isEqualTo(small);
    assertThat(lines.get(1)).matches(" +\\d+\\.\\d %  \\S.*");
    assertThat(lines.get(3)).isEqualTo(large);
  }

  @Test
  void anImageThatCannotBeReadDoesNotKeepTheOthersBack() throws IOException {
    String good = picture(30);
    Path bad = folder.resolve("bad.png");
    Files.writeString(bad, "no picture");

    Outcome outcome = Outcome.of("predict", "--run", run(), bad.toString(), good);

    assertThat(outcome.status()).isEqualTo(2);
    assertThat(outcome.errLines()).hasSize(1);
    assertThat(outcome.err()).startsWith("fovea: ").contains("bad.png");
    assertThat(outcome.outLines()).hasSize(4).startsWith(good);
  }

  @Test
  void aStudyDoesNotGoIntoTheFolderOfARun() {
    Outcome outcome = Outcome.of("compare", "--modules", "none", "--out", run());

    assertThat(outcome.status()).isEqualTo(2);
    assertThat(outcome.err())
        .endsWith("fovea: " + run() + ": contains a run of fovea train; choose another --out\n");
  }

  @Test
  void theSameFolderIsNotTrainedIntoAgain() {
    Outcome outcome = train();

    assertThat(outcome.status()).isEqualTo(2);
    assertThat(outcome.err())
        .endsWith("fovea: " + run() + ": contains a run already; choose another folder\n")
        .doesNotContain("\tat ");
  }

  @Test
  void aTrainingWithAugmentationSaysSoInItsRun() throws IOException {
    String out = folder.resolve("augmented").toString();
    Outcome outcome =
        Outcome.of(
            "train",
            "--limit",
            "100",
            "--width",
            "0.25",
            "--epochs",
            "1",
            "--augment",
            "crop=0.5,1;trivial;erase=0.25;mixup=0.2;cutmix=1",
            "--out",
            out);

    assertThat(outcome.status()).as(outcome.err()).isZero();
    assertThat(Files.readString(Path.of(out, "config.json")))
        .contains("crop=0.5,1;trivial;erase=0.25;mixup=0.2;cutmix=1");
    Outcome wrong = Outcome.of("train", "--augment", "crop=0.5,1;trival", "--out", out + "-2");
    assertThat(wrong.status()).isEqualTo(2);
    assertThat(wrong.errLines()).singleElement().asString().contains("trival");
    assertThat(Path.of(out + "-2")).doesNotExist();
  }

  @Test
  void aRecipeIsPrintedAndGivenAsAFile() throws IOException {
    Outcome printed = Outcome.of("train", "--recipe", "paper", "--print-recipe", "--epochs", "7");
    assertThat(printed.status()).as(printed.err()).isZero();
    assertThat(printed.outLines())
        .contains("--epochs 7", "--batch-size 256", "--schedule step", "--augment crop=0.08,1");
    Path file = folder.resolve("recipe.txt");
    Files.writeString(file, printed.out());

    for (String given : List.of("@" + file, "--recipe @" + file, "--recipe=" + file)) {
      List<String> words = new ArrayList<>(List.of("train", "--epochs", "2"));
      words.addAll(List.of(given.split(" ")));
      words.addAll(List.of("--learning-rate", "0.2", "--print-recipe"));
      Outcome again = Outcome.of(words.toArray(new String[0]));

      assertThat(again.status()).as(again.err()).isZero();
      assertThat(again.out())
          .isEqualTo(
              printed
                  .out()
                  .replace("--epochs 7", "--epochs 2")
                  .replace("--learning-rate 0.1", "--learning-rate 0.2"));
    }
  }

  @Test
  void theDefaultRecipesAreTheDefaults() {
    assertThat(Outcome.of("train", "--recipe", "scratch", "--print-recipe").out())
        .isEqualTo(Outcome.of("train", "--print-recipe").out())
        .contains("--learning-rate 0.1\n", "--epochs 10\n", "--flip\n");
    String start = "--init=" + run();
    assertThat(Outcome.of("train", start, "--recipe", "finetune", "--print-recipe").out())
        .isEqualTo(Outcome.of("train", start, "--print-recipe").out())
        .contains("--learning-rate 0.01\n", "--head-rate 10\n");
    assertThat(Outcome.of("train", start, "--optimizer", "adamw", "--print-recipe").out())
        .contains("--learning-rate 0.0001\n", "--weight-decay 0.05\n");
  }

  @Test
  void mistakesInRecipesAndTimesAreOneLine() {
    String[][] mistakes = {
      {"--recipe papers", "unknown recipe: \"papers\""},
      {"@nowhere.txt", "nowhere.txt: cannot be read as a recipe: the file does not exist"},
      {"--recipe finetune", "this recipe needs trained weights: give --init or --pretrained"},
      {"--time 30", "--time: expected a time such as 90s, 30m or 1h30m, got \"30\""},
      {"--time 30m --epochs 3", "--time and --epochs are both given; give one of them"},
      {"--save-every never", "--save-every: expected a time such as 90s"},
      {"--schedule stairs", "unknown schedule: \"stairs\""},
      {"--accumulate 0", "--accumulate must be at least 1, got 0"},
      {"--ema 1", "the decay of the average must be from 0 to below 1, got 1.0"},
    };
    for (String[] mistake : mistakes) {
      Outcome outcome = Outcome.of(("train " + mistake[0]).split(" "));
      assertThat(outcome.status()).as(mistake[0]).isEqualTo(2);
      assertThat(outcome.errLines().stream().filter(line -> line.startsWith("fovea: ")))
          .as(mistake[0])
          .singleElement()
          .asString()
          .contains(mistake[1]);
    }
  }

  /** All of it at once: a time that ends after the first epoch, and the average of its weights. */
  @Test
  void aTrainingForATimeLeavesAnAverageThatIsEvaluated() {
    String out = folder.resolve("timed").toString();
    Outcome outcome =
        Outcome.of(
            ("train --limit 100 --width 0.25 --time 0.001s --ema 0.9 --accumulate 2 --balance"
                    + " --class-weights balanced --save-every 0.001s --out "
                    + out)
                .split(" "));

    assertThat(outcome.status()).as(outcome.err()).isZero();
    assertThat(outcome.err()).contains("time for 1 epoch\n", "epoch 1/1", " %, averaged ");
    Outcome evaluated = Outcome.of("evaluate", out, "--weights", "ema");
    assertThat(evaluated.status()).as(evaluated.err()).isZero();
    assertThat(Outcome.of("evaluate", run(), "--weights", "ema").errLines())
        .anyMatch(line -> line.endsWith("only trainings with --ema have it"));
  }
}
