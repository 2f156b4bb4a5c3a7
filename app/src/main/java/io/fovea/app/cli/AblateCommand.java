package io.fovea.app.cli;

import io.fovea.app.console.TextTable;
import io.fovea.app.study.Ablations;
import io.fovea.app.study.PaperTable;
import io.fovea.app.study.Results;
import io.fovea.app.study.TaskSetup;
import io.fovea.data.Dataset;
import io.fovea.errors.FoveaException;
import io.fovea.models.Classifier;
import io.fovea.models.placement.PlacedAttention;
import io.fovea.tensor.internal.DidYouMean;
import io.fovea.training.Task;
import io.fovea.training.Tasks;
import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/**
 * {@code fovea ablate}: repeats the ablation studies of a mechanism's paper on the user's images.
 */
@Command(
    name = "ablate",
    description = {
      "Repeat the ablation tables of a mechanism's paper on your images. Each row is"
          + " trained with several seeds and printed beside the paper's own figure. A line below"
          + " each table says how well the two orders agree.",
      "",
      "  se        reduction, squeeze, excitation, stage, placement",
      "  cbam      pool, spatial, order",
      "  bam       dilation, reduction, branches",
      "  nonlocal  mode, stage, count"
    },
    footer = {
      "",
      "Examples:",
      "  fovea ablate se",
      "  fovea ablate se --table reduction,placement --data my-images --backbone resnet18 --epochs 30",
      "  fovea ablate cbam --dry-run"
    })
public final class AblateCommand implements Callable<Integer> {
  /** Rows with a reduction of 32 need 32 channels in the first stage. */
  private static final double WIDTH = 2;

  @Mixin private TaskOptions taskOptions;
  @Mixin private StudyOptions study;

  @Parameters(paramLabel = "MECHANISM", description = "The mechanism: se, cbam, bam or nonlocal.")
  private String mechanism;

  @Option(
      names = "--table",
      paramLabel = "NAME",
      split = ",",
      description = "Run only these tables. Default: all tables of the paper.")
  private List<String> names = List.of();

  @Override
  public Integer call() {
    return ablate(Tasks.CLASSIFICATION, Ablations.of(mechanism));
  }

  private <D extends Dataset<?>> int ablate(Task<Classifier, D> task, Ablations.Ablation ablation) {
    TaskSetup<Classifier, D> setup =
        taskOptions.setup(
            task, true, new TaskOptions.Defaults(ablation.backbone(), WIDTH, task.epochsOfMany()));
    int stages = Classifier.builder(setup.network().backbone()).blocks().size();
    List<PaperTable> tables = chosen(ablation.tables(stages));
    LinkedHashSet<String> modules = new LinkedHashSet<>(List.of(PlacedAttention.NONE));
    tables.forEach(table -> table.rows().forEach(row -> modules.add(row.module())));
    return study.run(
        "ablate " + mechanism,
        taskOptions,
        setup,
        List.copyOf(modules),
        tables,
        AblateCommand::print);
  }

  private List<PaperTable> chosen(List<PaperTable> all) {
    List<String> known = all.stream().map(PaperTable::name).toList();
    for (String name : names) {
      if (!known.contains(name)) {
        throw DidYouMean.unknown("table of " + mechanism, name, known);
      }
    }
    if (new LinkedHashSet<>(names).size() < names.size()) {
      throw new FoveaException("--table names a table twice: " + names);
    }
    return all.stream().filter(table -> names.isEmpty() || names.contains(table.name())).toList();
  }

  private static void print(PrintWriter console, Results results) {
    for (PaperTable.Outcome table : results.tables()) {
      console.printf("%s (%s)%n", table.title(), table.source());
      console.print(layout(table));
      console.println(agreement(table));
      console.println();
    }
    console.printf(
        Locale.ROOT,
        "Ours: %s, %s%s, epochs: %d, seeds: %d (mean ± standard deviation). The paper measured"
            + " other networks on other data: compare the orders of the rows, not their values.%n",
        results.data().name(),
        results.backbone(),
        results.width() == 1 ? "" : ", width " + results.width(),
        results.epochs(),
        results.seeds().size());
  }

  private static TextTable layout(PaperTable.Outcome table) {
    boolean accuracy = table.metric().equals("accuracy");
    boolean parameters = table.rows().stream().anyMatch(row -> row.publishedParameters() != null);
    List<String> head =
        new ArrayList<>(List.of(table.head(), "top-1 " + table.metric() + " %", "parameters"));
    head.add("paper: " + table.setting() + " %");
    if (parameters) {
      head.add("paper: parameters");
    }
    TextTable text = new TextTable(head.toArray(new String[0]));
    for (PaperTable.Measured row : table.rows()) {
      List<String> cells = new ArrayList<>();
      cells.add(row.label());
      cells.add(
          row.top1Mean() == null
              ? ""
              : TextTable.percent(accuracy ? row.top1Mean() : 1 - row.top1Mean())
                  + (row.top1Std() == null ? "" : " ± " + TextTable.percent(row.top1Std())));
      cells.add(row.parameters() == null ? "" : TextTable.count((double) row.parameters()));
      cells.add(
          row.published() == null
              ? "-"
              : String.format(Locale.ROOT, accuracy ? "%.1f" : "%.2f", row.published()));
      if (parameters) {
        cells.add(row.publishedParameters() == null ? "-" : row.publishedParameters());
      }
      text.add(cells.toArray(new String[0]));
    }
    return text;
  }

  private static String agreement(PaperTable.Outcome table) {
    PaperTable.Agreement agreement = table.agreement();
    if (agreement == null) {
      return "With fewer than three rows, no agreement is computed.";
    }
    if (agreement.tau() == null) {
      return "All rows have equal results, so there is no order to compare.";
    }
    return String.format(
        Locale.ROOT,
        "Order of %d rows, compared with the paper: Kendall's tau %+.2f (single seeds %+.2f"
            + " to %+.2f); %.0f %% of all orders agree at least as well by chance.",
        agreement.rows(),
        agreement.tau(),
        agreement.lowest(),
        agreement.highest(),
        100 * agreement.chance());
  }
}
