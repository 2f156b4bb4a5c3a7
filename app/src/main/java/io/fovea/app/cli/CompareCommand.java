package io.fovea.app.cli;

import io.fovea.app.console.TextTable;
import io.fovea.app.study.Results;
import io.fovea.app.study.TaskSetup;
import io.fovea.data.Dataset;
import io.fovea.errors.FoveaException;
import io.fovea.models.Network;
import io.fovea.models.SegmentationHeads;
import io.fovea.models.placement.PlacedAttention;
import io.fovea.training.Task;
import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.Callable;
import java.util.stream.Stream;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code fovea compare}: finds out which attention helps and what it costs. */
@Command(
    name = "compare",
    description = {
      "Train the same network with each attention mechanism and without attention, over"
          + " several seeds, and compare accuracy and cost.",
      "",
      "All modules of a seed start from the same backbone weights and see the same batches."
          + " Finished runs are kept: run the same command again to resume after an interruption."
    },
    footer = {
      "",
      "Examples:",
      "  fovea compare",
      "  fovea compare --data my-images --backbone resnet18 --modules none,se,cbam --epochs 30",
      "  fovea compare --modules \"none,cbam,cbam:reduction=8,kernel=3\" --seeds 1,2,3,4,5",
      "  fovea compare --modules \"none,se,se@pre,se; nonlocal@after:2.1\"",
      "  fovea compare --task segmentation",
      "  fovea compare --task video",
      "",
      "In small networks and short trainings, attention may cost accuracy; docs/compare.md has",
      "measured examples."
    })
public final class CompareCommand implements Callable<Integer> {
  @Mixin private TaskOptions.All taskOptions;
  @Mixin private StudyOptions study;

  @Option(
      names = "--task",
      paramLabel = "TASK",
      converter = TaskConverter.class,
      completionCandidates = TaskConverter.Names.class,
      defaultValue = "classification",
      description =
          "Predict a class for each image, pixel or video: ${COMPLETION-CANDIDATES}. Default:"
              + " ${DEFAULT-VALUE}.")
  private Task<?, ?> task;

  @Option(
      names = "--modules",
      paramLabel = "LIST",
      description =
          "Attention specs to compare, separated by commas. A spec may name its place after an @;"
              + " semicolons join mechanisms in one network. Default: none and seven"
              + " mechanisms (segmentation: none,pam,cam,dual,nonlocal; video: none and the four"
              + " kinds of non-local block).")
  private String modules;

  @Override
  public Integer call() {
    return compare(task);
  }

  private <N extends Network, D extends Dataset<?>> int compare(Task<N, D> task) {
    TaskSetup<N, D> setup = taskOptions.setup(task, true);
    LinkedHashSet<String> names = new LinkedHashSet<>();
    for (String module :
        modules == null ? task.attentions(setup.network()) : parseModules(modules)) {
      if (!names.add(taskOptions.compared(setup, module))) {
        throw new FoveaException("--modules names " + module + " twice");
      }
    }
    return study.run(
        "compare", taskOptions, setup, List.copyOf(names), List.of(), CompareCommand::print);
  }

  /** The specs in their shortest form. A spec that occurs twice is refused. */
  static List<String> parseModules(String text) {
    LinkedHashSet<String> names = new LinkedHashSet<>();
    for (String piece : ModuleList.split(text)) {
      String name =
          SegmentationHeads.names().contains(piece)
              ? piece // its network knows the rest
              : PlacedAttention.text(PlacedAttention.parseAll(piece));
      if (!names.add(name)) {
        throw new FoveaException("--modules names " + name + " twice");
      }
    }
    return List.copyOf(names);
  }

  private static void print(PrintWriter console, Results results) {
    List<Results.Row> rows = results.rows();
    List<String> head = new ArrayList<>(List.of("module", "parameters", "MACs"));
    rows.get(0).scores().forEach(score -> head.add(score.metric().title() + " %"));
    head.addAll(List.of("to none", "95% interval"));
    boolean averaged = rows.stream().noneMatch(row -> row.averages().isEmpty());
    if (averaged) {
      rows.get(0)
          .averages()
          .forEach(score -> head.add("averaged " + score.metric().title() + " %"));
      head.addAll(List.of("to none", "95% interval"));
    }
    head.addAll(List.of("train images/s", "1 image", rows.get(0).latencyBatchSize() + " images"));
    TextTable table = new TextTable(head.toArray(new String[0]));
    for (Results.Row row : rows) {
      List<String> cells = new ArrayList<>();
      cells.add(row.module());
      cells.add(TextTable.count((double) row.parameters()));
      cells.add(TextTable.count((double) row.macs()));
      row.scores().forEach(score -> cells.add(score.text()));
      addDifference(cells, row.difference());
      if (averaged) {
        row.averages().forEach(score -> cells.add(score.text()));
        addDifference(cells, row.averageDifference());
      }
      cells.add(TextTable.count(row.trainImagesPerSecond()));
      cells.add(TextTable.milliseconds(row.latencyMs()));
      cells.add(TextTable.milliseconds(row.latencyBatchMs()));
      table.add(cells.toArray(new String[0]));
    }
    console.print(table);
    console.println(footer(results));
    if (averaged) {
      console.println("averaged: with the moving average of the weights (--ema).");
    }
  }

  private static void addDifference(List<String> cells, Results.Difference difference) {
    cells.add(difference == null ? "" : TextTable.points(difference.mean()));
    cells.add(difference == null ? "" : difference.interval());
  }

  private static String footer(Results results) {
    int seeds = results.seeds().size();
    if (seeds < 2) {
      return "With one seed, the noise of the differences is unknown; try --seeds 1,2,3.";
    }
    List<Results.Difference> differences =
        results.rows().stream()
            .flatMap(row -> Stream.of(row.difference(), row.averageDifference()))
            .filter(Objects::nonNull)
            .toList();
    int comparisons = results.comparisons();
    String several =
        comparisons > 1 ? ", corrected for " + comparisons + " comparisons (Holm)" : "";
    long byChance =
        differences.stream().filter(each -> each.excludesZero() && !each.beyondNoise()).count();
    return (differences.stream().anyMatch(Results.Difference::beyondNoise)
            ? "* beyond the noise of " + seeds + " seeds" + several + "."
            : "No difference is beyond the noise of " + seeds + " seeds" + several + ".")
        + (byChance == 0
            ? ""
            : "\n"
                + (byChance == 1
                    ? "One more interval excludes"
                    : byChance + " more intervals exclude")
                + " zero; of many, one in twenty does so by chance.");
  }
}
