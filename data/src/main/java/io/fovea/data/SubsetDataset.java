package io.fovea.data;

import static java.util.Comparator.comparingInt;

import java.util.Arrays;
import java.util.stream.IntStream;

/** A view of selected images of another data set. */
final class SubsetDataset extends DatasetView {
  private final int[] chosen;

  private SubsetDataset(ImageDataset source, int[] chosen) {
    super(source);
    this.chosen = chosen;
  }

  /** Implements {@link ImageDataset#limit(int)}; the count is at most the size of the source. */
  static SubsetDataset balanced(ImageDataset source, int count) {
    int[] rank = new int[source.size()];
    int[] seen = new int[source.classes().size()];
    Arrays.setAll(rank, index -> seen[source.label(index)]++);
    int[] chosen =
        IntStream.range(0, source.size())
            .boxed()
            .sorted(comparingInt((Integer index) -> rank[index]).thenComparingInt(source::label))
            .limit(count)
            .mapToInt(Integer::intValue)
            .sorted()
            .toArray();
    return new SubsetDataset(source, chosen);
  }

  @Override
  protected int in(int index) {
    return chosen[index];
  }

  @Override
  public int size() {
    return chosen.length;
  }
}
