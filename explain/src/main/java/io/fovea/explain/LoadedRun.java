package io.fovea.explain;

import io.fovea.data.BatchLoader;
import io.fovea.data.Image;
import io.fovea.data.ImageDataset;
import io.fovea.models.Classifier;
import io.fovea.tensor.internal.DidYouMean;
import io.fovea.training.Capability;
import io.fovea.training.Tasks;
import io.fovea.training.run.Run;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.function.Consumer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;

/**
 * A run with its loaded network.
 *
 * @param outline the names of modules, blocks and stages: the explanation of a black image without
 *     details
 */
public record LoadedRun(
    String name, Run<Classifier, ImageDataset> folder, Classifier network, Explanation outline) {
  /**
   * Loads a run.
   *
   * @throws io.fovea.errors.FoveaException if its weights cannot be loaded, or its task does not
   *     support explanations of single images
   */
  public static LoadedRun of(Run<?, ?> any, Run.Weights weights) {
    any.task().require(Capability.EXPLORER);
    Run<Classifier, ImageDataset> folder = any.as(Tasks.CLASSIFICATION);
    Classifier network = folder.load(weights);
    int size = folder.preprocessing().size();
    int channels = network.channels();
    Image black = new Image(channels, size, size, new byte[channels * size * size]);
    try (PointerScope scope = new PointerScope()) {
      Explanation outline = Explanation.builder(network).detail(Set.of()).of(tensor(folder, black));
      return new LoadedRun(folder.name(), folder, network, outline);
    }
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
    return layer != null && network.attentions().containsKey(layer);
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
      known.addAll(network.attentions().keySet());
      throw DidYouMean.unknown("layer", layer, known);
    }
  }
}
