package io.fovea.training;

import java.util.Optional;

/**
 * Operations that not every task supports yet. {@link Task#require} throws an exception for tasks
 * that do not.
 */
public enum Capability {
  /** Writing weights with the names of other libraries. */
  LAYOUTS(
      "be exported with the names of another library",
      "without --layout, the file has Fovea's own names"),
  /** A page with training images, augmented ones beside them. */
  SAMPLES_PAGE("show their training images on a page"),
  /** Exported networks that take images as they are decoded and return the classes' probabilities. */
  RAW_IMAGES("be exported with their preprocessing", "--for triton and --format onnx write them");

  private final String text;
  private final String instead;

  Capability(String text) {
    this(text, null);
  }

  Capability(String text, String instead) {
    this.text = text;
    this.instead = instead;
  }

  /** The end of the sentence "networks for ... cannot". */
  String text() {
    return text;
  }

  /** The alternative, if there is one. */
  Optional<String> instead() {
    return Optional.ofNullable(instead);
  }
}
