package io.fovea.training.search;

import io.fovea.data.DataException;
import io.fovea.data.Dataset;
import io.fovea.data.Progress;
import io.fovea.data.TrainingData;
import io.fovea.errors.FoveaException;
import io.fovea.models.Network;
import io.fovea.models.Precision;
import io.fovea.models.weights.StateDict;
import io.fovea.training.EpochResult;
import io.fovea.training.Task;
import io.fovea.training.Training;
import io.fovea.training.TrainingListener;
import io.fovea.training.TrainingState;
import io.fovea.training.evaluate.Evaluation;
import io.fovea.training.evaluate.TestTimeAugmentation;
import io.fovea.training.run.FolderLock;
import io.fovea.training.run.Json;
import io.fovea.training.run.StateFile;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CancellationException;
import java.util.function.Supplier;
import org.bytedeco.javacpp.PointerScope;

/**
 * Does the trainings of a search in this process. Thread-safe.
 *
 * @param <N> the type of the networks
 * @param <D> the type of the data sets
 */
public final class LapTrainer<N extends Network, D extends Dataset<?>> {
  private static final double SAVE_SECONDS = 300;
  private static final double NANOS = 1e9;

  private final Task<N, D> task;
  private final TrainingData<D> data;
  private final TrainingData<D> raceData;
  private final AttentionSearch.Trainings<N, D> trainings;
  private final Precision precision;

  /**
   * Cuts the validation part from the training samples.
   *
   * @param data the data of the search
   * @param validation the share of the training samples on which the race looks
   * @param seed the seed of the search
   * @param trainings prepares trainings
   * @param precision the precision of convolutions
   * @throws DataException if the data is too small to be divided
   */
  public LapTrainer(
      Task<N, D> task,
      TrainingData<D> data,
      double validation,
      long seed,
      AttentionSearch.Trainings<N, D> trainings,
      Precision precision) {
    this.task = task;
    this.data = data;
    this.trainings = trainings;
    this.precision = precision;
    raceData = ValidationPart.cut(data, validation, seed);
  }

  /** The data of the race, whose test samples are the validation part. */
  TrainingData<D> raceData() {
    return raceData;
  }

  /** Ends a training at a rung, or because there is no more time. */
  private static final class Enough extends RuntimeException {
    private static final long serialVersionUID = 1;

    Enough() {
      super("enough epochs", null, false, false);
    }
  }

  /**
   * Trains up to a number of epochs, going on from the state that is there, and looks at the
   * validation part, in the final at the test samples.
   *
   * @param file gets the result
   * @param stateFile the state; kept after a training of the race
   * @return nothing if there was not enough time
   * @throws DataException if the training fails for a reason that a user can correct
   * @throws FoveaException if a file cannot be written
   * @throws CancellationException if this thread was interrupted
   */
  public Optional<Lap> train(LapJob job, Path file, Path stateFile, SearchObserver<N> observer) {
    long start = System.nanoTime();
    TrainingData<D> on = job.ofFinal() ? data : raceData;
    try (PointerScope scope = new PointerScope()) {
      Training<N, D> training =
          Training.withSameBackbone(
              job.module(), attention -> trainings.of(attention, job.seed(), on));
      N trained = training.network();
      trained.setPrecision(precision);
      TrainingState from = Files.exists(stateFile) ? StateFile.read(stateFile) : null;
      if (from != null && from.history().size() >= job.until()) {
        StateDict.load(trained, from.network());
      } else {
        try {
          training.start(from, listener(job, training.spec().epochs(), start, stateFile, observer));
        } catch (Enough e) {
          // as intended
        }
      }
      List<EpochResult> epochs = Files.exists(stateFile) ? StateFile.history(stateFile) : List.of();
      if (epochs.size() < job.until()) {
        return Optional.empty();
      }
      List<Double> scores = new ArrayList<>();
      Evaluation test =
          task.evaluate(
              trained,
              on.test(),
              on.normalization(),
              TestTimeAugmentation.WHOLE,
              Progress.NONE,
              sample -> scores.add(sample.score()));
      if (!job.ofFinal()) {
        observer.reached(job.module(), job.until(), trained);
      }
      Lap lap =
          new Lap(
              job.module(),
              job.seed(),
              epochs,
              test.confusion(),
              Lap.packed(scores),
              seconds(start),
              job.looks() ? observer.look(job.module(), trained) : null,
              job.settings());
      Json.write(file, lap);
      if (job.ofFinal()) {
        Files.deleteIfExists(stateFile);
      }
      return Optional.of(lap);
    } catch (DataException e) {
      throw new DataException(job.module() + ", seed " + job.seed() + ": " + e.getMessage(), e);
    } catch (IOException e) {
      throw new CannotWrite(file.getParent(), e);
    }
  }

  private static double seconds(long since) {
    return (System.nanoTime() - since) / NANOS;
  }

  /** A full disk, say, which is not the fault of one candidate. */
  static final class CannotWrite extends FoveaException {
    private static final long serialVersionUID = 1;

    CannotWrite(Path folder, IOException cause) {
      super(folder + ": cannot be written: " + FolderLock.reason(cause), cause);
    }
  }

  private static TrainingListener listener(
      LapJob job, int whole, long start, Path stateFile, SearchObserver<?> observer) {
    return new TrainingListener() {
      private long saved = System.nanoTime();

      @Override
      public void step(int images, double loss) {
        observer.step(images);
        if (Thread.currentThread().isInterrupted()) {
          throw new CancellationException(job.module() + " was stopped");
        }
        if (seconds(start) > job.secondsLeft()) {
          throw new Enough();
        }
      }

      @Override
      public boolean wantsState() {
        return seconds(saved) > SAVE_SECONDS;
      }

      @Override
      public void state(Supplier<TrainingState> state) {
        try {
          StateFile.write(stateFile, state.get());
        } catch (IOException e) {
          throw new CannotWrite(stateFile.getParent(), e);
        }
        saved = System.nanoTime();
      }

      @Override
      public void epoch(EpochResult result, Evaluation test) {
        boolean late = !job.ofFinal() && seconds(start) > job.raceSecondsLeft();
        if (result.epoch() < whole && (result.epoch() >= job.until() || late)) {
          throw new Enough();
        }
      }
    };
  }
}
