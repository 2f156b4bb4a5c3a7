package io.fovea.attention;

import java.math.BigDecimal;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.function.BiFunction;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * An option of a {@link Mechanism}: its name, its values as text, its default and its meaning. A
 * mechanism declares its options once, as constants; parsing, help, tables and tests are derived
 * from them. It is immutable.
 *
 * @param <T> the type of its values, which must implement {@code equals}
 */
public final class Option<T> {
  private final String name;
  private final String description;
  private final Function<Settings, T> byDefault;
  private final Function<String, T> parse;
  private final List<T> samples;
  private final Check<T> check;
  private final Option<?> other;
  private final Predicate<Settings> effective;
  private final String rule;
  private final BiFunction<Settings, T, T> fit;

  /** Thrown for an invalid value. The message begins with the name of the option. */
  private interface Check<T> {
    void accept(T value);
  }

  private Option(
      String name,
      String description,
      Function<Settings, T> byDefault,
      Function<String, T> parse,
      List<T> samples,
      Check<T> check,
      Option<?> other,
      Predicate<Settings> effective,
      String rule,
      BiFunction<Settings, T, T> fit) {
    this.name = name;
    this.description = description;
    this.byDefault = byDefault;
    this.parse = parse;
    this.samples = samples;
    this.check = check;
    this.other = other;
    this.effective = effective;
    this.rule = rule;
    this.fit = fit;
  }

  /** Creates an option with values of any type. */
  public static <T> Option<T> of(
      String name, T byDefault, Function<String, T> parse, List<T> samples, String description) {
    return new Option<>(
        name,
        description,
        any -> byDefault,
        parse,
        samples,
        value -> {},
        null,
        any -> true,
        null,
        null);
  }

  /** Creates an integer option. */
  public static Option<Integer> integer(String name, int byDefault, String description) {
    return of(name, byDefault, text -> parseInteger(name, text), List.of(byDefault), description);
  }

  /** Creates an option with a decimal number, such as {@code 0.0001}. */
  public static Option<Double> number(String name, double byDefault, String description) {
    return of(
        name,
        byDefault,
        text -> {
          try {
            return Double.valueOf(text);
          } catch (NumberFormatException e) {
            throw new Invalid(name + " must be a number, got \"" + text + "\"");
          }
        },
        List.of(byDefault),
        description);
  }

  /** Creates an option with the values {@code true} and {@code false}. */
  public static Option<Boolean> flag(String name, boolean byDefault, String description) {
    return of(
        name,
        byDefault,
        text -> {
          if (!text.equals("true") && !text.equals("false")) {
            throw new Invalid(name + " must be true or false, got \"" + text + "\"");
          }
          return text.equals("true");
        },
        List.of(false, true),
        description);
  }

  /** Creates an option whose values are the constants of an enum in lower case. */
  public static <E extends Enum<E>> Option<E> choice(String name, E byDefault, String description) {
    List<E> all = List.of(byDefault.getDeclaringClass().getEnumConstants());
    return of(
        name,
        byDefault,
        text ->
            all.stream()
                .filter(value -> Option.text(value).equals(text))
                .findFirst()
                .orElseThrow(
                    () ->
                        new Invalid(
                            all.stream()
                                .map(Option::text)
                                .collect(
                                    Collectors.joining(
                                        ", ",
                                        name + " must be one of ",
                                        ", got \"" + text + "\"")))),
        all,
        description);
  }

  /** Returns the option with another default, which may depend on earlier options. */
  public Option<T> byDefault(Function<Settings, T> value) {
    return new Option<>(
        name, description, value, parse, samples, check, other, effective, rule, fit);
  }

  /** Returns the option with values for tests. */
  public Option<T> samples(List<T> values) {
    return new Option<>(
        name, description, byDefault, parse, values, check, other, effective, rule, fit);
  }

  /** Returns the option with a check, which throws {@link Invalid} for invalid values. */
  private Option<T> checked(Check<T> check) {
    return new Option<>(
        name, description, byDefault, parse, samples, check, other, effective, rule, fit);
  }

  /** Returns the option with a minimum. */
  public static Option<Integer> atLeast(int minimum, Option<Integer> option) {
    return option
        .checked(
            value -> {
              if (value < minimum) {
                throw new Invalid(option.name + " must be at least " + minimum + ", got " + value);
              }
            })
        .samples(
            IntStream.of(minimum, 2, option.byDefault.apply(null))
                .filter(value -> value >= minimum)
                .distinct()
                .boxed()
                .toList());
  }

  /**
   * Returns the option for odd numbers only, because a convolution that keeps sizes needs a centre.
   */
  public static Option<Integer> odd(Option<Integer> option) {
    return option
        .checked(
            value -> {
              if (value < 1 || value % 2 == 0) {
                throw new Invalid(option.name + " must be odd and at least 1, got " + value);
              }
            })
        .samples(List.of(1, 3, 5, 7));
  }

  /**
   * Returns the option with a condition: it may be given only if another option has one of some
   * values.
   */
  public <O> Option<T> onlyWith(Option<O> other, Predicate<O> values) {
    return new Option<>(
        name,
        description,
        byDefault,
        parse,
        samples,
        check,
        other,
        settings -> values.test(settings.get(other)),
        rule,
        fit);
  }

  /**
   * Returns the option with a rule for networks. Where the option is not given, a network replaces
   * its default by the value of the rule for the feature maps at each place.
   *
   * @param rule the rule in words
   * @param fit the fitting value for the settings at a place and the default
   */
  public Option<T> fits(String rule, BiFunction<Settings, T, T> fit) {
    return new Option<>(
        name, description, byDefault, parse, samples, check, other, effective, rule, fit);
  }

  /**
   * Returns the option for numbers that must divide the channels, times a factor. Where the option
   * is not given, networks choose the largest one up to the default that leaves groups of some
   * channels; if there is none, 1.
   *
   * @param factor the factor of the option; 1 if the option itself divides the channels
   * @param narrowest the least number of channels in a group, such as that in the narrowest stage of
   *     the paper's networks
   */
  public static Option<Integer> dividing(int factor, long narrowest, Option<Integer> option) {
    String rule =
        "the largest number up to the default that divides the channels"
            + (factor == 1 ? "" : ", times " + factor + ",")
            + (narrowest == 1 ? "" : " and leaves groups of at least " + narrowest);
    return option.fits(rule, (settings, usual) -> largest(settings, usual, factor, narrowest));
  }

  private static int largest(Settings settings, int usual, int factor, long narrowest) {
    return IntStream.iterate(usual, value -> value > 1, value -> value - 1)
        .filter(
            value ->
                settings.channels() % ((long) factor * value) == 0
                    && settings.channels() / value >= narrowest)
        .findFirst()
        .orElse(1);
  }

  /** The name in text: {@code reduction}. */
  public String name() {
    return name;
  }

  /** The meaning of the option in one sentence. */
  public String description() {
    return description;
  }

  /** Values for tests, including the default; for a choice, all values. */
  public List<String> samples() {
    return samples.stream().map(Option::text).toList();
  }

  /** The rule by which networks choose a value where none is given, in words; empty if none. */
  public Optional<String> rule() {
    return Optional.ofNullable(rule);
  }

  /** The value that a network chooses instead of the default. */
  T fitted(Settings settings) {
    return fit.apply(settings, settings.get(this));
  }

  T defaultIn(Settings settings) {
    return byDefault.apply(settings);
  }

  T parse(String text) {
    T value = parse.apply(text);
    check.accept(value);
    return value;
  }

  /** Whether the option has an effect beside the others. */
  boolean isEffective(Settings settings) {
    return effective.test(settings);
  }

  /**
   * Refuses a value without effect.
   *
   * @throws Invalid if another option removes its effect
   */
  void refuseIdle(Settings settings) {
    if (!isEffective(settings) && !settings.get(this).equals(defaultIn(settings))) {
      throw new Invalid(
          name
              + " has no effect with "
              + other.name
              + "="
              + text(settings.get(other))
              + "; remove one of the two");
    }
  }

  /** Formats a value for a spec. */
  static String text(Object value) {
    return value instanceof Double number
        ? new BigDecimal(number.toString()).stripTrailingZeros().toPlainString()
        : value.toString().toLowerCase(Locale.ROOT);
  }

  static int parseInteger(String name, String text) {
    try {
      return Integer.parseInt(text);
    } catch (NumberFormatException e) {
      throw new Invalid(name + " must be a whole number, got \"" + text + "\"");
    }
  }

  @Override
  public String toString() {
    return name;
  }

  /** An invalid value of an option. The message is prefixed with the name of the mechanism. */
  public static final class Invalid extends IllegalArgumentException {
    private static final long serialVersionUID = 1L;

    /**
     * Creates an exception that names the expected and the given value; the message begins with the
     * name of the option.
     */
    public Invalid(String message) {
      super(message);
    }
  }

  /** The names of some options. */
  static List<String> names(Stream<Option<?>> options) {
    return options.map(Option::name).toList();
  }
}
