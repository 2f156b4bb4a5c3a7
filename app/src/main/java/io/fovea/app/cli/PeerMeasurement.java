package io.fovea.app.cli;

import com.fasterxml.jackson.annotation.JsonInclude;
import io.fovea.app.console.TextTable;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.function.Function;
import java.util.stream.Stream;
import org.hipparchus.stat.descriptive.rank.Median;

/**
 * The times of one module in Fovea, as the reference implementation on Fovea's libtorch, and in
 * PyTorch: eager, and compiled where that works.
 *
 * @param module as the table of {@code fovea bench} names it
 * @param shape the shape of the input, {@code [B, C, H, W]}
 * @param rounds the number of rounds in which all took turns
 * @param inference medians of the rounds
 * @param training medians of the rounds
 * @param each the rounds
 */
record PeerMeasurement(
    String module,
    long[] shape,
    int rounds,
    Times inference,
    Times training,
    @JsonInclude(JsonInclude.Include.NON_NULL) List<Round> each) {
  /**
   * Milliseconds.
   *
   * @param reference null if there is no reference implementation
   * @param compiled null if PyTorch cannot compile it
   */
  @JsonInclude(JsonInclude.Include.NON_NULL)
  record Times(double fovea, Double reference, double eager, Double compiled) {
    /** Fovea's time to the best of the others. */
    double toBest() {
      return fovea
          / Stream.of(reference, eager, compiled)
              .filter(Objects::nonNull)
              .min(Double::compare)
              .orElseThrow();
    }
  }

  /** One turn of each program. */
  record Round(Times inference, Times training) {}

  /** A module that has not been measured yet. */
  static PeerMeasurement none(String module, long... shape) {
    return new PeerMeasurement(module, shape, 0, null, null, List.of());
  }

  /** Whether this is about a module with an input of a shape. */
  boolean isOf(String module, long... shape) {
    return this.module.equals(module) && Arrays.equals(this.shape, shape);
  }

  /** With one more round. */
  PeerMeasurement with(Round round) {
    List<Round> all = new ArrayList<>(each);
    all.add(round);
    return new PeerMeasurement(
        module,
        shape,
        all.size(),
        median(all.stream().map(Round::inference).toList()),
        median(all.stream().map(Round::training).toList()),
        all);
  }

  private static Times median(List<Times> times) {
    return new Times(
        median(times, Times::fovea),
        median(times, Times::reference),
        median(times, Times::eager),
        median(times, Times::compiled));
  }

  /** The median, or null if a round has no value. */
  private static Double median(List<Times> times, Function<Times, Double> value) {
    List<Double> values = new ArrayList<>();
    times.forEach(time -> values.add(value.apply(time)));
    return values.contains(null)
        ? null
        : new Median().evaluate(values.stream().mapToDouble(Double::doubleValue).toArray());
  }

  /** All of them, one a line. */
  static TextTable table(List<PeerMeasurement> measured) {
    TextTable table =
        new TextTable(
            "module",
            "shape",
            "inference",
            "reference",
            "eager",
            "compiled",
            "to best",
            "training",
            "reference",
            "eager",
            "compiled",
            "to best");
    table.left("shape");
    for (PeerMeasurement one : measured) {
      List<String> row = new ArrayList<>(List.of(one.module, BenchCommand.text(one.shape)));
      for (Times times : List.of(one.inference, one.training)) {
        Stream.of(times.fovea, times.reference, times.eager, times.compiled)
            .map(time -> time == null ? "-" : TextTable.milliseconds(time))
            .forEach(row::add);
        row.add(String.format(Locale.ROOT, "%.2f", times.toBest()));
      }
      table.add(row.toArray(String[]::new));
    }
    return table;
  }
}
