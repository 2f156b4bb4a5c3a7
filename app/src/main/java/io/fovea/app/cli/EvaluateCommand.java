package io.fovea.app.cli;

import io.fovea.app.console.ConsoleProgress;
import io.fovea.app.console.TextTable;
import io.fovea.data.DataException;
import io.fovea.data.ImageData;
import io.fovea.data.mask.SegmentationData;
import io.fovea.data.source.DataSpec;
import io.fovea.data.source.SegmentationSource;
import io.fovea.models.Classifier;
import io.fovea.models.Segmenter;
import io.fovea.training.Task;
import io.fovea.training.evaluate.Evaluation;
import io.fovea.training.evaluate.SegmentationEvaluation;
import io.fovea.training.evaluate.TestTimeAugmentation;
import io.fovea.training.run.RunFolder;
import io.fovea.training.run.SegmentationRun;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code fovea evaluate}: how a trained network does on test images, or videos. */
@Command(
    name = "evaluate",
    description =
        "Evaluate a trained network on the test images (or videos) of its data set, or of another.",
    footer = {
      "",
      "Examples:",
      "  fovea evaluate runs/resnet8-cbam-1",
      "  fovea evaluate --task segmentation --scales 0.75,1,1.25 --mirror"
    })
public final class EvaluateCommand implements Callable<Integer> {
  @Spec private CommandSpec spec;
  @Mixin private RunOptions runOptions;
  @Mixin private InferenceOptions inferenceOptions;
  @Mixin private PrecisionOptions precisionOptions;
  @Mixin private ThreadOptions threadOptions;

  @Option(
      names = "--task",
      paramLabel = "TASK",
      description =
          "What the run was trained for: ${COMPLETION-CANDIDATES}. Default: what the run says.")
  private Task task;

  @Parameters(
      paramLabel = "RUN",
      arity = "0..1",
      description = "The folder that fovea train wrote. Default: the newest in runs/.")
  private Path run;

  @Option(
      names = "--data",
      paramLabel = "DATA",
      description =
          "Other images with the same classes: fashion-mnist-sample, fashion-mnist or a folder; of"
              + " segmentation scenes or a folder of images and masks. Default: those of the run.")
  private String source;

  @Override
  public Integer call() {
    threadOptions.apply();
    precisionOptions.check();
    try (ConsoleProgress progress = ConsoleProgress.standard()) {
      Path found = RunOptions.find(run, task, progress);
      Task of = RunFolder.task(found);
      TaskOptions.requireOptionsOf(of, spec);
      switch (of) {
        case CLASSIFICATION -> classification(RunFolder.open(found), "images", progress);
        case VIDEO -> classification(RunFolder.open(found), "clips", progress);
        case SEGMENTATION -> segmentation(SegmentationRun.open(found), progress);
      }
      return 0;
    }
  }

  private void classification(RunFolder folder, String units, ConsoleProgress progress) {
    Classifier network = precisionOptions.applied(folder.load(runOptions.weights()));
    RunFolder.Data trained = folder.config().data();
    ImageData data = images(folder).open(progress);
    requireSameClasses(trained.classes(), data.train().classes(), data.name());
    progress.begin("evaluating", data.test().size());
    Evaluation evaluation = Evaluation.of(network, data.test(), trained.normalization(), progress);
    progress.end();
    print(evaluation, trained.classes(), data, units);
  }

  private void segmentation(SegmentationRun run, ConsoleProgress progress) {
    TestTimeAugmentation inference = inferenceOptions.inference();
    Segmenter network = precisionOptions.applied(run.load(runOptions.weights()));
    SegmentationRun.Data trained = run.config().data();
    SegmentationData data = images(run).open(progress);
    requireSameClasses(trained.classes(), data.test().classes(), data.name());
    progress.begin("evaluating", data.test().size());
    Evaluation evaluation =
        SegmentationEvaluation.of(
            network, data.test(), trained.normalization(), inference, progress);
    progress.end();
    printPixels(evaluation, trained.classes(), data);
  }

  private void printPixels(Evaluation evaluation, List<String> classes, SegmentationData data) {
    TextTable table = new TextTable("class", "pixels %", "IoU %", "most often taken for");
    for (int i = 0; i < classes.size(); i++) {
      double iou = evaluation.iou(i);
      double share = (double) evaluation.labels(i) / evaluation.labels();
      int wrong = mostOften(evaluation, i);
      table.add(
          classes.get(i),
          TextTable.percent(share),
          Double.isNaN(iou) ? "" : TextTable.percent(iou),
          wrong < 0
              ? ""
              : classes.get(wrong)
                  + " "
                  + TextTable.percent(
                      (double) evaluation.confusion()[i][wrong] / evaluation.labels(i))
                  + " %");
    }
    var out = spec.commandLine().getOut();
    out.print(table);
    out.println();
    out.printf(
        Locale.ROOT,
        "mIoU %s %%, pixel accuracy %s %% of %d test images of %s, loss %.4f%n",
        TextTable.percent(evaluation.miou()),
        TextTable.percent(evaluation.top1()),
        data.test().size(),
        data.name(),
        evaluation.loss());
    out.flush();
  }

  /** The class that a class is most often taken for, -1 if it never is for another. */
  private static int mostOften(Evaluation evaluation, int label) {
    long[] row = evaluation.confusion()[label];
    int wrong = -1;
    for (int j = 0; j < row.length; j++) {
      if (j != label && row[j] > 0 && (wrong < 0 || row[j] > row[wrong])) {
        wrong = j;
      }
    }
    return wrong;
  }

  private SegmentationSource images(SegmentationRun run) {
    SegmentationSource own = run.config().data().spec();
    requireImages(own, run.path());
    if (source == null) {
      return own;
    }
    return own == null
        ? new SegmentationSource(source, null, 0, 1, false)
        : new SegmentationSource(source, own.classes(), 0, own.splitSeed(), own.strict());
  }

  private void requireImages(Object own, Path run) {
    if (source == null && own == null) {
      throw new IllegalArgumentException(
          run + " was imported and has no images of its own; give --data");
    }
  }

  private DataSpec images(RunFolder folder) {
    DataSpec spec = folder.config().data().spec();
    requireImages(spec, folder.path());
    return source == null
        ? spec
        : new DataSpec(
            source,
            null,
            folder.config().data().size(),
            folder.config().model().channels(),
            0,
            spec == null ? 1 : spec.splitSeed(),
            spec != null && spec.strict(),
            spec == null ? null : spec.sampling());
  }

  private void requireSameClasses(List<String> trained, List<String> given, String name) {
    if (!trained.equals(given)) {
      throw new DataException(
          (source == null ? name : source)
              + ": the network was trained on other classes: "
              + trained
              + ", the images have "
              + given);
    }
  }

  private void print(Evaluation evaluation, List<String> classes, ImageData data, String units) {
    TextTable table = new TextTable("class", units, "right %", "most often taken for");
    for (int i = 0; i < classes.size(); i++) {
      int wrong = mostOften(evaluation, i);
      long labels = evaluation.labels(i);
      table.add(
          classes.get(i),
          Long.toString(labels),
          labels == 0 ? "" : TextTable.percent((double) evaluation.confusion()[i][i] / labels),
          wrong < 0 ? "" : classes.get(wrong) + " " + evaluation.confusion()[i][wrong]);
    }
    var out = spec.commandLine().getOut();
    out.print(table);
    out.println();
    out.printf(
        Locale.ROOT,
        "top-1 %s %% of %d test %s of %s, loss %.4f%n",
        TextTable.percent(evaluation.top1()),
        evaluation.labels(),
        units,
        data.name(),
        evaluation.loss());
    out.flush();
  }
}
