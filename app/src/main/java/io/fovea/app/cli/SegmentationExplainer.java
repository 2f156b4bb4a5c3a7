package io.fovea.app.cli;

import io.fovea.app.console.ConsoleProgress;
import io.fovea.app.console.TextTable;
import io.fovea.data.EvaluationData;
import io.fovea.data.SegmentationDataset;
import io.fovea.errors.FoveaException;
import io.fovea.explain.ExplainedImage;
import io.fovea.explain.ExplainedScenes;
import io.fovea.explain.SceneSurvey;
import io.fovea.models.Segmenter;
import io.fovea.training.evaluate.Prediction;
import io.fovea.training.run.Run;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/** Explains networks that predict the class of each pixel. */
final class SegmentationExplainer extends ImageExplainer<Segmenter, SegmentationDataset> {
  private static final int SHOWN = 3;

  SegmentationExplainer(Run<Segmenter, SegmentationDataset> run, Question question) {
    super(run, question);
  }

  @Override
  String result(ExplainedImage image) {
    float[] shares = image.explanation().probabilities();
    String classes =
        Prediction.ranked(
                image.network().classes(),
                IntStream.range(0, shares.length).mapToDouble(i -> shares[i]).toArray())
            .stream()
            .limit(SHOWN)
            .filter(one -> one.probability() > 0)
            .map(
                one ->
                    String.format(Locale.ROOT, "%s %.1f %%", one.name(), 100 * one.probability()))
            .collect(Collectors.joining(", "));
    return String.format(
        Locale.ROOT,
        "%s; mean uncertainty %.3f",
        classes,
        image.explanation().scene().orElseThrow().uncertainty().statistics().mean());
  }

  @Override
  Path survey(Survey wanted, Path folder, ConsoleProgress progress, PrintWriter console)
      throws IOException {
    List<String> classes = run.preprocessing().classes();
    EvaluationData<SegmentationDataset> data =
        run.task().openAll(run.data(wanted.source()), classes, progress);
    int limit = wanted.limit() == null ? Integer.MAX_VALUE : wanted.limit();
    progress.begin("looking", Math.min(limit, data.samples().size()));
    SceneSurvey survey =
        SceneSurvey.of(
            network, data.samples(), limit, run.preprocessing().normalization(), progress);
    progress.end();
    if (survey.modules().isEmpty()) {
      throw new FoveaException(
          run.path() + ": this network has no attention between positions, and no spatial gate");
    }
    print(survey, data.name(), classes, console);
    return new ExplainedScenes(data.name(), facts(), survey).save(folder);
  }

  private static void print(
      SceneSurvey survey, String name, List<String> classes, PrintWriter console) {
    console.println(survey.images() + " images of " + name);
    TextTable table =
        new TextTable(
            "module",
            "class",
            "positions",
            "gate",
            "to itself",
            "x even",
            "to others most",
            "x even");
    table.left("class");
    table.left("to others most");
    for (SceneSurvey.Module module : survey.modules()) {
      boolean first = true;
      for (int label = 0; label < classes.size(); label++) {
        if (module.positions()[label] == 0) {
          continue;
        }
        int other = module.affinity().isPresent() ? mostAttended(module, label) : -1;
        table.add(
            first ? module.name() : "",
            classes.get(label),
            Long.toString(module.positions()[label]),
            gate(module, label),
            share(module, label, label),
            lift(module, label, label),
            other < 0 ? "" : classes.get(other) + " " + share(module, label, other),
            other < 0 ? "" : lift(module, label, other));
        first = false;
      }
    }
    console.print(table);
  }

  /** The other class to which a class attends most, or -1 if there is none. */
  private static int mostAttended(SceneSurvey.Module module, int label) {
    double[] weights = module.affinity().orElseThrow().weights()[label];
    int best = -1;
    for (int other = 0; other < weights.length; other++) {
      if (other != label && module.positions()[other] > 0) {
        best = best < 0 || weights[other] > weights[best] ? other : best;
      }
    }
    return best;
  }

  private static String gate(SceneSurvey.Module module, int label) {
    return module.gates().map(gates -> String.format(Locale.ROOT, "%.3f", gates[label])).orElse("");
  }

  private static String share(SceneSurvey.Module module, int from, int to) {
    return module
        .affinity()
        .map(one -> TextTable.percent(one.weights()[from][to]) + " %")
        .orElse("");
  }

  private static String lift(SceneSurvey.Module module, int from, int to) {
    return module
        .affinity()
        .filter(one -> one.even()[from][to] > 0)
        .map(one -> String.format(Locale.ROOT, "%.2f", one.lift(from, to)))
        .orElse("");
  }
}
