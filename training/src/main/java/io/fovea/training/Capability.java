package io.fovea.training;

/** What not every task can do yet; {@link Task#require} says so where it cannot. */
public enum Capability {
  /** To be written as an ONNX file. */
  ONNX("be exported to ONNX (their weights can: --format safetensors)"),
  /** To name weights as other code does. */
  LAYOUTS("be exported under other code's names (Fovea's own names can: leave out --layout)"),
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

  Capability(String text) {
    this.text = text;
  }

  /** What follows "networks for ... cannot". */
  String text() {
    return text;
  }
}
