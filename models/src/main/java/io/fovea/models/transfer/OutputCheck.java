package io.fovea.models.transfer;

import io.fovea.models.Classifier;
import io.fovea.models.Network;
import io.fovea.models.Segmenter;
import io.fovea.models.weights.WeightsException;
import io.fovea.models.weights.internal.UntrustedInput;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * Compares a network's results with saved ones: the tensors {@code input} (normalised images {@code
 * [B, C, H, W]}), {@code output} (scores {@code [B, classes]}, for segmentation {@code [B, classes,
 * H, W]}), and optionally {@code layer/NAME}, the outputs of the named modules (see {@link
 * Classifier#observing}).
 *
 * @param rows the comparisons of the layers in their order of computation, and of the output
 * @param unknown the layers of the sample that the network does not have
 */
public record OutputCheck(List<Row> rows, List<String> unknown) {
  /** The name of the last row. */
  public static final String OUTPUT = "output";

  private static final String INPUT = "input";
  private static final String LAYER = "layer/";

  /**
   * One comparison.
   *
   * @param name the name of the layer, or {@link #OUTPUT}
   * @param difference the largest difference of two values; NaN if a value is NaN
   * @param scale the largest absolute expected value
   */
  public record Row(String name, double difference, double scale) {
    /** The difference divided by the scale. */
    public double relative() {
      return difference / Math.max(scale, Double.MIN_NORMAL);
    }
  }

  /**
   * Runs the network in evaluation mode, in which it stays. The names of a segmentation network's
   * layers begin with {@code pretrained.}.
   *
   * @param sample the tensors of the sample by name
   * @throws WeightsException if {@code input} or {@code output} is missing, the sample has other
   *     tensors, or a shape is wrong
   */
  public static OutputCheck of(Network network, Map<String, Tensor> sample) {
    String prefix = network instanceof Segmenter ? Segmenter.BACKBONE + "." : "";
    for (String name : List.of(INPUT, OUTPUT)) {
      if (!sample.containsKey(name)) {
        throw new WeightsException(
            "the sample has no tensor \"" + name + "\"; expected input, output and layer/NAME");
      }
    }
    Map<String, Tensor> expected = new LinkedHashMap<>();
    sample.forEach(
        (name, tensor) -> {
          if (name.startsWith(LAYER)) {
            expected.put(name.substring(LAYER.length()), tensor);
          } else if (!name.equals(INPUT) && !name.equals(OUTPUT)) {
            throw new WeightsException(
                "the sample has a tensor \""
                    + UntrustedInput.text(name)
                    + "\"; expected input, output and layer/NAME");
          }
        });
    List<Row> rows = new ArrayList<>();
    network.eval();
    try (PointerScope scope = new PointerScope();
        NoGradGuard guard = new NoGradGuard()) {
      Tensor input = sample.get(INPUT).to(ScalarType.Float).contiguous();
      Tensor output =
          Classifier.observing(
              (name, tensor) -> {
                Tensor wanted = expected.remove(prefix + name);
                if (wanted != null) {
                  rows.add(row(prefix + name, wanted, tensor));
                }
              },
              () -> network.scores(input));
      rows.add(row(OUTPUT, sample.get(OUTPUT), output));
    }
    return new OutputCheck(List.copyOf(rows), List.copyOf(expected.keySet()));
  }

  private static Row row(String name, Tensor expected, Tensor got) {
    if (!Arrays.equals(expected.shape(), got.shape())) {
      throw new WeightsException(
          "the sample's "
              + name
              + " has shape "
              + Arrays.toString(expected.shape())
              + ", the network's "
              + Arrays.toString(got.shape()));
    }
    try (PointerScope scope = new PointerScope()) {
      Tensor wide = expected.to(ScalarType.Double);
      return new Row(
          name,
          got.to(ScalarType.Double).sub(wide).abs().max().item_double(),
          wide.abs().max().item_double());
    }
  }

  /** Whether every difference divided by its scale is at most {@code tolerance}. */
  public boolean isWithin(double tolerance) {
    return rows.stream().allMatch(row -> row.relative() <= tolerance); // false for NaN
  }
}
