package io.fovea.explain;

import com.fasterxml.jackson.annotation.JsonInclude;
import io.fovea.attention.Attention;
import io.fovea.attention.AttentionMaps;
import io.fovea.data.BatchLoader;
import io.fovea.data.ImageData;
import io.fovea.data.ImageDataset;
import io.fovea.models.Classifier;
import io.fovea.models.Network;
import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.function.Supplier;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/** What a network makes of a few test images and attends to on them, for the report. */
public final class ReportExamples {
  private static final int IMAGES = 10;

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

  /** Which test images: the first of each class, of the first ten classes. */
  public static List<Integer> indices(ImageDataset test) {
    List<Integer> indices = new ArrayList<>();
    boolean[] seen = new boolean[test.classes().size()];
    for (int i = 0; i < test.size() && indices.size() < IMAGES; i++) {
      if (!seen[test.label(i)]) {
        seen[test.label(i)] = true;
        indices.add(i);
      }
    }
    return indices;
  }

  public static List<Example> of(Classifier network, ImageData data) {
    network.eval();
    return indices(data.test()).stream().map(index -> example(network, data, index)).toList();
  }

  private static Example example(Classifier network, ImageData data, int index) {
    try (PointerScope scope = new PointerScope();
        NoGradGuard guard = new NoGradGuard()) {
      ImageDataset test = data.test();
      Tensor image =
          BatchLoader.toTensor(
              test.pixels(index), test.frames(), test.height(), test.width(), data.normalization());
      List<AttentionMap> maps = new ArrayList<>();
      Tensor scores = observing(network, maps, () -> network.forward(image));
      float[] probabilities = floats(scores.softmax(1));
      int best = 0;
      for (int i = 1; i < probabilities.length; i++) {
        best = probabilities[i] > probabilities[best] ? i : best;
      }
      return new Example(index, best, (double) probabilities[best], null, maps);
    }
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
