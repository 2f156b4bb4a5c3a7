package io.fovea.explain;

import io.fovea.attention.AttentionMaps;
import io.fovea.data.BatchLoader;
import io.fovea.data.MaskedImage;
import io.fovea.data.Normalization;
import io.fovea.data.Progress;
import io.fovea.data.SegmentationDataset;
import io.fovea.models.Segmenter;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.LongStream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * Which classes attend to which over a data set: whether a network uses context. A position of a
 * feature map has the class that most labelled pixels of its cell have in the true mask, the first of
 * several; positions without labelled pixels have none.
 *
 * @param images the number of images
 * @param modules the attention modules with spatial gates or affinities, in their order of
 *     computation
 */
public record SceneSurvey(int images, List<Module> modules) {
  private static final int NO_CLASS = -1;

  /** Copies the list. */
  public SceneSurvey {
    modules = List.copyOf(modules);
  }

  /**
   * What one attention module does.
   *
   * @param name the name of its place
   * @param attention the spec of the module
   * @param positions the number of positions of each class in all images, {@code [K]}
   * @param gates the mean spatial gate over the positions of each class, {@code [K]}; NaN for a class
   *     without positions
   * @param affinity which classes attend to which
   */
  public record Module(
      String name,
      String attention,
      long[] positions,
      Optional<double[]> gates,
      Optional<ClassAffinity> affinity) {}

  /**
   * Which classes attend to which.
   *
   * @param weights the attention that a position of class {@code i} pays to all positions of class
   *     {@code j} together, averaged over the positions of class {@code i}: {@code [K][K]}. What a row
   *     lacks to 1 goes to positions without a class. NaN in the row of a class without positions
   * @param even what {@code weights} would be if every position attended to all positions of its image
   *     equally
   */
  public record ClassAffinity(double[][] weights, double[][] even) {
    /** How many times as much as with even attention class {@code i} attends to class {@code j}. */
    public double lift(int i, int j) {
      return weights[i][j] / even[i][j];
    }
  }

  /**
   * Looks at images in evaluation mode, and restores the mode of the network.
   *
   * @param network the network, with the channels and classes of the images
   * @param data the images with their masks
   * @param limit the largest number of images; the first ones are taken
   * @param progress receives the progress in images
   */
  public static SceneSurvey of(
      Segmenter network,
      SegmentationDataset data,
      int limit,
      Normalization normalization,
      Progress progress) {
    int count = Math.min(limit, data.size());
    int classes = data.classes().size();
    Map<String, Sums> sums = new LinkedHashMap<>();
    for (int i = 0; i < count; i++) {
      MaskedImage image = data.sample(i);
      try (PointerScope scope = new PointerScope()) {
        Tensor x = BatchLoader.toTensor(image.image(), normalization);
        AttentionTrace.of(
            network,
            look -> {
              if (look.maps().hasAffinity() || look.maps().spatial().isPresent()) {
                sums.computeIfAbsent(look.name(), any -> new Sums(look.attention(), classes))
                    .add(look, image);
              }
            },
            () -> network.scores(x));
      }
      progress.step(1);
    }
    List<Module> modules = new ArrayList<>();
    sums.forEach((name, sum) -> modules.add(sum.module(name)));
    return new SceneSurvey(count, modules);
  }

  /** The class of each cell of a grid over an image, or {@link #NO_CLASS}. */
  static int[] cells(MaskedImage image, Grid grid, int classes) {
    int[] cells = new int[grid.height() * grid.width()];
    for (int i = 0; i < cells.length; i++) {
      int row = i / grid.width();
      int column = i % grid.width();
      long[] counts = new long[classes];
      int bottom = end(row, grid.height(), image.height());
      int right = end(column, grid.width(), image.width());
      for (int y = start(row, grid.height(), image.height()); y < bottom; y++) {
        for (int x = start(column, grid.width(), image.width()); x < right; x++) {
          int label = image.label(y, x);
          if (label != MaskedImage.IGNORED) {
            counts[label]++;
          }
        }
      }
      cells[i] = most(counts);
    }
    return cells;
  }

  private static int start(int cell, int cells, int side) {
    return (int) ((long) cell * side / cells);
  }

  /** The end of a cell, which has at least one pixel. */
  private static int end(int cell, int cells, int side) {
    return Math.max(start(cell, cells, side) + 1, start(cell + 1, cells, side));
  }

  private static int most(long[] counts) {
    int best = NO_CLASS;
    for (int label = 0; label < counts.length; label++) {
      if (counts[label] > (best == NO_CLASS ? 0 : counts[best])) {
        best = label;
      }
    }
    return best;
  }

  /** The sums of one module. */
  private static final class Sums {
    private static final int ROWS_AT_ONCE = 256;

    private final String attention;
    private final int classes;
    private final long[] positions;
    private double[] gates;
    private double[][] weights;
    private double[][] even;

    Sums(String attention, int classes) {
      this.attention = attention;
      this.classes = classes;
      positions = new long[classes];
    }

    void add(AttentionTrace.Look look, MaskedImage image) {
      AttentionMaps maps = look.maps();
      Grid grid = Grid.of(look.x().size(2), look.x().size(3));
      int[] cells = cells(image, grid, classes);
      for (int cell : cells) {
        if (cell != NO_CLASS) {
          positions[cell]++;
        }
      }
      if (maps.spatial().isPresent()) {
        gates = gates == null ? new double[classes] : gates;
        float[] values = Values.of(maps.spatial().get());
        for (int i = 0; i < cells.length; i++) {
          if (cells[i] != NO_CLASS) {
            gates[cells[i]] += values[i];
          }
        }
      }
      if (maps.hasAffinity()) {
        add(maps, cells, cells(image, Grid.of(maps.keySize()), classes));
      }
    }

    private void add(AttentionMaps maps, int[] from, int[] to) {
      weights = weights == null ? new double[classes][classes] : weights;
      even = even == null ? new double[classes][classes] : even;
      double[] share = new double[classes];
      for (int cell : to) {
        if (cell != NO_CLASS) {
          share[cell] += 1.0 / to.length;
        }
      }
      for (int first = 0; first < from.length; first += ROWS_AT_ONCE) {
        long[] block =
            LongStream.range(first, Math.min(from.length, first + ROWS_AT_ONCE)).toArray();
        try (PointerScope scope = new PointerScope()) {
          Tensor rows = maps.affinity(block).squeeze(0).to(ScalarType.Double); // [P, N']
          float[] sums = Values.of(rows.matmul(members(to))); // [P, K]
          for (int i = 0; i < block.length; i++) {
            int own = from[(int) block[i]];
            for (int label = 0; own != NO_CLASS && label < classes; label++) {
              weights[own][label] += sums[i * classes + label];
              even[own][label] += share[label];
            }
          }
        }
      }
    }

    /** 1 where a position has a class, {@code [N', K]}. */
    private Tensor members(int[] cells) {
      double[] members = new double[cells.length * classes];
      for (int i = 0; i < cells.length; i++) {
        if (cells[i] != NO_CLASS) {
          members[i * classes + cells[i]] = 1;
        }
      }
      return Tensor.create(members, cells.length, classes);
    }

    Module module(String name) {
      return new Module(
          name,
          attention,
          positions.clone(),
          Optional.ofNullable(gates).map(this::mean),
          weights == null
              ? Optional.empty()
              : Optional.of(new ClassAffinity(means(weights), means(even))));
    }

    private double[] mean(double[] sums) {
      double[] mean = new double[classes];
      for (int label = 0; label < classes; label++) {
        mean[label] = sums[label] / positions[label];
      }
      return mean;
    }

    private double[][] means(double[][] sums) {
      double[][] means = new double[classes][classes];
      for (int label = 0; label < classes; label++) {
        for (int other = 0; other < classes; other++) {
          means[label][other] = sums[label][other] / positions[label];
        }
      }
      return means;
    }
  }
}
