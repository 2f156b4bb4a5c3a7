package io.fovea.training.search;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.fovea.data.Dataset;
import io.fovea.data.ImageDataset;
import io.fovea.data.Progress;
import io.fovea.data.TrainingData;
import io.fovea.errors.FoveaException;
import io.fovea.models.Classifier;
import io.fovea.models.Network;
import io.fovea.models.NetworkSpec;
import io.fovea.models.Precision;
import io.fovea.models.placement.PlacedAttention;
import io.fovea.tensor.Threads;
import io.fovea.training.Blocks;
import io.fovea.training.Optimization;
import io.fovea.training.Shades;
import io.fovea.training.Task;
import io.fovea.training.Tasks;
import io.fovea.training.Training;
import io.fovea.training.TrainingListener;
import io.fovea.training.TrainingSpec;
import io.fovea.training.search.SearchResult.Entrant;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Stream;
import org.bytedeco.javacpp.PointerScope;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class AttentionSearchTest {
  private static final List<String> MODULES =
      List.of("se:reduction=4", "se:reduction=4@standard", "eca", "simam", "nonlocal@stage:9");
  private static final TrainingSpec TRAINING = Shades.TRAINING.withEpochs(3);
  private static final SearchSpec SPEC =
      SearchSpec.DEFAULT.withBudget(Budget.ofEpochs(30)).withFinalists(1);

  @TempDir Path folder;

  private static int threads;

  /** One thread is fastest for networks this small, and the bits depend on the number. */
  @BeforeAll
  static void oneThread() {
    threads = Threads.count();
    Threads.set(1);
  }

  @AfterAll
  static void asBefore() {
    Threads.set(threads);
  }

  private static Training<Classifier, ImageDataset> training(
      String attention, long seed, TrainingData<ImageDataset> data) {
    return Training.of(
        Tasks.CLASSIFICATION, Shades.MODEL.withAttention(attention), data, TRAINING.withSeed(seed));
  }

  private static AttentionSearch<Classifier, ImageDataset> search(
      Path folder, SearchSpec spec, int atOnce) {
    return new AttentionSearch<>(
        folder,
        Tasks.CLASSIFICATION,
        Shades.data(),
        AttentionSearchTest::training,
        MODULES,
        spec,
        Precision.FLOAT32,
        atOnce);
  }

  private static SearchResult run(Path folder, SearchSpec spec, int atOnce) {
    return search(folder, spec, atOnce).run(Progress.NONE, new SearchObserver<>() {});
  }

  /** What does not depend on the time. */
  private static List<?> essence(SearchResult result) {
    return List.of(
        result.conclusion(),
        result.candidates().stream()
            .map(each -> List.of(each.module(), each.status(), each.epochs(), each.reason()))
            .toList(),
        result.race().stream()
            .map(each -> List.of(each.module(), each.epochs(), each.score()))
            .toList(),
        result.finalists().stream()
            .map(
                each ->
                    List.of(each.module(), each.network().scores(), each.difference(), each.p()))
            .toList());
  }

  @Test
  void whatCannotTakePartIsListedWithTheReason() {
    SearchResult result = run(folder, SPEC, 1);

    assertThat(result.candidates().stream().map(Entrant::module))
        .containsExactlyInAnyOrder("se:reduction=4", "eca", "simam");
    assertThat(result.excluded().get(0).module()).isEqualTo("se:reduction=4@standard");
    assertThat(result.excluded().get(0).reason()).isEqualTo("the same function as se:reduction=4");
    assertThat(result.excluded().get(1).reason())
        .isEqualTo("does not fit: stage 9 does not exist: resnet8 has stages 1 to 3");
    assertThat(result.complete()).isTrue();
    assertThat(result.rungs()).containsExactly(1, 3);
    assertThat(result.raceEpochs() + result.finalEpochs()).isLessThanOrEqualTo(30);
    assertThat(result.finalists()).hasSize(1);
    assertThat(result.baseline().seeds()).hasSizeGreaterThanOrEqualTo(2).doesNotContain(1L);
    assertThat(result.finalists().get(0).network().seeds()).isEqualTo(result.baseline().seeds());
    assertThat(result.validationImages()).isEqualTo(8);
    assertThat(result.testImages()).isEqualTo(20);
    assertThat(result.fronts()).hasSize(2);
    assertThat(result.recommendations().get(0).module()).isEqualTo("none");
    assertThat(result.power()).hasSize(3);
  }

  @Test
  void limitsDropCandidatesBeforeAnythingIsTrained() {
    SearchSpec.Limits limits = new SearchSpec.Limits(Shades.network(1).parameterCount(), 0, 0);

    Candidates found = search(folder, SPEC.withLimits(limits), 1).candidates(Progress.NONE);

    assertThat(found.entrants().stream().map(Candidates.Candidate::module))
        .containsExactly("simam");
    assertThat(found.excluded().stream().map(Candidates.Excluded::reason))
        .anyMatch(reason -> reason.contains("parameters, more than the limit of"));
    assertThat(folder).isEmptyDirectory();
  }

  @Test
  void aTrainingThatGoesOnHasTheWeightsOfOneAtOnce() {
    AttentionSearch<Classifier, ImageDataset> search = search(folder, SPEC, 2);
    Map<String, Map<String, double[]>> reached = new ConcurrentHashMap<>();
    search.run(
        Progress.NONE,
        new SearchObserver<>() {
          @Override
          public void reached(String module, int epochs, Classifier network) {
            reached.put(module + " " + epochs, Shades.values(network));
          }
        });

    Set<String> whole = new HashSet<>();
    for (Map.Entry<String, Map<String, double[]>> each : reached.entrySet()) {
      if (each.getKey().endsWith(" 3")) {
        String module = each.getKey().substring(0, each.getKey().indexOf(' '));
        whole.add(module);
        assertThat(reached).containsKey(module + " 1");
        try (PointerScope scope = new PointerScope()) {
          Training<Classifier, ImageDataset> once =
              Training.withSameBackbone(
                  module, attention -> training(attention, 1, search.raceData()));
          once.start(TrainingListener.NONE);
          Map<String, double[]> expected = Shades.values(once.network());
          assertThat(each.getValue().keySet()).isEqualTo(expected.keySet());
          expected.forEach(
              (name, values) ->
                  assertThat(each.getValue().get(name)).as(module + " " + name).isEqualTo(values));
        }
      }
    }
    assertThat(whole).contains("none").hasSizeGreaterThan(1);
  }

  @Test
  void theSameSeedGivesTheSameSearchWhateverRunsInParallel() {
    SearchResult one = run(folder.resolve("a"), SPEC, 2);
    SearchResult again = run(folder.resolve("b"), SPEC, 2);

    assertThat(essence(again)).isEqualTo(essence(one));
    assertThat(essence(run(folder.resolve("c"), SPEC.withSeed(5), 2))).isNotEqualTo(essence(one));
  }

  /** Ends a search after a number of steps, as if the process ended. */
  private static final class Killed extends RuntimeException {
    private static final long serialVersionUID = 1;
  }

  @Test
  void anInterruptedSearchGoesOnToTheSameResult() throws Exception {
    SearchResult whole = run(folder.resolve("whole"), SPEC, 1);
    Path again = folder.resolve("again");
    int[] deaths = {0};
    // after 7, 27, 47, ... steps, which are in the race, between rungs and in the final
    for (int life = 7; ; life += 20) {
      int[] left = {life};
      try {
        SearchResult result =
            search(again, SPEC, 1)
                .run(
                    Progress.NONE,
                    new SearchObserver<>() {
                      @Override
                      public void step(int images) {
                        if (--left[0] == 0) {
                          throw new Killed();
                        }
                      }
                    });
        assertThat(essence(result)).isEqualTo(essence(whole));
        break;
      } catch (Killed e) {
        deaths[0]++;
      }
    }
    assertThat(deaths[0]).isGreaterThan(2);
    assertThat(essence(run(again, SPEC, 1))).isEqualTo(essence(whole)); // it is only read
    try (Stream<Path> files = Files.walk(again)) {
      assertThat(files.map(Path::toString).filter(name -> name.endsWith(".safetensors"))).isEmpty();
    }
  }

  @Test
  void otherSettingsDoNotGoIntoTheSameFolder() {
    run(folder, SPEC, 1);

    assertThatThrownBy(() -> run(folder, SPEC.withSeed(2), 1))
        .isInstanceOf(FoveaException.class)
        .hasMessageContaining(
            "holds a search with other settings (search seed: 1 in the folder, 2");
  }

  @Test
  void aDamagedFolderIsNamed() throws IOException {
    run(folder, SPEC, 1);
    Path race = folder.resolve("runs/none-seed1-1.json");
    Path last = folder.resolve("runs/none-seed2-final.json");
    Path journal = folder.resolve("search.json");
    for (String part : List.of("module", "epochs", "epoch", "confusion", "scores")) {
      assertIsNamed(race, "\"" + part + "\"", "\"nothing\"");
      assertIsNamed(last, "\"" + part + "\"", "\"nothing\"");
    }
    assertIsNamed(race, "\"seed\" : 1", "\"seed\" : 2");
    assertIsNamed(last, "\"scores\" : \"....", "\"scores\" : \"");
    for (String part : List.of("settings", "candidates", "baseline", "module", "events", "what")) {
      assertIsNamed(journal, "\"" + part + "\"", "\"nothing\"");
    }
    assertIsNamed(journal, "\"candidate\" : \"none\"", "\"candidate\" : \"other\"");
    assertIsNamed(journal, "\"STARTED\"", "\"REACHED\"");
    assertIsNamed(journal, "\"rung\" : 0", "\"rung\" : 2");
    assertIsNamed(journal, "\"finalists\" : \\[ ", "\"finalists\" : [ null, ");
    assertIsNamed(journal, "\"latency_batch_ms\" : \\{", "\"latency_batch_ms\" : {\"x\" : null,");
    run(folder, SPEC, 1); // all is as it was
  }

  /** Changes all of a file that a pattern finds, and expects one line with its name. */
  private void assertIsNamed(Path file, String pattern, String by) throws IOException {
    String whole = Files.readString(file);
    String changed = whole.replaceAll(pattern, by);
    assertThat(changed).as(pattern).isNotEqualTo(whole);
    Files.writeString(file, changed);

    assertThatThrownBy(() -> run(folder, SPEC, 1))
        .as(file + ": " + pattern)
        .isInstanceOf(FoveaException.class)
        .hasMessageStartingWith(file + ": ")
        .satisfies(e -> assertThat(e.getMessage().lines()).hasSize(1));
    Files.writeString(file, whole);
  }

  @Test
  void aBudgetThatIsTooSmallIsRefused() {
    assertThatThrownBy(() -> run(folder, SPEC.withBudget(Budget.ofEpochs(13)), 1))
        .isInstanceOf(FoveaException.class)
        .hasMessage(
            "a budget of 13 epochs is too little for trainings of 3 epochs: a race of one candidate"
                + " and a final with two seeds take about 14 epochs");
  }

  @Test
  void theTestImagesMustDecideNothing() {
    Optimization patient = TRAINING.optimization().withPatience(2);

    assertThatThrownBy(
            () ->
                new AttentionSearch<>(
                    folder,
                    Tasks.CLASSIFICATION,
                    Shades.data(),
                    (attention, seed, data) ->
                        Training.of(
                            Tasks.CLASSIFICATION,
                            Shades.MODEL,
                            data,
                            TRAINING.withOptimization(patient)),
                    MODULES,
                    SPEC,
                    Precision.FLOAT32,
                    1))
        .isInstanceOf(FoveaException.class)
        .hasMessageContaining("cannot use a patience");
  }

  @Test
  void theValidationPartIsCutFromEachClassOfTheTrainingImages() {
    TrainingData<ImageDataset> data = Shades.data();
    TrainingData<ImageDataset> cut = ValidationPart.cut(data, 0.2, 1);
    Map<String, Integer> seen = new TreeMap<>();
    int[] labels = new int[2];
    for (int i = 0; i < cut.test().size(); i++) {
      labels[cut.test().label(i)]++;
      seen.merge(cut.test().id(i), 1, Integer::sum);
    }
    for (int i = 0; i < cut.train().size(); i++) {
      seen.merge(cut.train().id(i), 1, Integer::sum);
    }

    assertThat(labels).containsExactly(4, 4);
    assertThat(seen).hasSize(40).containsValue(1).doesNotContainValue(2);
    assertThat(ids(ValidationPart.cut(data, 0.2, 1))).isEqualTo(ids(cut));
    assertThat(ids(ValidationPart.cut(data, 0.2, 2))).isNotEqualTo(ids(cut));
  }

  private static List<String> ids(TrainingData<ImageDataset> data) {
    return Stream.iterate(0, i -> i < data.test().size(), i -> i + 1).map(data.test()::id).toList();
  }

  @Test
  void segmentationNetworksRaceByTheMeanIouOfEachImage() {
    SearchResult result =
        small(
            Tasks.SEGMENTATION,
            Blocks.MODEL.withAttention(PlacedAttention.NONE),
            Blocks.data(),
            Blocks.SPEC.withEpochs(1),
            List.of("eca", "psp"));

    assertThat(result.candidates()).hasSize(2);
    assertThat(result.baseline().scores()).allMatch(score -> score > 0 && score <= 1);
    assertThat(result.finalists().get(0).noise().images()).isEqualTo(4);
  }

  private <N extends Network, D extends Dataset<?>> SearchResult small(
      Task<N, D> task,
      NetworkSpec<N> network,
      TrainingData<D> data,
      TrainingSpec spec,
      List<String> modules) {
    return new AttentionSearch<>(
            folder,
            task,
            data,
            (attention, seed, on) ->
                Training.of(task, network.withAttention(attention), on, spec.withSeed(seed)),
            modules,
            SPEC.withBudget(Budget.ofEpochs(8)),
            Precision.FLOAT32,
            1)
        .run(Progress.NONE, new SearchObserver<>() {});
  }

  @Test
  void whatCannotRunWhereItWillBeUsedIsListedWithTheReason() {
    long plain = Shades.network(1).parameterCount();
    Candidates found =
        Candidates.of(
            List.of("eca", "simam"),
            Shades.MODEL::withAttention,
            new int[] {8, 8},
            new SearchSpec.Limits(0, 0, 3),
            (network, batch, size) -> {
              if (network.parameterCount() > plain) { // simam has no weights
                throw new FoveaException("no such operator");
              }
              return size[0] * batch / 4.0;
            },
            Progress.NONE);

    assertThat(found.entrants()).extracting(Candidates.Candidate::latencyMs).containsExactly(2.0);
    assertThat(found.excluded())
        .containsExactly(new Candidates.Excluded("eca", "no such operator"));
  }
}
