package io.fovea.models;

import io.fovea.models.placement.AttentionInserter;
import io.fovea.models.placement.Placement.Site;
import io.fovea.nn.Activation;
import io.fovea.nn.Fusing;
import io.fovea.nn.Graph;
import io.fovea.nn.Graph.Value;
import io.fovea.nn.GraphOps;
import io.fovea.nn.Layer;
import io.fovea.nn.TensorOps;
import io.fovea.tensor.internal.Scopes;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.bytedeco.pytorch.Module;
import org.bytedeco.pytorch.Tensor;

/**
 * A classifier whose parts compute one after the other: a stem, the blocks of the stages with what stands
 * between them, attention at the ends of stages and before the pooling, the mean over all positions, and a
 * classifier.
 *
 * <p>The constructor of a subclass appends the parts in their order. Computation, export, fusing and the
 * stages of parameters follow from the list.
 */
abstract class StagedClassifier extends Classifier {
  private static final int IMAGE_RANK = 4;

  /**
   * A part.
   *
   * @param names the names under which an observer gets its output
   */
  private record Part(List<String> names, Activation computation) {}

  /** A layer with parameters, and the stage to which they belong. */
  private record Registered(Layer layer, int stage) {}

  private final AttentionInserter places;
  private final int stages;
  private final Map<String, Module> containers = new LinkedHashMap<>(); // of layers, by their paths
  private final Map<String, Registered> layers = new LinkedHashMap<>(); // by their paths
  private final List<Part> parts = new ArrayList<>();
  private Layer classifier;

  StagedClassifier(Builder<?> b) {
    super(b);
    places = b.places();
    stages = b.blocks().size();
  }

  // ---- For constructors

  /**
   * Registers a layer.
   *
   * @param stage the stage, from 1; 0 for the stem, {@link #behindStages} for what follows the stages
   * @param path the names of the modules that contain it and its own, joined by dots
   */
  final <L extends Layer> L register(int stage, String path, L layer) {
    int dot = path.lastIndexOf('.');
    container(dot < 0 ? "" : path.substring(0, dot))
        .register_module(path.substring(dot + 1), layer);
    layers.put(path, new Registered(layer, stage));
    return layer;
  }

  private Module container(String path) {
    if (path.isEmpty()) {
      return this;
    }
    Module there = containers.get(path);
    if (there == null) {
      int dot = path.lastIndexOf('.');
      there =
          container(dot < 0 ? "" : path.substring(0, dot))
              .register_module(path.substring(dot + 1), new Module("Container"));
      containers.put(path, there);
    }
    return there;
  }

  /** Registers a layer and appends it; observers get its output under its path. */
  final void add(int stage, String path, Layer layer) {
    register(stage, path, layer);
    then(path, layer::apply);
  }

  /** Appends a computation with layers that are registered; observers get its output under the name. */
  final void then(String name, Activation computation) {
    parts.add(new Part(new ArrayList<>(List.of(name)), computation));
  }

  /** Appends a computation that is not observed. */
  final void then(Activation computation) {
    parts.add(new Part(List.of(), computation));
  }

  /** Lets observers get the output of the last part under another name, too, that of its container. */
  final void endsContainer(String name) {
    parts.get(parts.size() - 1).names.add(name);
  }

  /** The places for attention in a block. */
  final AttentionInserter.InBlock inBlock(String path, int stage, int number, int entering) {
    return places.inBlock(path + ".", stage, number, entering);
  }

  /** Appends the attention at the end of a stage. */
  final void endStage(int stage, int channels) {
    append(places.at(this, Site.STAGE, stage, channels));
  }

  /** Appends the attention before the pooling. */
  final void head(int channels) {
    append(places.at(this, Site.HEAD, 0, channels));
  }

  private void append(AttentionInserter.Stack attention) {
    if (!attention.modules().isEmpty()) {
      then(attention::apply);
    }
  }

  /** Registers the classifier, {@code [B, C] -> [B, classes]}, as the last step. */
  final void classifier(String path, Layer layer) {
    classifier = register(HEAD, path, layer);
    attentions(places.made());
  }

  /** The stage of layers between the last stage and the classifier. */
  final int behindStages() {
    return stages + 1;
  }

  // ---- Computation

  @Override
  final Tensor classify(Tensor x) {
    Tensor y = x;
    for (int i = 0; i < parts.size(); i++) {
      Part part = parts.get(i);
      Tensor before = y;
      y = Scopes.compute(() -> part.computation.apply(TensorOps.PLAIN, before));
      for (String name : part.names) {
        observed(name, y);
      }
      if (i > 0 && !isObserved()) {
        before
            .close(); // otherwise the outputs of all parts stay in memory until the network returns
      }
    }
    return classifier.forward(embedded(averaged(y)));
  }

  @Override
  final Value nodes(Graph graph, Value x) {
    GraphOps ops = new GraphOps(graph, IMAGE_RANK);
    Value y = x;
    for (Part part : parts) {
      y = part.computation.apply(ops, y);
    }
    return classifier.apply(ops, ops.mean(y));
  }

  @Override
  void fuse(Fusing fusing) {
    layers.values().forEach(registered -> fusing.add(registered.layer));
  }

  @Override
  public final int stageOf(String parameter) {
    return layers.entrySet().stream()
        .filter(entry -> parameter.startsWith(entry.getKey() + "."))
        .mapToInt(entry -> entry.getValue().stage)
        .findFirst()
        .orElse(behindStages());
  }

  @Override
  public final int stages() {
    return stages;
  }
}
