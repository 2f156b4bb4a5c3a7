package io.fovea.explain;

import com.fasterxml.jackson.annotation.JsonInclude;
import io.fovea.attention.Attention;
import io.fovea.attention.AttentionMaps;
import io.fovea.data.Dataset;
import io.fovea.data.Image;
import io.fovea.data.MaskedImage;
import io.fovea.data.TrainingData;
import io.fovea.data.mask.Masks;
import io.fovea.data.source.DataSpec;
import io.fovea.data.source.Preprocessing;
import io.fovea.models.Network;
import io.fovea.training.Task;
import io.fovea.training.evaluate.Prediction;
import io.fovea.training.evaluate.Predictions;
import io.fovea.training.evaluate.TestTimeAugmentation;
import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.function.Supplier;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/** What a network makes of a few test images and attends to on them, for the report. */
public final class ReportExamples {
  private ReportExamples() {}

  /**
   * A test image and what the network made of it.
   *
   * @param index of the test image
   * @param predicted the class that scored highest; null where each pixel has one
   * @param probability of that class
   * @param mask the class of each pixel as a picture, a data URI; null where there is one class
   * @param maps of each attention module
   */
  @JsonInclude(JsonInclude.Include.NON_NULL)
  public record Example(
      int index, Integer predicted, Double probability, String mask, List<AttentionMap> maps) {}

  /**
   * What one attention module did.
   *
   * @param layer where it stands
   * @param kind {@code gate}: its spatial map; {@code received}: how much attention each position
   *     receives from all others; {@code change}: for mechanisms without either, how far output and
   *     input are apart at each position
   * @param height of the map
   * @param width of the map
   * @param values {@code [height * width]}
   * @param channel its channel gates, if it has some
   */
  @JsonInclude(JsonInclude.Include.NON_NULL)
  public record AttentionMap(
      String layer, String kind, int height, int width, float[] values, float[] channel) {
    /** The maps of all points in time side by side, each as often as the strip of frames needs it. */
    AttentionMap asStrip(int times, int frames) {
      float[] strip = new float[height * frames * width];
      for (int y = 0; y < height; y++) {
        for (int t = 0; t < frames; t++) {
          int from = (t * times / frames * height + y) * width;
          System.arraycopy(values, from, strip, (y * frames + t) * width, width);
        }
      }
      return new AttentionMap(layer, kind, height, frames * width, strip, channel);
    }
  }

  /**
   * Looks at the test samples that a report of the task shows.
   *
   * @param network left in evaluation mode
   * @param spec where the data come from
   */
  public static <N extends Network, D extends Dataset<?>> List<Example> of(
      Task<N, D> task, N network, TrainingData<D> data, DataSpec spec) {
    network.eval();
    Preprocessing preprocessing = task.preprocessing(data, spec);
    return task.examples(data.test()).stream()
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
      return new Example(index, null, null, png, maps);
    }
    Prediction best = predictions.best();
    return new Example(index, best.label(), best.probability(), null, maps);
  }

  /** Computes, and adds what each attention module of a network does meanwhile. */
  public static <T> T observing(Network network, List<AttentionMap> maps, Supplier<T> body) {
    IdentityHashMap<Attention, String> names = new IdentityHashMap<>();
    network.attentions().forEach((name, attention) -> names.put(attention, name));
    return Attention.observing(
        (attention, x) -> {
          AttentionMap map = map(names.get(attention), attention, x);
          maps.add(network.frames() > 0 ? map.asStrip((int) x.size(2), network.frames()) : map);
        },
        body);
  }

  private static AttentionMap map(String layer, Attention attention, Tensor x) {
    try (PointerScope scope = new PointerScope();
        AttentionMaps maps = attention.explain(x)) {
      float[] channel = maps.channel().map(ReportExamples::floats).orElse(null);
      if (maps.spatial().isPresent()) {
        return new AttentionMap(
            layer, "gate", side(x, -2), side(x, -1), floats(maps.spatial().get()), channel);
      }
      if (maps.hasAffinity()) {
        long[] size = maps.keySize();
        return new AttentionMap(
            layer,
            "received",
            (int) size[size.length - 2],
            (int) size[size.length - 1],
            floats(maps.received()),
            channel);
      }
      Tensor change =
          Attention.observing((module, input) -> {}, () -> attention.forward(x)).sub(x).abs();
      return new AttentionMap(
          layer, "change", side(x, -2), side(x, -1), floats(change.mean(1)), channel);
    }
  }

  private static int side(Tensor x, int dimension) {
    return (int) x.size(dimension);
  }

  private static float[] floats(Tensor tensor) {
    float[] values = new float[(int) tensor.numel()];
    tensor.to(torch.ScalarType.Float).contiguous().<FloatBuffer>createBuffer().get(values);
    return values;
  }
}
