package io.fovea.models;

import java.util.List;
import java.util.function.Function;

/** All backbones of classifiers. A new family of backbones is a class and a line here. */
final class Backbones {
  /**
   * Backbones that one class builds.
   *
   * @param names their names, in the order of lists
   * @param builder creates the builder for one of the names
   */
  record Family(List<String> names, Function<String, Classifier.Builder<?>> builder) {}

  private static final List<Family> FAMILIES =
      List.of(
          ResNet.FAMILY,
          GoogLeNet.FAMILY,
          MobileNetV3.FAMILY,
          EfficientNet.FAMILY,
          RegNet.FAMILY,
          DenseNet.FAMILY,
          ConvNext.FAMILY);

  private Backbones() {}

  static List<String> names() {
    return FAMILIES.stream().flatMap(family -> family.names.stream()).toList();
  }

  /** The builder for a name. Residual networks have further names, and say which ones there are. */
  static Classifier.Builder<?> builder(String name) {
    return FAMILIES.stream()
        .filter(family -> family.names.contains(name))
        .findFirst()
        .orElse(ResNet.FAMILY)
        .builder
        .apply(name);
  }
}
