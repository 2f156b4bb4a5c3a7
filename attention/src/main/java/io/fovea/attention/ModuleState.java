package io.fovea.attention;

import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.bytedeco.pytorch.StringTensorDict;

/**
 * The names and shapes of the weights of one module in a file, without the path of the module.
 *
 * <p>Two states are equal if they have the same names and shapes. Trailing ones of shapes do not
 * count, because the weights of a linear layer and of a 1x1 convolution are the same numbers, and
 * neither do the counters of batch norms, which have no effect.
 *
 * <p>Immutable and thread-safe.
 *
 * @param channels the number of channels of the feature map at the module's place
 * @param shapes the shapes by name, without trailing ones
 */
public record ModuleState(long channels, Map<String, List<Long>> shapes) {
  /** The name of the counter in a batch norm. */
  public static final String COUNTER = "num_batches_tracked";

  /** Copies the shapes. */
  public ModuleState {
    shapes = Collections.unmodifiableMap(new LinkedHashMap<>(shapes));
  }

  /**
   * The state of a module in a file.
   *
   * @param channels the number of channels of the feature map
   * @param shapes the shapes by name, relative to the module
   */
  public static ModuleState of(long channels, Map<String, long[]> shapes) {
    Map<String, List<Long>> essential = new LinkedHashMap<>();
    shapes.forEach(
        (name, shape) -> {
          if (!name.endsWith(COUNTER)) {
            essential.put(name, essential(shape));
          }
        });
    return new ModuleState(channels, essential);
  }

  /** The state of an attention module. */
  static ModuleState of(Attention module) {
    Map<String, long[]> shapes = new LinkedHashMap<>();
    add(shapes, module.named_parameters());
    add(shapes, module.named_buffers());
    return of(module.channels(), shapes);
  }

  private static void add(Map<String, long[]> shapes, StringTensorDict dict) {
    try (dict) {
      for (long i = 0; i < dict.size(); i++) {
        shapes.put(dict.get(i).key().getString(), dict.get(i).access().shape());
      }
    }
  }

  /** A shape without its trailing ones. */
  public static List<Long> essential(long[] shape) {
    List<Long> sizes =
        new ArrayList<>(IntStream.range(0, shape.length).mapToObj(i -> shape[i]).toList());
    while (!sizes.isEmpty() && sizes.get(sizes.size() - 1) == 1) {
      sizes.remove(sizes.size() - 1);
    }
    return List.copyOf(sizes);
  }

  /** Whether there is a weight of this name. */
  public boolean has(String name) {
    return shapes.containsKey(name);
  }

  /**
   * A size of a weight.
   *
   * @return the size; 1 if the shape has fewer dimensions, 0 if there is no such weight
   */
  public long size(String name, int dimension) {
    List<Long> shape = shapes.get(name);
    if (shape == null) {
      return 0;
    }
    return dimension < shape.size() ? shape.get(dimension) : 1;
  }

  /**
   * The reductions that may have led to a hidden width, the likely ones first.
   *
   * @param name a weight {@code [C / reduction, C, ...]}; without it, there are none
   */
  public Stream<Long> reductions(String name) {
    long hidden = size(name, 0);
    long wide = size(name, 1);
    if (hidden == 0) {
      return Stream.empty();
    }
    Stream<Long> exact = wide % hidden == 0 ? Stream.of(wide / hidden) : Stream.of();
    Stream<Long> usual = Stream.of(16L, 4L, 8L, 32L, 2L, 64L, 1L);
    return Stream.concat(exact, Stream.concat(usual, Stream.of(Math.max(1, wide / hidden))))
        .distinct();
  }

  /** The quotient of two sizes, if it is a whole number above 0. */
  public static Stream<Long> quotient(long dividend, long divisor) {
    return divisor > 0 && dividend > 0 && dividend % divisor == 0
        ? Stream.of(dividend / divisor)
        : Stream.empty();
  }
}
