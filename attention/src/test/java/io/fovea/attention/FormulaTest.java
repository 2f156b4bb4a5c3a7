package io.fovea.attention;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The formulas of parameters and multiply-accumulates give what modules have and count. */
class FormulaTest {
  private static final long[][] SIZES = {{128, 20, 28}, {256, 7, 6}, {512, 9, 14}};

  static Stream<Mechanism> mechanisms() {
    return Mechanism.all().stream();
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("mechanisms")
  void formulasGiveWhatIsCounted(Mechanism mechanism) {
    Mechanism.Cost cost = mechanism.cost().orElseThrow();
    String formulas = cost.parameters() + " " + cost.macs();
    for (AttentionSpec spec : MechanismContract.specs(List.of(mechanism))) {
      boolean named =
          spec.options().entrySet().stream()
              .filter(o -> !o.getValue().equals(mechanism.spec().options().get(o.getKey())))
              .allMatch(option -> formulas.matches(".*\\b" + option.getKey() + "\\b.*"));
      if (!named) {
        continue; // another form of the equation
      }
      for (long[] size : SIZES) {
        try (PointerScope scope = new PointerScope()) {
          Attention module = spec.create(size[0], 2);
          Map<String, Long> values = new HashMap<>();
          spec.options()
              .forEach(
                  (option, value) -> {
                    if (value.matches("\\d+")) {
                      values.put(option, Long.parseLong(value));
                    }
                  });
          values.put("C", size[0]);
          values.put("H", size[1]);
          values.put("W", size[2]);
          values.put("N", size[1] * size[2]);
          long parameters =
              Tensors.parameters(module).values().stream().mapToLong(Tensor::numel).sum();
          assertThat(Formula.value(cost.parameters(), values))
              .as("parameters of %s for %s: %s", spec, size, cost.parameters())
              .isEqualTo(parameters);
          assertThat(Formula.value(cost.macs(), values))
              .as("multiply-accumulates of %s for %s: %s", spec, size, cost.macs())
              .isEqualTo(module.macs(1, size[0], size[1], size[2]));
        }
      }
    }
  }

  @Test
  void formulasAreReadAsTheyAreWritten() {
    Map<String, Long> values = Map.of("C", 10L, "k", 3L);
    assertThat(Formula.value("2·C + k²·(C - 1) / 4", values)).isEqualTo(20 + 9 * 9 / 4);
    assertThat(Formula.value("d²; d = max(4, C / k) % 3 + log2(C)", values)).isEqualTo(16);
  }

  /** A formula: an expression, then definitions of names in it. */
  private static final class Formula {
    private final String text;
    private final Map<String, Long> values;
    private int at;

    private Formula(String text, Map<String, Long> values) {
      this.text = text.replace(" ", "");
      this.values = values;
    }

    static long value(String formula, Map<String, Long> given) {
      Map<String, Long> values = new HashMap<>(given);
      String[] parts = formula.split(";");
      for (int i = parts.length - 1; i > 0; i--) { // a definition may use those behind it
        String[] definition = parts[i].split("=");
        values.put(definition[0].strip(), new Formula(definition[1], values).all());
      }
      return new Formula(parts[0], values).all();
    }

    private long all() {
      long value = sum();
      assertThat(at).as("\"%s\" is read to its end", text).isEqualTo(text.length());
      return value;
    }

    private boolean take(char symbol) {
      boolean there = at < text.length() && text.charAt(at) == symbol;
      at += there ? 1 : 0;
      return there;
    }

    private long sum() {
      long value = product();
      while (true) {
        if (take('+')) {
          value += product();
        } else if (take('-')) {
          value -= product();
        } else {
          return value;
        }
      }
    }

    private long product() {
      long value = power();
      while (true) {
        if (take('·')) {
          value *= power();
        } else if (take('/')) {
          value /= power();
        } else if (take('%')) {
          value %= power();
        } else {
          return value;
        }
      }
    }

    private long power() {
      long value = atom();
      return take('²') ? value * value : value;
    }

    private long atom() {
      if (take('(')) {
        long value = sum();
        assertThat(take(')')).isTrue();
        return value;
      }
      int from = at;
      while (at < text.length() && Character.isLetterOrDigit(text.charAt(at))) {
        at++;
      }
      String word = text.substring(from, at);
      if (take('(')) {
        long first = sum();
        long second = take(',') ? sum() : 0;
        assertThat(take(')')).isTrue();
        return word.equals("max")
            ? Math.max(first, second)
            : Long.SIZE - 1 - Long.numberOfLeadingZeros(first); // log2
      }
      return word.matches("\\d+") ? Long.parseLong(word) : named(word);
    }

    private long named(String word) {
      assertThat(values).as("the names in \"%s\"", text).containsKey(word);
      return values.get(word);
    }
  }
}
