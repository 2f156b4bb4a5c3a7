package io.fovea.explain;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.fovea.data.mask.Masks;
import io.fovea.data.video.VideoSource;
import io.fovea.training.evaluate.ClipPrediction;
import io.fovea.training.evaluate.Prediction;
import io.fovea.training.run.Json;
import java.util.Base64;
import java.util.List;
import java.util.Locale;

/**
 * Converts explanations to JSON for the pages and the API. Numbers have five significant digits.
 * Maps that are only displayed are {@code levels}: bytes in base64, where 0 is the minimum and 255
 * the maximum.
 */
public final class ExplanationJson {
  private static final int DIGITS = 5;
  private static final int MATRIX_SIDE = 128;
  private static final int PREVIEW = 512;

  private ExplanationJson() {}

  /** The description of a network for readers of its explanations. */
  public static ObjectNode of(NetworkFacts network) {
    ObjectNode run = Json.MAPPER.createObjectNode();
    run.put("name", network.name());
    run.put("backbone", network.backbone());
    run.put("attention", network.attention());
    run.put("channels", network.channels());
    run.put("image_size", network.imageSize());
    run.put("resize", network.resize());
    ArrayNode classes = run.putArray("classes");
    network.classes().forEach(classes::add);
    run.put("unfinished", network.unfinished());
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

  /** An image with its explanation. */
  static ObjectNode of(ExplainedImage image) {
    ObjectNode all = of(image.explanation(), image.network().classes());
    all.putObject("image")
        .put("name", image.name())
        .put("width", image.picture().width())
        .put("height", image.picture().height())
        .put("whole", image.network().seesWholeImages())
        .put("source", Png.uri(Drawing.preview(image.picture(), PREVIEW)));
    return all;
  }

  /** The parts of a video with their predictions, and its size. */
  public static ObjectNode of(VideoSource video, List<ClipPrediction> clips, List<String> classes) {
    ObjectNode all = Json.MAPPER.createObjectNode();
    all.put("length", video.length());
    all.put("width", video.width());
    all.put("height", video.height());
    all.set("predictions", predictions(ClipPrediction.mean(clips, classes)));
    ArrayNode list = all.putArray("clips");
    for (ClipPrediction clip : clips) {
      ObjectNode one = list.addObject().put("first", clip.first()).put("last", clip.last());
      number(one, "from", clip.from());
      number(one, "to", clip.to());
      one.set("predictions", predictions(clip.predictions()));
    }
    return all;
  }

  /** A clip of a video with its explanation. */
  public static ObjectNode of(ExplainedVideo explained) {
    ExplainedVideo.Video video = explained.video();
    ExplainedVideo.Frames frames = explained.frames();
    ObjectNode all = Json.MAPPER.createObjectNode();
    all.put("name", video.file());
    all.put("length", video.length());
    all.put("width", video.width());
    all.put("height", video.height());
    all.put("side", frames.clip().height());
    all.putObject("square") // the square that the network sees
        .put("left", video.left())
        .put("top", video.top())
        .put("side", video.side());
    all.set("predictions", predictions(explained.predictions()));
    ArrayNode list = all.putArray("frames");
    for (int t = 0; t < frames.count(); t++) {
      list.addObject()
          .put("label", frames.labels().get(t))
          .put("source", Png.uri(Drawing.frame(frames.clip(), t)));
    }
    ArrayNode modules = all.putArray("modules");
    explained.explanation().modules().forEach(one -> modules.add(module(explained, one)));
    return all;
  }

  /** The explanation and the predictions for an image, without the image and the network. */
  public static ObjectNode of(Explanation explanation, List<String> classes) {
    ObjectNode all = Json.MAPPER.createObjectNode();
    double[] probabilities = new double[explanation.probabilities().length];
    for (int i = 0; i < probabilities.length; i++) {
      probabilities[i] = explanation.probabilities()[i];
    }
    all.set("predictions", predictions(Prediction.ranked(classes, probabilities)));
    explanation.scene().ifPresent(scene -> all.set("scene", scene(scene, classes.size())));
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

  /** The pixels of the network's input; of a large one, the nearest ones of a smaller picture. */
  private static ObjectNode scene(Scene scene, int classes) {
    double scale = Math.min(1, (double) PREVIEW / Math.max(scene.height(), scene.width()));
    int height = Math.max(1, (int) Math.round(scene.height() * scale));
    int width = Math.max(1, (int) Math.round(scene.width() * scale));
    byte[] labels = new byte[height * width];
    float[] entropy = new float[height * width];
    for (int i = 0; i < labels.length; i++) {
      int row = (int) ((2L * (i / width) + 1) * scene.height() / (2L * height));
      int column = (int) ((2L * (i % width) + 1) * scene.width() / (2L * width));
      labels[i] = scene.labels()[row * scene.width() + column];
      entropy[i] = scene.entropy()[row * scene.width() + column];
    }
    ObjectNode node = Json.MAPPER.createObjectNode();
    node.put("height", height);
    node.put("width", width);
    node.put("input_height", scene.height());
    node.put("input_width", scene.width());
    node.put("labels", Base64.getEncoder().encodeToString(labels));
    ArrayNode colours = node.putArray("colours");
    Masks.colours(classes).forEach(colours::add);
    ObjectNode uncertainty = levels(height, width, entropy);
    uncertainty.set("statistics", statistics(scene.uncertainty().statistics()));
    node.set("uncertainty", uncertainty);
    return node;
  }

  private static ObjectNode module(Explanation.Module module) {
    ObjectNode node = Json.MAPPER.createObjectNode();
    node.put("name", module.name());
    node.put("attention", module.attention());
    node.put("mechanism", module.mechanism());
    node.put("layer", module.layer());
    node.put("channels", module.channels());
    node.put("height", module.height());
    node.put("width", module.width());
    ArrayNode kinds = node.putArray("kinds");
    module.kinds().forEach(kind -> kinds.add(kind.name().toLowerCase(Locale.ROOT)));
    node.put("scale", rounded(module.effect().scale()));
    node.put("change", rounded(module.effect().change()));
    Sentences.noEffect(module.effect(), "image").ifPresent(text -> node.put("verdict", text));
    module.channel().ifPresent(gates -> node.set("channel", channel(gates)));
    module
        .spatial()
        .ifPresent(
            map -> {
              ObjectNode plane = plane(map);
              if (map.statistics().isFlat()) {
                plane.put("verdict", Sentences.POSITIONS_ALIKE);
              }
              node.set("spatial", plane);
            });
    module.affinity().ifPresent(affinity -> node.set("affinity", affinity(affinity)));
    module.channelAffinity().ifPresent(matrix -> node.set("channel_affinity", matrix(matrix)));
    return node;
  }

  /** What positions of a clip attend to in one module. */
  private static ObjectNode module(ExplainedVideo video, VideoExplanation.Module module) {
    Affinity affinity = module.affinity();
    ObjectNode node = Json.MAPPER.createObjectNode();
    node.put("name", module.name());
    node.put("attention", module.attention());
    node.set("from", grid(affinity.from()));
    node.set("to", grid(affinity.to()));
    node.put("change", rounded(module.effect().change()));
    number(node, "row_entropy", affinity.entropy());
    ArrayNode verdicts = node.putArray("verdicts");
    Sentences.of(module).forEach(verdicts::add);
    ObjectNode received = node.putObject("received");
    received.set("values", numbers(affinity.received()));
    received.set("statistics", statistics(Statistics.of(affinity.received())));
    ArrayNode rows = node.putArray("rows");
    for (int i = 0; i < affinity.rows().size(); i++) {
      Row row = affinity.rows().get(i);
      ObjectNode one = rows.addObject().put("t", row.t()).put("y", row.y()).put("x", row.x());
      one.set("values", numbers(row.values()));
      one.set("statistics", statistics(Statistics.of(row.values())));
      one.put("frame", video.frame(module, i));
    }
    node.putObject("every").put("step", affinity.step()).setAll(levels(affinity.every()));
    return node;
  }

  /** The rows of positions; each row has its own levels. */
  private static ObjectNode levels(List<Row> rows) {
    ObjectNode node = Json.MAPPER.createObjectNode();
    ArrayNode minima = node.putArray("minima");
    ArrayNode maxima = node.putArray("maxima");
    int keys = rows.get(0).values().length;
    byte[] all = new byte[rows.size() * keys];
    for (int i = 0; i < rows.size(); i++) {
      float[] values = rows.get(i).values();
      float[] range = range(values);
      minima.add(rounded(range[0]));
      maxima.add(rounded(range[1]));
      quantise(values, range, all, i * keys);
    }
    node.put("levels", Base64.getEncoder().encodeToString(all));
    return node;
  }

  private static ObjectNode grid(Grid grid) {
    return Json.MAPPER
        .createObjectNode()
        .put("times", grid.times())
        .put("height", grid.height())
        .put("width", grid.width());
  }

  private static ObjectNode channel(Explanation.ChannelGates gates) {
    ObjectNode node = Json.MAPPER.createObjectNode();
    node.set("values", numbers(gates.values()));
    node.set("statistics", statistics(gates.statistics()));
    if (gates.statistics().isFlat()) {
      node.put("verdict", Sentences.CHANNELS_ALIKE);
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

  private static ObjectNode affinity(Affinity affinity) {
    Grid from = affinity.from();
    Grid to = affinity.to();
    ObjectNode node = Json.MAPPER.createObjectNode();
    node.put("height", from.height());
    node.put("width", from.width());
    number(node, "row_entropy", affinity.entropy());
    if (affinity.isEven()) {
      node.put("verdict", Sentences.POSITIONS_EVEN);
    }
    node.set("received", plane(to.height(), to.width(), affinity.received()));
    ArrayNode rows = node.putArray("rows");
    for (Row row : affinity.rows()) {
      ObjectNode one = rows.addObject();
      one.put("x", row.x());
      one.put("y", row.y());
      one.setAll(plane(to.height(), to.width(), row.values()));
    }
    if (!affinity.every().isEmpty()) {
      node.putObject("grid")
          .put("step", affinity.step())
          .put("height", Grid.count(from.height(), affinity.step()))
          .put("width", Grid.count(from.width(), affinity.step()))
          .setAll(levels(affinity.every()));
    }
    return node;
  }

  private static ObjectNode matrix(Explanation.ChannelMatrix matrix) {
    ObjectNode node = Json.MAPPER.createObjectNode();
    node.put("channels", matrix.channels());
    number(node, "row_entropy", matrix.rowEntropy());
    node.put("itself", rounded(matrix.itself()));
    if (matrix.isEven()) {
      node.put("verdict", Sentences.CHANNELS_EVEN);
    }
    node.set("statistics", statistics(matrix.statistics()));
    int block = (matrix.channels() + MATRIX_SIDE - 1) / MATRIX_SIDE;
    int side = (matrix.channels() + block - 1) / block;
    node.put("block", block); // each level is the mean over a square of this many channels
    node.setAll(levels(side, side, blocks(matrix.values(), matrix.channels(), block, side)));
    return node;
  }

  /** The means over the squares of a matrix. */
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

  /** The explanation of a data set. */
  static ObjectNode of(ExplainedDataset data) {
    DatasetExplanation survey = data.explanation();
    ObjectNode all = Json.MAPPER.createObjectNode();
    all.put("data", data.name());
    ArrayNode names = all.putArray("classes");
    data.network().classes().forEach(names::add);
    ArrayNode order = all.putArray("order");
    survey.mostDifferent().forEach(order::add);
    ArrayNode images = all.putArray("images");
    survey.images().forEach(images::add);
    ArrayNode modules = all.putArray("modules");
    for (DatasetExplanation.Module module : survey.modules()) {
      ObjectNode node = modules.addObject();
      node.put("name", module.name());
      node.put("attention", module.attention());
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
                ObjectNode plane = plane(map.plane());
                plane.put("received", map.received());
                node.set("map", plane);
              });
    }
    return all;
  }

  /** Which classes attend to which over a data set. */
  static ObjectNode of(ExplainedScenes data) {
    ObjectNode all = Json.MAPPER.createObjectNode();
    all.put("data", data.name());
    all.put("images", data.survey().images());
    ArrayNode names = all.putArray("classes");
    data.network().classes().forEach(names::add);
    ArrayNode modules = all.putArray("modules");
    for (SceneSurvey.Module module : data.survey().modules()) {
      ObjectNode node = modules.addObject();
      node.put("name", module.name());
      node.put("attention", module.attention());
      ArrayNode positions = node.putArray("positions");
      for (long count : module.positions()) {
        positions.add(count);
      }
      module.gates().ifPresent(gates -> node.set("gates", finite(gates)));
      module
          .affinity()
          .ifPresent(
              affinity -> {
                ArrayNode weights = node.putArray("weights");
                ArrayNode even = node.putArray("even");
                for (int i = 0; i < affinity.weights().length; i++) {
                  weights.add(finite(affinity.weights()[i]));
                  even.add(finite(affinity.even()[i]));
                }
              });
    }
    return all;
  }

  /** Numbers, with null for NaN, which JSON does not have. */
  private static ArrayNode finite(double[] values) {
    ArrayNode list = Json.MAPPER.createArrayNode();
    for (double value : values) {
      if (Double.isFinite(value)) {
        list.add(rounded(value));
      } else {
        list.addNull();
      }
    }
    return list;
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

  /** Writes null for NaN, which JSON does not have. */
  private static void number(ObjectNode node, String name, double value) {
    if (Double.isFinite(value)) {
      node.put(name, rounded(value));
    } else {
      node.putNull(name);
    }
  }

  /** Rounds to five significant digits. */
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
