package io.fovea.app.cli;

import io.fovea.app.console.ConsoleProgress;
import io.fovea.app.console.TextTable;
import io.fovea.app.study.Study;
import io.fovea.app.study.TaskSetup;
import io.fovea.data.Dataset;
import io.fovea.data.TrainingData;
import io.fovea.models.Network;
import io.fovea.models.Precision;
import io.fovea.training.EpochResult;
import io.fovea.training.Task;
import io.fovea.training.Training;
import io.fovea.training.TrainingListener;
import io.fovea.training.evaluate.Evaluation;
import io.fovea.training.run.Run;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code fovea train}: trains a network and saves it as a run. */
@Command(
    name = "train",
    description = {
      "Train a network and save it in a folder: its weights as safetensors (best and last),"
          + " its configuration as JSON, and one line of metrics for each epoch."
    },
    footer = {
      "",
      "Examples:",
      "  fovea train --attention cbam",
      "  fovea train --attention \"se; nonlocal@after:2.1\"",
      "  fovea train --data my-images --backbone resnet18 --attention se --epochs 60 --out runs/mine",
      "  fovea train --task segmentation",
      "  fovea train --task segmentation --data VOC2012 --backbone resnet50 --init resnet50.pth",
      "  fovea train --task video",
      "  fovea train --task video --data my-videos --backbone i3d-resnet18 --frames 16 --frame-stride 2"
    })
public final class TrainCommand implements Callable<Integer> {
  @Spec private CommandSpec spec;
  @Mixin private TaskOptions.All taskOptions;

  @Option(
      names = "--task",
      paramLabel = "TASK",
      converter = TaskConverter.class,
      completionCandidates = TaskConverter.Names.class,
      defaultValue = "classification",
      description =
          "Predict a class for each image, pixel or video: ${COMPLETION-CANDIDATES}. Default:"
              + " ${DEFAULT-VALUE}.")
  private Task<?, ?> task;

  @Option(
      names = "--attention",
      paramLabel = "SPEC",
      description =
          "Attention, such as se, cbam:reduction=8 or \"se; nonlocal@after:2.1\" (its place"
              + " after the @). Default: none (segmentation: dual; video: nonlocal;"
              + " mobilenetv3: its own).")
  private String attention;

  @Option(
      names = "--seed",
      paramLabel = "N",
      defaultValue = "1",
      description =
          "Seed of the initial weights, the order of the images and the augmentation. Default:"
              + " ${DEFAULT-VALUE}.")
  private long seed;

  @Option(
      names = "--out",
      paramLabel = "DIR",
      description =
          "Folder of the run. Default: the first free one of runs/NAME-1, runs/NAME-2, ...")
  private Path out;

  @Override
  public Integer call() {
    return train(task);
  }

  private <N extends Network, D extends Dataset<?>> int train(Task<N, D> task) {
    TaskSetup<N, D> setup = taskOptions.setup(task, false);
    String module = taskOptions.attention(setup, attention);
    taskOptions.applyThreads();
    setup.check(module);
    Precision precision = taskOptions.precision();
    Path folder = out != null ? out : freeFolder(setup, module);
    Run.requireFree(folder);

    try (ConsoleProgress progress = ConsoleProgress.standard()) {
      TrainingData<D> data = task.open(setup.data(), progress);
      Training<N, D> training =
          Training.of(
              task, setup.network().withAttention(module), data, setup.training().withSeed(seed));
      N network = training.network();
      network.setPrecision(precision);
      progress.line(data.description());
      if (setup.initial() != null) {
        progress.line(task.initialise(network, setup.initial()));
      }
      progress.line(
          setup.network().backbone()
              + " with "
              + module
              + ": "
              + TextTable.count((double) network.parameterCount())
              + " parameters, saved in "
              + folder);
      int epochs = training.spec().epochs();
      progress.begin("training", (long) epochs * data.train().size());
      Shown shown = new Shown(progress, task, epochs);
      Run.train(folder, training, setup.data(), shown);
      progress.end();
      spec.commandLine().getOut().println(shown.outcome() + " on the test images; " + folder);
      return 0;
    }
  }

  /** Shows the progress of a training, and keeps the result of the last epoch. */
  private static final class Shown implements TrainingListener {
    private final ConsoleProgress progress;
    private final Task<?, ?> task;
    private final int epochs;
    private Evaluation last;

    Shown(ConsoleProgress progress, Task<?, ?> task, int epochs) {
      this.progress = progress;
      this.task = task;
      this.epochs = epochs;
    }

    @Override
    public void step(int images, double loss) {
      progress.step(images);
    }

    @Override
    public void epoch(EpochResult result, Evaluation test) {
      last = test;
      progress.line(
          String.format(
              Locale.ROOT,
              "epoch %d/%d   loss %.3f   training %s %s %%   test %s %s %%   %.0f images/s",
              result.epoch(),
              epochs,
              result.trainLoss(),
              task.accuracy().title(),
              TextTable.percent(result.train(task.accuracy())),
              task.score().title(),
              TextTable.percent(result.test(task.score())),
              result.imagesPerSecond()));
    }

    String outcome() {
      return task.metrics().stream()
          .map(m -> m.title() + " " + TextTable.percent(m.of(last.confusion())) + " %")
          .collect(Collectors.joining(", "));
    }
  }

  private Path freeFolder(TaskSetup<?, ?> setup, String module) {
    String name =
        setup.task().prefix()
            + setup.network().backbone()
            + "-"
            + (attention == null ? "" : Study.fileName(module) + "-");
    for (int i = 1; ; i++) {
      Path folder = Path.of("runs", name + i);
      if (!Files.exists(folder)) {
        return folder;
      }
    }
  }
}
