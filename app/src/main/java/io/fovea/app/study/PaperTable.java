package io.fovea.app.study;

import com.fasterxml.jackson.annotation.JsonInclude;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.hipparchus.stat.correlation.KendallsCorrelation;

/**
 * A table of a paper: the attention of its rows, with the paper's own figures.
 *
 * @param name the name for {@code --table}
 * @param title the quantity that is varied
 * @param source the paper and the number of the table
 * @param setting the data and network of the paper
 * @param accuracy whether the paper reports accuracy instead of error
 * @param head the heading of the first column
 * @param rows the rows in the order of the paper
 */
public record PaperTable(
    String name,
    String title,
    String source,
    String setting,
    boolean accuracy,
    String head,
    List<Row> rows) {

  /**
   * A row.
   *
   * @param label the label in the paper
   * @param module the spec of the attention, or none
   * @param published the paper's figure in percent, or null if the paper lacks the row
   * @param publishedParameters the number of parameters as printed, or null if the paper has none
   */
  public record Row(String label, String module, Double published, String publishedParameters) {}

  /**
   * A row with the results of the study; they are null until a run is finished, and where a run
   * diverged.
   */
  @JsonInclude(JsonInclude.Include.ALWAYS)
  public record Measured(
      String label,
      String module,
      Long parameters,
      Double top1Mean,
      Double top1Std,
      Double published,
      String publishedParameters) {}

  /** A table with the results of the study. */
  @JsonInclude(JsonInclude.Include.ALWAYS)
  public record Outcome(
      String name,
      String title,
      String source,
      String setting,
      String metric,
      String head,
      List<Measured> rows,
      Agreement agreement) {}

  /**
   * The agreement between the order of the rows here and in the paper.
   *
   * @param rows the number of rows with both figures
   * @param tau Kendall's tau-b between the means here and the paper's figures: 1 for the same
   *     order, -1 for the reverse order; null if all results are equal
   * @param chance the share of all possible orders that agree with the paper at least as well
   * @param lowest the lowest tau of a single seed
   * @param highest tau of a single seed
   */
  @JsonInclude(JsonInclude.Include.ALWAYS)
  public record Agreement(int rows, Double tau, Double chance, Double lowest, Double highest) {
    private static final int FEWEST = 3;

    /**
     * Compares two orders.
     *
     * @param published the paper's figures; higher is better
     * @param measured the results, by row and then by seed
     * @return the agreement, or null for fewer than three rows, whose order says nothing
     */
    static Agreement of(double[] published, double[][] measured) {
      if (published.length < FEWEST) {
        return null;
      }
      double[] means =
          Arrays.stream(measured)
              .mapToDouble(row -> Arrays.stream(row).average().orElseThrow())
              .toArray();
      Double tau = tau(published, means);
      int seeds = Arrays.stream(measured).mapToInt(row -> row.length).min().orElseThrow();
      Double lowest = null;
      Double highest = null;
      for (int seed = 0; seed < seeds; seed++) {
        int which = seed;
        Double one =
            tau(published, Arrays.stream(measured).mapToDouble(row -> row[which]).toArray());
        if (one != null) {
          lowest = lowest == null ? one : Math.min(lowest, one);
          highest = highest == null ? one : Math.max(highest, one);
        }
      }
      return new Agreement(
          published.length,
          tau,
          tau == null ? null : chance(published, means, tau),
          lowest,
          highest);
    }

    private static Double tau(double[] published, double[] measured) {
      double tau = new KendallsCorrelation().correlation(published, measured);
      return Double.isNaN(tau) ? null : tau;
    }

    /** The share is exact: tables have at most eight rows, so all orders can be tried. */
    private static double chance(double[] published, double[] means, double tau) {
      long[] counts = new long[2];
      permute(
          means.clone(),
          0,
          order -> {
            counts[0]++;
            Double other = tau(published, order);
            counts[1] += other != null && other >= tau - 1e-9 ? 1 : 0;
          });
      return (double) counts[1] / counts[0];
    }

    private static void permute(double[] values, int from, Consumer<double[]> visit) {
      if (from == values.length) {
        visit.accept(values);
        return;
      }
      for (int i = from; i < values.length; i++) {
        swap(values, from, i);
        permute(values, from + 1, visit);
        swap(values, from, i);
      }
    }

    private static void swap(double[] values, int i, int j) {
      double value = values[i];
      values[i] = values[j];
      values[j] = value;
    }
  }

  /** Puts the results beside the paper's figures. */
  Outcome outcome(List<Results.Row> results) {
    Map<String, Results.Row> byModule = new LinkedHashMap<>();
    results.forEach(row -> byModule.put(row.module(), row));
    List<Measured> measured = new ArrayList<>();
    List<Row> both = new ArrayList<>();
    for (Row row : rows) {
      Results.Row result = byModule.get(row.module());
      measured.add(
          new Measured(
              row.label,
              row.module,
              result == null ? null : result.parameters(),
              result == null ? null : result.score().mean(),
              result == null ? null : result.score().std(),
              row.published,
              row.publishedParameters));
      if (result != null && row.published != null) {
        both.add(row);
      }
    }
    Agreement agreement =
        Agreement.of(
            both.stream().mapToDouble(row -> accuracy ? row.published : -row.published).toArray(),
            both.stream()
                .map(
                    row ->
                        byModule.get(row.module()).score().values().stream()
                            .mapToDouble(d -> d)
                            .toArray())
                .toArray(double[][]::new));
    return new Outcome(
        name, title, source, setting, accuracy ? "accuracy" : "error", head, measured, agreement);
  }
}
