package io.fovea.training.run;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import io.fovea.data.ImageDataset;
import io.fovea.data.Progress;
import io.fovea.data.TrainingData;
import io.fovea.data.source.DataSpec;
import io.fovea.data.video.Sampling;
import io.fovea.models.ModelSpec;
import io.fovea.testing.Numeric;
import io.fovea.training.Blocks;
import io.fovea.training.Optimization;
import io.fovea.training.Recipe;
import io.fovea.training.Shades;
import io.fovea.training.Task;
import io.fovea.training.Tasks;
import io.fovea.training.Training;
import io.fovea.training.TrainingListener;
import io.fovea.training.TrainingSpec;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.From;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.ShrinkingMode;
import net.jqwik.api.Tuple;
import net.jqwik.api.constraints.IntRange;
import org.bytedeco.pytorch.global.torch;

/** A training that is killed at any step goes on as if nothing had happened, whatever its settings. */
@Numeric
class ResumePropertyTest {
  private static final int EPOCHS = 3;
  private static final DataSpec VIDEOS =
      DataSpec.of(DataSpec.GARMENTS).withSampling(new Sampling(2, 1, 1, 1)).withLimit(8);

  /** What ends a training from outside. */
  private static final class Killed extends RuntimeException {
    private static final long serialVersionUID = 1L;
  }

  @Provide
  Arbitrary<Task<?, ?>> tasks() {
    return Arbitraries.frequency(
        Tuple.of(6, Tasks.CLASSIFICATION),
        Tuple.of(2, Tasks.SEGMENTATION),
        Tuple.of(1, Tasks.VIDEO));
  }

  /** Fovea's recipes where they fit, and one with what they leave out. */
  @Provide
  Arbitrary<String> recipes() {
    return Arbitraries.of(
        "scratch", "paper", "torchvision-v2", "--accumulate 2", "--schedule plateau:patience=0");
  }

  private static TrainingSpec settings(Task<?, ?> task, String recipe, Optimization.Method method) {
    boolean fits = !recipe.equals("torchvision-v2") || task == Tasks.CLASSIFICATION;
    Recipe chosen =
        recipe.startsWith("--")
            ? Recipe.parse("test", recipe + "\n--ema 0.9\n--clip-gradient 1\n")
            : Recipe.named(fits ? recipe : "scratch");
    TrainingSpec spec =
        chosen.settings(task).withEpochs(EPOCHS).withBatchSize(4).withLearningRate(0.01);
    if (task == Tasks.SEGMENTATION) {
      spec = spec.withExtras(Blocks.EXTRAS);
    }
    return spec.withOptimization(spec.optimization().withMethod(method));
  }

  private static void train(
      Task<?, ?> task, TrainingSpec spec, Path folder, Duration saveEvery, TrainingListener told) {
    torch.manual_seed(folder.hashCode()); // the generator of another process has another state
    if (task == Tasks.SEGMENTATION) {
      Run.train(
          folder,
          Training.of(Tasks.SEGMENTATION, Blocks.MODEL, Blocks.data(), spec),
          Blocks.SOURCE,
          saveEvery,
          told);
    } else if (task == Tasks.VIDEO) {
      TrainingData<ImageDataset> read = Tasks.VIDEO.open(VIDEOS, Progress.NONE);
      TrainingData<ImageDataset> videos =
          new TrainingData<>(
              read.name(),
              read.description(),
              read.train(),
              read.test().limit(2),
              read.normalization(),
              List.of());
      Run.train(
          folder,
          Training.of(
              Tasks.VIDEO, new ModelSpec("c2d-resnet8", 2, 3, 0.25, 2, "none"), videos, spec),
          VIDEOS,
          saveEvery,
          told);
    } else {
      Run.train(
          folder,
          Training.of(Tasks.CLASSIFICATION, Shades.MODEL, Shades.data(), spec),
          Shades.SPEC,
          saveEvery,
          told);
    }
  }

  private static TrainingListener killedAfter(int steps) {
    int[] left = {steps};
    return new TrainingListener() {
      @Override
      public void step(int images, double loss) {
        if (left[0]-- == 0) {
          throw new Killed();
        }
      }
    };
  }

  @Property(tries = 8, shrinking = ShrinkingMode.OFF)
  void isBitForBitTheUninterruptedTraining(
      @ForAll @From("tasks") Task<?, ?> task,
      @ForAll @From("recipes") String recipe,
      @ForAll Optimization.Method method,
      @ForAll boolean withinEpochs,
      @ForAll @IntRange(max = 1000) int first,
      @ForAll @IntRange(max = 1000) int second)
      throws IOException {
    TrainingSpec spec = settings(task, recipe, method);
    Duration saveEvery = withinEpochs ? Duration.ZERO : null;
    Path folder = Files.createTempDirectory("resume");
    try {
      Path whole = folder.resolve("whole");
      int[] steps = {0};
      train(
          task,
          spec,
          whole,
          null,
          new TrainingListener() {
            @Override
            public void step(int images, double loss) {
              steps[0]++;
            }
          });
      Path resumed = folder.resolve("resumed");
      for (int kill : List.of(first, second)) { // the second may come after the end
        if (!Files.exists(resumed.resolve("last.safetensors")) || Run.isUnfinished(resumed)) {
          Throwable end =
              catchThrowable(
                  () -> train(task, spec, resumed, saveEvery, killedAfter(kill % (steps[0] + 1))));
          if (end != null) {
            assertThat(end).isInstanceOf(Killed.class);
          }
        }
      }
      if (!Files.exists(resumed.resolve("last.safetensors")) || Run.isUnfinished(resumed)) {
        train(task, spec, resumed, saveEvery, TrainingListener.NONE);
      }

      for (Path file : safetensors(whole)) {
        assertThat(resumed.resolve(file.getFileName())).hasSameBinaryContentAs(file);
      }
      assertThat(safetensors(resumed)).hasSameSizeAs(safetensors(whole));
    } finally {
      delete(folder);
    }
  }

  private static List<Path> safetensors(Path folder) throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      return files.filter(file -> file.toString().endsWith(".safetensors")).sorted().toList();
    }
  }

  private static void delete(Path folder) throws IOException {
    try (Stream<Path> files = Files.walk(folder)) {
      for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
        Files.delete(file);
      }
    }
  }
}
