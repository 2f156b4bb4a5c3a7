package io.fovea.app;

import io.fovea.attention.Nearest;
import io.fovea.models.Classifier;
import io.fovea.models.Explanation;
import io.fovea.models.GradCam;
import io.fovea.training.BatchLoader;
import io.fovea.training.RunFolder;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.function.Consumer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;

/** A run with its network, ready to be asked. */
record LoadedRun(String name, RunFolder folder, Classifier network) {
  static LoadedRun of(RunFolder folder, RunFolder.Weights weights) {
    String name = folder.path().toAbsolutePath().normalize().getFileName().toString();
    return new LoadedRun(name, folder, folder.load(weights));
  }

  List<String> classes() {
    return folder.config().data().classes();
  }

  /** The class of a name or a number, as {@code --target} and the API take it. */
  int label(String target) {
    List<String> classes = classes();
    int named = classes.indexOf(target);
    if (named >= 0) {
      return named;
    }
    if (target.matches("[0-9]{1,6}") && Integer.parseInt(target) < classes.size()) {
      return Integer.parseInt(target);
    }
    throw Nearest.unknown("class", target, classes);
  }

  /** An explanation and Grad-CAM. */
  record Answer(Explanation explanation, List<GradCam> gradCams) {}

  /** Which stages Grad-CAM is computed for where no layer is given. */
  enum Stages {
    /** All of them. */
    ALL,
    /** That of the module that is looked at closely, or the last. */
    ONE
  }

  /**
   * Explains an image.
   *
   * @param pixels as {@link io.fovea.training.Images#read} gives them
   * @param target the class that Grad-CAM looks for, null for the one that scores highest
   * @param layer a module to look at closely or a layer to look for the class in; null for everything
   * @param options what else the explanation is told
   */
  Answer explain(
      byte[] pixels,
      String target,
      String layer,
      Stages stages,
      Consumer<Explanation.Builder> options) {
    RunFolder.Data data = folder.config().data();
    try (PointerScope scope = new PointerScope()) {
      Tensor image = BatchLoader.toTensor(pixels, data.size(), data.size(), data.normalization());
      Explanation.Builder builder = Explanation.builder(network);
      options.accept(builder);
      boolean module = layer != null && network.attentions().containsKey(layer);
      if (module) {
        builder.closely(Set.of(layer));
      }
      Explanation explanation = builder.of(image);
      int label = target == null ? explanation.predicted() : label(target);
      List<Explanation.Layer> all = explanation.stages();
      List<String> wanted;
      if (layer != null && !module) {
        requireLayer(explanation, layer);
        wanted = List.of(layer);
      } else if (stages == Stages.ALL) {
        wanted = all.stream().map(Explanation.Layer::name).toList();
      } else {
        Explanation.Layer last = all.get(all.size() - 1);
        wanted =
            List.of(module ? explanation.stageOf(explanation.module(layer)).name() : last.name());
      }
      return new Answer(explanation, GradCam.of(network, image, label, wanted));
    }
  }

  private void requireLayer(Explanation explanation, String layer) {
    List<String> known =
        new ArrayList<>(explanation.layers().stream().map(Explanation.Layer::name).toList());
    if (!known.contains(layer)) {
      known.addAll(network.attentions().keySet());
      throw Nearest.unknown("layer", layer, known);
    }
  }
}
