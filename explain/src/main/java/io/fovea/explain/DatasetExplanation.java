package io.fovea.explain;

import io.fovea.attention.Attention;
import io.fovea.attention.AttentionMaps;
import io.fovea.attention.AttentionSpec;
import io.fovea.data.Batch;
import io.fovea.data.BatchLoader;
import io.fovea.data.ImageDataset;
import io.fovea.data.Normalization;
import io.fovea.data.Progress;
import io.fovea.models.Classifier;
import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * What the attention modules of a network do over a data set: how open the gates of their channels are for
 * each class, as figure 7 of the <a href="https://arxiv.org/abs/1709.01507">SE paper</a> has it, and where
 * spatial attention falls on average.
 *
 * @param images how many of each class were looked at
 * @param modules the attention modules in the order in which they compute
 */
public record DatasetExplanation(List<Integer> images, List<Module> modules) {
  private static final int BATCH = 16;

  /** Copies the lists. */
  public DatasetExplanation {
    images = List.copyOf(images);
    modules = List.copyOf(modules);
  }

  /**
   * What a module did.
   *
   * @param name where it stands
   * @param attention what it is
   * @param gates the mean gate of each channel over the images of each class, {@code [classes][C]}; a class
   *     without images has none. BAM's are those of its channel branch, before they are combined
   * @param map where its spatial attention fell on average over the images
   */
  public record Module(
      String name, AttentionSpec attention, Optional<float[][]> gates, Optional<AverageMap> map) {
    /** The mean gate of each channel over the classes, {@code [C]}; each class counts alike. */
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
     * How far apart the classes are: the standard deviation of a channel's gate from class to class,
     * averaged over the channels. In the SE paper it grows with depth, and nearly vanishes in the last
     * stage.
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
   * Where attention falls.
   *
   * @param received whether it is the attention that positions receive from all others, instead of their
   *     gates
   * @param height in positions
   * @param width in positions
   * @param values the mean over the images, {@code [height * width]}
   * @param statistics of the values
   */
  public record AverageMap(
      boolean received, int height, int width, float[] values, Statistics statistics) {}

  /**
   * Looks at images, in evaluation mode; the network is left in the mode it was in.
   *
   * @param network takes the images' channels and scores their classes
   * @param images what to look at
   * @param normalization as in training
   * @param progress told of each image
   */
  public static DatasetExplanation of(
      Classifier network, ImageDataset images, Normalization normalization, Progress progress) {
    int classes = images.classes().size();
    int[] counts = new int[classes];
    IdentityHashMap<Attention, String> names = new IdentityHashMap<>();
    Map<String, Sums> sums = new LinkedHashMap<>();
    network.attentions().forEach((name, attention) -> names.put(attention, name));
    boolean training = network.is_training();
    network.eval();
    try (NoGradGuard guard = new NoGradGuard();
        BatchLoader loader = BatchLoader.builder(images, normalization).batchSize(BATCH).build()) {
      for (Batch batch : loader.epoch(0)) {
        try (batch;
            PointerScope scope = new PointerScope()) {
          int[] labels = new int[batch.indices().length];
          for (int i = 0; i < labels.length; i++) {
            labels[i] = images.label(batch.indices()[i]);
            counts[labels[i]]++;
          }
          Attention.observing(
              (attention, x) -> {
                String name = names.get(attention);
                if (name != null) { // not a part of another one
                  sums.computeIfAbsent(name, any -> new Sums(attention.spec(), classes))
                      .add(attention, x, labels);
                }
              },
              () -> network.forward(batch.images()));
          progress.step(labels.length);
        }
      }
    } finally {
      network.train(training);
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
    private final AttentionSpec attention;
    private final double[][] gates;
    private boolean received;
    private int height;
    private int width;
    private double[] map;

    Sums(AttentionSpec attention, int classes) {
      this.attention = attention;
      gates = new double[classes][];
    }

    void add(Attention module, Tensor x, int[] labels) {
      try (PointerScope scope = new PointerScope();
          AttentionMaps maps = module.explain(x)) {
        if (maps.channel().isPresent()) {
          float[] values = floats(maps.channel().get()); // [B, C]
          int channels = values.length / labels.length;
          for (int i = 0; i < values.length; i++) {
            int label = labels[i / channels];
            gates[label] = gates[label] == null ? new double[channels] : gates[label];
            gates[label][i % channels] += values[i];
          }
        }
        if (maps.spatial().isPresent()) {
          add((int) x.size(2), (int) x.size(3), floats(maps.spatial().get()));
        } else if (maps.hasAffinity()) {
          received = true;
          add((int) maps.keySize()[0], (int) maps.keySize()[1], floats(maps.received()));
        }
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
        float[] values = mean(map, images);
        average =
            Optional.of(new AverageMap(received, height, width, values, Statistics.of(values)));
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

  private static float[] floats(Tensor tensor) {
    float[] values = new float[(int) tensor.numel()];
    tensor.to(ScalarType.Float).contiguous().<FloatBuffer>createBuffer().get(values);
    return values;
  }
}
