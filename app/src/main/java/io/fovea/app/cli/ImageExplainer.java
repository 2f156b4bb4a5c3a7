package io.fovea.app.cli;

import io.fovea.app.console.TextTable;
import io.fovea.data.Dataset;
import io.fovea.data.Image;
import io.fovea.data.image.Images;
import io.fovea.errors.FoveaException;
import io.fovea.explain.Affinity;
import io.fovea.explain.Drawing;
import io.fovea.explain.ExplainPage;
import io.fovea.explain.ExplainedImage;
import io.fovea.explain.Explanation;
import io.fovea.explain.LoadedRun;
import io.fovea.explain.NetworkFacts;
import io.fovea.explain.Region;
import io.fovea.explain.Statistics;
import io.fovea.models.Network;
import io.fovea.training.run.Run;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.Locale;

/**
 * Explains images: gates, maps, what positions attend to, and Grad-CAM.
 *
 * @param <N> the networks
 * @param <D> their data sets
 */
abstract class ImageExplainer<N extends Network, D extends Dataset<?>>
    extends Explainer<ExplainedImage> {
  final Run<N, D> run;
  final N network;
  private final LoadedRun loaded;
  private final Question question;

  ImageExplainer(Run<N, D> run, Question question) {
    this.run = run;
    this.question = question;
    network = run.load(question.weights());
    loaded = LoadedRun.of(run, network);
    if (question.target() != null) {
      loaded.label(question.target()); // report mistakes before any work is done
    }
  }

  @Override
  final NetworkFacts facts() {
    return loaded.facts();
  }

  @Override
  final ExplainedImage explain(Path file) {
    Images.Viewed viewed = loaded.folder().preprocessing().view(file);
    Image picture = viewed.whole();
    Region seen = loaded.facts().seen(picture);
    String part =
        loaded.facts().seesWholeImages()
            ? file.toString()
            : "the square of " + file + " that the network sees";
    for (double[] pixel : question.points()) {
      seen.requireInside(part, pixel);
    }
    String layer = question.layer();
    Explanation whole =
        loaded.explain(
            viewed.input(),
            question.target(),
            layer,
            LoadedRun.Stages.ALL,
            builder -> {
              builder.grid(ExplainPage.GRID_VALUES);
              if (question.region() != null) {
                builder.region(question.region());
              }
              for (double[] pixel : question.points()) {
                builder.point(
                    (pixel[0] - seen.left() + 0.5) / seen.width(),
                    (pixel[1] - seen.top() + 0.5) / seen.height());
              }
            });
    Explanation explanation = layer == null ? whole : whole.with(whole.modulesIn(layer));
    if (!question.points().isEmpty()
        && explanation.modules().stream().allMatch(module -> module.affinity().isEmpty())) {
      throw new FoveaException(
          "--point: " + Affinity.nothingAttends(layer == null ? loaded.name() : layer));
    }
    return new ExplainedImage(file.getFileName().toString(), picture, loaded.facts(), explanation);
  }

  /** What the network says about an image, in one line. */
  abstract String result(ExplainedImage image);

  @Override
  final void print(Path file, ExplainedImage image, PrintWriter console) {
    Explanation explanation = image.explanation();
    console.printf(Locale.ROOT, "%s: %s%n", file, result(image));
    TextTable table =
        new TextTable("module", "values", "min", "max", "entropy", "< 0.1", "> 0.9", "change");
    table.left("values");
    for (Explanation.Module module : explanation.modules()) {
      String change = TextTable.percent(module.effect().change()) + " %";
      module
          .channel()
          .ifPresent(gates -> row(table, module, "channels", gates.statistics(), change));
      module.spatial().ifPresent(map -> row(table, module, "positions", map.statistics(), change));
      module
          .affinity()
          .ifPresent(
              affinity ->
                  row(table, module, "received", Statistics.of(affinity.received()), change));
      module
          .channelAffinity()
          .ifPresent(matrix -> row(table, module, "channel matrix", matrix.statistics(), change));
    }
    if (explanation.modules().isEmpty()) {
      console.println(
          "  no attention "
              + (question.layer() == null ? "in this network" : "in " + question.layer())
              + "; Grad-CAM only");
    } else {
      table.toString().lines().forEach(line -> console.println("  " + line));
    }
    explanation.remarks().forEach(remark -> console.println("  " + remark));
  }

  private static void row(
      TextTable table, Explanation.Module module, String what, Statistics s, String change) {
    boolean gates = what.equals("channels") || what.equals("positions");
    table.add(
        module.name(),
        what,
        Drawing.number(s.minimum()),
        Drawing.number(s.maximum()),
        Double.isNaN(s.entropy()) ? "" : String.format(Locale.ROOT, "%.3f", s.entropy()),
        gates ? TextTable.percent(s.under()) + " %" : "",
        gates ? TextTable.percent(s.over()) + " %" : "",
        change);
  }
}
