package io.fovea.training.search;

import io.fovea.data.DataException;
import io.fovea.data.Dataset;
import io.fovea.data.ImageDataset;
import io.fovea.data.TrainingData;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;

/**
 * Cuts a validation part from training samples, so that choices can be made without the test samples.
 * Of each class the same share is cut; images with a class for each pixel are cut as one class.
 */
final class ValidationPart {
  private ValidationPart() {}

  /**
   * Returns the data with fewer training samples, whose test samples are the validation part. The
   * normalisation stays that of all training samples, as in the final.
   *
   * @param share the share of the training samples that is cut, above 0 and below 1; at least one
   *     sample of each class with two or more
   * @param seed determines which samples are cut
   * @throws DataException if there are not enough samples
   */
  static <D extends Dataset<?>> TrainingData<D> cut(TrainingData<D> data, double share, long seed) {
    D train = data.train();
    Map<Integer, List<Integer>> byClass = new LinkedHashMap<>();
    for (int i = 0; i < train.size(); i++) {
      int label = train instanceof ImageDataset images ? images.label(i) : 0;
      byClass.computeIfAbsent(label, any -> new ArrayList<>()).add(i);
    }
    List<Integer> kept = new ArrayList<>();
    List<Integer> cut = new ArrayList<>();
    byClass.forEach(
        (label, indices) -> {
          Collections.shuffle(indices, new Random(31 * seed + label));
          int count =
              indices.size() < 2
                  ? 0
                  : (int)
                      Math.max(1, Math.min(indices.size() - 1, Math.round(share * indices.size())));
          cut.addAll(indices.subList(0, count));
          kept.addAll(indices.subList(count, indices.size()));
        });
    if (cut.isEmpty()) {
      throw new DataException(
          data.name() + ": has too few training images to cut a validation part from them");
    }
    return new TrainingData<>(
        data.name(),
        data.description() + ", " + cut.size() + " of the training images for validation",
        chosen(train, kept),
        chosen(train, cut),
        data.normalization(),
        data.skipped());
  }

  @SuppressWarnings("unchecked") // a part of a data set is a data set of the same kind
  private static <D extends Dataset<?>> D chosen(D from, List<Integer> indices) {
    return (D) from.select(indices.stream().sorted().mapToInt(Integer::intValue).toArray());
  }
}
