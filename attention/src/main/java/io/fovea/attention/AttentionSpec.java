package io.fovea.attention;

import io.fovea.errors.FoveaException;
import io.fovea.errors.SpecException;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import org.bytedeco.javacpp.PointerScope;

/**
 * An attention mechanism with its options, as a value and as text: {@code
 * "cbam:reduction=8,kernel=7"}. Configurations, the command line and reports use the text.
 * Immutable.
 *
 * <p>A spec has the values of all options, including defaults. {@link #toString()} shows only
 * options that differ from the defaults, and its text parses to an equal spec. For options with a
 * rule ({@link Option#rule}), it also matters whether they were given: a network keeps a given value
 * and may replace a default ({@link #fitting}), so their text is shown if they were given.
 */
public final class AttentionSpec {
  private final Mechanism mechanism;
  private final Map<Option<?>, Object> values;
  private final Set<Option<?>> fixed; // options with a rule that were given
  private final Map<String, String> chosen;

  AttentionSpec(
      Mechanism mechanism,
      Map<Option<?>, Object> values,
      Set<Option<?>> fixed,
      Map<String, String> chosen) {
    this.mechanism = mechanism;
    this.values = values;
    this.fixed = fixed;
    this.chosen = chosen;
  }

  /**
   * Reads {@code mechanism} or {@code mechanism:option=value,option=value}.
   *
   * @throws SpecException if the mechanism, an option or a value is unknown (the message suggests
   *     the nearest known one), if an option is given twice, or if it has no effect beside another
   *     option
   */
  public static AttentionSpec parse(String text) {
    Objects.requireNonNull(text, "text");
    int colon = text.indexOf(':');
    String name = (colon < 0 ? text : text.substring(0, colon)).strip();
    Mechanism mechanism = Mechanisms.named(name);
    Map<String, String> given = new LinkedHashMap<>();
    if (colon >= 0) {
      for (String item : text.substring(colon + 1).split(",", -1)) {
        int equals = item.indexOf('=');
        if (equals < 0) {
          throw new SpecException(
              name + ": expected option=value, got \"" + item.strip() + "\" in \"" + text + "\"");
        }
        String option = item.substring(0, equals).strip();
        if (given.put(option, item.substring(equals + 1).strip()) != null) {
          throw new SpecException(
              name + ": option \"" + option + "\" is given twice in \"" + text + "\"");
        }
      }
    }
    return mechanism.spec(given, given.keySet());
  }

  /** The names of all mechanisms, in the order of the documentation: {@code se}, {@code cbam}, ... */
  public static List<String> mechanisms() {
    return Mechanism.all().stream().map(Mechanism::name).toList();
  }

  /**
   * Returns a spec with another value of an option.
   *
   * @throws SpecException as {@link #parse}
   */
  public AttentionSpec with(String option, Object value) {
    Map<String, String> given = new LinkedHashMap<>(options());
    given.put(option, Option.text(value));
    Set<String> named = new LinkedHashSet<>(List.of(option));
    fixed.forEach(other -> named.add(other.name()));
    return mechanism.spec(given, named);
  }

  /**
   * Returns the spec for a place in a network: where an option with a rule was not given, the value
   * of its rule replaces the default. {@link #chosen} tells the values that differ from the defaults.
   *
   * @param channels the channels of the feature maps there, at least 1
   * @param dimensions their spatial dimensions
   * @param side their height and width for images of the network's usual size, or 0 if unknown
   */
  public AttentionSpec fitting(long channels, int dimensions, int side) {
    Settings settings = new Settings(this, values, channels, dimensions, 1, 1, side, channels);
    Map<Option<?>, Object> fitting = new LinkedHashMap<>(values);
    Map<String, String> changed = new LinkedHashMap<>();
    Set<Option<?>> given = new LinkedHashSet<>(fixed);
    for (Option<?> option : mechanism.options()) {
      boolean free = option.rule().isPresent() && !fixed.contains(option);
      if (free && option.isEffective(settings)) {
        Object value = option.fitted(settings);
        if (!value.equals(values.get(option))) {
          fitting.put(option, value);
          changed.put(option.name(), Option.text(value));
          given.add(option);
        }
      }
    }
    return changed.isEmpty() ? this : new AttentionSpec(mechanism, fitting, given, changed);
  }

  /** The options that {@link #fitting} changed, with their values as text; empty in other specs. */
  public Map<String, String> chosen() {
    return Collections.unmodifiableMap(chosen);
  }

  boolean isGiven(Option<?> option) {
    return fixed.contains(option);
  }

  /**
   * Creates the module, initialised by libtorch's random generator ({@code torch.manual_seed}).
   *
   * @param channels the channels {@code C} of the feature map, at least 1
   * @param dimensions its spatial dimensions: 1, 2 or 3
   * @throws IllegalArgumentException if the channels or the dimensions are out of range
   */
  public Attention create(long channels, int dimensions) {
    return create(channels, dimensions, 1, 1, channels);
  }

  /**
   * Creates the module in a block of a network.
   *
   * @param entering the number of channels that enter the block, for mechanisms that depend on it ({@link
   *     Settings#entering})
   * @throws IllegalArgumentException as {@link #create(long, int)}
   */
  public Attention createInBlock(long channels, int dimensions, long entering) {
    return create(channels, dimensions, 1, 1, entering);
  }

  /**
   * Creates the module in place of a convolution.
   *
   * @param stride the stride of the convolution; the feature maps become smaller by it
   * @param dilation its dilation
   * @throws IllegalArgumentException as {@link #create(long, int)}, or if the stride or the dilation is
   *     not 1 and the mechanism is no convolution ({@link Mechanism#replacesNorm})
   */
  public Attention create(long channels, int dimensions, int stride, int dilation) {
    return create(channels, dimensions, stride, dilation, channels);
  }

  private Attention create(long channels, int dimensions, int stride, int dilation, long entering) {
    if (channels < 1) {
      throw new IllegalArgumentException(
          mechanism + ": channels must be at least 1, got " + channels);
    }
    if (dimensions < 1 || dimensions > 3) {
      throw new IllegalArgumentException(
          mechanism + ": spatial dimensions must be 1, 2 or 3, got " + dimensions);
    }
    if (!mechanism.dimensions().contains(dimensions)) {
      throw new IllegalArgumentException(
          mechanism
              + ": feature maps have "
              + dimensions
              + " spatial dimensions, but the equation is defined for "
              + mechanism.dimensions()
              + " only");
    }
    if (stride < 1 || dilation < 1) {
      throw new IllegalArgumentException(
          mechanism
              + ": stride and dilation must be at least 1, got "
              + stride
              + " and "
              + dilation);
    }
    if (!mechanism.replacesNorm() && (stride > 1 || dilation > 1)) {
      throw new IllegalArgumentException(
          mechanism + ": it keeps the size of feature maps and has no stride and no dilation");
    }
    return mechanism.make(
        new Settings(this, values, channels, dimensions, stride, dilation, 0, entering));
  }

  /** The names and shapes of the spec's module; empty if it does not exist for these channels. */
  static Optional<ModuleState> state(AttentionSpec spec, long channels) {
    try (PointerScope scope = new PointerScope()) {
      return Optional.of(ModuleState.of(spec.create(channels, 2)));
    } catch (IllegalArgumentException | FoveaException e) {
      return Optional.empty();
    }
  }

  Settings settings(long channels, int dimensions) {
    return new Settings(this, values, channels, dimensions, 1, 1, 0, channels);
  }

  /** The mechanism. */
  public Mechanism mechanism() {
    return mechanism;
  }

  /** All options with their values as text, defaults included, in the order of the documentation. */
  public Map<String, String> options() {
    Map<String, String> texts = new LinkedHashMap<>();
    values.forEach((option, value) -> texts.put(option.name(), Option.text(value)));
    return texts;
  }

  /**
   * The value of an option as text, if the mechanism has the option and the other options leave it
   * an effect.
   */
  public Optional<String> effective(String option) {
    Settings settings = settings(1, 1);
    return mechanism.options().stream()
        .filter(known -> known.name().equals(option) && known.isEffective(settings))
        .map(known -> Option.text(settings.get(known)))
        .findFirst();
  }

  @Override
  public String toString() {
    return mechanism.text(this);
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof AttentionSpec that
        && mechanism == that.mechanism
        && values.equals(that.values)
        && fixed.equals(that.fixed);
  }

  @Override
  public int hashCode() {
    return Objects.hash(mechanism.name(), options());
  }
}
