package io.fovea.app.cli;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import io.fovea.app.console.ConsoleProgress;
import io.fovea.app.console.Interruption;
import io.fovea.app.console.TextTable;
import io.fovea.app.export.OnnxLatency;
import io.fovea.app.study.LoadedTask;
import io.fovea.app.study.Report;
import io.fovea.app.study.Results;
import io.fovea.app.study.SearchJob;
import io.fovea.app.study.Study;
import io.fovea.app.study.TaskSetup;
import io.fovea.app.study.Trainings;
import io.fovea.attention.AttentionSpec;
import io.fovea.data.DataException;
import io.fovea.data.Dataset;
import io.fovea.data.source.DataIdentity;
import io.fovea.errors.FoveaException;
import io.fovea.explain.ReportExamples;
import io.fovea.models.Network;
import io.fovea.models.Precision;
import io.fovea.models.SegmentationHeads;
import io.fovea.models.placement.PlacedAttention;
import io.fovea.models.placement.Placement;
import io.fovea.tensor.Threads;
import io.fovea.training.Task;
import io.fovea.training.run.Json;
import io.fovea.training.search.AttentionSearch;
import io.fovea.training.search.Budget;
import io.fovea.training.search.Candidates;
import io.fovea.training.search.Division;
import io.fovea.training.search.Lap;
import io.fovea.training.search.LatencyMeter;
import io.fovea.training.search.SearchObserver;
import io.fovea.training.search.SearchResult;
import io.fovea.training.search.SearchSpec;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code fovea search}: finds the attention that helps, and its place, within a budget. */
@Command(
    name = "search",
    description = {
      "Find out within a budget which attention helps on your images, and where.",
      "",
      "All candidates race on a part of the training images; the best are compared with no"
          + " attention on the test images, with new seeds. To resume after an interruption, run"
          + " the same command again."
    },
    footer = {
      "",
      "Examples:",
      "  fovea search --budget 30m",
      "  fovea search --data my-images --backbone resnet18 --budget 4h --max-latency 20",
      "  fovea search --modules se,eca,cbam --placements paper,post,standard:3 --dry-run",
      "  fovea search --task segmentation --budget 2h",
      "",
      "docs/search.md says what the answer means."
    })
public final class SearchCommand implements Callable<Integer> {
  private static final String BUDGET = "--budget";
  private static final String DRY_RUN = "--dry-run";
  private static final long PUBLISH_NANOS = 10_000_000_000L;

  @Spec private CommandSpec spec;

  @Mixin private TaskOptions.WithoutPlace taskOptions;

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
      names = BUDGET,
      paramLabel = "BUDGET",
      description =
          "A time (30m, 2h, 90s) or a number of epochs of all trainings together (200epochs)."
              + " Default: 30m.")
  private String budget = SearchSpec.DEFAULT.budget().toString();

  @Option(
      names = "--modules",
      paramLabel = "LIST",
      description =
          "Attention specs to try, separated by commas, as for compare. Default: all mechanisms"
              + " (segmentation: and all heads).")
  private String modules;

  @ForTask({"classification", "video"})
  @Option(
      names = "--placements",
      paramLabel = "LIST",
      description =
          "Places to try for specs that name none: paper, stage, standard:3, post, ... Default:"
              + " paper,stage.")
  private String placements;

  @Option(
      names = "--out",
      paramLabel = "DIR",
      description =
          "Output folder for results.json, report.html and what is finished. Default: a folder in"
              + " runs/ with a name made of data, backbone and settings.")
  private Path out;

  @Option(
      names = "--on",
      paramLabel = "ADDRESS",
      description =
          "Train on Apache Spark: spark://HOST:PORT, yarn, local[N], ...; each training is a task"
              + " with --threads threads (default: 1); docs/spark.md.")
  private String on;

  @Option(
      names = DRY_RUN,
      description = "Print the candidates, their costs and the plan, and train nothing.")
  private boolean dryRun;

  @ArgGroup(validate = false, order = 0, heading = "%nSearch:%n")
  private Details details = new Details();

  /** The values of {@code --latency-of}. */
  enum LatencyOf {
    FOVEA,
    ONNX;

    LatencyMeter meter() {
      return this == FOVEA ? LatencyMeter.FOVEA : new OnnxLatency();
    }

    @Override
    public String toString() {
      return name().toLowerCase(Locale.ROOT);
    }
  }

  /** The options that most users leave alone. */
  private static final class Details {
    @Option(
        names = "--reductions",
        paramLabel = "N",
        split = ",",
        description = "Try specs with a reduction that name none with these as well.")
    private List<Integer> reductions = List.of();

    @Option(
        names = "--max-parameters",
        paramLabel = "N",
        converter = CountConverter.class,
        description = "Leave out networks with more parameters: 90000, 90k, 1.5M.")
    private Double parameters;

    @Option(
        names = "--max-macs",
        paramLabel = "N",
        converter = CountConverter.class,
        description = "Leave out networks with more multiply-accumulates for one image: 40M, 1.5G.")
    private Double macs;

    @Option(
        names = "--max-latency",
        paramLabel = "MS",
        description =
            "Leave out networks that take more milliseconds for one image on this machine.")
    private Double latency;

    @Option(
        names = "--latency-of",
        paramLabel = "RUNTIME",
        description =
            "What runs the networks whose time is measured: ${COMPLETION-CANDIDATES} (ONNX Runtime,"
                + " on exported files). Default: fovea.")
    private LatencyOf latencyOf = LatencyOf.FOVEA;

    @Option(
        names = "--eta",
        paramLabel = "N",
        description =
            "One of N candidates that reach a rung trains on for certain, N times as long. Default:"
                + " 3.")
    private Integer eta;

    @Option(
        names = "--min-epochs",
        paramLabel = "N",
        description =
            "Epochs of the lowest rung; those of the highest are --epochs. Default: 1, or what"
                + " remains of --epochs divided by --eta as often as possible.")
    private Integer minEpochs;

    @Option(
        names = "--finalists",
        paramLabel = "N",
        description = "Compare at most N candidates on the test images. Default: 3.")
    private Integer finalists;

    @Option(
        names = "--validation",
        paramLabel = "SHARE",
        description = "Share of the training images on which the race looks. Default: 0.2.")
    private Double validation;

    @Option(
        names = "--seed",
        paramLabel = "N",
        description = "Seed of the race; the final has those after it. Default: 1.")
    private Long seed;
  }

  @Override
  public Integer call() {
    return search(task);
  }

  private <N extends Network, D extends Dataset<?>> int search(Task<N, D> task) {
    SearchSpec plan = plan();
    TaskSetup<N, D> setup =
        taskOptions.setup(
            task, true, new TaskOptions.Defaults(task.backbone(), 1, task.training().epochs()));
    List<String> all = modules(setup);
    if (on == null) {
      taskOptions.applyThreads();
    } else {
      taskOptions.applyThreads(1);
    }
    Precision precision = taskOptions.precision();
    try (ConsoleProgress progress = ConsoleProgress.standard();
        Trainings.Engine engine =
            on != null && !dryRun ? StudyOptions.engine(on, Threads.count()) : null) {
      taskOptions.tell(progress);
      setup.check(PlacedAttention.NONE, progress);
      LoadedTask<N, D> loaded = setup.open(progress);
      DataIdentity identity =
          TrainCommand.tell(DataIdentity.contents(loaded.data()), task, progress);
      Results.Data data = Results.Data.of(loaded.data(), identity);
      int atOnce = engine != null ? engine.atOnce() : loaded.sideBySide(Threads.count());
      Path place = out;
      if (place == null) { // its name contains the settings
        place =
            StudyOptions.defaultFolder(
                "search",
                data.name(),
                setup.network().backbone(),
                prepared(loaded, Path.of("runs"), all, plan, precision, atOnce).fingerprint());
      }
      AttentionSearch<N, D> search = prepared(loaded, place, all, plan, precision, atOnce);
      StudyOptions.announce(progress, data, task);
      PrintWriter console = spec.commandLine().getOut();
      if (dryRun) {
        print(console, search, progress, atOnce);
        return 0;
      }
      Interruption.onInterrupt(
          "Interrupted. What is finished is in "
              + place
              + "; run the same command again to resume.");
      progress.line(
          String.format(
              Locale.ROOT,
              "%s: %d attentions to try within %s, rungs of %s epochs, %d in parallel, in %s",
              setup.network().backbone(),
              all.size(),
              plan.budget(),
              search.rungs().stream().map(String::valueOf).collect(Collectors.joining(", ")),
              atOnce,
              place));
      progress.line(
          String.format(
              Locale.ROOT,
              "The race looks at %,d of the training %s; the %,d test %s are for the final.",
              search.raceData().test().size(),
              task.units(),
              loaded.data().test().size(),
              task.units()));
      if (engine != null) {
        search.trainOn(
            (lap, state) ->
                engine.train(new SearchJob(loaded, identity, precision, plan, lap), state));
      }
      Publisher<N> publisher = new Publisher<>(place, loaded, data, precision, atOnce, progress);
      SearchResult result = search.run(progress, publisher);
      publisher.publish(result);
      print(console, result, setup);
      console.println();
      console.println(place.resolve("results.json"));
      console.println(place.resolve("report.html"));
      console.flush();
      return 0;
    }
  }

  private <N extends Network, D extends Dataset<?>> AttentionSearch<N, D> prepared(
      LoadedTask<N, D> loaded,
      Path folder,
      List<String> modules,
      SearchSpec plan,
      Precision precision,
      int atOnce) {
    return new AttentionSearch<>(
        folder,
        loaded.task(),
        loaded.data(),
        loaded::training,
        modules,
        plan,
        details.latencyOf.meter(),
        precision,
        atOnce);
  }

  private SearchSpec plan() {
    SearchSpec usual = SearchSpec.DEFAULT;
    return new SearchSpec(
        Budget.parse(budget),
        details.eta != null ? details.eta : usual.eta(),
        details.minEpochs != null ? details.minEpochs : usual.minEpochs(),
        details.finalists != null ? details.finalists : usual.finalists(),
        details.validation != null ? details.validation : usual.validation(),
        details.seed != null ? details.seed : usual.seed(),
        new SearchSpec.Limits(
            limit("--max-parameters", details.parameters),
            limit("--max-macs", details.macs),
            limit("--max-latency", details.latency)));
  }

  private static double limit(String option, Double value) {
    if (value != null && !(value > 0)) {
      throw new FoveaException(option + " must be above 0, got " + value);
    }
    return value == null ? 0 : value;
  }

  /** All attentions to try: each spec in each place and with each reduction, as they are named. */
  private <N extends Network> List<String> modules(TaskSetup<N, ?> setup) {
    List<String> given =
        modules == null
            ? setup.task().candidates(setup.network())
            : CompareCommand.parseModules(modules);
    List<String> places =
        placements == null ? setup.task().placements() : ModuleList.split(placements);
    places.forEach(Placement::parse); // a mistake is named before anything else is done
    LinkedHashSet<String> all = new LinkedHashSet<>();
    for (String module : given) {
      for (String reduced : reduced(module)) {
        if (places.isEmpty()) {
          all.add(setup.network().named(reduced));
        }
        for (String place : places) {
          all.add(setup.network().named(placed(reduced, place)));
        }
      }
    }
    all.remove(PlacedAttention.NONE);
    return List.copyOf(all);
  }

  private static String placed(String module, String place) {
    return PlacedAttention.text(
        PlacedAttention.withDefaults(PlacedAttention.parseAll(module), Placement.parse(place)));
  }

  private List<String> reduced(String module) {
    List<String> all = new ArrayList<>(List.of(module));
    if (details.reductions.isEmpty()
        || SegmentationHeads.names().contains(module)
        || module.contains(";")
        || module.equals(PlacedAttention.NONE)) {
      return all;
    }
    PlacedAttention placed = PlacedAttention.parseAll(module).get(0);
    AttentionSpec attention = placed.attention();
    if (attention.effective("reduction").isPresent() && !module.contains("reduction=")) {
      for (int reduction : details.reductions) {
        all.add(
            new PlacedAttention(attention.with("reduction", reduction), placed.placement())
                .toString());
      }
    }
    return all;
  }

  // The plan.

  private void print(
      PrintWriter console, AttentionSearch<?, ?> search, ConsoleProgress progress, int atOnce) {
    Candidates found = search.candidates(progress);
    TextTable table = new TextTable("candidate", "parameters", "MACs", "1 image");
    for (Candidates.Candidate each : found.all()) {
      table.add(
          each.module(),
          TextTable.count((double) each.parameters()),
          TextTable.count((double) each.macs()),
          TextTable.milliseconds(each.latencyMs()));
    }
    console.print(table);
    console.println();
    printExcluded(console, found.excluded());
    double seconds = search.secondsOfEpoch();
    List<Integer> rungs = search.rungs();
    int highest = rungs.get(rungs.size() - 1);
    Budget whole = search.spec().budget();
    // in epochs of the race
    double all = whole.isTime() ? whole.seconds() * atOnce / seconds : (double) whole.epochs();
    double race = Math.max(0, Division.ofRace(all, highest));
    int entrants = found.entrants().size();
    int finalists = Division.finalists(search.spec().finalists(), all - race, highest, 1);
    console.printf(
        Locale.ROOT,
        "%d candidates, %d left out; rungs of %s epochs; one of %d trains on for certain.%n",
        entrants,
        found.excluded().size(),
        rungs.stream().map(String::valueOf).collect(Collectors.joining(", ")),
        search.spec().eta());
    console.printf(
        Locale.ROOT,
        "An epoch without attention takes about %s (%d in parallel): %s is about %,.0f epochs%s.%n",
        seconds < 1
            ? TextTable.milliseconds(1000 * seconds)
            : String.format(Locale.ROOT, "%.1f s", seconds),
        atOnce,
        whole,
        all,
        whole.isTime() ? "" : ", or " + DryRun.text(duration(all * seconds / atOnce)));
    console.printf(
        Locale.ROOT,
        "The race may use %,.0f of them, %s for the first rung of all candidates and none; then"
            + " about %,.0f seeds of %d finalists and none.%n",
        race,
        race >= (double) (entrants + 1) * rungs.get(0) ? "enough" : "not enough",
        finalists == 0 ? 0 : Math.floor((all - race) / ((finalists + 1.0) * highest)),
        finalists);
    if (race < (double) (entrants + 1) * rungs.get(0)) {
      console.printf(
          Locale.ROOT,
          "note: about %,.0f candidates can start; name fewer with --modules or --placements, or"
              + " give a larger --budget%n",
          Math.max(0, Math.floor(race / rungs.get(0)) - 1));
    }
    noteRuntime(console);
    console.printf("Nothing was trained, and nothing was written.%n");
    console.flush();
  }

  private void noteRuntime(PrintWriter console) {
    if (details.latencyOf == LatencyOf.ONNX) {
      console.printf("The time for one image is that of ONNX Runtime.%n");
    }
  }

  private static Duration duration(double seconds) {
    return Duration.ofMillis(Math.round(1000 * seconds));
  }

  private static void printExcluded(PrintWriter console, List<Candidates.Excluded> excluded) {
    if (excluded.isEmpty()) {
      return;
    }
    console.println("Left out:");
    TextTable table = new TextTable("  candidate", "reason");
    table.left("reason");
    excluded.forEach(each -> table.add("  " + each.module(), each.reason()));
    console.print(table);
    console.println();
  }

  // The result.

  private void print(PrintWriter console, SearchResult result, TaskSetup<?, ?> setup) {
    console.println();
    printExcluded(console, result.excluded());
    Map<String, Long> ends =
        result.candidates().stream()
            .collect(Collectors.groupingBy(SearchResult.Entrant::status, Collectors.counting()));
    console.printf(
        Locale.ROOT,
        "%d candidates raced: %s.%n%n",
        result.candidates().size(),
        Stream.of("finalist", "finished", "dropped", "undecided", "not_started", "failed")
            .filter(ends::containsKey)
            .map(status -> ends.get(status) + " " + words(status))
            .collect(Collectors.joining(", ")));
    if (result.baseline() != null) {
      TextTable table =
          new TextTable(
              "final",
              "parameters",
              "MACs",
              "1 image",
              setup.task().score().title() + " %",
              "to none",
              "95% interval",
              "p, corrected");
      addRow(table, result.baseline(), "", "", "");
      for (SearchResult.Finalist each : result.finalists()) {
        addRow(
            table,
            each.network(),
            TextTable.points(each.difference()),
            each.low() == null
                ? ""
                : TextTable.points(each.low())
                    + " to "
                    + TextTable.points(each.high())
                    + (each.beyondNoise() ? " *" : "  "),
            each.low() == null ? "" : String.format(Locale.ROOT, "%.3f", each.adjustedP()));
      }
      console.print(table);
      noteRuntime(console);
      console.printf(
          Locale.ROOT,
          "%d test %s, seeds %s; intervals and p hold for all finalists together.%n%n",
          result.testImages(),
          setup.task().units(),
          result.baseline().seeds());
    }
    console.println(result.conclusion());
    result.recommendations().forEach(each -> console.println(recommendation(each)));
    if (result.baseline() != null) {
      console.println();
      console.println("To train it on all training images:");
      console.println("  " + trainCommand(winner(result), setup));
    }
  }

  private static void addRow(TextTable table, SearchResult.Baseline network, String... difference) {
    List<String> cells =
        new ArrayList<>(
            List.of(
                network.module(),
                TextTable.count((double) network.parameters()),
                TextTable.count((double) network.macs()),
                TextTable.milliseconds(network.latencyMs()),
                TextTable.percent(network.mean())));
    cells.addAll(List.of(difference));
    table.add(cells.toArray(new String[0]));
  }

  private static String words(String status) {
    return switch (status) {
      case "finalist" -> "in the final";
      case "finished" -> "trained to the end";
      case "dropped" -> "dropped";
      case "undecided" -> "undecided when the race's part of the budget ended";
      case "not_started" -> "not started";
      default -> status;
    };
  }

  private static String recommendation(SearchResult.Recommendation each) {
    return each.cost().equals("parameters")
        ? "From " + TextTable.count(each.from()) + " parameters on: " + each.module()
        : "From " + TextTable.milliseconds(each.from()) + " for one image on: " + each.module();
  }

  /** What is recommended if the cost does not matter. */
  private static String winner(SearchResult result) {
    return result.recommendations().stream()
        .filter(each -> each.cost().equals("latency_ms"))
        .reduce((first, second) -> second)
        .map(SearchResult.Recommendation::module)
        .orElse(PlacedAttention.NONE);
  }

  /** The command that trains the network with an attention as the final did. */
  private String trainCommand(String module, TaskSetup<?, ?> setup) {
    List<String> words = new ArrayList<>(List.of("train"));
    List<String> given = spec.root().commandLine().getParseResult().originalArgs();
    Set<String> own =
        Arrays.stream(SearchCommand.class.getDeclaredFields())
            .map(field -> field.getAnnotation(Option.class))
            .filter(option -> option != null)
            .flatMap(option -> Arrays.stream(option.names()))
            .filter(name -> !name.equals("--task"))
            .collect(Collectors.toSet());
    Arrays.stream(Details.class.getDeclaredFields())
        .map(field -> field.getAnnotation(Option.class))
        .filter(option -> option != null)
        .forEach(option -> own.addAll(List.of(option.names())));
    for (int i = given.indexOf("search") + 1; i < given.size(); i++) {
      String word = given.get(i);
      String name = word.replaceFirst("=.*", "");
      if (!own.contains(name)) {
        words.add(word);
      } else if (!word.contains("=") && !name.equals(DRY_RUN)) {
        i++; // its value
      }
    }
    addUnlessGiven(words, "--backbone", setup.network().backbone());
    addUnlessGiven(words, "--epochs", Integer.toString(setup.training().epochs()));
    words.addAll(List.of("--attention", module));
    return StudyOptions.quoted(words);
  }

  private static void addUnlessGiven(List<String> words, String option, String value) {
    if (words.stream().noneMatch(word -> word.equals(option) || word.startsWith(option + "="))) {
      words.addAll(List.of(option, value));
    }
  }

  /** Writes the results while the search goes on, at most every ten seconds. */
  private final class Publisher<N extends Network> implements SearchObserver<N> {
    private final Path folder;
    private final LoadedTask<N, ?> loaded;
    private final Results.Data data;
    private final Precision precision;
    private final int atOnce;
    private final ConsoleProgress progress;
    private final Report report;
    private long published = System.nanoTime();

    Publisher(
        Path folder,
        LoadedTask<N, ?> loaded,
        Results.Data data,
        Precision precision,
        int atOnce,
        ConsoleProgress progress) {
      this.folder = folder;
      this.loaded = loaded;
      report = new Report(loaded);
      this.data = data;
      this.precision = precision;
      this.atOnce = atOnce;
      this.progress = progress;
    }

    @Override
    public void line(String text) {
      progress.line(text);
    }

    @Override
    public void changed(SearchResult soFar) {
      if (System.nanoTime() - published > PUBLISH_NANOS) {
        publish(soFar);
      }
    }

    @Override
    public JsonNode look(String module, N network) {
      return Json.MAPPER.valueToTree(loaded.examples(network));
    }

    void publish(SearchResult result) {
      published = System.nanoTime();
      List<Study.Run> runs = result.laps().stream().map(lap -> run(lap, result)).toList();
      Results results =
          Results.of(
              result,
              loaded,
              runs,
              data,
              StudyOptions.command(spec),
              precision,
              atOnce,
              result.baseline() == null ? null : trainCommand(winner(result), loaded.setup()));
      try {
        Json.write(folder.resolve("results.json"), results);
        report.write(folder.resolve("report.html"), results, runs);
      } catch (IOException e) {
        throw new DataException(folder + ": cannot be written: " + e.getMessage(), e);
      }
    }

    private Study.Run run(Lap lap, SearchResult result) {
      SearchResult.Baseline network =
          Stream.concat(
                  Stream.of(result.baseline()),
                  result.finalists().stream().map(SearchResult.Finalist::network))
              .filter(each -> each.module().equals(lap.module()))
              .findFirst()
              .orElseThrow();
      return new Study.Run(
          lap.module(),
          lap.seed(),
          network.parameters(),
          network.macs(),
          lap.epochs(),
          lap.confusion(),
          network.latencyMs(),
          network.latencyBatchMs(),
          examples(lap),
          lap.settings(),
          null);
    }

    private List<ReportExamples.Example> examples(Lap lap) {
      if (lap.looks() == null || lap.looks().isNull()) {
        return List.of();
      }
      try {
        List<ReportExamples.Example> examples =
            Arrays.asList(Json.MAPPER.treeToValue(lap.looks(), ReportExamples.Example[].class));
        if (ReportExamples.areWhole(examples, loaded.data())) {
          return examples;
        }
      } catch (JsonProcessingException e) {
        // as if a part were missing
      }
      throw new DataException(
          folder
              + ": the maps of the training of "
              + lap.module()
              + " with seed "
              + lap.seed()
              + " are damaged; choose another folder");
    }
  }
}
