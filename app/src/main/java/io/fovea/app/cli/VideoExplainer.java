package io.fovea.app.cli;

import io.fovea.app.console.TextTable;
import io.fovea.data.ImageDataset;
import io.fovea.explain.Affinity;
import io.fovea.explain.Drawing;
import io.fovea.explain.ExplainedVideo;
import io.fovea.explain.LoadedVideoRun;
import io.fovea.explain.NetworkFacts;
import io.fovea.explain.Row;
import io.fovea.explain.VideoExplanation;
import io.fovea.models.Classifier;
import io.fovea.training.run.Run;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;

/**
 * Explains videos: what positions of one clip of each video attend to across its frames. The clip is
 * around the frame that was asked for, or in the middle of the video.
 */
final class VideoExplainer extends Explainer<ExplainedVideo> {
  private final LoadedVideoRun loaded;
  private final Question question;

  VideoExplainer(Run<Classifier, ImageDataset> run, Question question) {
    loaded = new LoadedVideoRun(run, run.load(question.weights()));
    this.question = question;
  }

  @Override
  NetworkFacts facts() {
    return loaded.facts();
  }

  @Override
  ExplainedVideo explain(Path path) throws IOException {
    return loaded.explain(path, question.layer(), question.frame(), question.points());
  }

  @Override
  void print(Path path, ExplainedVideo video, PrintWriter console) {
    List<String> labels = video.frames().labels();
    console.printf(
        Locale.ROOT,
        "%s: %s, %.1f %% (%s to %s)%n",
        path,
        video.predictions().get(0).name(),
        100 * video.predictions().get(0).probability(),
        labels.get(0),
        labels.get(labels.size() - 1));
    TextTable table =
        new TextTable(
            "module", "position", "attends most to", "weight", "x uniform", "entropy", "change");
    table.left("position");
    table.left("attends most to");
    for (VideoExplanation.Module module : video.explanation().modules()) {
      Affinity affinity = module.affinity();
      for (int i = 0; i < affinity.rows().size(); i++) {
        Row row = affinity.rows().get(i);
        int best = row.highest(1)[0];
        table.add(
            i == 0 ? module.name() : "",
            video.place(module, i),
            video.placeOf(module, best),
            Drawing.number(row.values()[best]),
            String.format(Locale.ROOT, "%.1f", row.values()[best] * affinity.to().size()),
            i > 0 || Double.isNaN(affinity.entropy())
                ? ""
                : String.format(Locale.ROOT, "%.3f", affinity.entropy()),
            i > 0 ? "" : TextTable.percent(module.effect().change()) + " %");
      }
    }
    table.toString().lines().forEach(line -> console.println("  " + line));
    video.explanation().remarks().forEach(remark -> console.println("  " + remark));
  }
}
