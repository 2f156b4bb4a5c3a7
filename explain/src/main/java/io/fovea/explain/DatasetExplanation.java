package io.fovea.explain;

import io.fovea.attention.AttentionMaps;
import io.fovea.data.Batch;
import io.fovea.data.BatchLoader;
import io.fovea.data.ImageDataset;
import io.fovea.data.Normalization;
import io.fovea.data.Progress;
import io.fovea.models.Classifier;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.IntStream;
import org.bytedeco.javacpp.PointerScope;

/**
 * Explains the attention modules of a network over a data set: the mean channel gates for each
 * class, as in figure 7 of the <a href="https://arxiv.org/abs/1709.01507">SE paper</a>, and the
 * average of the spatial attention.
 *
 * @param images the number of images of each class
 * @param modules the attention modules in their order of computation
 */
public record DatasetExplanation(List<Integer> images, List<Module> modules) {
  private static final int BATCH = 16;

  /** Copies the lists. */
  public DatasetExplanation {
    images = List.copyOf(images);
    modules = List.copyOf(modules);
  }

  /**
   * The classes with images, sorted by how much their gates differ from the mean over all classes
   * in all modules. The order is the same for all modules, so that a class has one colour.
   */
  public List<Integer> mostDifferent() {
    double[] distances = new double[images.size()];
    for (Module module : modules) {
      if (module.gates().isPresent()) {
        float[] mean = module.meanGates();
        for (int label = 0; label < distances.length; label++) {
          distances[label] += distance(module.gates().get()[label], mean);
        }
      }
    }
    return IntStream.range(0, distances.length)
        .filter(label -> images.get(label) > 0)
        .boxed()
        .sorted(Comparator.comparing((Integer label) -> -distances[label]))
        .toList();
  }

  /** The mean difference from the mean gates, or 0 for a class without gates. */
  private static double distance(float[] gates, float[] mean) {
    double sum = 0;
    for (int i = 0; i < gates.length; i++) {
      sum += Math.abs(gates[i] - mean[i]);
    }
    return sum / mean.length;
  }

  /**
   * The explanation of a module.
   *
   * @param name the name of its place
   * @param attention the spec of the module
   * @param gates the mean gate of each channel over the images of each class, {@code [classes][C]};
   *     empty for a class without images
   * @param map its spatial attention, averaged over the images
   */
  public record Module(
      String name, String attention, Optional<float[][]> gates, Optional<AverageMap> map) {
    /**
     * The mean gate of each channel over the classes, {@code [C]}; all classes have equal weight.
     */
    public float[] meanGates() {
      float[][] all = gates.orElseThrow();
      float[] mean = null;
      int classes = 0;
      for (float[] ofClass : all) {
        if (ofClass.length > 0) {
          mean = mean == null ? new float[ofClass.length] : mean;
          classes++;
          for (int i = 0; i < mean.length; i++) {
            mean[i] += ofClass[i];
          }
        }
      }
      for (int i = 0; i < mean.length; i++) {
        mean[i] /= classes;
      }
      return mean;
    }

    /**
     * How much the classes differ: the standard deviation of a channel's gate between classes,
     * averaged over the channels. In the SE paper it grows with depth and nearly vanishes in the
     * last stage.
     */
    public double betweenClasses() {
      float[][] all = gates.orElseThrow();
      float[] mean = meanGates();
      double sum = 0;
      for (int channel = 0; channel < mean.length; channel++) {
        double squares = 0;
        int classes = 0;
        for (float[] ofClass : all) {
          if (ofClass.length > 0) {
            squares += Math.pow(ofClass[channel] - mean[channel], 2);
            classes++;
          }
        }
        sum += Math.sqrt(squares / classes);
      }
      return sum / mean.length;
    }
  }

  /**
   * The average of spatial attention.
   *
   * @param received whether this is the attention that positions receive, instead of their gates
   * @param plane the mean map over the images
   */
  public record AverageMap(boolean received, Plane plane) {}

  /**
   * Explains images in evaluation mode, and restores the mode of the network.
   *
   * @param network the network, with the channels and classes of the images
   * @param images the images
   * @param normalization the normalisation of the training
   * @param progress receives the progress in images
   */
  public static DatasetExplanation of(
      Classifier network, ImageDataset images, Normalization normalization, Progress progress) {
    int classes = images.classes().size();
    int[] counts = new int[classes];
    Map<String, Sums> sums = new LinkedHashMap<>();
    try (BatchLoader loader = BatchLoader.builder(images, normalization).batchSize(BATCH).build()) {
      for (Batch batch : loader.epoch(0)) {
        try (batch;
            PointerScope scope = new PointerScope()) {
          int[] labels = new int[batch.indices().length];
          for (int i = 0; i < labels.length; i++) {
            labels[i] = images.label(batch.indices()[i]);
            counts[labels[i]]++;
          }
          AttentionTrace.of(
              network,
              look ->
                  sums.computeIfAbsent(look.name(), any -> new Sums(look.attention(), classes))
                      .add(look, labels),
              () -> network.forward(batch.images()));
          progress.step(labels.length);
        }
      }
    }
    List<Module> modules = new ArrayList<>();
    sums.forEach((name, sum) -> modules.add(sum.module(name, counts, images.size())));
    List<Integer> list = new ArrayList<>();
    for (int count : counts) {
      list.add(count);
    }
    return new DatasetExplanation(list, modules);
  }

  /** The sums of one module. */
  private static final class Sums {
    private final String attention;
    private final double[][] gates;
    private boolean received;
    private int height;
    private int width;
    private double[] map;

    Sums(String attention, int classes) {
      this.attention = attention;
      gates = new double[classes][];
    }

    void add(AttentionTrace.Look look, int[] labels) {
      AttentionMaps maps = look.maps();
      if (maps.channel().isPresent()) {
        float[] values = Values.of(maps.channel().get()); // [B, C]
        int channels = values.length / labels.length;
        for (int i = 0; i < values.length; i++) {
          int label = labels[i / channels];
          gates[label] = gates[label] == null ? new double[channels] : gates[label];
          gates[label][i % channels] += values[i];
        }
      }
      if (maps.spatial().isPresent()) {
        add((int) look.x().size(2), (int) look.x().size(3), Values.of(maps.spatial().get()));
      } else if (maps.hasAffinity()) {
        received = true;
        Grid to = Grid.of(maps.keySize());
        add(to.height(), to.width(), Values.of(maps.received()));
      }
    }

    private void add(int rows, int columns, float[] values) {
      height = rows;
      width = columns;
      map = map == null ? new double[rows * columns] : map;
      for (int i = 0; i < values.length; i++) {
        map[i % map.length] += values[i];
      }
    }

    Module module(String name, int[] counts, int images) {
      float[][] means = new float[gates.length][];
      boolean some = false;
      for (int label = 0; label < gates.length; label++) {
        means[label] = gates[label] == null ? new float[0] : mean(gates[label], counts[label]);
        some |= gates[label] != null;
      }
      Optional<AverageMap> average = Optional.empty();
      if (map != null) {
        average = Optional.of(new AverageMap(received, Plane.of(height, width, mean(map, images))));
      }
      return new Module(name, attention, some ? Optional.of(means) : Optional.empty(), average);
    }

    private static float[] mean(double[] sums, int count) {
      float[] mean = new float[sums.length];
      for (int i = 0; i < mean.length; i++) {
        mean[i] = (float) (sums[i] / count);
      }
      return mean;
    }
  }
}
