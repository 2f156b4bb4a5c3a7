package io.fovea.explain;

import com.fasterxml.jackson.annotation.JsonInclude;
import io.fovea.attention.AttentionMaps;
import io.fovea.data.Dataset;
import io.fovea.data.Image;
import io.fovea.data.MaskedImage;
import io.fovea.data.Progress;
import io.fovea.data.TrainingData;
import io.fovea.data.mask.Masks;
import io.fovea.data.source.DataSpec;
import io.fovea.data.source.Preprocessing;
import io.fovea.models.Network;
import io.fovea.training.Task;
import io.fovea.training.evaluate.ClassResult;
import io.fovea.training.evaluate.EvaluationReport;
import io.fovea.training.evaluate.Prediction;
import io.fovea.training.evaluate.Predictions;
import io.fovea.training.evaluate.TestTimeAugmentation;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Supplier;
import org.bytedeco.pytorch.Tensor;

/** Predictions and attention maps for a few test images, for the report. */
public final class ReportExamples {
  private static final int MISTAKES = 8;

  private ReportExamples() {}

  /**
   * A test image with the network's prediction and attention maps.
   *
   * @param index the index of the test image
   * @param predicted the class with the highest score; null for segmentation
   * @param probability the probability of that class
   * @param mask the predicted class of each pixel, as a picture in a data URI; null unless the task
   *     is segmentation
   * @param maps the maps of each attention module
   * @param mistake true for one of the wrong predictions with the highest probabilities, which has
   *     no maps; null otherwise
   */
  @JsonInclude(JsonInclude.Include.NON_NULL)
  public record Example(
      int index,
      Integer predicted,
      Double probability,
      String mask,
      List<AttentionMap> maps,
      Boolean mistake) {
    /** Whether this is a mistake, and no example for its class. */
    public boolean showsMistake() {
      return mistake != null && mistake;
    }

    private boolean isWhole(int samples, int classes) {
      boolean hasPrediction =
          predicted != null && predicted >= 0 && predicted < classes && probability != null;
      boolean isScene = predicted == null && mask != null && !showsMistake();
      return index >= 0
          && index < samples
          && (hasPrediction || isScene)
          && maps != null
          && maps.stream().allMatch(map -> map != null && map.isWhole());
    }
  }

  /**
   * The map of one attention module.
   *
   * @param layer the name of the place where the module stands
   * @param kind {@code gate}: its spatial map; {@code received}: how much attention each position
   *     receives from all others; {@code change}: for mechanisms without either, the mean absolute
   *     difference of output and input at each position
   * @param height the height of the map
   * @param width the width of the map
   * @param values {@code [height * width]}
   * @param channel the channel gates, if the mechanism has any
   */
  @JsonInclude(JsonInclude.Include.NON_NULL)
  public record AttentionMap(
      String layer, String kind, int height, int width, float[] values, float[] channel) {
    private boolean isWhole() {
      return layer != null && kind != null && height > 0 && width > 0 && values != null;
    }
  }

  /**
   * Whether examples that were read from a file have everything that a report shows of them, and are
   * of these data.
   *
   * @param examples the examples; may be null
   */
  public static boolean areWhole(List<Example> examples, TrainingData<?> data) {
    int samples = data.test().size();
    int classes = data.classes().size();
    return examples != null
        && examples.stream()
            .allMatch(example -> example != null && example.isWhole(samples, classes));
  }

  /**
   * Computes the predictions and maps for the test samples that a report shows, and looks for the
   * wrong predictions of the whole test part with the highest probabilities.
   *
   * @param network computes in evaluation mode, and is left as it was
   * @param spec the source of the data
   */
  public static <N extends Network, D extends Dataset<?>> List<Example> of(
      Task<N, D> task, N network, TrainingData<D> data, DataSpec spec) {
    List<Example> examples = new ArrayList<>(of(task, network, data, spec, Integer.MAX_VALUE));
    examples.addAll(mistakes(task, network, data));
    return examples;
  }

  private static <N extends Network, D extends Dataset<?>> List<Example> mistakes(
      Task<N, D> task, N network, TrainingData<D> data) {
    List<ClassResult> results = new ArrayList<>();
    task.evaluate(
        network,
        data.test(),
        data.normalization(),
        TestTimeAugmentation.WHOLE,
        Progress.NONE,
        result -> {
          if (result instanceof ClassResult one) {
            results.add(one);
          }
        });
    return EvaluationReport.mistakes(results, MISTAKES).stream()
        .map(
            one ->
                new Example(one.index(), one.predicted(), one.confidence(), null, List.of(), true))
        .toList();
  }

  /**
   * The same for the first of these samples.
   *
   * @param limit the largest number of samples
   */
  public static <N extends Network, D extends Dataset<?>> List<Example> of(
      Task<N, D> task, N network, TrainingData<D> data, DataSpec spec, int limit) {
    Preprocessing preprocessing = task.preprocessing(data, spec);
    return task.examples(data.test()).stream()
        .limit(limit)
        .map(index -> example(task, network, data, preprocessing, index))
        .toList();
  }

  private static <N extends Network, D extends Dataset<?>> Example example(
      Task<N, D> task, N network, TrainingData<D> data, Preprocessing preprocessing, int index) {
    Image image = data.test().sample(index).image();
    List<AttentionMap> maps = new ArrayList<>();
    Predictions predictions =
        observing(
            network,
            maps,
            () -> task.predict(network, image, preprocessing, TestTimeAugmentation.WHOLE));
    if (predictions.mask().isPresent()) {
      MaskedImage mask = predictions.mask().get();
      String png = Png.uri(Masks.image(mask.labels(), mask.height(), mask.width()));
      return new Example(index, null, null, png, maps, null);
    }
    Prediction best = predictions.best();
    return new Example(index, best.label(), best.probability(), null, maps, null);
  }

  /** Runs the network and collects the maps of its attention modules. */
  public static <T> T observing(Network network, List<AttentionMap> maps, Supplier<T> body) {
    return AttentionTrace.of(network, look -> maps.add(map(look, network.frames())), body);
  }

  private static AttentionMap map(AttentionTrace.Look look, int frames) {
    AttentionMaps maps = look.maps();
    Tensor x = look.x();
    Grid grid = Grid.of(Arrays.copyOfRange(x.shape(), 2, (int) x.dim()));
    String kind = "change";
    float[] values;
    if (maps.spatial().isPresent()) {
      kind = "gate";
      values = Values.of(maps.spatial().get());
    } else if (maps.hasAffinity()) {
      kind = "received";
      grid = Grid.of(maps.keySize());
      values = Values.of(maps.received());
    } else {
      values = Values.of(look.y().sub(x).abs().mean(1));
    }
    float[] channel = maps.channel().map(Values::of).orElse(null);
    return frames > 0
        ? new AttentionMap(
            look.name(),
            kind,
            grid.height(),
            frames * grid.width(),
            strip(grid, frames, values),
            channel)
        : new AttentionMap(look.name(), kind, grid.height(), grid.width(), values, channel);
  }

  /**
   * The maps of all time steps side by side, each repeated as often as the strip of frames needs
   * it.
   */
  private static float[] strip(Grid grid, int frames, float[] values) {
    float[] strip = new float[grid.height() * frames * grid.width()];
    for (int y = 0; y < grid.height(); y++) {
      for (int t = 0; t < frames; t++) {
        int from = (grid.time(t, frames) * grid.height() + y) * grid.width();
        System.arraycopy(values, from, strip, (y * frames + t) * grid.width(), grid.width());
      }
    }
    return strip;
  }
}
