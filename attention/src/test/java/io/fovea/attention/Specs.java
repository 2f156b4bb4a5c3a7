package io.fovea.attention;

import java.util.List;
import org.bytedeco.javacpp.PointerScope;

/** The specs that tests go through, from the mechanisms themselves. */
final class Specs {
  private Specs() {}

  /** The mechanisms that can be made, with their defaults, for images of these channels. */
  static List<String> taking(long channels) {
    return AttentionSpec.mechanisms().stream().filter(name -> takes(name, channels)).toList();
  }

  /** Those of them that have parameters, and with that a type. */
  static List<String> withParameters(long channels) {
    return taking(channels).stream()
        .filter(
            name -> {
              try (PointerScope scope = new PointerScope()) {
                return !AttentionSpec.parse(name).create(channels, 2).parameters().empty();
              }
            })
        .toList();
  }

  private static boolean takes(String name, long channels) {
    try (PointerScope scope = new PointerScope()) {
      AttentionSpec.parse(name).create(channels, 2);
      return true;
    } catch (IllegalArgumentException e) {
      return false; // groups that do not divide the channels
    }
  }
}
