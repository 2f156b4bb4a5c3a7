package io.fovea.app;

import io.fovea.models.Classifier;
import io.fovea.models.ModelSpec;
import io.fovea.training.DataSpec;
import io.fovea.training.EpochMetrics;
import io.fovea.training.Evaluation;
import io.fovea.training.ImageData;
import io.fovea.training.RunFolder;
import io.fovea.training.TrainingListener;
import io.fovea.training.TrainingSpec;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.concurrent.Callable;
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
      "  fovea train --data my-images --backbone resnet18 --attention se --epochs 60 --out runs/mine"
    })
final class TrainCommand implements Callable<Integer> {
  private static final int EPOCHS = 10;

  @Spec private CommandSpec spec;
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
              + " mobilenetv3 its own.")
  private String given;

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
    TrainingSpec training = trainingOptions.spec(seed, EPOCHS);
    networkOptions.defaults("resnet8", 1);
    DataSpec dataSpec = dataOptions.spec(networkOptions.backbone().imageSize());
    String attention = placementOptions.apply(given, networkOptions.backbone());
    networkOptions.applyThreads();
    networkOptions.check(attention);
    Path folder = out != null ? out : freeFolder(attention);

    try (ConsoleProgress progress = ConsoleProgress.standard()) {
      ImageData data = dataSpec.open(progress);
      ModelSpec model = networkOptions.model(data, attention);
      torch.manual_seed(seed);
      Classifier network = model.create();
      progress.line(data.description());
      progress.line(
          model.backbone()
              + " with "
              + attention
              + ": "
              + TextTable.count((double) network.parameterCount())
              + " parameters, into "
              + folder);
      progress.begin("training", (long) training.epochs() * data.train().size());
      RunFolder run =
          RunFolder.train(
              folder, network, model, dataSpec, data, training, new Shown(progress, training));
      progress.end();
      EpochMetrics last = run.metrics().get(training.epochs() - 1);
      spec.commandLine()
          .getOut()
          .println(
              "top-1 " + TextTable.percent(last.testTop1()) + " % on the test images; " + folder);
      return 0;
    }
  }

  private record Shown(ConsoleProgress progress, TrainingSpec training)
      implements TrainingListener {
    @Override
    public void step(int images, double loss) {
      progress.step(images);
    }

    @Override
    public void epoch(EpochMetrics metrics, Evaluation test) {
      progress.line(
          String.format(
              Locale.ROOT,
              "epoch %d/%d   loss %.3f   training top-1 %s %%   test top-1 %s %%   %.0f images/s",
              metrics.epoch(),
              training.epochs(),
              metrics.trainLoss(),
              TextTable.percent(metrics.trainTop1()),
              TextTable.percent(metrics.testTop1()),
              metrics.imagesPerSecond()));
    }
  }

  private Path freeFolder(String attention) {
    String backbone = networkOptions.backbone().backbone() + "-";
    String name = given == null ? backbone : backbone + Study.fileName(attention) + "-";
    for (int i = 1; ; i++) {
      Path folder = Path.of("runs", name + i);
      if (!Files.exists(folder)) {
        return folder;
      }
    }
  }
}
