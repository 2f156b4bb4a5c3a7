package io.fovea.benchmarks;

import static org.assertj.core.api.Assertions.assertThat;

import io.fovea.benchmarks.SearchCalibration.Row;
import io.fovea.benchmarks.SearchCalibration.World;
import org.junit.jupiter.api.Test;

/** The short form of docs/results/search-calibration.json. */
class SearchCalibrationTest {
  private static final int SEARCHES = 400;

  /** Three standard errors above 5 in 100. */
  private static final double MOST = 0.05 + 3 * Math.sqrt(0.05 * 0.95 / SEARCHES);

  @Test
  void aSearchFindsNothingWhereNothingIs() {
    for (double ofTraining : new double[] {0, 0.015}) {
      Row row = SearchCalibration.run(new World(20, 200, 200, 300, ofTraining, 0, 0), SEARCHES, 1);

      assertThat(row.falseDiscoveries()).as(row.toString()).isLessThan(MOST);
      assertThat(row.covered()).isGreaterThan(1 - MOST);
    }
  }

  @Test
  void aSearchFindsWhatIsThere() {
    Row small = SearchCalibration.run(new World(20, 400, 200, 300, 0.005, 0, 0.02), 150, 1);
    Row large = SearchCalibration.run(new World(20, 400, 200, 300, 0.005, 0, 0.1), 150, 1);

    assertThat(large.power()).isGreaterThan(small.power()).isGreaterThan(0.3);
    assertThat(large.inFinal()).isGreaterThan(small.inFinal());
    assertThat(large.falseDiscoveries()).isLessThan(MOST);
  }
}
