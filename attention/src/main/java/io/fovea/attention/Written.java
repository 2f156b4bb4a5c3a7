package io.fovea.attention;

import io.fovea.errors.SpecException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * A form in which the weights of a mechanism are found in files: whose names they have, how these
 * become Fovea's, and which options the shapes tell. A mechanism declares its forms ({@link
 * Mechanism.Builder#written}). A form of a copy whose equation is another one is refused with the
 * reason.
 *
 * <p>Immutable.
 */
public final class Written {
  /** Reads options out of names and shapes. */
  @FunctionalInterface
  public interface Reading {
    /**
     * Reads the options.
     *
     * @param state the state under Fovea's names
     * @return what may stand after the colon of a spec, the likely first ({@code
     *     "reduction=16,bias=true"}); empty for another mechanism's weights. Whether a candidate has
     *     these names and shapes is checked afterwards
     */
    Stream<String> options(ModuleState state);
  }

  private record Renaming(Pattern pattern, String replacement) {}

  private final String whose;
  private final Reading reading;
  private final List<Renaming> renamings;
  private final List<String> doubts;
  private final Set<String> reversed;
  private final boolean reshaped;
  private final List<Pattern> signature;
  private final String refusal;

  private Written(
      String whose,
      Reading reading,
      List<Renaming> renamings,
      List<String> doubts,
      Set<String> reversed,
      boolean reshaped,
      List<Pattern> signature,
      String refusal) {
    this.whose = whose;
    this.reading = reading;
    this.renamings = List.copyOf(renamings);
    this.doubts = List.copyOf(doubts);
    this.reversed = Set.copyOf(reversed);
    this.reshaped = reshaped;
    this.signature = List.copyOf(signature);
    this.refusal = refusal;
  }

  /** The form with Fovea's own names, which are those of the reference implementation. */
  public static Written here(Reading reading) {
    return by("Fovea and the reference implementation", reading);
  }

  /**
   * A form with other names.
   *
   * @param whose the library or the repository, for the user
   * @param names pairs: a regular expression that is searched in each name, and the replacement of its
   *     first match
   */
  public static Written by(String whose, Reading reading, String... names) {
    List<Renaming> renamings = new ArrayList<>();
    for (int i = 0; i < names.length; i += 2) {
      renamings.add(new Renaming(Pattern.compile(names[i]), names[i + 1]));
    }
    return new Written(whose, reading, renamings, List.of(), Set.of(), false, List.of(), null);
  }

  /**
   * A form of a copy that computes something else.
   *
   * @param whose the repository
   * @param why what is different, as the end of a sentence
   * @param names regular expressions: each must match a whole name, and each name must be matched
   */
  public static Written refused(String whose, String why, String... names) {
    return new Written(
        whose,
        state -> Stream.empty(),
        List.of(),
        List.of(),
        Set.of(),
        false,
        Stream.of(names).map(Pattern::compile).toList(),
        why);
  }

  /** Reads the options of a mechanism without any, which has a weight of this name. */
  public static Reading withoutOptions(String name) {
    return state -> state.has(name) ? Stream.of("") : Stream.empty();
  }

  /** Adds what such a file leaves open beside the options, as a sentence. */
  public Written doubt(String sentence) {
    List<String> more = new ArrayList<>(doubts);
    more.add(sentence);
    return new Written(whose, reading, renamings, more, reversed, reshaped, signature, refusal);
  }

  /** The input channels of this convolution, by its name here, are in the reverse order. */
  public Written reversed(String name) {
    return new Written(
        whose, reading, renamings, doubts, Set.of(name), reshaped, signature, refusal);
  }

  /** Shapes may differ by ones anywhere, not only at their end. */
  public Written reshaped() {
    return new Written(whose, reading, renamings, doubts, reversed, true, signature, refusal);
  }

  /** The library or the repository with these names. */
  public String whose() {
    return whose;
  }

  /** What such a file leaves open beside the options. */
  public List<String> doubts() {
    return doubts;
  }

  /** Why such weights are refused. */
  public Optional<String> refusal() {
    return Optional.ofNullable(refusal);
  }

  /** Whether the input channels of a convolution are in the reverse order; by its name here. */
  public boolean isReversed(String name) {
    return reversed.contains(name);
  }

  /** Whether shapes may differ by ones that are not at their end. */
  public boolean isReshaped() {
    return reshaped;
  }

  /** Fovea's name for a name in such a file. */
  public String renamed(String name) {
    String result = name;
    for (Renaming renaming : renamings) {
      result = renaming.pattern.matcher(result).replaceFirst(renaming.replacement);
    }
    return result;
  }

  /** The specs that may have such weights; the names and shapes of each are those of the file. */
  Stream<AttentionSpec> specs(Mechanism mechanism, ModuleState state, Collection<ModuleState> all) {
    List<ModuleState> renamed = all.stream().map(this::renamed).toList();
    return reading
        .options(renamed(state))
        .distinct()
        .flatMap(text -> parsed(mechanism, text))
        .filter(spec -> renamed.stream().allMatch(each -> fits(spec, each)));
  }

  /** Whether these are the names of this refused copy. */
  boolean refuses(ModuleState state) {
    Set<String> names = state.shapes().keySet();
    return refusal != null
        && !names.isEmpty()
        && signature.stream().allMatch(any -> names.stream().anyMatch(matches(any)))
        && names.stream()
            .allMatch(name -> signature.stream().anyMatch(any -> any.matcher(name).matches()));
  }

  private static Predicate<String> matches(Pattern pattern) {
    return name -> pattern.matcher(name).matches();
  }

  private static Stream<AttentionSpec> parsed(Mechanism mechanism, String options) {
    try {
      return Stream.of(
          AttentionSpec.parse(options.isEmpty() ? mechanism.name() : mechanism + ":" + options));
    } catch (SpecException e) {
      return Stream.empty(); // a shape that no option leads to
    }
  }

  boolean fits(AttentionSpec spec, ModuleState state) {
    Optional<ModuleState> made = AttentionSpec.state(spec, state.channels());
    return made.isPresent()
        && (reshaped
            ? squeezed(made.get()).equals(squeezed(state))
            : made.get().shapes().equals(state.shapes()));
  }

  private static Map<String, List<Long>> squeezed(ModuleState state) {
    return mapped(state, shape -> shape.stream().filter(size -> size != 1).toList());
  }

  ModuleState renamed(ModuleState state) {
    Map<String, List<Long>> shapes = new LinkedHashMap<>();
    state.shapes().forEach((name, shape) -> shapes.put(renamed(name), shape));
    return new ModuleState(state.channels(), shapes);
  }

  private static Map<String, List<Long>> mapped(
      ModuleState state, Function<List<Long>, List<Long>> change) {
    Map<String, List<Long>> shapes = new LinkedHashMap<>();
    state.shapes().forEach((name, shape) -> shapes.put(name, change.apply(shape)));
    return shapes;
  }
}
