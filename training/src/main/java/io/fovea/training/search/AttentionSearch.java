package io.fovea.training.search;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.fovea.data.DataException;
import io.fovea.data.Dataset;
import io.fovea.data.Progress;
import io.fovea.data.TrainingData;
import io.fovea.data.source.DataIdentity;
import io.fovea.errors.FoveaException;
import io.fovea.models.Network;
import io.fovea.models.NetworkSpec;
import io.fovea.models.Precision;
import io.fovea.models.placement.PlacedAttention;
import io.fovea.tensor.Threads;
import io.fovea.tensor.internal.AtomicFile;
import io.fovea.training.SideBySide;
import io.fovea.training.Task;
import io.fovea.training.Training;
import io.fovea.training.TrainingSpec;
import io.fovea.training.run.BuildInfo;
import io.fovea.training.run.FolderLock;
import io.fovea.training.run.Json;
import io.fovea.training.search.Journal.Event;
import io.fovea.training.search.Journal.What;
import io.fovea.training.search.LapTrainer.CannotWrite;
import io.fovea.training.search.Race.Job;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.PriorityQueue;
import java.util.Random;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Stream;
import org.bytedeco.javacpp.PointerScope;

/**
 * A search for the attention that helps: a {@link Race} of all candidates on a validation part of the
 * training images, then the final, in which the best ones are trained on all training images with
 * seeds of their own and compared with no attention on the test images, which nothing has looked at
 * before. Everything that is finished is kept in a folder, from which an interrupted search goes on.
 *
 * <p>In the race, all trainings have one seed, so that they start from the same backbone weights and
 * see the same batches; a training that goes on to a higher rung goes on from its state, bit for bit.
 * Trainings run in parallel, but decisions are taken in the order in which the trainings would end if
 * each epoch took the same time, so that they do not depend on the threads.
 *
 * @param <N> the type of the networks
 * @param <D> the type of the data sets
 */
public final class AttentionSearch<N extends Network, D extends Dataset<?>> {
  private static final String FORMAT = "fovea-search/1";

  /** So many seeds tell apart whatever matters. */
  static final int MOST_SEEDS = 30;

  /** The share of a time budget that is kept for the last test and the report, and its limit. */
  private static final double SPARE = 0.02;

  private static final double MOST_SPARE_SECONDS = 60;
  private static final double NANOS = 1e9;

  /**
   * Prepares the training of a network.
   *
   * @param <N> the type of the network
   * @param <D> the type of the data sets
   */
  public interface Trainings<N extends Network, D extends Dataset<?>> {
    /**
     * Prepares a training with an attention and a seed, whose spec is otherwise always the same.
     *
     * @param data the data of the search, or a part of it
     */
    Training<N, D> of(String attention, long seed, TrainingData<D> data);
  }

  /**
   * The settings of a search, which must be equal for it to go on.
   *
   * @param format the name of this file format
   * @param task the task of the networks
   * @param modules the attentions that were to be tried
   * @param search how the search goes
   * @param budget the budget as text
   * @param network the network without attention
   * @param training the settings of the trainings; each has a seed of its own
   * @param latencyOf what runs the networks whose time is measured, or null for Fovea
   * @param initial the weights from which all start, or null
   * @param precision the precision of convolutions, or null for float32
   * @param identity which samples these are
   * @param fovea the version of Fovea
   */
  record Settings(
      String format,
      String task,
      List<String> modules,
      SearchSpec search,
      String budget,
      JsonNode network,
      JsonNode training,
      @JsonInclude(JsonInclude.Include.NON_NULL) String latencyOf,
      @JsonInclude(JsonInclude.Include.NON_NULL) String initial,
      @JsonInclude(JsonInclude.Include.NON_NULL) String precision,
      DataIdentity identity,
      String fovea) {
    String fingerprint() {
      return String.format("%06x", Json.MAPPER.valueToTree(this).toString().hashCode() & 0xffffff);
    }
  }

  /** A training of the race that runs now, on a clock on which each epoch takes the same time. */
  private record Running(Job job, long end, long number, Future<Optional<Lap>> lap) {}

  private final Path folder;
  private final Task<N, D> task;
  private final TrainingData<D> data;
  private final Trainings<N, D> trainings;
  private final LapTrainer<N, D> trainer;
  private final SearchSpec spec;
  private final LatencyMeter meter;
  private final int atOnce;
  private final List<Integer> rungs;
  private final List<String> modules;
  private final NetworkSpec<N> network;
  private final Settings settings;
  private LapEngine engine; // null for this process
  private Journal journal;
  private long begin; // the time at which the search would have begun without interruptions
  private Race race;
  private SearchObserver<N> observer;
  private volatile double deadline; // in seconds since the beginning; infinite for epochs
  private volatile double raceDeadline;

  /**
   * Prepares a search that measures the time of networks in this process. Nothing is written or
   * trained.
   *
   * @throws FoveaException if the settings do not fit each other
   * @throws DataException if the data is too small to be divided
   */
  public AttentionSearch(
      Path folder,
      Task<N, D> task,
      TrainingData<D> data,
      Trainings<N, D> trainings,
      List<String> modules,
      SearchSpec spec,
      Precision precision,
      int atOnce) {
    this(folder, task, data, trainings, modules, spec, LatencyMeter.FOVEA, precision, atOnce);
  }

  /**
   * Prepares a search. Nothing is written or trained.
   *
   * @param folder the folder of the search
   * @param data the data; its test samples are looked at in the final only
   * @param trainings prepares trainings
   * @param modules the attentions to try
   * @param spec how the search goes
   * @param meter measures the time of networks
   * @param precision the precision of convolutions
   * @param atOnce the number of trainings in parallel, each with its share of the threads
   * @throws FoveaException if the settings do not fit each other
   * @throws DataException if the data is too small to be divided
   */
  public AttentionSearch(
      Path folder,
      Task<N, D> task,
      TrainingData<D> data,
      Trainings<N, D> trainings,
      List<String> modules,
      SearchSpec spec,
      LatencyMeter meter,
      Precision precision,
      int atOnce) {
    this.folder = folder;
    this.task = task;
    this.data = data;
    this.trainings = trainings;
    this.modules = List.copyOf(modules);
    this.spec = spec;
    this.meter = meter;
    this.atOnce = atOnce;
    trainer = new LapTrainer<>(task, data, spec.validation(), spec.seed(), trainings, precision);
    try (PointerScope scope = new PointerScope()) {
      Training<N, D> plain = trainings.of(PlacedAttention.NONE, spec.seed(), data);
      requireFixedEpochs(plain.spec());
      rungs = spec.rungs(plain.spec().epochs());
      if (!spec.budget().isTime()) {
        requireEnough(1);
      }
      network = plain.model();
      ObjectNode training = Json.tree(plain.spec());
      training.remove("seed");
      settings =
          new Settings(
              FORMAT,
              task.toString(),
              this.modules,
              spec,
              spec.budget().toString(),
              Json.tree(network),
              training,
              meter == LatencyMeter.FOVEA ? null : meter.toString(),
              plain.startedFrom().map(start -> start.source()).orElse(null),
              precision == Precision.FLOAT32 ? null : precision.toString(),
              DataIdentity.of(data),
              BuildInfo.version());
    }
  }

  /** The test images must decide nothing, and the race needs to know how many epochs there are. */
  private static void requireFixedEpochs(TrainingSpec spec) {
    if (spec.optimization().seconds() > 0) {
      throw new FoveaException(
          "a search trains for a number of epochs; give one instead of a time");
    }
    if (spec.optimization().patience() > 0 || spec.schedule().followsScores()) {
      throw new FoveaException(
          "a search cannot use a patience or the schedule plateau, because both follow the score on"
              + " the images that the final is about");
    }
  }

  /**
   * Does the trainings on other machines, not in this process. This process measures the costs of the
   * candidates and takes the decisions, as many trainings as given running at once.
   */
  public void trainOn(LapEngine other) {
    engine = other;
  }

  /** The data of the race, whose test samples are the validation part. */
  public TrainingData<D> raceData() {
    return trainer.raceData();
  }

  /** The epochs of the rungs. */
  public List<Integer> rungs() {
    return rungs;
  }

  /** How the search goes. */
  public SearchSpec spec() {
    return spec;
  }

  /** A short hash of the settings. */
  public String fingerprint() {
    return settings.fingerprint();
  }

  /** Whether the folder holds a part of this search. */
  public boolean hasBegun() {
    return Journal.exists(folder);
  }

  /**
   * The candidates with their costs: those of the folder, otherwise measured now.
   *
   * @throws DataException if the folder holds another search
   */
  public Candidates candidates(Progress progress) {
    return hasBegun() ? opened().candidates : measured(progress);
  }

  private Candidates measured(Progress progress) {
    return Candidates.of(
        modules, network::withAttention, task.size(data), spec.limits(), meter, progress);
  }

  /**
   * The time of an epoch of the race without attention, from a few steps, on the threads of one
   * training.
   *
   * @return seconds
   */
  public double secondsOfEpoch() {
    int threads = Threads.count();
    Threads.set(threadsOfEach(threads));
    try (PointerScope scope = new PointerScope()) {
      return trainings.of(PlacedAttention.NONE, spec.seed(), raceData()).secondsOfEpoch();
    } finally {
      Threads.set(threads);
    }
  }

  private static DataException damaged(Path file) {
    return new DataException(
        file + ": is damaged, or not of this search; choose another folder for a new one");
  }

  private Journal opened() {
    if (io.fovea.training.run.Run.isRun(folder)) {
      throw new DataException(folder + ": contains a run of fovea train; choose another folder");
    }
    Journal found = Journal.read(folder);
    if (found.settings == null) {
      throw damaged(Journal.file(folder));
    }
    ObjectNode there = Json.tree(found.settings);
    ObjectNode now = Json.tree(settings);
    if (!there.equals(now)) {
      throw new DataException(
          folder
              + ": holds a search with other settings ("
              + Json.difference(there, now)
              + "); choose another folder");
    }
    if (!found.isWhole(rungs.size())) {
      throw damaged(Journal.file(folder));
    }
    return found;
  }

  /**
   * Runs the search, or goes on with the one of the folder. A search that has ended is only read.
   *
   * @return the result
   * @throws FoveaException if the budget is too small, or no candidate is left
   * @throws DataException if the folder holds another search or cannot be written, another process
   *     searches there, or the training without attention fails
   */
  public SearchResult run(Progress progress, SearchObserver<N> listener) {
    observer = listener;
    begin = System.nanoTime();
    try (FolderLock lock = FolderLock.of(folder)) {
      if (hasBegun()) {
        journal = opened();
        begin -= (long) (journal.seconds * NANOS);
      } else {
        journal = new Journal();
        journal.settings = settings;
        journal.candidates = measured(progress);
        journal.secondsOfEpoch = secondsOfEpoch();
        requireSomeCandidates();
        if (spec.budget().isTime()) {
          requireEnough(journal.secondsOfEpoch);
        }
        save();
      }
      int threads = Threads.count();
      ExecutorService pool = Executors.newFixedThreadPool(atOnce);
      try {
        setDeadlines();
        race(pool, threads);
        if (journal.finalists == null) {
          chooseFinalists();
        }
        runFinal(pool, threads);
      } finally {
        SideBySide.stop(pool);
        Threads.set(threads);
      }
      if (!journal.complete) {
        journal.complete = true;
        save();
        deleteStates();
      }
      return result();
    }
  }

  private void requireSomeCandidates() {
    if (journal.candidates.entrants().isEmpty()) {
      throw new FoveaException(
          "no candidate is left: "
              + journal.candidates.excluded().stream()
                  .map(excluded -> excluded.module() + ": " + excluded.reason())
                  .findFirst()
                  .orElse("none was given"));
    }
  }

  /**
   * Refuses a budget that has no room for one candidate and the baseline up to the lowest rung, and for
   * their final with two seeds.
   *
   * @param epochSeconds what an epoch of the race takes of the budget: 1, or seconds
   */
  private void requireEnough(double epochSeconds) {
    double lowest = 2.0 * rungs.get(0) * epochSeconds / inParallel();
    double training = highest() * epochSeconds * shareOfFinal() / inParallel();
    if (Division.ofRace(total(), training) < lowest) {
      throw new FoveaException(
          String.format(
              Locale.ROOT,
              "a budget of %s is too little for trainings of %d epochs: a race of one candidate and"
                  + " a final with two seeds take about %s",
              spec.budget(),
              highest(),
              budget(Math.ceil(Division.enough(lowest, training)))));
    }
  }

  private Budget budget(double amount) {
    return spec.budget().isTime() ? Budget.ofSeconds(amount) : Budget.ofEpochs((long) amount);
  }

  private int highest() {
    return rungs.get(rungs.size() - 1);
  }

  private double total() {
    return spec.budget().isTime() ? spec.budget().seconds() : (double) spec.budget().epochs();
  }

  /** How much more of the budget an epoch of the final takes, which has all training images. */
  private double shareOfFinal() {
    if (!spec.budget().isTime()) {
      return 1;
    }
    return weight(data) / weight(raceData());
  }

  /** The images of an epoch and its test, of whose three passes a test image has one. */
  private static double weight(TrainingData<?> of) {
    return of.train().size() + of.test().size() / 3.0;
  }

  private double wholeTraining() {
    return highest() * (spec.budget().isTime() ? secondsOfEpoch(null) : 1) * shareOfFinal();
  }

  /** The seconds of an epoch in the race, as measured so far. */
  private double secondsOfEpoch(String candidate) {
    double seconds = 0;
    long epochs = 0;
    double own = 0;
    long ownEpochs = 0;
    for (Event event : journal.events) {
      if (event.what() == What.REACHED) {
        double took = lap(event.candidate(), event.rung()).seconds();
        int trained = epochsOf(event.rung());
        seconds += took;
        epochs += trained;
        if (event.candidate().equals(candidate)) {
          own += took;
          ownEpochs += trained;
        }
      }
    }
    return ownEpochs > 0 ? own / ownEpochs : epochs > 0 ? seconds / epochs : journal.secondsOfEpoch;
  }

  /** The epochs from the rung below to a rung. */
  private int epochsOf(int rung) {
    return rungs.get(rung) - (rung == 0 ? 0 : rungs.get(rung - 1));
  }

  private void setDeadlines() {
    if (spec.budget().isTime()) {
      double all = spec.budget().seconds();
      deadline = all - Math.min(MOST_SPARE_SECONDS, SPARE * all);
      raceDeadline = Math.max(0, Division.ofRace(all, wholeTraining() / inParallel()));
    } else {
      deadline = Double.POSITIVE_INFINITY;
      raceDeadline = Double.POSITIVE_INFINITY;
    }
  }

  private double elapsed() {
    return (System.nanoTime() - begin) / NANOS;
  }

  private void save() {
    journal.seconds = elapsed();
    journal.write(folder);
  }

  // The race.

  private void race(ExecutorService pool, int threads) {
    List<String> order =
        new ArrayList<>(
            journal.candidates.entrants().stream().map(Candidates.Candidate::module).toList());
    Collections.shuffle(order, new Random(spec.seed()));
    race = new Race(order, PlacedAttention.NONE, rungs.size(), spec.eta());
    PriorityQueue<Running> running =
        new PriorityQueue<>(Comparator.comparing(Running::end).thenComparing(Running::number));
    long now = 0;
    long number = 0;
    for (Event event : journal.events) {
      Job job = new Job(event.candidate(), event.rung());
      if (event.what() == What.STARTED) {
        race.started(job);
        running.add(new Running(job, now + epochsOf(job.rung()), number++, null));
      } else {
        Running ended = running.poll();
        if (ended == null || !ended.job().equals(job)) {
          throw damaged(Journal.file(folder));
        }
        now = ended.end();
        apply(event.what(), job, event.reason());
      }
    }
    if (journal.finalists != null) {
      return;
    }
    List<Running> again = new ArrayList<>(running);
    running.clear();
    for (Running interrupted : again) {
      running.add(
          new Running(
              interrupted.job(),
              interrupted.end(),
              interrupted.number(),
              submit(pool, threads, interrupted.job())));
    }
    while (true) {
      while (running.size() < atOnce) {
        Optional<Job> next = race.next(this::fits);
        if (next.isEmpty()) {
          break;
        }
        Job job = next.get();
        race.started(job);
        journal.events.add(new Event(What.STARTED, job.candidate(), job.rung(), null));
        save();
        running.add(
            new Running(job, now + epochsOf(job.rung()), number++, submit(pool, threads, job)));
      }
      if (running.isEmpty()) {
        return;
      }
      Running first = running.poll();
      now = first.end();
      finish(first);
    }
  }

  private void apply(What what, Job job, String reason) {
    if (what == What.REACHED) {
      race.reached(job, lap(job.candidate(), job.rung()).imageScores());
    } else if (what == What.FAILED) {
      race.failed(job, reason);
    } // a training that was stopped stays where it was
  }

  private void finish(Running first) {
    Job job = first.job();
    What what;
    String reason = null;
    try {
      what = SideBySide.result(first::lap).isPresent() ? What.REACHED : What.STOPPED;
    } catch (DataException e) {
      if (job.candidate().equals(PlacedAttention.NONE)) {
        throw e;
      }
      what = What.FAILED;
      reason = e.getMessage();
    }
    journal.events.add(new Event(what, job.candidate(), job.rung(), reason));
    save();
    apply(what, job, reason);
    tell(what, job, reason);
    observer.changed(result());
  }

  private void tell(What what, Job job, String reason) {
    String where = job.candidate() + " ".repeat(Math.max(1, longest() - job.candidate().length()));
    if (what == What.FAILED) {
      observer.line(where + "failed: " + reason);
    } else if (what == What.REACHED) {
      Lap lap = lap(job.candidate(), job.rung());
      String difference =
          race.toBaseline(job.candidate(), job.rung())
              .filter(any -> !job.candidate().equals(PlacedAttention.NONE))
              .map(d -> String.format(Locale.ROOT, "  %+.1f to none", 100 * d.mean()))
              .orElse("");
      observer.line(
          String.format(
              Locale.ROOT,
              "%s%2d %s  validation %.1f %%%s",
              where,
              rungs.get(job.rung()),
              rungs.get(job.rung()) == 1 ? "epoch " : "epochs",
              100 * Race.mean(lap.imageScores()),
              difference));
    }
  }

  private int longest() {
    return 3
        + journal.candidates.all().stream()
            .mapToInt(each -> each.module().length())
            .max()
            .orElse(0);
  }

  private boolean fits(Job job) {
    if (spec.budget().isTime()) {
      return elapsed() + epochsOf(job.rung()) * secondsOfEpoch(job.candidate()) <= raceDeadline;
    }
    return raceEpochs() + epochsOf(job.rung()) <= Division.ofRace(total(), wholeTraining());
  }

  private long raceEpochs() {
    return journal.events.stream()
        .filter(event -> event.what() == What.STARTED)
        .mapToLong(event -> epochsOf(event.rung()))
        .sum();
  }

  private Future<Optional<Lap>> submit(ExecutorService pool, int threads, Job job) {
    return submit(
        pool,
        threads,
        job.candidate(),
        spec.seed(),
        rungs.get(job.rung()),
        file(job.candidate(), job.rung()),
        runs().resolve(name(job.candidate(), spec.seed()) + ".safetensors"),
        false);
  }

  private Future<Optional<Lap>> submit(
      ExecutorService pool,
      int threads,
      String module,
      long seed,
      int until,
      Path file,
      Path stateFile,
      boolean ofFinal) {
    if (Files.exists(file)) { // the process ended before it told
      return CompletableFuture.completedFuture(Optional.of(read(file, module, seed, ofFinal)));
    }
    return pool.submit(
        () -> {
          Threads.set(threadsOfEach(threads));
          LapJob lap =
              new LapJob(
                  module,
                  seed,
                  ofFinal,
                  until,
                  deadline - elapsed(),
                  raceDeadline - elapsed(),
                  ofFinal && seed == spec.seed() + 1,
                  settings.fingerprint());
          return engine == null
              ? trainer.train(lap, file, stateFile, observer)
              : elsewhere(lap, file, stateFile);
        });
  }

  private int threadsOfEach(int threads) {
    return engine == null ? Math.max(1, threads / atOnce) : threads;
  }

  private Optional<Lap> elsewhere(LapJob job, Path file, Path stateFile) {
    try {
      byte[] state = Files.exists(stateFile) ? Files.readAllBytes(stateFile) : null;
      LapEngine.Outcome outcome = engine.train(job, state);
      if (outcome.state() != null) {
        AtomicFile.write(stateFile, partial -> Files.write(partial, outcome.state()));
      }
      if (outcome.lap() == null) {
        return Optional.empty();
      }
      Json.write(file, outcome.lap()); // after the state, from which the next rung goes on
      return Optional.of(outcome.lap());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new CancellationException(job.module() + " was stopped");
    } catch (IOException e) {
      throw new CannotWrite(folder, e);
    }
  }

  private Path runs() {
    return folder.resolve("runs");
  }

  private static String name(String module, long seed) {
    return PlacedAttention.fileName(module) + "-seed" + seed;
  }

  private Path file(String module, int rung) {
    return runs().resolve(name(module, spec.seed()) + "-" + rungs.get(rung) + ".json");
  }

  private Lap lap(String module, int rung) {
    return read(file(module, rung), module, spec.seed(), false);
  }

  private final Map<Path, Lap> laps = Collections.synchronizedMap(new LinkedHashMap<>());

  private Lap read(Path file, String module, long seed, boolean ofFinal) {
    return laps.computeIfAbsent(
        file,
        any -> {
          Lap lap = Json.read(any, Lap.class);
          if (!settings.fingerprint().equals(lap.settings())) {
            throw new DataException(
                file + ": is the result of another search; delete it, or choose another folder");
          }
          TrainingData<D> on = ofFinal ? data : raceData();
          if (!lap.isWhole(module, seed, on.test().size(), on.classes().size())) {
            throw damaged(file);
          }
          return lap;
        });
  }

  // The final.

  private void chooseFinalists() {
    double left = spec.budget().isTime() ? deadline - elapsed() : total() - (double) raceEpochs();
    List<String> best = race.best(spec.finalists());
    int count = Division.finalists(best.size(), left, wholeTraining(), inParallel());
    journal.finalists = new ArrayList<>(best.subList(0, Math.min(count, best.size())));
    save();
    observer.line(
        journal.finalists.isEmpty()
            ? "The budget is too small for a final."
            : "Finalists: " + String.join(", ", journal.finalists));
    if (!journal.finalists.isEmpty()) {
      for (String module : inFinal()) {
        journal.latencyBatchMs.put(
            module,
            NetworkSpec.aside(
                () ->
                    meter.milliseconds(
                        network.withAttention(module).create(),
                        task.latencyBatch(),
                        task.size(data))));
      }
      save();
    }
  }

  private int inParallel() {
    return spec.budget().isTime() ? atOnce : 1;
  }

  private List<String> inFinal() {
    List<String> all = new ArrayList<>(List.of(PlacedAttention.NONE));
    all.addAll(journal.finalists);
    all.removeAll(journal.withdrawn.keySet());
    return all;
  }

  private Path fileOfFinal(String module, long seed) {
    return runs().resolve(name(module, seed) + "-final.json");
  }

  private void runFinal(ExecutorService pool, int threads) {
    if (journal.complete || journal.finalists.isEmpty()) {
      return;
    }
    double used = (double) raceEpochs();
    for (int round = 1; round <= MOST_SEEDS && inFinal().size() > 1; round++) {
      long seed = spec.seed() + round;
      List<String> all = inFinal();
      boolean done = all.stream().allMatch(module -> Files.exists(fileOfFinal(module, seed)));
      double takes = Division.ofRound(all.size() - 1, wholeTraining(), inParallel());
      double now = spec.budget().isTime() ? elapsed() : used;
      used += takes;
      if (!done && now + takes > (spec.budget().isTime() ? deadline : total())) {
        return;
      }
      if (!done && !ofSeed(pool, threads, all, seed)) {
        return;
      }
      observer.changed(result());
    }
  }

  /** Trains all finalists and the baseline with a seed; false if there was not enough time. */
  private boolean ofSeed(ExecutorService pool, int threads, List<String> all, long seed) {
    Map<String, Future<Optional<Lap>>> running = new LinkedHashMap<>();
    for (String module : all) {
      Path stateFile = runs().resolve(name(module, seed) + "-final.safetensors");
      running.put(
          module,
          submit(
              pool, threads, module, seed, highest(), fileOfFinal(module, seed), stateFile, true));
    }
    boolean whole = true;
    for (Map.Entry<String, Future<Optional<Lap>>> each : running.entrySet()) {
      try {
        Optional<Lap> lap = SideBySide.result(each::getValue);
        whole &= lap.isPresent();
        lap.ifPresent(found -> tell(each.getKey(), seed, found));
      } catch (DataException e) {
        if (each.getKey().equals(PlacedAttention.NONE)) {
          throw e;
        }
        journal.withdrawn.put(each.getKey(), e.getMessage());
        observer.line(each.getKey() + " failed: " + e.getMessage());
      }
      save();
    }
    return whole;
  }

  private void tell(String module, long seed, Lap lap) {
    observer.line(
        String.format(
            Locale.ROOT,
            "%s%sseed %d  test %s %.1f %%",
            module,
            " ".repeat(Math.max(1, longest() - module.length())),
            seed,
            task.score().title(),
            100 * task.score().of(lap.confusion())));
  }

  private void deleteStates() {
    try (Stream<Path> files = Files.list(runs())) {
      for (Path file : files.filter(any -> any.toString().endsWith(".safetensors")).toList()) {
        Files.deleteIfExists(file);
      }
    } catch (IOException e) {
      throw new CannotWrite(folder, e);
    }
  }

  // The result.

  /** The trainings of the final: those seeds that all finalists have, seed by seed. */
  private List<Lap> finalLaps() {
    List<Lap> found = new ArrayList<>();
    if (journal.finalists == null) {
      return found;
    }
    for (int round = 1; round <= MOST_SEEDS; round++) {
      long seed = spec.seed() + round;
      List<String> all = inFinal();
      if (all.stream().allMatch(module -> Files.exists(fileOfFinal(module, seed)))) {
        all.forEach(module -> found.add(read(fileOfFinal(module, seed), module, seed, true)));
      }
    }
    return found;
  }

  private SearchResult result() {
    return new ResultOf(
            task,
            spec,
            meter.toString(),
            rungs,
            journal,
            race,
            this::lap,
            finalLaps(),
            raceData().test().size(),
            data.test().size())
        .result();
  }
}
