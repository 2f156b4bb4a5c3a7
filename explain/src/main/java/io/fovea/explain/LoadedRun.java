package io.fovea.explain;

import io.fovea.data.BatchLoader;
import io.fovea.data.Image;
import io.fovea.data.ImageOps;
import io.fovea.data.video.VideoSource;
import io.fovea.errors.FoveaException;
import io.fovea.models.Classifier;
import io.fovea.models.FusedNetwork;
import io.fovea.models.Network;
import io.fovea.tensor.internal.DidYouMean;
import io.fovea.training.evaluate.ClipPrediction;
import io.fovea.training.evaluate.Predictions;
import io.fovea.training.evaluate.TestTimeAugmentation;
import io.fovea.training.run.Run;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CancellationException;
import java.util.function.Consumer;
import java.util.function.UnaryOperator;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;

/**
 * A run with its loaded network.
 *
 * @param scores what predicts: images {@code [B, C, H, W]} or clips {@code [B, C, T, H, W]} to the
 *     scores of {@link Network#scores}
 * @param outline the names of modules, blocks and stages: the explanation of a black image without
 *     details; null for a video network ({@link #isVideo})
 */
public record LoadedRun(
    String name,
    Run<?, ?> folder,
    Network network,
    UnaryOperator<Tensor> scores,
    Explanation outline) {
  private static final double LARGEST = 1 << 19; // pixels of an image that is seen whole

  /**
   * Loads a run.
   *
   * @throws FoveaException if its weights cannot be loaded
   */
  public static LoadedRun of(Run<?, ?> any, Run.Weights weights) {
    return load(any, weights);
  }

  private static <N extends Network> LoadedRun load(Run<N, ?> run, Run.Weights weights) {
    return of(run, run.load(weights));
  }

  /** A run whose network has been loaded. */
  public static <N extends Network> LoadedRun of(Run<N, ?> run, N network) {
    if (!run.task().predictsImages()) {
      return new LoadedRun(run.name(), run, network, network::scores, null);
    }
    Image black = black(run, network);
    try (PointerScope scope = new PointerScope()) {
      Explanation outline = Explanation.builder(network).detail(Set.of()).of(tensor(run, black));
      return new LoadedRun(run.name(), run, network, network::scores, outline);
    }
  }

  /**
   * The same run, which predicts by other means: a {@link FusedNetwork}, for instance. What
   * explains is the network as before.
   *
   * @param scores as of the record
   */
  public LoadedRun predictingBy(UnaryOperator<Tensor> scores) {
    return new LoadedRun(name, folder, network, scores, outline);
  }

  /** Whether its network is for videos: {@link #explain(VideoClip, List)} and {@link #clips} are for these. */
  public boolean isVideo() {
    return outline == null;
  }

  /**
   * Predicts the parts of a video.
   *
   * @throws io.fovea.data.DataException if a frame cannot be read
   */
  public List<ClipPrediction> clips(VideoSource video) {
    return ClipPrediction.over(
        video,
        folder.preprocessing(),
        clip -> {
          requireRunning();
          return predict(clip).ranked();
        });
  }

  private static void requireRunning() {
    if (Thread.currentThread().isInterrupted()) {
      throw new CancellationException();
    }
  }

  /**
   * Explains a clip: what its positions attend to across its frames.
   *
   * @param points the points to explain; empty for those whose attention differs most from the average
   */
  public ExplainedVideo explain(VideoClip clip, List<Affinity.Point> points) {
    return clip.explained(folder, (Classifier) network, points, all -> all);
  }

  /** A black image of the usual size of its images. */
  public Image black() {
    return black(folder, network);
  }

  private static Image black(Run<?, ?> run, Network network) {
    int fixed = run.preprocessing().size();
    int size = fixed > 0 ? fixed : run.config().model().imageSize();
    int channels = network.channels();
    return new Image(channels, size, size, new byte[channels * size * size]);
  }

  /**
   * Reads an image for the network from the content of a file. For a network that sees whole images,
   * an image of more than half a megapixel is scaled down to that, so that a request takes neither
   * minutes nor the whole memory.
   *
   * @param maxPixels the largest number of pixels of the file
   * @throws io.fovea.data.DataException if the content is damaged, or has more pixels
   */
  public Image decode(byte[] content, long maxPixels) {
    Image image = folder.preprocessing().decode(content, maxPixels);
    double factor = Math.sqrt(LARGEST / ((double) image.height() * image.width()));
    return facts().seesWholeImages() && factor < 1
        ? ImageOps.resized(
            image,
            (int) Math.max(1, image.height() * factor),
            (int) Math.max(1, image.width() * factor))
        : image;
  }

  /** Predicts an image. */
  public Predictions predict(Image pixels) {
    return folder
        .task()
        .predict(scores, pixels, folder.preprocessing(), TestTimeAugmentation.WHOLE);
  }

  private static Tensor tensor(Run<?, ?> folder, Image image) {
    return BatchLoader.toTensor(image, folder.preprocessing().normalization());
  }

  public List<String> classes() {
    return folder.preprocessing().classes();
  }

  /** The description of the network for pages. */
  public NetworkFacts facts() {
    return NetworkFacts.of(folder);
  }

  /** Finds a class by its name or number, as given to {@code --target} and the API. */
  public int label(String target) {
    List<String> classes = classes();
    int named = classes.indexOf(target);
    if (named >= 0) {
      return named;
    }
    if (target.matches("[0-9]{1,6}") && Integer.parseInt(target) < classes.size()) {
      return Integer.parseInt(target);
    }
    throw DidYouMean.unknown("class", target, classes);
  }

  /** The stages for which Grad-CAM is computed if no layer is given. */
  public enum Stages {
    /** All stages. */
    ALL,
    /** The last. */
    LAST
  }

  /**
   * Explains an image.
   *
   * @param pixels the pixels, as {@link io.fovea.data.image.Images#read} returns them
   * @param target the class for Grad-CAM, or null for the class with the highest score
   * @param layer a module to show in detail, or a layer for Grad-CAM, or null for all
   * @param options sets further options of the explanation
   * @throws io.fovea.errors.SpecException if the class or the layer does not exist
   */
  public Explanation explain(
      Image pixels,
      String target,
      String layer,
      Stages stages,
      Consumer<Explanation.Builder> options) {
    Explanation.Builder builder = Explanation.builder(network);
    options.accept(builder);
    if (isModule(layer)) {
      builder.detail(Set.of(layer));
    }
    if (target != null) {
      builder.target(label(target));
    }
    builder.gradCam(gradCamOf(layer, stages));
    try (PointerScope scope = new PointerScope()) {
      return builder.of(tensor(folder, pixels));
    }
  }

  /** Whether a layer is an attention module. */
  public boolean isModule(String layer) {
    return layer != null && network.attending().containsKey(layer);
  }

  private List<String> gradCamOf(String layer, Stages stages) {
    List<String> all = outline.stages().stream().map(Explanation.Layer::name).toList();
    if (isModule(layer)) {
      return List.of(outline.stageOf(outline.module(layer)).name());
    }
    if (layer != null) {
      requireLayer(layer);
      return List.of(layer);
    }
    return stages == Stages.ALL ? all : all.subList(all.size() - 1, all.size());
  }

  private void requireLayer(String layer) {
    List<String> known =
        new ArrayList<>(outline.layers().stream().map(Explanation.Layer::name).toList());
    if (!known.contains(layer)) {
      known.addAll(network.attending().keySet());
      throw DidYouMean.unknown("layer", layer, known);
    }
  }
}
