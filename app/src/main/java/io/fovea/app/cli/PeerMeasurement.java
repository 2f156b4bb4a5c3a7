package io.fovea.app.cli;

import com.fasterxml.jackson.annotation.JsonInclude;
import io.fovea.app.console.TextTable;
import io.fovea.errors.FoveaException;
import io.fovea.reference.Measurement;
import io.fovea.tensor.Threads;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.Consumer;
import java.util.function.DoubleFunction;
import java.util.stream.Stream;
import org.hipparchus.stat.descriptive.rank.Median;

/**
 * The times of one module in Fovea, as the reference implementation on Fovea's libtorch, and in
 * PyTorch: eager, and compiled where that works.
 *
 * @param module as the table of {@code fovea bench} names it
 * @param shape the shape of the input, {@code [B, C, H, W]}
 * @param rounds the number of rounds in which all took turns; the times are the medians
 */
record PeerMeasurement(String module, long[] shape, int rounds, Times inference, Times training) {
  /**
   * Milliseconds.
   *
   * @param compiled null if PyTorch cannot compile it
   */
  record Times(
      double fovea,
      double reference,
      double eager,
      @JsonInclude(JsonInclude.Include.NON_NULL) Double compiled) {
    /** Fovea's time to the best of the others. */
    double toBest() {
      double best = Math.min(reference, eager);
      return fovea / (compiled == null ? best : Math.min(best, compiled));
    }
  }

  /**
   * Measures.
   *
   * @param seconds for each round of each program
   * @param fovea measures Fovea and the reference for some seconds
   * @param told is told why PyTorch does not compile the module
   */
  static PeerMeasurement of(
      TorchPeer peer,
      String module,
      long[] shape,
      int rounds,
      double seconds,
      DoubleFunction<Measurement> fovea,
      Consumer<String> told)
      throws IOException {
    List<Measurement> ours = new ArrayList<>();
    List<TorchPeer.Times> eager = new ArrayList<>();
    List<TorchPeer.Times> compiled = new ArrayList<>();
    boolean compiles = true;
    for (int round = 0; round < rounds; round++) {
      ours.add(fovea.apply(seconds));
      eager.add(peer.measure(module, shape, Threads.count(), false, seconds));
      if (compiles) {
        try {
          compiled.add(peer.measure(module, shape, Threads.count(), true, seconds));
        } catch (FoveaException e) {
          compiles = false;
          told.accept("not compiled: " + e.getMessage());
        }
      }
    }
    boolean all = compiles;
    return new PeerMeasurement(
        module,
        shape,
        rounds,
        new Times(
            median(ours.stream().map(m -> m.inference().foveaMillis())),
            median(ours.stream().map(m -> m.inference().referenceMillis())),
            median(eager.stream().map(TorchPeer.Times::inferenceMillis)),
            all ? median(compiled.stream().map(TorchPeer.Times::inferenceMillis)) : null),
        new Times(
            median(ours.stream().map(m -> m.training().foveaMillis())),
            median(ours.stream().map(m -> m.training().referenceMillis())),
            median(eager.stream().map(TorchPeer.Times::trainingMillis)),
            all ? median(compiled.stream().map(TorchPeer.Times::trainingMillis)) : null));
  }

  private static double median(Stream<Double> values) {
    return new Median().evaluate(values.mapToDouble(Double::doubleValue).toArray());
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
