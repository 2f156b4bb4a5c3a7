package io.fovea.app;

import io.fovea.models.Classifier;
import io.fovea.models.ModelSpec;
import io.fovea.training.ImageData;
import java.io.PrintWriter;
import java.util.Locale;
import java.util.Map;
import org.bytedeco.javacpp.PointerScope;

/** What a study would do, for {@code --dry-run}. */
final class StudyPlan {
  private StudyPlan() {}

  static void print(PrintWriter console, Study study, ImageData data) {
    TextTable table = new TextTable("module", "parameters", "MACs", "seeds to train");
    for (Map.Entry<String, ModelSpec> variant : study.variants().entrySet()) {
      try (PointerScope scope = new PointerScope()) {
        Classifier network = variant.getValue().create();
        table.add(
            variant.getKey(),
            TextTable.count((double) network.parameterCount()),
            TextTable.count((double) network.macs(data.train().height(), data.train().width())),
            seedsToTrain(study, variant.getKey()));
      }
    }
    console.print(table);
    int runs = study.missing().size();
    console.printf(
        Locale.ROOT,
        "%nWould train %d %s of %d epochs with %,d images each; the time is told after the first.%n",
        runs,
        runs == 1 ? "network" : "networks",
        study.settings().training().epochs(),
        data.train().size());
    console.flush();
  }

  private static String seedsToTrain(Study study, String variant) {
    String seeds =
        String.join(
            ", ",
            study.missing().stream()
                .filter(key -> key.variant().equals(variant))
                .map(key -> Long.toString(key.seed()))
                .toList());
    return seeds.isEmpty() ? "done" : seeds;
  }
}
