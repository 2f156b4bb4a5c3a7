package io.fovea.data;

import static java.util.Comparator.comparingInt;

import java.util.Arrays;
import java.util.Objects;
import java.util.stream.IntStream;

/** A view of selected images of another data set. */
final class SubsetDataset extends DatasetView {
  private final int[] chosen;

  private SubsetDataset(ImageDataset source, int[] chosen) {
    super(source);
    this.chosen = chosen;
  }

  /** Implements {@link ImageDataset#select(int...)}. */
  static SubsetDataset of(ImageDataset source, int... indices) {
    return new SubsetDataset(source, checked(indices, source.size()));
  }

  /** Copies indices, each of which must be that of a sample. */
  static int[] checked(int[] indices, int size) {
    if (indices.length == 0) {
      throw new IllegalArgumentException("select: expected at least 1 index, got none");
    }
    for (int index : indices) {
      Objects.checkIndex(index, size);
    }
    return indices.clone();
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
