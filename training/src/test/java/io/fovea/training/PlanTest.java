package io.fovea.training;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.fovea.errors.SpecException;
import io.fovea.models.Classifier;
import io.fovea.testing.Numeric;
import io.fovea.training.processes.Group;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.LongSupplier;
import java.util.function.Supplier;
import org.bytedeco.pytorch.Tensor;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

@Numeric
class PlanTest {
  private long now; // nanoseconds

  private Plan plan(double seconds) {
    return new Plan(timed(seconds), () -> now);
  }

  private static TrainingSpec timed(double seconds) {
    return Shades.TRAINING.withOptimization(Optimization.DEFAULT.withSeconds(seconds));
  }

  private void pass(double seconds) {
    now += (long) (seconds * 1e9);
  }

  @Test
  void asManyEpochsAsFitArePlannedAgainAfterEachOne() {
    Plan plan = plan(100);
    pass(1);
    plan.begin(10);
    assertThat(plan.epochs()).isEqualTo(9); // in the 99 seconds that are left
    pass(15);
    plan.after(1);
    assertThat(plan.epochs()).isEqualTo(6); // 84 seconds for epochs of 16
    pass(80);
    plan.after(6);
    assertThat(plan.epochs()).isEqualTo(6);
  }

  @Test
  void thereIsOneEpochAtLeast() {
    Plan plan = plan(1);
    pass(5);
    plan.begin(10);
    assertThat(plan.epochs()).isEqualTo(1);
    pass(10);
    plan.after(1);
    assertThat(plan.epochs()).isEqualTo(1);
  }

  @Test
  void withoutATimeTheEpochsAreThoseOfTheSettings() {
    Plan plan = new Plan(Shades.TRAINING, () -> now);
    pass(1000);
    plan.after(1);
    assertThat(plan.epochs()).isEqualTo(3);
  }

  /** A clock that goes on by a second whenever somebody looks at it. */
  private static LongSupplier ticking() {
    long[] time = {0};
    return () -> time[0] += 1_000_000_000L;
  }

  private static Map<String, double[]> train(
      double seconds, TrainingState from, TrainingListener listener) {
    Classifier network = Shades.network(1);
    Trainer.train(
        Tasks.CLASSIFICATION,
        network,
        null,
        Shades.data(),
        timed(seconds),
        from,
        listener,
        ticking(),
        Group.ALONE);
    return Shades.values(network);
  }

  /** Takes every state, and keeps the one after a step. */
  private static final class Keeping implements TrainingListener {
    private final List<Integer> planned = new ArrayList<>();
    private final int step;
    private int steps;
    private TrainingState kept;

    Keeping(int step) {
      this.step = step;
    }

    @Override
    public void planned(int epochs) {
      planned.add(epochs);
    }

    @Override
    public void step(int images, double loss) {
      steps++;
    }

    @Override
    public boolean wantsState() {
      return steps == step;
    }

    @Override
    public void state(Supplier<TrainingState> state) {
      TrainingState reached = state.get();
      if (reached.batches() > 0) {
        Map<String, Tensor> copies = new LinkedHashMap<>();
        reached.tensors().forEach((name, tensor) -> copies.put(name, kept(tensor)));
        kept = new TrainingState(reached.history(), copies);
      }
    }

    private static Tensor kept(Tensor tensor) {
      Tensor copy = tensor.detach().clone();
      copy.retainReference(); // beyond the scope of the state
      return copy;
    }
  }

  /** The state has the plan, so the schedule goes on as it was planned. */
  @Test
  void aTrainingForATimeGoesOnBitForBit() {
    Keeping whole = new Keeping(7);
    Map<String, double[]> expected = train(14, null, whole);
    Keeping resumed = new Keeping(-1);

    assertThat(whole.planned).hasSizeGreaterThan(1); // the clock changed it
    assertThat(whole.kept.batches()).isEqualTo(2);
    assertThat(train(14, whole.kept, resumed)).usingRecursiveComparison().isEqualTo(expected);
    assertThat(resumed.planned.get(0)).isEqualTo(whole.planned.get(1));
    whole.kept.tensors().values().forEach(Tensor::releaseReference);
  }

  /** The steps that are measured before the first epoch leave no trace. */
  @Test
  void measuringChangesNothing() {
    Classifier network = Shades.network(1);
    Trainer.train(
        Tasks.CLASSIFICATION,
        network,
        Shades.data(),
        Shades.TRAINING.withEpochs(1),
        TrainingListener.NONE);

    assertThat(train(1, null, TrainingListener.NONE))
        .usingRecursiveComparison()
        .isEqualTo(Shades.values(network));
  }

  @ParameterizedTest
  @CsvSource({"90s, 90", "30m, 1800", "1h30m, 5400", "0.5s, 0.5", "2H, 7200"})
  void timesAreRead(String text, double seconds) {
    assertThat(Times.parse(text)).isEqualTo(Duration.ofMillis((long) (seconds * 1000)));
    assertThat(Times.parse(Times.text(seconds))).isEqualTo(Times.parse(text));
  }

  @ParameterizedTest
  @ValueSource(strings = {"30", "soon", "0s", "-5m", ""})
  void whatIsNoTimeIsRefused(String text) {
    assertThatThrownBy(() -> Times.parse(text))
        .isInstanceOf(SpecException.class)
        .hasMessage("expected a time such as 90s, 30m or 1h30m, got \"" + text + "\"");
  }
}
