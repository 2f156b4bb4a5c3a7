package io.fovea.explain;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.fovea.explain.Explanation.Plane;
import io.fovea.training.evaluate.Prediction;
import io.fovea.training.run.Json;
import io.fovea.training.run.Run;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/**
 * Explanations as JSON: what the pages draw and the API answers. Numbers have five digits. Pictures that
 * are only looked at are {@code levels}: bytes in base64, 0 for their minimum, 255 for their maximum.
 */
public final class ExplanationJson {
  private static final int DIGITS = 5;
  private static final int MATRIX_SIDE = 128;
  private static final String FLAT_CHANNELS = "all channels alike";
  private static final String FLAT_POSITIONS = "all positions alike";
  private static final String EVEN_POSITIONS = "every position draws from everywhere alike";
  private static final String EVEN_CHANNELS = "every channel draws from all alike";

  private ExplanationJson() {}

  /** What a run is, as far as a reader of its explanations needs it. */
  public static ObjectNode run(String name, Run<?, ?> folder) {
    ObjectNode run = Json.MAPPER.createObjectNode();
    run.put("name", name);
    run.put("backbone", folder.config().model().backbone());
    run.put("attention", folder.config().model().attention());
    run.put("channels", folder.config().model().channels());
    run.put("image_size", folder.preprocessing().size());
    ArrayNode classes = run.putArray("classes");
    folder.preprocessing().classes().forEach(classes::add);
    return run;
  }

  /** The classes, the most probable first. */
  public static ArrayNode predictions(List<Prediction> predictions) {
    ArrayNode list = Json.MAPPER.createArrayNode();
    for (Prediction prediction : predictions) {
      list.addObject()
          .put("label", prediction.label())
          .put("name", prediction.name())
          .put("probability", rounded(prediction.probability()));
    }
    return list;
  }

  /** Everything but the run. */
  public static ObjectNode of(Explanation explanation, List<String> classes) {
    ObjectNode all = Json.MAPPER.createObjectNode();
    double[] probabilities = new double[explanation.probabilities().length];
    for (int i = 0; i < probabilities.length; i++) {
      probabilities[i] = explanation.probabilities()[i];
    }
    all.set("predictions", predictions(Prediction.ranked(classes, probabilities)));
    ArrayNode stages = all.putArray("stages");
    explanation.stages().forEach(stage -> stages.addPOJO(stage));
    ArrayNode layers = all.putArray("layers");
    explanation.layers().forEach(layer -> layers.addPOJO(layer));
    ArrayNode modules = all.putArray("modules");
    explanation.modules().forEach(module -> modules.add(module(module)));
    ArrayNode cams = all.putArray("grad_cam");
    for (GradCam cam : explanation.gradCams()) {
      ObjectNode node = cams.addObject();
      node.put("layer", cam.layer());
      node.put("label", cam.label());
      node.put("class", classes.get(cam.label()));
      node.set("grad_cam", plane(cam.height(), cam.width(), cam.gradCam()));
      node.set("plus_plus", plane(cam.height(), cam.width(), cam.plusPlus()));
    }
    return all;
  }

  private static ObjectNode module(Explanation.Module module) {
    ObjectNode node = Json.MAPPER.createObjectNode();
    node.put("name", module.name());
    node.put("attention", module.attention().toString());
    node.put("mechanism", module.attention().mechanism().name());
    node.put("layer", module.layer());
    node.put("channels", module.channels());
    node.put("height", module.height());
    node.put("width", module.width());
    ArrayNode kinds = node.putArray("kinds");
    module.kinds().forEach(kind -> kinds.add(kind.name().toLowerCase(Locale.ROOT)));
    node.put("scale", rounded(module.scale()));
    node.put("change", rounded(module.change()));
    verdict(module).ifPresent(verdict -> node.put("verdict", verdict));
    module.channel().ifPresent(gates -> node.set("channel", channel(gates)));
    module
        .spatial()
        .ifPresent(
            map -> {
              ObjectNode plane = plane(map);
              if (map.statistics().isFlat()) {
                plane.put("verdict", FLAT_POSITIONS);
              }
              node.set("spatial", plane);
            });
    module.affinity().ifPresent(affinity -> node.set("affinity", affinity(affinity)));
    module.channelAffinity().ifPresent(matrix -> node.set("channel_affinity", matrix(matrix)));
    return node;
  }

  /** What positions of a clip draw from in one module. */
  public static ObjectNode of(VideoExplanation module) {
    ObjectNode node = Json.MAPPER.createObjectNode();
    node.put("name", module.layer());
    node.put("attention", module.attention().toString());
    node.set("from", grid(module.from()));
    node.set("to", grid(module.to()));
    node.put("change", rounded(module.change()));
    number(node, "row_entropy", module.entropy());
    ArrayNode verdicts = node.putArray("verdicts");
    verdicts(module).forEach(verdicts::add);
    ObjectNode received = node.putObject("received");
    received.set("values", numbers(module.received()));
    received.set("statistics", statistics(Statistics.of(module.received())));
    ArrayNode rows = node.putArray("rows");
    for (VideoExplanation.Row row : module.rows()) {
      ObjectNode one = rows.addObject().put("t", row.t()).put("y", row.y()).put("x", row.x());
      one.set("values", numbers(row.values()));
      one.set("statistics", statistics(Statistics.of(row.values())));
    }
    ObjectNode every = node.putObject("every");
    every.put("step", module.step());
    ArrayNode minima = every.putArray("minima");
    ArrayNode maxima = every.putArray("maxima");
    int keys = module.to().size();
    byte[] all = new byte[module.every().size() * keys];
    for (int i = 0; i < module.every().size(); i++) {
      float[] values = module.every().get(i).values();
      float[] range = range(values);
      minima.add(rounded(range[0]));
      maxima.add(rounded(range[1]));
      quantise(values, range, all, i * keys);
    }
    every.put("levels", Base64.getEncoder().encodeToString(all));
    return node;
  }

  private static ObjectNode grid(VideoExplanation.Grid grid) {
    return Json.MAPPER
        .createObjectNode()
        .put("times", grid.times())
        .put("height", grid.height())
        .put("width", grid.width());
  }

  /** Everything that is said of a module in a clip. */
  public static List<String> verdicts(VideoExplanation module) {
    List<String> verdicts = new ArrayList<>();
    if (module.doesNothing()) {
      verdicts.add(
          String.format(
              Locale.ROOT,
              "does nothing here: its output is a multiple of its input, to within %.1f %%",
              100 * module.change()));
    }
    if (module.isEven()) {
      verdicts.add(EVEN_POSITIONS);
    }
    return verdicts;
  }

  /** What is said of a module that might as well not be there. */
  static Optional<String> verdict(Explanation.Module module) {
    return module.doesNothing()
        ? Optional.of(
            String.format(
                Locale.ROOT,
                "does nothing here: its output is its input times %.2f, to within %.1f %%",
                module.scale(),
                100 * module.change()))
        : Optional.empty();
  }

  /** Everything that is said of a module: that it does nothing, or that its gates tell nothing apart. */
  public static List<String> verdicts(Explanation.Module module) {
    List<String> verdicts = new ArrayList<>();
    verdict(module).ifPresent(verdicts::add);
    if (module.channel().isPresent() && module.channel().get().statistics().isFlat()) {
      verdicts.add(FLAT_CHANNELS);
    }
    if (module.spatial().isPresent() && module.spatial().get().statistics().isFlat()) {
      verdicts.add(FLAT_POSITIONS);
    }
    if (module.affinity().isPresent() && module.affinity().get().isEven()) {
      verdicts.add(EVEN_POSITIONS);
    }
    if (module.channelAffinity().isPresent() && module.channelAffinity().get().isEven()) {
      verdicts.add(EVEN_CHANNELS);
    }
    return verdicts;
  }

  private static ObjectNode channel(Explanation.ChannelGates gates) {
    ObjectNode node = Json.MAPPER.createObjectNode();
    node.set("values", numbers(gates.values()));
    node.set("statistics", statistics(gates.statistics()));
    if (gates.statistics().isFlat()) {
      node.put("verdict", FLAT_CHANNELS);
    }
    ArrayNode shown = node.putArray("shown");
    for (Explanation.FeatureMap map : gates.shown()) {
      ObjectNode one = shown.addObject();
      one.put("channel", map.channel());
      one.put("gate", rounded(map.gate()));
      one.setAll(levels(map.map().height(), map.map().width(), map.map().values()));
    }
    return node;
  }

  private static ObjectNode affinity(Explanation.Affinity affinity) {
    ObjectNode node = Json.MAPPER.createObjectNode();
    node.put("height", affinity.height());
    node.put("width", affinity.width());
    number(node, "row_entropy", affinity.rowEntropy());
    if (affinity.isEven()) {
      node.put("verdict", EVEN_POSITIONS);
    }
    node.set("received", plane(affinity.received()));
    ArrayNode rows = node.putArray("rows");
    for (Explanation.Row row : affinity.rows()) {
      ObjectNode one = rows.addObject();
      one.put("x", row.x());
      one.put("y", row.y());
      one.setAll(plane(row.from()));
    }
    affinity
        .grid()
        .ifPresent(
            grid -> {
              ObjectNode one = node.putObject("grid");
              one.put("step", grid.step());
              one.put("height", grid.height());
              one.put("width", grid.width());
              ArrayNode minima = one.putArray("minima");
              ArrayNode maxima = one.putArray("maxima");
              int keys = grid.values()[0].length;
              byte[] all = new byte[grid.values().length * keys];
              for (int i = 0; i < grid.values().length; i++) {
                float[] range = range(grid.values()[i]);
                minima.add(rounded(range[0]));
                maxima.add(rounded(range[1]));
                quantise(grid.values()[i], range, all, i * keys);
              }
              one.put("levels", Base64.getEncoder().encodeToString(all));
            });
    return node;
  }

  private static ObjectNode matrix(Explanation.ChannelMatrix matrix) {
    ObjectNode node = Json.MAPPER.createObjectNode();
    node.put("channels", matrix.channels());
    number(node, "row_entropy", matrix.rowEntropy());
    node.put("itself", rounded(matrix.itself()));
    if (matrix.isEven()) {
      node.put("verdict", EVEN_CHANNELS);
    }
    node.set("statistics", statistics(matrix.statistics()));
    int block = (matrix.channels() + MATRIX_SIDE - 1) / MATRIX_SIDE;
    int side = (matrix.channels() + block - 1) / block;
    node.put("block", block); // the side of the squares of channels that each level is the mean of
    node.setAll(levels(side, side, blocks(matrix.values(), matrix.channels(), block, side)));
    return node;
  }

  /** The means of the squares of a matrix. */
  static float[] blocks(float[] values, int channels, int block, int side) {
    float[] means = new float[side * side];
    int[] counts = new int[side * side];
    for (int i = 0; i < values.length; i++) {
      int cell = i / channels / block * side + i % channels / block;
      means[cell] += values[i];
      counts[cell]++;
    }
    for (int i = 0; i < means.length; i++) {
      means[i] /= counts[i];
    }
    return means;
  }

  /** A data set's survey. */
  public static ObjectNode of(DatasetExplanation survey, List<String> classes) {
    ObjectNode all = Json.MAPPER.createObjectNode();
    ArrayNode names = all.putArray("classes");
    classes.forEach(names::add);
    ArrayNode images = all.putArray("images");
    survey.images().forEach(images::add);
    ArrayNode modules = all.putArray("modules");
    for (DatasetExplanation.Module module : survey.modules()) {
      ObjectNode node = modules.addObject();
      node.put("name", module.name());
      node.put("attention", module.attention().toString());
      if (module.gates().isPresent()) {
        ArrayNode gates = node.putArray("gates");
        for (float[] ofClass : module.gates().get()) {
          gates.add(numbers(ofClass));
        }
        node.set("mean_gates", numbers(module.meanGates()));
        node.set("statistics", statistics(Statistics.of(module.meanGates())));
        node.put("between_classes", rounded(module.betweenClasses()));
      }
      module
          .map()
          .ifPresent(
              map -> {
                ObjectNode plane = plane(map.height(), map.width(), map.values());
                plane.put("received", map.received());
                node.set("map", plane);
              });
    }
    return all;
  }

  private static ObjectNode plane(Plane plane) {
    return plane(plane.height(), plane.width(), plane.values());
  }

  private static ObjectNode plane(int height, int width, float[] values) {
    ObjectNode node = Json.MAPPER.createObjectNode();
    node.put("height", height);
    node.put("width", width);
    node.set("values", numbers(values));
    node.set("statistics", statistics(Statistics.of(values)));
    return node;
  }

  private static ObjectNode statistics(Statistics statistics) {
    ObjectNode node = Json.MAPPER.createObjectNode();
    number(node, "minimum", statistics.minimum());
    number(node, "maximum", statistics.maximum());
    number(node, "mean", statistics.mean());
    number(node, "deviation", statistics.deviation());
    number(node, "entropy", statistics.entropy());
    number(node, "under", statistics.under());
    number(node, "over", statistics.over());
    return node;
  }

  private static ObjectNode levels(int height, int width, float[] values) {
    ObjectNode node = Json.MAPPER.createObjectNode();
    float[] range = range(values);
    byte[] levels = new byte[values.length];
    quantise(values, range, levels, 0);
    node.put("height", height);
    node.put("width", width);
    node.put("minimum", rounded(range[0]));
    node.put("maximum", rounded(range[1]));
    node.put("levels", Base64.getEncoder().encodeToString(levels));
    return node;
  }

  private static float[] range(float[] values) {
    float least = Float.POSITIVE_INFINITY;
    float most = Float.NEGATIVE_INFINITY;
    for (float value : values) {
      least = value < least ? value : least;
      most = value > most ? value : most;
    }
    return new float[] {least, most};
  }

  private static void quantise(float[] values, float[] range, byte[] levels, int from) {
    float scale = range[1] > range[0] ? 255 / (range[1] - range[0]) : 0;
    for (int i = 0; i < values.length; i++) {
      levels[from + i] = (byte) (int) ((values[i] - range[0]) * scale + 0.5f);
    }
  }

  private static ArrayNode numbers(float[] values) {
    ArrayNode list = Json.MAPPER.createArrayNode();
    for (float value : values) {
      list.add(rounded(value));
    }
    return list;
  }

  /** JSON has no NaN; what is not a number is null. */
  private static void number(ObjectNode node, String name, double value) {
    if (Double.isFinite(value)) {
      node.put(name, rounded(value));
    } else {
      node.putNull(name);
    }
  }

  /** To five digits. */
  private static double rounded(double value) {
    if (value == 0 || !Double.isFinite(value)) {
      return 0;
    }
    int shift = DIGITS - 1 - (int) Math.floor(Math.log10(Math.abs(value)));
    if (shift > 20) {
      return 0;
    }
    double scale = Math.pow(10, Math.abs(shift));
    return shift >= 0 ? Math.rint(value * scale) / scale : Math.rint(value / scale) * scale;
  }
}
