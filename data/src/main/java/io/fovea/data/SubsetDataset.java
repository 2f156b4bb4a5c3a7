package io.fovea.data;

import static java.util.Comparator.comparingInt;

import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;

/** Chosen images of another set, seen through it. */
final class SubsetDataset implements ImageDataset {

  private final ImageDataset source;
  private final int[] chosen;

  private SubsetDataset(ImageDataset source, int[] chosen) {
    this.source = source;
    this.chosen = chosen;
  }

  /**
   * As {@link ImageDataset#limit(int)} describes it; the count is at most the size of the source.
   */
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
  public List<String> classes() {
    return source.classes();
  }

  @Override
  public int size() {
    return chosen.length;
  }

  @Override
  public int channels() {
    return source.channels();
  }

  @Override
  public int frames() {
    return source.frames();
  }

  @Override
  public int views() {
    return source.views();
  }

  @Override
  public int height() {
    return source.height();
  }

  @Override
  public int width() {
    return source.width();
  }

  @Override
  public int label(int index) {
    return source.label(chosen[index]);
  }

  @Override
  public String id(int index) {
    return source.id(chosen[index]);
  }

  @Override
  public byte[] pixels(int index) {
    return source.pixels(chosen[index]);
  }

  @Override
  public byte[] pixels(int index, Random random) {
    return source.pixels(chosen[index], random);
  }

  @Override
  public byte[] view(int index, int view) {
    return source.view(chosen[index], view);
  }
}
