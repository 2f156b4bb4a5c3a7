package io.fovea.app.cli;

import io.fovea.app.console.ConsoleProgress;
import io.fovea.app.console.TextTable;
import io.fovea.data.DataException;
import io.fovea.data.ImageDataset;
import io.fovea.data.TrainingData;
import io.fovea.data.source.Preprocessing;
import io.fovea.explain.DatasetExplanation;
import io.fovea.explain.Drawing;
import io.fovea.explain.ExplainedDataset;
import io.fovea.explain.ExplainedImage;
import io.fovea.explain.Statistics;
import io.fovea.models.Classifier;
import io.fovea.training.Tasks;
import io.fovea.training.run.Run;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.Locale;

/** Explains networks that predict the class of an image. */
final class ClassificationExplainer extends ImageExplainer<Classifier, ImageDataset> {
  private static final int PER_CLASS = 50;

  ClassificationExplainer(Run<Classifier, ImageDataset> run, Question question) {
    super(run, question);
  }

  @Override
  String result(ExplainedImage image) {
    int best = image.explanation().predicted();
    return String.format(
        Locale.ROOT,
        "%s, %.1f %%",
        image.network().classes().get(best),
        100 * image.explanation().probabilities()[best]);
  }

  @Override
  Path survey(Survey wanted, Path folder, ConsoleProgress progress, PrintWriter console)
      throws IOException {
    Preprocessing trained = run.preprocessing();
    if (network.attentions().isEmpty()) {
      throw new DataException(run.path() + ": this network has no attention");
    }
    TrainingData<ImageDataset> data =
        Tasks.CLASSIFICATION.open(run.data(wanted.source()), progress);
    if (!trained.classes().equals(data.test().classes())) {
      throw new DataException(
          "the network was trained with other classes: "
              + trained.classes()
              + ", the images have "
              + data.test().classes());
    }
    int each = wanted.perClass() == null ? PER_CLASS : wanted.perClass();
    ImageDataset images = data.test().limit(Math.multiplyExact(each, trained.classes().size()));
    progress.begin("looking", images.size());
    DatasetExplanation survey =
        DatasetExplanation.of(network, images, trained.normalization(), progress);
    progress.end();
    print(survey, images.size(), data.name(), console);
    return new ExplainedDataset(data.name(), facts(), survey).save(folder);
  }

  private static void print(
      DatasetExplanation survey, int images, String name, PrintWriter console) {
    console.println(images + " test images of " + name);
    TextTable table =
        new TextTable("module", "gates", "min", "max", "between classes", "map: min", "max");
    for (DatasetExplanation.Module module : survey.modules()) {
      Statistics gates = module.gates().isPresent() ? Statistics.of(module.meanGates()) : null;
      Statistics average = module.map().map(map -> map.plane().statistics()).orElse(null);
      table.add(
          module.name(),
          gates == null ? "" : Drawing.number(gates.mean()),
          gates == null ? "" : Drawing.number(gates.minimum()),
          gates == null ? "" : Drawing.number(gates.maximum()),
          gates == null ? "" : Drawing.number(module.betweenClasses()),
          average == null ? "" : Drawing.number(average.minimum()),
          average == null ? "" : Drawing.number(average.maximum()));
    }
    console.print(table);
  }
}
