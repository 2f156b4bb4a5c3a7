package io.fovea.training.search;

import com.fasterxml.jackson.databind.JsonNode;
import io.fovea.training.EpochResult;
import io.fovea.training.evaluate.Evaluation;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;

/**
 * A training up to a rung, or a training of the final, with what was measured then; a file of a
 * search.
 *
 * @param module the attention
 * @param seed the seed
 * @param epochs the results of its epochs so far; those of the race are on the validation part
 * @param confusion the confusion matrix on all images that were looked at; rows are true classes
 * @param scores the score of each image as 32-bit floats, little-endian; in JSON as base64
 * @param seconds how long it took since the lap before
 * @param looks what an observer kept of the network; null for nothing
 * @param settings the fingerprint of the settings of the search
 */
public record Lap(
    String module,
    long seed,
    List<EpochResult> epochs,
    long[][] confusion,
    byte[] scores,
    double seconds,
    JsonNode looks,
    String settings) {
  /**
   * Whether it has everything that a search goes on from, and is of the given training.
   *
   * @param images the number of images that were looked at
   */
  boolean isWhole(String ofModule, long ofSeed, int images, int classes) {
    return ofModule.equals(module)
        && seed == ofSeed
        && EpochResult.areWhole(epochs)
        && !epochs.isEmpty()
        && Evaluation.isConfusion(confusion, classes)
        && scores != null
        && scores.length == Float.BYTES * images;
  }

  static byte[] packed(List<Double> scores) {
    ByteBuffer bytes =
        ByteBuffer.allocate(Float.BYTES * scores.size()).order(ByteOrder.LITTLE_ENDIAN);
    scores.forEach(score -> bytes.putFloat(score.floatValue()));
    return bytes.array();
  }

  /** The score of each image, from 0 to 1. */
  public double[] imageScores() {
    ByteBuffer bytes = ByteBuffer.wrap(scores).order(ByteOrder.LITTLE_ENDIAN);
    double[] values = new double[scores.length / Float.BYTES];
    for (int i = 0; i < values.length; i++) {
      values[i] = bytes.getFloat();
    }
    return values;
  }
}
