package io.fovea.app.cli;

import io.fovea.data.DataException;
import io.fovea.models.Segmenter;
import io.fovea.models.SegmenterSpec;
import io.fovea.models.weights.Checkpoint;
import io.fovea.models.weights.Layout;
import io.fovea.training.SegmentationSpec;
import io.fovea.training.Task;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** The options of {@code --task segmentation} that the other tasks do not have. */
final class SegmentationOptions {
  private static final double POWER = 0.9;

  /** Below this a batch says too little of the statistics of its channels. */
  private static final int SMALL_BATCH = 8;

  private static final int CROP = 384;

  @ForTask(Task.SEGMENTATION)
  @Option(
      names = "--classes",
      paramLabel = "FILE",
      description =
          "Of segmentation: a text file with the name of a class on each line, in the order of the"
              + " labels. Default: classes.txt in the folder, or those of the layout.")
  private Path classes;

  @ForTask(Task.SEGMENTATION)
  @Option(
      names = "--init",
      paramLabel = "FILE",
      description =
          "Of segmentation: begin with these weights, .safetensors or .pth: a ResNet of torchvision's,"
              + " or a DANet. Default: fresh ones.")
  private Path init;

  @Mixin private DilationOptions dilation;

  @ForTask(Task.SEGMENTATION)
  @Option(
      names = "--crop-size",
      paramLabel = "PIXELS",
      description =
          "Of segmentation: the side of the random crops. Default: 384, of the scenes their side.")
  private Integer cropSize;

  @ForTask(Task.SEGMENTATION)
  @Option(
      names = "--scale",
      paramLabel = "MIN,MAX",
      split = ",",
      description =
          "Of segmentation: scale images at random between these before the crop; 1,1 for not at all."
              + " Default: 0.5,2, of the scenes 1,1 (a part of one does not say what is in the rest).")
  private List<Double> scale;

  @ForTask(Task.SEGMENTATION)
  @Option(
      names = "--power",
      paramLabel = "P",
      description =
          "Of segmentation: the learning rate falls as (1 - step/steps)^P. Default: 0.9, the paper's.")
  private double power = POWER;

  @ForTask(Task.SEGMENTATION)
  @Option(
      names = "--head-rate",
      paramLabel = "FACTOR",
      description =
          "Of segmentation: multiplies the learning rate in the head. Default: 1, with --init 10.")
  private Double headRate;

  @ForTask(Task.SEGMENTATION)
  @Option(
      names = "--auxiliary-weight",
      paramLabel = "W",
      defaultValue = "1",
      description =
          "Of segmentation: weight of the losses of the two branches of dual, 0 for none. Default:"
              + " ${DEFAULT-VALUE}, the authors'.")
  private double auxiliaryWeight;

  @ForTask(Task.SEGMENTATION)
  @Option(
      names = "--class-weights",
      paramLabel = "WEIGHTS",
      description =
          "Of segmentation: what the loss of each class is multiplied by: numbers between commas, or"
              + " balanced (more for rare classes, as ENet). Default: 1 for all.")
  private String classWeights;

  @ForTask(Task.SEGMENTATION)
  @Option(
      names = "--keep-statistics",
      negatable = true,
      description =
          "Of segmentation: keep the statistics of the backbone's batch norms, or measure them on each"
              + " batch. Default: keep them with --init and batches below 8.")
  private Boolean keepStatistics;

  String classes() {
    return classes == null ? null : classes.toAbsolutePath().toString();
  }

  boolean isInitialised() {
    return init != null;
  }

  SegmenterSpec model(String backbone, int classes, String head) {
    return dilation.model(backbone, classes, 3, head);
  }

  /** Puts the weights that were given into a fresh network. */
  void initialize(Segmenter network) {
    if (init == null) {
      return;
    }
    try (PointerScope scope = new PointerScope()) {
      Map<String, Tensor> weights = Checkpoint.read(init).tensors();
      Map<String, Tensor> renamed =
          Layout.recognise(weights.keySet())
              .map(layout -> layout.rename(weights).tensors())
              .orElse(weights);
      network.initializeFrom(renamed);
    } catch (IOException e) {
      throw new DataException(e.getMessage(), e);
    } catch (IllegalArgumentException e) {
      throw new IllegalArgumentException(init + ": " + e.getMessage(), e);
    }
  }

  /**
   * How to train, but for the class weights.
   *
   * @param side of the images, null if they have none in common
   */
  SegmentationSpec spec(TrainingOptions training, int epochs, Integer side) {
    if (scale != null && scale.size() != 2) {
      throw new IllegalArgumentException("--scale takes two numbers, got " + scale);
    }
    List<Double> scales =
        scale != null ? scale : side != null ? List.of(1.0, 1.0) : List.of(0.5, 2.0);
    int batch = training.batchSize(8);
    return new SegmentationSpec(
        training.epochs(epochs),
        batch,
        training.learningRate(init == null ? 0.1 : 0.01),
        headRate != null ? headRate : init == null ? 1 : 10,
        power,
        training.momentum(),
        training.weightDecay(1e-4),
        auxiliaryWeight,
        cropSize != null ? cropSize : side != null ? side : CROP,
        scales.get(0),
        scales.get(1),
        training.flip(true),
        weights(),
        keepStatistics != null ? keepStatistics : init != null && batch < SMALL_BATCH,
        0);
  }

  boolean isBalanced() {
    return "balanced".equals(classWeights);
  }

  private List<Double> weights() {
    if (classWeights == null || isBalanced()) {
      return null;
    }
    List<Double> weights = new ArrayList<>();
    for (String piece : classWeights.split(",", -1)) {
      try {
        weights.add(Double.valueOf(piece.strip()));
      } catch (NumberFormatException e) {
        throw new IllegalArgumentException(
            "--class-weights takes balanced or numbers, got \"" + piece + "\"", e);
      }
    }
    return weights;
  }

  /** What of these options is not in the training's settings but decides the outcome. */
  record More(int outputStride, boolean multiGrid, String init, boolean balanced) {}

  More more() {
    return new More(
        dilation.outputStride(),
        dilation.isMultiGrid(),
        init == null ? null : init.toAbsolutePath().toString(),
        isBalanced());
  }
}
