package io.fovea.attention;

import io.fovea.tensor.Libtorch;
import io.fovea.tensor.internal.DidYouMean;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Collectors;

/**
 * An attention mechanism with its options, as a value and as text: {@code
 * "cbam:reduction=8,kernel=7"}. The text is what configurations, the command line and reports use.
 *
 * <p>A spec has all options, also those that were not given; {@link #toString()} shows only what
 * differs from the defaults, and parses to an equal spec.
 */
public final class AttentionSpec {
  private static final Map<String, Mechanism<?>> MECHANISMS =
      List.of(
              SqueezeExcitation.MECHANISM,
              Cbam.MECHANISM,
              Bam.MECHANISM,
              PositionAttention.MECHANISM,
              ChannelAttention.MECHANISM,
              DualAttention.MECHANISM,
              NonLocal.MECHANISM)
          .stream()
          .collect(Collectors.toMap(Mechanism::name, m -> m, (a, b) -> a, LinkedHashMap::new));

  static {
    Libtorch.load();
  }

  private final Mechanism<?> mechanism;
  private final Map<String, Object> options;

  AttentionSpec(Mechanism<?> mechanism, Map<String, Object> options) {
    this.mechanism = mechanism;
    this.options = options;
  }

  /**
   * Reads {@code mechanism} or {@code mechanism:option=value,option=value}.
   *
   * @throws IllegalArgumentException if the mechanism, an option or a value is not known, with the
   *     nearest that is; or if an option is given twice
   */
  public static AttentionSpec parse(String text) {
    Objects.requireNonNull(text, "text");
    int colon = text.indexOf(':');
    String name = (colon < 0 ? text : text.substring(0, colon)).strip();
    Mechanism<?> mechanism = MECHANISMS.get(name);
    if (mechanism == null) {
      throw DidYouMean.unknown("mechanism", name, mechanisms());
    }
    Map<String, String> given = new LinkedHashMap<>();
    if (colon >= 0) {
      for (String item : text.substring(colon + 1).split(",", -1)) {
        int equals = item.indexOf('=');
        if (equals < 0) {
          throw new IllegalArgumentException(
              name + ": expected option=value, got \"" + item.strip() + "\" in \"" + text + "\"");
        }
        String option = item.substring(0, equals).strip();
        if (given.put(option, item.substring(equals + 1).strip()) != null) {
          throw new IllegalArgumentException(
              name + ": option \"" + option + "\" is given twice in \"" + text + "\"");
        }
      }
    }
    return mechanism.spec(given);
  }

  /** The names of all mechanisms, in the order of the documentation: {@code se}, {@code cbam}, ... */
  public static List<String> mechanisms() {
    return List.copyOf(MECHANISMS.keySet());
  }

  /**
   * Makes the module, freshly initialised by libtorch's generator ({@code torch.manual_seed}).
   *
   * @param channels the channels {@code C} of the feature map, at least 1
   * @param dimensions its spatial dimensions: 1, 2 or 3
   * @throws IllegalArgumentException if the channels or the dimensions are out of range
   */
  public Attention create(long channels, int dimensions) {
    return mechanism.create(options, channels, dimensions);
  }

  /** The mechanism's name: {@code cbam}. */
  public String mechanism() {
    return mechanism.name();
  }

  /** All options with their values as text, defaults included, in the order of the documentation. */
  public Map<String, String> options() {
    return mechanism.texts(options);
  }

  @Override
  public String toString() {
    return mechanism.text(options);
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof AttentionSpec that
        && mechanism == that.mechanism
        && options.equals(that.options);
  }

  @Override
  public int hashCode() {
    return Arrays.hashCode(new Object[] {mechanism.name(), options});
  }
}
