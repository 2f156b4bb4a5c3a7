package io.fovea.app.console;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class TextTableTest {

  @Test
  void alignsTheFirstColumnLeftAndTheOthersRight() {
    TextTable table = new TextTable("module", "MACs", "note");
    table.add("se", "1", "");
    table.add("nonlocal", "12.5 M", "x");

    assertThat(table)
        .hasToString(
            """
            module       MACs   note
            se              1
            nonlocal   12.5 M      x
            """);
  }

  @ParameterizedTest
  @CsvSource({
    "0, 0",
    "999, 999",
    "1000, 1.0 k",
    "77850, 77.9 k",
    "9145216, 9.15 M",
    "2500000000, 2.50 G"
  })
  void shortensCounts(double value, String text) {
    assertThat(TextTable.count(value)).isEqualTo(text);
  }

  @Test
  void writesSharesInHundredths() {
    assertThat(TextTable.percent(0.8767)).isEqualTo("87.7");
    assertThat(TextTable.percent(1)).isEqualTo("100.0");
    assertThat(TextTable.points(0.0123)).isEqualTo("+1.2");
    assertThat(TextTable.points(-0.005)).isEqualTo("-0.5");
  }

  @Test
  void writesMillisecondsWithThreeDigits() {
    assertThat(TextTable.milliseconds(1.234)).isEqualTo("1.23 ms");
    assertThat(TextTable.milliseconds(12.34)).isEqualTo("12.3 ms");
  }
}
