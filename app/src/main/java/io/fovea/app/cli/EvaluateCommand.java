package io.fovea.app.cli;

import io.fovea.app.console.ConsoleProgress;
import io.fovea.app.console.TextTable;
import io.fovea.app.evaluation.EvaluationFiles;
import io.fovea.data.Dataset;
import io.fovea.data.EvaluationData;
import io.fovea.data.TrainingData;
import io.fovea.models.Network;
import io.fovea.training.Task;
import io.fovea.training.evaluate.ClassScores;
import io.fovea.training.evaluate.Evaluation;
import io.fovea.training.evaluate.EvaluationReport;
import io.fovea.training.evaluate.SampleResult;
import io.fovea.training.evaluate.TestTimeAugmentation;
import io.fovea.training.run.Run;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import java.util.stream.Stream;
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
      "  fovea evaluate runs/resnet8-cbam-1 --data held-out --json scores.json --report scores.html",
      "  fovea evaluate --task segmentation --scales 0.75,1,1.25 --mirror"
    })
public final class EvaluateCommand implements Callable<Integer> {
  @Spec private CommandSpec spec;
  @Mixin private TrainedOptions trained;

  @Mixin private OverwriteOption overwriteOption;

  @ArgGroup(validate = false, heading = DilationOptions.HEADING)
  private InferenceOptions inferenceOptions = new InferenceOptions();

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
          "Evaluate on other data: all images of a folder of class folders, or the val/ (or test/)"
              + " part of a split folder. Classes are matched by name; the folder may lack some, and"
              + " those that the network does not know are left out. Default: the test images of the"
              + " run.")
  private String source;

  @Option(
      names = "--json",
      paramLabel = "FILE",
      description =
          "Write all numbers as JSON: scores of the classes, confusion matrix, calibration.")
  private Path json;

  @Option(
      names = "--csv",
      paramLabel = "FILE",
      description = "Write one line for each image as CSV: its class, the prediction, its rank.")
  private Path csv;

  @Option(
      names = "--report",
      paramLabel = "PATH",
      description =
          "Write a page with the confusion matrix, the worst mistakes as pictures and the"
              + " calibration curve: PATH.html, or PATH/report.html.")
  private Path report;

  @Override
  public Integer call() {
    trained.apply();
    overwriteOption.check(json);
    overwriteOption.check(csv);
    overwriteOption.check(report == null ? null : EvaluationFiles.pageAt(report));
    Stream.of(json, csv, report == null ? null : EvaluationFiles.pageAt(report))
        .filter(Objects::nonNull)
        .forEach(OutputFiles::requireWritable);
    try (ConsoleProgress progress = ConsoleProgress.standard()) {
      evaluate(trained.find(run, progress), progress);
      return 0;
    }
  }

  private <N extends Network, D extends Dataset<?>> void evaluate(
      Run<N, D> run, ConsoleProgress progress) {
    Task<N, D> task = run.task();
    TaskOptions.requireOptionsOf(task, spec);
    TestTimeAugmentation inference = inferenceOptions.inference();
    N network = trained.load(run, progress);
    EvaluationData<D> data = open(run, progress);
    if (source == null && run.hasSeveralEpochs() && trained.weights(run) == Run.Weights.BEST) {
      progress.line(
          "note: these "
              + task.units()
              + " chose the epoch, so the scores are a little too good; --data takes others");
    }
    List<SampleResult> results = new ArrayList<>();
    progress.begin("evaluating", data.samples().size());
    Evaluation evaluation =
        task.evaluate(
            network,
            data.samples(),
            run.preprocessing().normalization(),
            inference,
            progress,
            results::add);
    progress.end();
    List<String> classes = data.samples().classes();
    EvaluationReport found = EvaluationReport.of(evaluation, classes, results);
    PrintWriter out = spec.commandLine().getOut();
    out.print(table(task, evaluation, found));
    out.println();
    out.println(sentence(task, evaluation, found, data));
    out.flush();
    EvaluationFiles files = new EvaluationFiles(trained.describe(run), task, data, found);
    if (json != null) {
      files.json(json);
      progress.line("wrote " + json);
    }
    if (csv != null) {
      files.csv(csv);
      progress.line("wrote " + csv);
    }
    if (report != null) {
      progress.line("wrote " + files.page(report));
    }
  }

  private <N extends Network, D extends Dataset<?>> EvaluationData<D> open(
      Run<N, D> run, ConsoleProgress progress) {
    List<String> classes = run.preprocessing().classes();
    if (source == null) {
      TrainingData<D> data = run.task().open(run.data(null), progress);
      run.requireSameClasses(data.classes(), data.name());
      return EvaluationData.testPart(data);
    }
    EvaluationData<D> data = run.task().openAll(run.data(source), classes, progress);
    if (!data.unknown().isEmpty()) {
      progress.line(
          "left out, because the network does not know these classes: "
              + data.unknown().entrySet().stream()
                  .map(
                      one -> one.getKey() + (one.getValue() > 0 ? " (" + one.getValue() + ")" : ""))
                  .collect(Collectors.joining(", ")));
    }
    return data;
  }

  private static String sentence(
      Task<?, ?> task, Evaluation evaluation, EvaluationReport found, EvaluationData<?> data) {
    StringBuilder text =
        new StringBuilder(
            task.metrics().stream()
                .map(m -> m.title() + " " + percent(m.of(evaluation.confusion())) + " %")
                .collect(Collectors.joining(", ")));
    text.append(
        String.format(
            Locale.ROOT,
            " of %s%s, loss %.4f",
            data.text(task.units()),
            task.shareOfOne(data.samples().size()).map(one -> " (" + one + ")").orElse(""),
            found.loss()));
    if (found.top5() != null) {
      text.append(", top-5 ").append(percent(found.top5())).append(" %");
    }
    if (found.views() != null) {
      text.append(", by clip top-1 ").append(percent(found.views().top1())).append(" %");
      if (found.views().top5() != null) {
        text.append(" and top-5 ").append(percent(found.views().top5())).append(" %");
      }
    }
    if (found.dice() != null) {
      text.append(", Dice ").append(percent(found.dice())).append(" %");
      text.append(", frequency-weighted IoU ");
      text.append(percent(found.frequencyWeightedIou())).append(" %");
      text.append(", boundary F1 ").append(percent(found.boundaryF1())).append(" %");
    }
    if (found.calibration() != null) {
      text.append(", calibration error ").append(percent(found.calibration().error())).append(" %");
    }
    return text.toString();
  }

  private static TextTable table(Task<?, ?> task, Evaluation evaluation, EvaluationReport found) {
    ClassScores scores = found.scores();
    boolean pixels = task.namesPixels();
    TextTable table =
        pixels
            ? new TextTable(
                "class",
                "pixels %",
                "accuracy %",
                "IoU %",
                "Dice %",
                "boundary F1 %",
                "most often predicted as")
            : new TextTable(
                "class",
                task.units(),
                "precision %",
                "recall %",
                "F1 %",
                "most often predicted as");
    for (int label = 0; label < scores.classes().size(); label++) {
      ClassScores.Score score = scores.classes().get(label);
      String confused = confused(scores, evaluation, label, pixels);
      boolean there = score.support() > 0;
      if (pixels) {
        table.add(
            score.name(),
            percent((double) score.support() / evaluation.labels()),
            there ? percent(score.recall()) : "",
            percent(score.iou()),
            percent(evaluation.dice(label)),
            percent(found.classBoundaryF1().get(label)),
            confused);
      } else {
        table.add(
            score.name(),
            Long.toString(score.support()),
            percent(score.precision()),
            there ? percent(score.recall()) : "",
            there ? percent(score.f1()) : "",
            confused);
      }
    }
    if (!pixels) {
      add(table, "macro mean", scores.macro());
      add(table, "weighted mean", scores.weighted());
    }
    return table;
  }

  private static void add(TextTable table, String name, ClassScores.Mean mean) {
    table.add(name, "", percent(mean.precision()), percent(mean.recall()), percent(mean.f1()), "");
  }

  private static String confused(
      ClassScores scores, Evaluation evaluation, int label, boolean pixels) {
    int wrong = evaluation.mostOftenTakenFor(label);
    if (wrong < 0) {
      return "";
    }
    long times = evaluation.confusion()[label][wrong];
    String name = scores.classes().get(wrong).name() + " ";
    return pixels ? name + percent((double) times / evaluation.labels(label)) + " %" : name + times;
  }

  /** Formats a share in percent, or returns an empty text if the total is 0. */
  private static String percent(double share) {
    return Double.isNaN(share) ? "" : TextTable.percent(share);
  }
}
