package io.fovea.app.study;

import io.fovea.app.console.TextTable;
import io.fovea.models.Network;
import java.io.PrintWriter;
import java.util.Locale;
import org.bytedeco.javacpp.PointerScope;

/** Prints the plan of a study for {@code --dry-run}. */
public final class StudyPlan {
  private StudyPlan() {}

  public static void print(PrintWriter console, Study study) {
    TextTable table = new TextTable("module", "parameters", "MACs", "seeds to train");
    LoadedTask<?, ?> task = study.task();
    for (String variant : study.variants()) {
      try (PointerScope scope = new PointerScope()) {
        Network network = task.network(variant).create();
        table.add(
            variant,
            TextTable.count((double) network.parameterCount()),
            TextTable.count((double) network.macs(task.size())),
            seedsToTrain(study, variant));
      }
    }
    console.print(table);
    int runs = study.missing().size();
    console.printf(
        Locale.ROOT,
        "%nThe command would train %d %s of %d epochs with %,d images each. An estimate of"
            + " the time follows after the first run.%n",
        runs,
        runs == 1 ? "network" : "networks",
        task.setup().training().epochs(),
        task.data().train().size());
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
