package io.fovea.attention;

import io.fovea.tensor.internal.DidYouMean;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.BiConsumer;
import java.util.function.BiFunction;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * A mechanism as text: its name, and each option tied to the builder's setter and getter. Each
 * mechanism declares its own beside its builder, so what a value may be is said once, in the setter.
 *
 * @param <B> the mechanism's builder
 */
final class Mechanism<B> {
  private final String name;
  private final BiFunction<Long, Integer, B> builder;
  private final Function<B, ? extends Attention> build;
  private final Map<String, Option<B, ?>> options = new LinkedHashMap<>();
  private Consumer<B> check = builder -> {};

  private record Option<B, T>(Function<String, T> parse, BiConsumer<B, T> set, Function<B, T> get) {
    void accept(B builder, String text) {
      set.accept(builder, parse.apply(text));
    }

    @SuppressWarnings("unchecked") // the value came out of this option's getter
    void restore(B builder, Object value) {
      set.accept(builder, (T) value);
    }
  }

  Mechanism(
      String name, BiFunction<Long, Integer, B> builder, Function<B, ? extends Attention> build) {
    this.name = name;
    this.builder = builder;
    this.build = build;
  }

  Mechanism<B> integer(String option, BiConsumer<B, Integer> set, Function<B, Integer> get) {
    return option(option, text -> parseInteger(option, text), set, get);
  }

  Mechanism<B> flag(String option, BiConsumer<B, Boolean> set, Function<B, Boolean> get) {
    return option(option, text -> parseFlag(option, text), set, get);
  }

  <E extends Enum<E>> Mechanism<B> choice(
      String option, Class<E> type, BiConsumer<B, E> set, Function<B, E> get) {
    return option(option, text -> parseChoice(option, type, text), set, get);
  }

  <T> Mechanism<B> option(
      String option, Function<String, T> parse, BiConsumer<B, T> set, Function<B, T> get) {
    options.put(option, new Option<>(parse, set, get));
    return this;
  }

  /** What looks at all options together, and throws {@link Invalid}. */
  Mechanism<B> checked(Consumer<B> check) {
    this.check = check;
    return this;
  }

  String name() {
    return name;
  }

  /** The spec with the options given as text and the defaults for the others. */
  AttentionSpec spec(Map<String, String> given) {
    B scratch = builder.apply(64L, 2); // only its setters' checks and its getters are used
    given.forEach(
        (option, text) -> {
          Option<B, ?> known = options.get(option);
          if (known == null) {
            throw new IllegalArgumentException(
                name
                    + ": "
                    + DidYouMean.unknown("option", option, List.copyOf(options.keySet()))
                        .getMessage());
          }
          try {
            known.accept(scratch, text);
          } catch (Invalid e) {
            throw named(e);
          }
        });
    return specOf(scratch);
  }

  private IllegalArgumentException named(Invalid e) {
    return new IllegalArgumentException(name + ": " + e.getMessage(), e);
  }

  /**
   * The builder's options as a spec.
   *
   * @throws IllegalArgumentException if they contradict each other
   */
  AttentionSpec specOf(B builder) {
    try {
      check.accept(builder);
    } catch (Invalid e) {
      throw named(e);
    }
    Map<String, Object> values = new LinkedHashMap<>();
    options.forEach((option, known) -> values.put(option, known.get().apply(builder)));
    return new AttentionSpec(this, Collections.unmodifiableMap(values));
  }

  Attention create(Map<String, Object> values, long channels, int dimensions) {
    B fresh = builder.apply(channels, dimensions);
    values.forEach((option, value) -> options.get(option).restore(fresh, value));
    return build.apply(fresh);
  }

  Map<String, String> texts(Map<String, Object> values) {
    Map<String, String> texts = new LinkedHashMap<>();
    values.forEach((option, value) -> texts.put(option, text(value)));
    return texts;
  }

  String text(Map<String, Object> values) {
    B soFar = builder.apply(64L, 2); // a default may depend on the options before it
    List<String> changed = new ArrayList<>();
    values.forEach(
        (option, value) -> {
          Option<B, ?> known = options.get(option);
          if (!value.equals(known.get().apply(soFar))) {
            changed.add(option + "=" + text(value));
          }
          known.restore(soFar, value);
        });
    return changed.isEmpty() ? name : name + ":" + String.join(",", changed);
  }

  private static String text(Object value) {
    return value.toString().toLowerCase(Locale.ROOT);
  }

  static int parseInteger(String option, String text) {
    try {
      return Integer.parseInt(text);
    } catch (NumberFormatException e) {
      throw new Invalid(option + " must be a whole number, got \"" + text + "\"");
    }
  }

  private static boolean parseFlag(String option, String text) {
    if (!text.equals("true") && !text.equals("false")) {
      throw new Invalid(option + " must be true or false, got \"" + text + "\"");
    }
    return text.equals("true");
  }

  private static <E extends Enum<E>> E parseChoice(String option, Class<E> type, String text) {
    return Stream.of(type.getEnumConstants())
        .filter(value -> text(value).equals(text))
        .findFirst()
        .orElseThrow(
            () ->
                new Invalid(
                    option
                        + " must be one of "
                        + Stream.of(type.getEnumConstants())
                            .map(Mechanism::text)
                            .collect(Collectors.joining(", "))
                        + ", got \""
                        + text
                        + "\""));
  }

  /** A value that an option cannot have; the mechanism's name is put before its message. */
  static final class Invalid extends IllegalArgumentException {
    private static final long serialVersionUID = 1L;

    Invalid(String message) {
      super(message);
    }
  }
}
