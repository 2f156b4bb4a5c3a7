package io.fovea.data;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Samples for the evaluation of a network that was trained on other ones. Their labels are those of
 * the network.
 *
 * @param <D> the type of the data set
 * @param name a short name, such as that of the folder
 * @param part which samples of the source these are: {@link #ALL}, or the name of a part, such as
 *     {@code test}
 * @param samples the samples, with the classes of the network
 * @param unknown the classes that the network does not know, with the number of their samples, which
 *     are left out
 * @param skipped the files that could not be used and were skipped
 */
public record EvaluationData<D extends Dataset<?>>(
    String name, String part, D samples, Map<String, Integer> unknown, List<SkippedImage> skipped) {
  /** The part that is all samples of a source. */
  public static final String ALL = "all";

  /** Copies the collections. */
  public EvaluationData {
    unknown = Collections.unmodifiableMap(new LinkedHashMap<>(unknown)); // keeps the order
    skipped = List.copyOf(skipped);
  }

  /**
   * The samples in words.
   *
   * @param units the plural of a sample, such as {@code images}
   * @return {@code all 100 images of shoes}, or {@code 20 test images of shoes}
   */
  public String text(String units) {
    return part.equals(ALL)
        ? String.format("all %d %s of %s", samples.size(), units, name)
        : String.format("%d %s %s of %s", samples.size(), part, units, name);
  }

  /** The test samples of a data set with the classes of the network. */
  public static <D extends Dataset<?>> EvaluationData<D> testPart(TrainingData<D> data) {
    return new EvaluationData<>(data.name(), "test", data.test(), Map.of(), data.skipped());
  }
}
