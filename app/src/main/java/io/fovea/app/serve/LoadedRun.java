package io.fovea.app.serve;

import io.fovea.data.BatchLoader;
import io.fovea.explain.Explanation;
import io.fovea.models.Classifier;
import io.fovea.tensor.internal.DidYouMean;
import io.fovea.training.run.RunFolder;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.function.Consumer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;

/**
 * A run with its network, ready to be asked.
 *
 * @param outline what there is to ask about: the explanation of a black image, without details
 */
public record LoadedRun(String name, RunFolder folder, Classifier network, Explanation outline) {
  public static LoadedRun of(RunFolder folder, RunFolder.Weights weights) {
    String name = folder.path().toAbsolutePath().normalize().getFileName().toString();
    Classifier network = folder.load(weights);
    byte[] black =
        new byte
            [network.channels() * folder.config().data().size() * folder.config().data().size()];
    try (PointerScope scope = new PointerScope()) {
      Explanation outline = Explanation.builder(network).detail(Set.of()).of(tensor(folder, black));
      return new LoadedRun(name, folder, network, outline);
    }
  }

  private static Tensor tensor(RunFolder folder, byte[] pixels) {
    RunFolder.Data data = folder.config().data();
    return BatchLoader.toTensor(pixels, data.size(), data.size(), data.normalization());
  }

  public List<String> classes() {
    return folder.config().data().classes();
  }

  /** The class of a name or a number, as {@code --target} and the API take it. */
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

  /** Which stages Grad-CAM is computed for where no layer is given. */
  public enum Stages {
    /** All of them. */
    ALL,
    /** That of the module that is looked at closely, or the last. */
    ONE
  }

  /**
   * Explains an image.
   *
   * @param pixels as {@link io.fovea.data.image.Images#read} gives them
   * @param target the class that Grad-CAM looks for, null for the one that scores highest
   * @param layer a module to look at closely or a layer to look for the class in; null for everything
   * @param options what else the explanation is told
   * @throws IllegalArgumentException if there is no such class or layer
   */
  public Explanation explain(
      byte[] pixels,
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
  boolean isModule(String layer) {
    return layer != null && network.attentions().containsKey(layer);
  }

  private List<String> gradCamOf(String layer, Stages stages) {
    List<String> all = outline.stages().stream().map(Explanation.Layer::name).toList();
    if (isModule(layer)) {
      return stages == Stages.ALL ? all : List.of(outline.stageOf(outline.module(layer)).name());
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
