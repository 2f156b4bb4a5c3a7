package io.fovea.app.cli;

import io.fovea.app.console.TextTable;
import io.fovea.data.Dataset;
import io.fovea.data.Progress;
import io.fovea.data.TrainingData;
import io.fovea.models.Network;
import io.fovea.training.EpochResult;
import io.fovea.training.Training;
import io.fovea.training.TrainingListener;
import io.fovea.training.evaluate.Evaluation;
import io.fovea.training.evaluate.TestTimeAugmentation;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** Times the first steps of a training, and estimates how long all of it will take. */
final class DryRun implements TrainingListener {
  private static final int STEPS = 3;

  /** The first step allocates what the others use again. */
  private static final int WARM_UP = 1;

  private static final int TESTED = 100;

  private final List<Long> nanos = new ArrayList<>();
  private int images;
  private int epochs;
  private long last = System.nanoTime();

  private DryRun() {}

  /** Ends the training after the steps. */
  private static final class Enough extends RuntimeException {
    private static final long serialVersionUID = 1;

    Enough() {
      super("enough steps", null, false, false);
    }
  }

  @Override
  public void planned(int planned) {
    epochs = planned;
    last = System.nanoTime();
  }

  @Override
  public void step(int count, double loss) {
    long now = System.nanoTime();
    nanos.add(now - last);
    images = count;
    last = now;
    if (nanos.size() == WARM_UP + STEPS) {
      throw new Enough();
    }
  }

  @Override
  public void epoch(EpochResult metrics, Evaluation test) {
    last = System.nanoTime(); // the test is timed by itself
  }

  /**
   * Trains for three steps, tests on some images, and says in one line how long the training will
   * take. The network is changed, and nothing is written.
   */
  static <N extends Network, D extends Dataset<?>> String of(Training<N, D> training) {
    DryRun timer = new DryRun();
    try {
      training.start(timer);
    } catch (Enough e) {
      // as intended; a training of fewer steps ends by itself
    }
    double step = timer.seconds();
    TrainingData<D> data = training.data();
    @SuppressWarnings("unchecked") // a part of a data set is a data set of the same kind
    D some = (D) data.test().limit(TESTED);
    long start = System.nanoTime();
    training
        .task()
        .evaluate(
            training.network(),
            some,
            data.normalization(),
            TestTimeAugmentation.WHOLE,
            Progress.NONE);
    double test =
        (System.nanoTime() - start)
            / 1e9
            / some.size()
            * data.test().size()
            / training.group().size();
    int steps = Math.max(1, data.train().size() / Math.max(1, timer.images));
    return String.format(
        Locale.ROOT,
        "%d steps of %d %s took %s each: %d epochs of %d steps and %d test %s will take about %s;"
            + " nothing was written",
        timer.nanos.size() - timer.skipped(),
        timer.images,
        training.task().units(),
        TextTable.milliseconds(1000 * step),
        timer.epochs,
        steps,
        data.test().size(),
        training.task().units(),
        text(Duration.ofMillis(Math.round(1000 * timer.epochs * (steps * step + test)))));
  }

  private int skipped() {
    return nanos.size() > WARM_UP ? WARM_UP : 0;
  }

  private double seconds() {
    return nanos.stream().skip(skipped()).mapToLong(n -> n).average().orElseThrow() / 1e9;
  }

  /** A time for people: {@code 2 h 5 min}, {@code 12 min}, {@code 40 s}. */
  static String text(Duration time) {
    if (time.toHours() > 0) {
      return time.toHours() + " h " + time.toMinutesPart() + " min";
    }
    return time.toMinutes() >= 3
        ? time.plusSeconds(30).toMinutes() + " min"
        : Math.max(1, time.plusMillis(500).toSeconds()) + " s";
  }
}
