package io.fovea.training;

import java.util.Optional;

/** What not every task can do yet; {@link Task#require} says so where it cannot. */
public enum Capability {
  /** To be written as an ONNX file. */
  ONNX("be exported to ONNX", "--format safetensors writes their weights"),
  /** To name weights as other code does. */
  LAYOUTS("be exported under the names of other code", "without --layout they have Fovea's own"),
  /** To be predicted with by ONNX Runtime. */
  ONNX_PREDICTION("be predicted with from an ONNX file"),
  /** To show what attention does to single files. */
  EXPLANATION("be explained"),
  /** To show what attention does over a data set. */
  SURVEY("be explained over a data set"),
  /** To be shown in the explorer. */
  EXPLORER("be shown in the explorer"),
  /** To start from given weights. */
  INITIAL_WEIGHTS("start from given weights");

  private final String text;
  private final String instead;

  Capability(String text) {
    this(text, null);
  }

  Capability(String text, String instead) {
    this.text = text;
    this.instead = instead;
  }

  /** What follows "networks for ... cannot". */
  String text() {
    return text;
  }

  /** What can be done instead, if anything. */
  Optional<String> instead() {
    return Optional.ofNullable(instead);
  }
}
