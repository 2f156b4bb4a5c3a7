package io.fovea.attention;

import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.LongStream;

/**
 * What a module is made with: its spec, and the feature maps it is for. The constructor of a mechanism
 * takes it. Immutable.
 */
public final class Settings {
  private final AttentionSpec spec;
  private final Map<Option<?>, Object> values;
  private final long channels;
  private final int dimensions;

  Settings(AttentionSpec spec, Map<Option<?>, Object> values, long channels, int dimensions) {
    this.spec = spec;
    this.values = values;
    this.channels = channels;
    this.dimensions = dimensions;
  }

  /** The mechanism with its options. */
  public AttentionSpec spec() {
    return spec;
  }

  /** The channels {@code C} of the feature maps. */
  public long channels() {
    return channels;
  }

  /** Their spatial dimensions: 1, 2 or 3. */
  public int dimensions() {
    return dimensions;
  }

  /** The value of an option. */
  @SuppressWarnings("unchecked") // a value is put in under the option that made it
  public <T> T get(Option<T> option) {
    return (T) values.get(option);
  }

  /**
   * The value of an option that has to divide the channels: groups, heads.
   *
   * @throws IllegalArgumentException if it does not, with the values that do
   */
  public long dividing(Option<Integer> option) {
    int value = get(option);
    if (channels % value != 0) {
      throw new IllegalArgumentException(
          spec.mechanism()
              + ": "
              + option
              + "="
              + value
              + " does not divide the "
              + channels
              + " channels; "
              + LongStream.rangeClosed(1, channels)
                  .filter(divisor -> channels % divisor == 0)
                  .mapToObj(Long::toString)
                  .collect(Collectors.joining(", "))
              + " would");
    }
    return value;
  }

  /** {@code C / reduction}, at least 1. */
  public long reduced(Option<Integer> reduction) {
    return Math.max(1, channels / get(reduction));
  }
}
