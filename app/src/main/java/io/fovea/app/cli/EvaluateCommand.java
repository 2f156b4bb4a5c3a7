package io.fovea.app.cli;

import io.fovea.app.console.ConsoleProgress;
import io.fovea.app.console.TextTable;
import io.fovea.data.Dataset;
import io.fovea.data.TrainingData;
import io.fovea.models.Network;
import io.fovea.training.Task;
import io.fovea.training.evaluate.Evaluation;
import io.fovea.training.evaluate.TestTimeAugmentation;
import io.fovea.training.run.Run;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code fovea evaluate}: evaluates a trained network on test images or videos. */
@Command(
    name = "evaluate",
    description =
        "Evaluate a trained network on the test images (or videos) of its data set or of"
            + " another one.",
    footer = {
      "",
      "Examples:",
      "  fovea evaluate runs/resnet8-cbam-1",
      "  fovea evaluate --task segmentation --scales 0.75,1,1.25 --mirror"
    })
public final class EvaluateCommand implements Callable<Integer> {
  @Spec private CommandSpec spec;
  @Mixin private RunOptions runOptions;
  @Mixin private PrecisionOptions precisionOptions;
  @Mixin private ThreadOptions threadOptions;

  @ArgGroup(validate = false, heading = DilationOptions.HEADING)
  private InferenceOptions inferenceOptions = new InferenceOptions();

  @Option(
      names = "--task",
      paramLabel = "TASK",
      converter = TaskConverter.class,
      completionCandidates = TaskConverter.Names.class,
      description =
          "Use the newest run of this task: ${COMPLETION-CANDIDATES}. Default: the newest of"
              + " all.")
  private Task<?, ?> task;

  @Parameters(
      paramLabel = "RUN",
      arity = "0..1",
      description =
          "The folder that fovea train or fovea import wrote. Default: the newest in runs/.")
  private Path run;

  @Option(
      names = "--data",
      paramLabel = "DATA",
      description =
          "Another data set with the same classes, as for fovea train. Default: the data set"
              + " of the run.")
  private String source;

  @Override
  public Integer call() {
    threadOptions.apply();
    precisionOptions.check();
    try (ConsoleProgress progress = ConsoleProgress.standard()) {
      evaluate(runOptions.find(run, task, progress), progress);
      return 0;
    }
  }

  private <N extends Network, D extends Dataset<?>> void evaluate(
      Run<N, D> run, ConsoleProgress progress) {
    TaskOptions.requireOptionsOf(run.task(), spec);
    TestTimeAugmentation inference = inferenceOptions.inference();
    N network = precisionOptions.applied(run.load(runOptions.weights()));
    TrainingData<D> data = run.task().open(run.data(source), progress);
    run.requireSameClasses(data.classes(), source == null ? data.name() : source);
    progress.begin("evaluating", data.test().size());
    Evaluation evaluation =
        run.task()
            .evaluate(
                network, data.test(), run.preprocessing().normalization(), inference, progress);
    progress.end();
    PrintWriter out = spec.commandLine().getOut();
    out.print(table(run.task(), evaluation, data.classes()));
    out.println();
    out.printf(
        Locale.ROOT,
        "%s of %d test %s of %s, loss %.4f%n",
        run.task().metrics().stream()
            .map(m -> m.title() + " " + TextTable.percent(m.of(evaluation.confusion())) + " %")
            .collect(Collectors.joining(", ")),
        data.test().size(),
        run.task().units(),
        data.name(),
        evaluation.loss());
    out.flush();
  }

  private static TextTable table(Task<?, ?> task, Evaluation evaluation, List<String> classes) {
    boolean pixels = task.namesPixels();
    TextTable table =
        pixels
            ? new TextTable("class", "pixels %", "IoU %", "most often predicted as")
            : new TextTable("class", task.units(), "right %", "most often predicted as");
    for (int label = 0; label < classes.size(); label++) {
      long labels = evaluation.labels(label);
      int wrong = evaluation.mostOftenTakenFor(label);
      long times = wrong < 0 ? 0 : evaluation.confusion()[label][wrong];
      String confused = wrong < 0 ? "" : classes.get(wrong) + " ";
      if (pixels) {
        table.add(
            classes.get(label),
            percent((double) labels / evaluation.labels()),
            percent(evaluation.iou(label)),
            wrong < 0 ? "" : confused + percent((double) times / labels) + " %");
      } else {
        table.add(
            classes.get(label),
            Long.toString(labels),
            percent((double) evaluation.confusion()[label][label] / labels),
            wrong < 0 ? "" : confused + times);
      }
    }
    return table;
  }

  /** Formats a share in percent, or returns an empty text if the total is 0. */
  private static String percent(double share) {
    return Double.isNaN(share) ? "" : TextTable.percent(share);
  }
}
