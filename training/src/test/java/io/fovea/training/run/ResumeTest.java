package io.fovea.training.run;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.fovea.data.ArrayDataset;
import io.fovea.data.DataException;
import io.fovea.data.Dataset;
import io.fovea.data.ImageDataset;
import io.fovea.data.Normalization;
import io.fovea.data.Progress;
import io.fovea.data.TrainingData;
import io.fovea.data.source.DataSpec;
import io.fovea.data.video.Sampling;
import io.fovea.models.Classifier;
import io.fovea.models.ModelSpec;
import io.fovea.models.Network;
import io.fovea.models.weights.Safetensors;
import io.fovea.testing.Numeric;
import io.fovea.training.Blocks;
import io.fovea.training.ClassificationExtras;
import io.fovea.training.EpochResult;
import io.fovea.training.Optimization;
import io.fovea.training.Schedule;
import io.fovea.training.Shades;
import io.fovea.training.Start;
import io.fovea.training.Tasks;
import io.fovea.training.Training;
import io.fovea.training.TrainingListener;
import io.fovea.training.TrainingSpec;
import io.fovea.training.Transfer;
import io.fovea.training.evaluate.Evaluation;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.function.Supplier;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** An interrupted training goes on as if nothing had happened. */
@Numeric
class ResumeTest {
  @TempDir Path temporary;

  /** What ends a training from outside. */
  private static final class Killed extends RuntimeException {
    private static final long serialVersionUID = 1L;
  }

  /** Ends the training at a step, counted over all epochs from 0. */
  private static TrainingListener killedAt(int step) {
    int[] steps = {0};
    return new TrainingListener() {
      @Override
      public void step(int images, double loss) {
        if (steps[0]++ == step) {
          throw new Killed();
        }
      }
    };
  }

  private record Case<N extends Network, D extends Dataset<?>>(
      String name, int steps, DataSpec source, Supplier<Training<N, D>> training) {
    void train(Path folder, Duration saveEvery, TrainingListener listener) {
      torch.manual_seed(4711); // another process would find libtorch's generator in another state
      Run.train(folder, training.get(), source, saveEvery, listener);
    }

    @Override
    public String toString() {
      return name;
    }
  }

  private static TrainingSpec augmented() {
    return new TrainingSpec(3, 8, 0.05, 0.9, 5e-4, true, 5, new ClassificationExtras(0.1, 1));
  }

  private static Case<?, ?> classification() {
    return new Case<>(
        "classification",
        15,
        Shades.SPEC,
        () ->
            Training.of(
                Tasks.CLASSIFICATION,
                Shades.MODEL.withAttention("cbam:reduction=2"),
                Shades.data(),
                augmented()));
  }

  private static Case<?, ?> optimizer(Optimization.Method method) {
    return new Case<>(
        method.toString(),
        15,
        Shades.SPEC,
        () ->
            Training.of(
                Tasks.CLASSIFICATION,
                Shades.MODEL,
                Shades.data(),
                augmented()
                    .withLearningRate(1e-3)
                    .withOptimization(
                        Optimization.DEFAULT
                            .withMethod(method)
                            .withClip(1)
                            .withAccumulate(2)
                            .withEma(0.9))));
  }

  /** A schedule with a state: the scores of the epochs before. */
  private static Case<?, ?> plateau() {
    return new Case<>(
        "plateau",
        15,
        Shades.SPEC,
        () ->
            Training.of(
                Tasks.CLASSIFICATION,
                Shades.MODEL,
                Shades.data(),
                augmented()
                    .withSchedule(Schedule.parse("plateau:patience=0,threshold=1,gamma=0.5"))));
  }

  /** A network whose dropout uses libtorch's generator. */
  private static Case<?, ?> dropout() {
    ImageDataset train =
        new ArrayDataset(
            List.of("dark", "bright"),
            3,
            64,
            64,
            new int[] {0, 1, 0, 1, 0, 1, 0, 1},
            index -> "pixels/" + index,
            index -> {
              byte[] pixels = new byte[3 * 64 * 64];
              new Random(index).nextBytes(pixels);
              return pixels;
            });
    return new Case<>(
        "dropout",
        12,
        DataSpec.of("pixels"),
        () ->
            Training.of(
                Tasks.CLASSIFICATION,
                new ModelSpec("mobilenetv3-small", 2, 3, 0.25, "none"),
                new TrainingData<>(
                    "pixels", "8 images", train, train, Normalization.IMAGENET, List.of()),
                augmented().withBatchSize(2)));
  }

  /** Trained weights, of which some are frozen; a training that goes on does not read them again. */
  private static Case<?, ?> transfer() {
    return new Case<>(
        "transfer",
        15,
        Shades.SPEC,
        () -> {
          Training<Classifier, ImageDataset> training =
              Training.of(
                  Tasks.CLASSIFICATION,
                  Shades.MODEL,
                  Shades.data(),
                  augmented().withTransfer(new Transfer("1", 10)));
          List<String> fresh = List.of("fc.weight", "fc.bias");
          return training.startedFrom(new Start("weights.pth", fresh));
        });
  }

  private static Case<?, ?> segmentation() {
    return new Case<>(
        "segmentation",
        12,
        Blocks.SOURCE,
        () ->
            Training.of(
                Tasks.SEGMENTATION, Blocks.MODEL, Blocks.data(), Blocks.SPEC.withEpochs(3)));
  }

  private static Case<?, ?> video() {
    DataSpec source =
        DataSpec.of(DataSpec.GARMENTS).withSampling(new Sampling(4, 1, 1, 1)).withLimit(16);
    return new Case<>(
        "video",
        6,
        source,
        () ->
            Training.of(
                Tasks.VIDEO,
                new ModelSpec("c2d-resnet8", 2, 3, 0.25, 4, "nonlocal"),
                shortened(Tasks.VIDEO.open(source, Progress.NONE)),
                Tasks.VIDEO.training().withEpochs(3).withBatchSize(8)));
  }

  private static TrainingData<ImageDataset> shortened(TrainingData<ImageDataset> data) {
    return new TrainingData<>(
        data.name(),
        data.description(),
        data.train(),
        data.test().limit(4),
        data.normalization(),
        data.skipped());
  }

  static Stream<Arguments> cases() {
    Random random = new Random(1);
    return Stream.of(
            classification(),
            transfer(),
            optimizer(Optimization.Method.ADAMW),
            optimizer(Optimization.Method.RMSPROP),
            plateau(),
            dropout(),
            segmentation(),
            video())
        .flatMap(
            one ->
                Stream.of(1, 2)
                    .map(
                        times ->
                            Arguments.of(
                                one, random.ints(times, 0, one.steps()).sorted().toArray())));
  }

  @ParameterizedTest
  @MethodSource("cases")
  void isBitForBitTheUninterruptedTraining(Case<?, ?> one, int[] kills) throws IOException {
    boolean within = kills.length > 1; // once after each step, once after each epoch
    Path whole = temporary.resolve("whole");
    Path resumed = temporary.resolve("resumed");
    one.train(whole, null, TrainingListener.NONE);

    Duration saveEvery = within ? Duration.ZERO : null;
    int done = 0; // steps that are saved
    for (int kill : kills) {
      int from = done;
      assertThatThrownBy(() -> one.train(resumed, saveEvery, killedAt(kill - from)))
          .isInstanceOf(Killed.class);
      done =
          Run.isUnfinished(resumed)
              ? Run.epochsDone(resumed) * (one.steps() / 3) + Run.batchesDone(resumed)
              : 0;
      if (!within) {
        assertThat(done).isEqualTo(kill / (one.steps() / 3) * (one.steps() / 3));
      }
    }
    one.train(resumed, saveEvery, TrainingListener.NONE);

    assertThat(names(resumed)).isEqualTo(names(whole));
    for (String file : names(whole).stream().filter(n -> n.endsWith(".safetensors")).toList()) {
      assertThat(Files.readAllBytes(resumed.resolve(file)))
          .as(file)
          .isEqualTo(Files.readAllBytes(whole.resolve(file)));
    }
    assertThat(withoutTimes(resumed)).isEqualTo(withoutTimes(whole));
  }

  private static List<String> names(Path folder) throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      return files.map(file -> file.getFileName().toString()).sorted().toList();
    }
  }

  private static List<EpochResult> withoutTimes(Path folder) {
    return Run.open(folder).metrics().stream()
        .map(
            e ->
                new EpochResult(
                    e.epoch(), e.trainLoss(), e.testLoss(), e.figures(), e.learningRate(), 0, 0))
        .toList();
  }

  private Path interrupted(int step) {
    Path folder = temporary.resolve("run");
    assertThatThrownBy(
            () -> Run.train(folder, Shades.training(Shades.TRAINING), Shades.SPEC, killedAt(step)))
        .isInstanceOf(Killed.class);
    return folder;
  }

  @Test
  void aTrainingThatEndedInItsFirstEpochBeginsAgain() {
    Path folder = interrupted(2);

    assertThat(Run.isUnfinished(folder)).isFalse();
    Shades.train(folder, Shades.TRAINING.withSeed(2));
    assertThat(Run.open(folder).metrics()).hasSize(3);
    assertThat(Run.open(folder).config().training().seed()).isEqualTo(2);
  }

  @Test
  void anUnfinishedTrainingCanBeUsedAndSaysHowFarItIs() {
    Path folder = interrupted(12);

    assertThat(Run.isUnfinished(folder)).isTrue();
    assertThat(Run.epochsDone(folder)).isEqualTo(2);
    assertThat(Run.open(folder).metrics()).hasSize(2);
    assertThat(Run.open(folder).load(Run.Weights.LAST)).isNotNull();
    assertThatThrownBy(() -> Run.requireFree(folder))
        .isInstanceOf(DataException.class)
        .hasMessageContaining("contains a training that is not finished");
  }

  @Test
  void otherSettingsAreRefusedAndNamed() {
    Path folder = interrupted(7);

    assertThatThrownBy(() -> Shades.train(folder, Shades.TRAINING.withLearningRate(0.07)))
        .isInstanceOf(DataException.class)
        .hasMessage(
            folder
                + ": contains a training with other settings (training learning_rate: 0.05 in the folder,"
                + " 0.07 now); choose another folder, or go on with its own by fovea train --resume "
                + folder);
  }

  @Test
  void aFinishedTrainingIsRefused() {
    Path folder = temporary.resolve("run");
    Shades.train(folder, Shades.TRAINING);

    assertThat(Run.isUnfinished(folder)).isFalse();
    assertThatThrownBy(() -> Run.epochsDone(folder))
        .hasMessage(folder + ": the training is finished");
    assertThatThrownBy(() -> Shades.train(folder, Shades.TRAINING))
        .isInstanceOf(DataException.class)
        .hasMessage(folder + ": contains a run already; choose another folder");
  }

  /** As after a kill between the state and the files that follow from it. */
  @Test
  void filesThatWereNotWrittenAfterTheStateAreWrittenWhenItGoesOn() throws IOException {
    Path whole = temporary.resolve("whole");
    Shades.train(whole, Shades.TRAINING);
    Path folder = temporary.resolve("run");
    Path copy = temporary.resolve("copy");
    Files.createDirectories(copy);
    Run.train(
        folder,
        Shades.training(Shades.TRAINING),
        Shades.SPEC,
        new TrainingListener() {
          @Override
          public void epoch(EpochResult result, Evaluation test) {
            try {
              if (result.epoch() == 3) { // the last state, with nothing else of its epoch
                Files.copy(folder.resolve("state.safetensors"), copy.resolve("state.safetensors"));
                Files.copy(folder.resolve("config.json"), copy.resolve("config.json"));
              }
            } catch (IOException e) {
              throw new IllegalStateException(e);
            }
          }
        });
    Files.writeString(copy.resolve(".last.safetensors.part"), "half of a file");

    Shades.train(copy, Shades.TRAINING);

    assertThat(names(copy))
        .containsAll(List.of("config.json", "last.safetensors", "metrics.jsonl"));
    assertThat(names(copy)).doesNotContain(".last.safetensors.part", "state.safetensors", ".lock");
    assertThat(Files.readAllBytes(copy.resolve("last.safetensors")))
        .isEqualTo(Files.readAllBytes(whole.resolve("last.safetensors")));
  }

  /** As on a full disk: the state cannot be written, because folders have the names of its
   * temporary file. */
  @Test
  void aStateThatCannotBeWrittenEndsTheTrainingInOneLineAndNothingIsLost() throws IOException {
    Path whole = temporary.resolve("whole");
    Shades.train(whole, Shades.TRAINING);
    Path folder = temporary.resolve("run");
    List<Path> blocked = // the temporary file, whatever number it gets
        IntStream.range(0, 5000)
            .mapToObj(
                number ->
                    folder.resolve(
                        ".state.safetensors.%d-%d.part"
                            .formatted(ProcessHandle.current().pid(), number)))
            .toList();
    TrainingListener blocking =
        new TrainingListener() {
          @Override
          public void epoch(EpochResult result, Evaluation test) {
            try {
              for (Path file : blocked) {
                Files.createDirectories(file.resolve("full"));
              }
            } catch (IOException e) {
              throw new IllegalStateException(e);
            }
          }
        };

    assertThatThrownBy(
            () -> Run.train(folder, Shades.training(Shades.TRAINING), Shades.SPEC, blocking))
        .isInstanceOf(DataException.class)
        .hasMessageStartingWith(folder + ": cannot be written: ")
        .satisfies(e -> assertThat(e.getMessage().lines()).hasSize(1));

    assertThat(Run.epochsDone(folder)).isEqualTo(1);
    for (Path file : blocked) {
      Files.deleteIfExists(file.resolve("full"));
      Files.deleteIfExists(file);
    }
    Shades.train(folder, Shades.TRAINING);
    assertThat(Files.readAllBytes(folder.resolve("last.safetensors")))
        .isEqualTo(Files.readAllBytes(whole.resolve("last.safetensors")));
  }

  @Test
  void aDamagedStateIsNamed() throws IOException {
    Path folder = interrupted(7);
    Path state = folder.resolve("state.safetensors");
    byte[] whole = Files.readAllBytes(state);
    Files.write(state, Arrays.copyOf(whole, whole.length / 2));

    assertThatThrownBy(() -> Shades.train(folder, Shades.TRAINING))
        .isInstanceOf(DataException.class)
        .hasMessageStartingWith(state + ": cannot be read: ");
  }

  @Test
  void aStateWithoutItsResultsIsNamed() throws IOException {
    Path state = interrupted(7).resolve("state.safetensors");
    String history = Safetensors.metadata(state).get("history");
    try (PointerScope scope = new PointerScope()) {
      Map<String, Tensor> tensors = Safetensors.read(state);
      for (String damaged :
          List.of("", "null", "[null]", "[{}]", history.replace("\"epoch\":1", "\"epoch\":3"))) {
        Safetensors.write(state, tensors, Map.of("history", damaged));

        assertThatThrownBy(() -> StateFile.history(state))
            .as(damaged)
            .isInstanceOf(DataException.class)
            .hasMessageStartingWith(state + ": ")
            .satisfies(e -> assertThat(e.getMessage().lines()).hasSize(1));
      }
    }
  }

  @Test
  void oneProcessClaimsAFolder() {
    Path folder = temporary.resolve("runs/claimed");
    try (FolderLock first = FolderLock.claim(folder).orElseThrow()) {
      assertThat(FolderLock.isHeld(folder)).isTrue();
      assertThat(FolderLock.claim(folder)).isEmpty();
      assertThat(first.folder()).isEqualTo(folder);
    }
    assertThat(folder).doesNotExist(); // nothing was written into it
  }

  @Test
  void twoTrainingsDoNotGoIntoOneFolder() {
    Path folder = temporary.resolve("run");
    try (FolderLock held = FolderLock.of(folder)) {
      assertThat(FolderLock.isHeld(folder)).isTrue();
      assertThatThrownBy(() -> Shades.train(folder, Shades.TRAINING))
          .isInstanceOf(DataException.class)
          .hasMessage(
              folder + ": another process is training into this folder; wait, or choose another");
    }
    assertThat(FolderLock.isHeld(folder)).isFalse();
    Shades.train(folder, Shades.TRAINING);
  }
}
