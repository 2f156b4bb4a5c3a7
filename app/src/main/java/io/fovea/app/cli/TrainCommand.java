package io.fovea.app.cli;

import io.fovea.app.console.ConsoleProgress;
import io.fovea.app.console.TextTable;
import io.fovea.app.study.Study;
import io.fovea.app.study.TaskSetup;
import io.fovea.data.DataException;
import io.fovea.models.Classifier;
import io.fovea.models.Network;
import io.fovea.models.Precision;
import io.fovea.models.transfer.Inflation;
import io.fovea.models.weights.StateDict;
import io.fovea.training.EpochResult;
import io.fovea.training.Task;
import io.fovea.training.TrainingListener;
import io.fovea.training.evaluate.Evaluation;
import io.fovea.training.run.RunFolder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.global.torch;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code fovea train}: one network, kept. */
@Command(
    name = "train",
    description = {
      "Train a network and keep it in a folder: weights as safetensors (best and last), configuration"
          + " as JSON, a line of metrics for each epoch."
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
  @Mixin private TaskOptions taskOptions;
  @Mixin private DataOptions dataOptions;
  @Mixin private NetworkOptions networkOptions;
  @Mixin private PlacementOptions placementOptions;
  @Mixin private TrainingOptions trainingOptions;

  @Option(
      names = "--attention",
      paramLabel = "SPEC",
      description =
          "The attention, for example se, cbam:reduction=8 or nonlocal, with its place behind an @ if"
              + " it is to be another than its paper's, several with semicolons. Default: none, of"
              + " mobilenetv3 its own. Of segmentation the attention in the head, without a place."
              + " Default there: what --model says.")
  private String given;

  @ForTask(Task.VIDEO)
  @Option(
      names = "--inflate",
      paramLabel = "RUN",
      description =
          "Of video: start from the weights of a run of images with the same backbone, resnet18 for"
              + " i3d-resnet18. Each kernel is repeated over time, divided by the frames it sees.")
  private Path inflate;

  @ForTask(Task.SEGMENTATION)
  @Option(
      names = "--model",
      paramLabel = "MODEL",
      description =
          "Of segmentation: danet (position and channel attention, --attention dual) or fcn (none)."
              + " Default: danet.")
  private SegmentationModel model;

  /** The names of two heads. */
  private enum SegmentationModel {
    DANET("dual"),
    FCN("none");

    private final String head;

    SegmentationModel(String head) {
      this.head = head;
    }
  }

  @Option(
      names = "--seed",
      paramLabel = "N",
      defaultValue = "1",
      description =
          "Weights, order and augmentation; the same seed, machine and threads give the same weights"
              + " bit for bit. Default: ${DEFAULT-VALUE}.")
  private long seed;

  @Option(
      names = "--out",
      paramLabel = "DIR",
      description =
          "The run's folder. Default: the first free one of runs/NAME-1, runs/NAME-2, ...")
  private Path out;

  @Override
  public Integer call() {
    TaskSetup<?> problem =
        taskOptions.problem(dataOptions, networkOptions, placementOptions, trainingOptions, false);
    networkOptions.applyThreads();
    return train(problem);
  }

  private <N extends Network> int train(TaskSetup<N> problem) {
    if (model == SegmentationModel.FCN && given != null) {
      throw new IllegalArgumentException("--model fcn has no attention; leave out --attention");
    }
    String module = problem.attentionOrDefault(given == null && model != null ? model.head : given);
    problem.check(module);
    Precision precision = networkOptions.precision();
    Path folder = out != null ? out : freeFolder(problem, module);

    try (ConsoleProgress progress = ConsoleProgress.standard()) {
      TaskSetup.LoadedTask<N> opened = problem.open(progress);
      torch.manual_seed(seed);
      N network = opened.create(module);
      network.setPrecision(precision);
      progress.line(opened.data().description());
      if (inflate != null && network instanceof Classifier classifier) {
        progress.line(inflated(classifier));
      }
      progress.line(
          problem.backbone()
              + " with "
              + module
              + ": "
              + TextTable.count((double) network.parameterCount())
              + " parameters, into "
              + folder);
      progress.begin("training", (long) opened.epochs() * opened.data().trainImages());
      Shown shown = new Shown(progress, problem.task(), opened.epochs());
      opened.trainInto(folder, module, network, seed, shown);
      progress.end();
      spec.commandLine().getOut().println(shown.outcome() + " on the test images; " + folder);
      return 0;
    }
  }

  /** Starts from a network of images; what that lacks stays fresh. */
  private String inflated(Classifier network) {
    try (PointerScope scope = new PointerScope()) {
      Classifier images = RunFolder.open(inflate).load(RunFolder.Weights.LAST);
      List<String> fresh = Inflation.AVERAGE.load(StateDict.of(images), network);
      return "inflated the weights of "
          + inflate
          + (fresh.isEmpty() ? "" : "; not there, and fresh: " + String.join(", ", fresh));
    } catch (IllegalArgumentException e) {
      throw new DataException(inflate + ": " + e.getMessage(), e);
    }
  }

  /** Shows how a training goes, and keeps what the last epoch came to. */
  private static final class Shown implements TrainingListener {
    private final ConsoleProgress progress;
    private final Task task;
    private final int epochs;
    private Evaluation last;

    Shown(ConsoleProgress progress, Task task, int epochs) {
      this.progress = progress;
      this.task = task;
      this.epochs = epochs;
    }

    @Override
    public void step(int images, double loss) {
      progress.step(images);
    }

    @Override
    public void epoch(EpochResult metrics, Evaluation test) {
      last = test;
      progress.line(
          String.format(
              Locale.ROOT,
              "epoch %d/%d   loss %.3f   training %s %s %%   test %s %s %%   %.0f images/s",
              metrics.epoch(),
              epochs,
              metrics.trainLoss(),
              task.accuracy().title(),
              TextTable.percent(metrics.trainAccuracy()),
              task.score().title(),
              TextTable.percent(metrics.score()),
              metrics.imagesPerSecond()));
    }

    String outcome() {
      return task.metrics().stream()
          .map(metric -> metric.title() + " " + percent(metric.of(last.confusion())))
          .collect(Collectors.joining(", "));
    }

    private static String percent(double share) {
      return TextTable.percent(share) + " %";
    }
  }

  private Path freeFolder(TaskSetup<?> problem, String module) {
    String task = problem.task() == Task.CLASSIFICATION ? "" : problem.task() + "-";
    String backbone = task + problem.backbone() + "-";
    String name = given == null ? backbone : backbone + Study.fileName(module) + "-";
    for (int i = 1; ; i++) {
      Path folder = Path.of("runs", name + i);
      if (!Files.exists(folder)) {
        return folder;
      }
    }
  }
}
