package io.fovea.app;

import io.fovea.attention.AttentionSpec;
import io.fovea.models.ModelSpec;
import io.fovea.training.DataSpec;
import io.fovea.training.ImageData;
import io.fovea.training.Json;
import io.fovea.training.TrainingSpec;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParseResult;
import picocli.CommandLine.Spec;

/** {@code fovea compare}: which attention helps, and what it costs. */
@Command(
    name = "compare",
    description = {
      "Train the same network with each attention mechanism and without, over several seeds, and"
          + " compare accuracy and cost.",
      "",
      "Every module of a seed starts from the same backbone weights and sees the same batches. What is"
          + " finished is kept: the same command goes on where it was interrupted."
    },
    footer = {
      "",
      "Examples:",
      "  fovea compare",
      "  fovea compare --data my-images --backbone resnet18 --modules none,se,cbam --epochs 30",
      "  fovea compare --modules \"none,cbam,cbam:reduction=8,kernel=3\" --seeds 1,2,3,4,5"
    })
final class CompareCommand implements Callable<Integer> {
  private static final int EPOCHS = 2;
  private static final String ALL =
      ModelSpec.NONE + "," + String.join(",", AttentionSpec.mechanisms());

  @Spec private CommandSpec spec;
  @Mixin private DataOptions dataOptions;
  @Mixin private NetworkOptions networkOptions;
  @Mixin private TrainingOptions trainingOptions;

  @Option(
      names = "--modules",
      paramLabel = "LIST",
      description =
          "Attention specs between commas, none for the plain backbone. Default: none and all seven"
              + " mechanisms.")
  private String modules = ALL;

  @Option(
      names = "--seeds",
      paramLabel = "N",
      split = ",",
      defaultValue = "1,2,3",
      description = "A run for each module and seed. Default: ${DEFAULT-VALUE}.")
  private List<Long> seeds;

  @Option(
      names = "--out",
      paramLabel = "DIR",
      description =
          "Where results.json, report.html and the finished runs go. Default: a folder in runs/ named"
              + " after data, backbone and settings.")
  private Path out;

  @Override
  public Integer call() throws IOException {
    List<String> names = parseModules(modules);
    TrainingSpec training = trainingOptions.spec(0, EPOCHS);
    DataSpec dataSpec = dataOptions.spec(networkOptions.backbone());
    checkSeeds();
    networkOptions.applyThreads();
    names.forEach(networkOptions::check);

    try (ConsoleProgress progress = ConsoleProgress.standard()) {
      ImageData data = dataSpec.open(progress);
      Map<String, ModelSpec> variants = new LinkedHashMap<>();
      names.forEach(name -> variants.put(name, networkOptions.model(data, name)));
      ModelSpec any = variants.get(names.get(0));
      Study.Settings settings =
          new Study.Settings(dataSpec, any.backbone(), any.width(), any.stages(), training);
      Path folder = out != null ? out : defaultFolder(data, settings);
      Study study = new Study(folder, settings, data, variants, seeds);
      announce(progress, data, any, study, folder);

      Interruption.say(
          "Interrupted. What is finished is in "
              + folder
              + "; the same command goes on from there.");
      study.run(
          progress,
          (run, all) -> {
            publish(folder, results(all, study, names, data, settings), all, data);
            progress.line(
                String.format(
                    Locale.ROOT,
                    "%-10s seed %-3d top-1 %s %%   %.0f images/s",
                    run.module(),
                    run.seed(),
                    TextTable.percent(run.top1()),
                    run.epochs().get(run.epochs().size() - 1).imagesPerSecond()));
          });

      List<Study.Run> runs = study.finished();
      Results results = results(runs, study, names, data, settings);
      publish(folder, results, runs, data);
      print(results, folder);
      return 0;
    }
  }

  /** Commas part specs, but also the options of a spec: a piece that is only option=value belongs to the last. */
  static List<String> parseModules(String text) {
    List<String> pieces = new ArrayList<>();
    for (String piece : text.split(",")) {
      String stripped = piece.strip();
      if (!pieces.isEmpty() && stripped.contains("=") && !stripped.contains(":")) {
        pieces.add(pieces.remove(pieces.size() - 1) + "," + stripped);
      } else {
        pieces.add(stripped);
      }
    }
    LinkedHashSet<String> names = new LinkedHashSet<>();
    for (String piece : pieces) {
      String name = piece.equals(ModelSpec.NONE) ? piece : AttentionSpec.parse(piece).toString();
      if (!names.add(name)) {
        throw new IllegalArgumentException("--modules has " + name + " twice");
      }
    }
    return List.copyOf(names);
  }

  private void checkSeeds() {
    if (new LinkedHashSet<>(seeds).size() < seeds.size()) {
      throw new IllegalArgumentException("--seeds has a seed twice: " + seeds);
    }
  }

  private static Path defaultFolder(ImageData data, Study.Settings settings) {
    String name = data.name().toLowerCase(Locale.ROOT).replaceAll("[^a-z0-9]+", "-");
    return Path.of(
        "runs", "compare-" + name + "-" + settings.backbone() + "-" + settings.fingerprint());
  }

  private void announce(
      ConsoleProgress progress, ImageData data, ModelSpec model, Study study, Path folder) {
    int all = study.missing().size() + study.finished().size();
    progress.line(data.description());
    if (!data.skipped().isEmpty()) {
      progress.line(data.skipped().size() + " damaged images were skipped");
    }
    progress.line(
        String.format(
            Locale.ROOT,
            "%s: %d runs, %s, in %s",
            model.backbone(),
            all,
            study.finished().isEmpty()
                ? "none done yet"
                : study.finished().size() + " done already",
            folder));
    progress.line(
        "Every module of a seed starts from the same backbone weights and sees the same batches.");
  }

  private Results results(
      List<Study.Run> runs,
      Study study,
      List<String> names,
      ImageData data,
      Study.Settings settings) {
    return Results.of(runs, study.missing(), names, seeds, data, settings, command());
  }

  private String command() {
    ParseResult root = spec.root().commandLine().getParseResult();
    List<String> words = new ArrayList<>(List.of("./fovea"));
    for (String word : root.originalArgs()) {
      words.add(word.matches("[\\w./:=,+-]+") ? word : "'" + word.replace("'", "'\\''") + "'");
    }
    return String.join(" ", words);
  }

  private static void publish(Path folder, Results results, List<Study.Run> runs, ImageData data)
      throws IOException {
    Json.write(folder.resolve("results.json"), results);
    Report.write(folder.resolve("report.html"), results, runs, data);
  }

  private void print(Results results, Path folder) {
    TextTable table =
        new TextTable(
            "module",
            "parameters",
            "MACs",
            "top-1 %",
            "to none",
            "95% interval",
            "train images/s",
            "1 image",
            Latency.BATCH + " images");
    for (Results.Row row : results.rows()) {
      Results.Difference difference = row.difference();
      table.add(
          row.module(),
          TextTable.count((double) row.parameters()),
          TextTable.count((double) row.macs()),
          TextTable.percent(row.top1Mean())
              + (row.top1Std() == null ? "" : " ± " + TextTable.percent(row.top1Std())),
          difference == null ? "" : TextTable.points(difference.mean()),
          difference == null || difference.low() == null
              ? ""
              : TextTable.points(difference.low())
                  + " to "
                  + TextTable.points(difference.high())
                  + (difference.beyondNoise() ? " *" : "  "),
          TextTable.count(row.trainImagesPerSecond()),
          TextTable.milliseconds(row.latencyMs()),
          TextTable.milliseconds(row.latencyBatchMs()));
    }
    var console = spec.commandLine().getOut();
    console.println();
    console.print(table);
    console.println(
        seeds.size() < 2
            ? "One seed: whether a difference is noise is not known; try --seeds 1,2,3."
            : "* beyond the noise of "
                + seeds.size()
                + " seeds: the 95% interval of the paired difference leaves out zero.");
    console.println();
    console.println(folder.resolve("results.json"));
    console.println(folder.resolve("report.html"));
    console.flush();
  }
}
