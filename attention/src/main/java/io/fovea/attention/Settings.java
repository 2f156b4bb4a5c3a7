package io.fovea.attention;

import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.LongStream;

/**
 * The settings of a module: its spec and the shape of its feature maps. The constructor of a
 * mechanism takes them. It is immutable.
 */
public final class Settings {
  private final AttentionSpec spec;
  private final Map<Option<?>, Object> values;
  private final long channels;
  private final int dimensions;
  private final int stride;
  private final int dilation;
  private final int side;
  private final long entering;

  Settings(
      AttentionSpec spec,
      Map<Option<?>, Object> values,
      long channels,
      int dimensions,
      int stride,
      int dilation,
      int side,
      long entering) {
    this.spec = spec;
    this.values = values;
    this.channels = channels;
    this.dimensions = dimensions;
    this.stride = stride;
    this.dilation = dilation;
    this.side = side;
    this.entering = entering;
  }

  /** The mechanism with its options. */
  public AttentionSpec spec() {
    return spec;
  }

  /** The number of channels {@code C} of the feature maps. */
  public long channels() {
    return channels;
  }

  /** The number of spatial dimensions: 1, 2 or 3. */
  public int dimensions() {
    return dimensions;
  }

  /** The stride of the convolution that the module replaces; 1 if it replaces none. */
  public int stride() {
    return stride;
  }

  /** The dilation of the convolution that the module replaces; 1 if it replaces none. */
  public int dilation() {
    return dilation;
  }

  /**
   * The height and width of the feature maps in a network, for images of the network's usual size; 0
   * if they are unknown, as in a module by itself.
   */
  public int side() {
    return side;
  }

  /**
   * The number of channels that enter the block of the network in which the module stands; that of the
   * feature maps if it stands in none.
   */
  public long entering() {
    return entering;
  }

  /** The value of an option. */
  @SuppressWarnings("unchecked") // a value has the type of its option
  public <T> T get(Option<T> option) {
    return (T) values.get(option);
  }

  /**
   * The value of an option that must divide the channels, for example groups or heads.
   *
   * @throws IllegalArgumentException if it does not; the message lists the values that do
   */
  public long dividing(Option<Integer> option) {
    return dividing(option, 1);
  }

  /**
   * The value of an option that, times a factor, must divide the channels, for example groups that
   * are halved.
   *
   * @throws IllegalArgumentException if it does not; the message lists the values that do
   */
  public long dividing(Option<Integer> option, int times) {
    int value = get(option);
    if (channels % ((long) times * value) != 0) {
      throw new IllegalArgumentException(
          spec.mechanism()
              + ": "
              + option
              + "="
              + value
              + (times == 1 ? "" : " times " + times)
              + " does not divide the "
              + channels
              + " channels; "
              + fitting(times));
    }
    return value;
  }

  private String fitting(int times) {
    return channels % times == 0
        ? LongStream.rangeClosed(1, channels / times)
            .filter(divisor -> channels / times % divisor == 0)
            .mapToObj(Long::toString)
            .collect(Collectors.joining(", ", "", " do"))
        : "no value does, because " + times + " does not";
  }

  /** {@code C / reduction}, at least {@link Mechanism#narrowest}. */
  public long reduced(Option<Integer> reduction) {
    return Math.max(spec.mechanism().narrowest(), channels / get(reduction));
  }
}
