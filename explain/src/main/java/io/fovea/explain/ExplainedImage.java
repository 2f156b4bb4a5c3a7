package io.fovea.explain;

import io.fovea.data.Image;
import io.fovea.data.mask.Masks;
import io.fovea.explain.Explanation.ChannelMatrix;
import io.fovea.explain.Explanation.Module;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.function.Supplier;

/**
 * The explanation of a network on an image, with everything that is needed to draw it.
 *
 * <pre>{@code
 * new ExplainedImage("boot.png", Images.picture(file), NetworkFacts.of(run), explanation).save(Path.of("explain"));
 * }</pre>
 *
 * @param name the name of the image's file
 * @param picture the image
 * @param network the explained network
 * @param explanation the explanation of the network on the image
 */
public record ExplainedImage(
    String name, Image picture, NetworkFacts network, Explanation explanation)
    implements Explained {
  private static final double OPACITY = 0.5;

  /**
   * {@inheritDoc}
   *
   * <p>The pictures are in a folder with the image's name, without its extension.
   */
  @Override
  public Path save(Path folder) throws IOException {
    savePictures(folder.resolve(stem(name)));
    return new ExplainPage(network).add(this).write(folder.resolve("explain.html"));
  }

  @Override
  public void savePictures(Path folder) throws IOException {
    Png.write(folder, pictures());
  }

  @Override
  public void addTo(ExplainPage page) {
    page.add(this);
  }

  /** The part of the picture that the network saw. */
  public Region seen() {
    return network.seen(picture);
  }

  /** The name of a file without its extension. */
  static String stem(String name) {
    int dot = name.lastIndexOf('.');
    return dot > 0 ? name.substring(0, dot) : name;
  }

  @Override
  public int modules() {
    return explanation.modules().size();
  }

  @Override
  public Map<String, Supplier<BufferedImage>> pictures() {
    Map<String, Supplier<BufferedImage>> all = new LinkedHashMap<>();
    explanation.scene().ifPresent(scene -> add(all, scene));
    for (Module module : explanation.modules()) {
      add(all, module);
    }
    for (GradCam cam : explanation.gradCams()) {
      String of = ": " + cam.layer() + ", " + network.classes().get(cam.label());
      Plane map = Plane.of(cam.height(), cam.width(), cam.gradCam());
      Plane plusPlus = Plane.of(cam.height(), cam.width(), cam.plusPlus());
      all.put("grad-cam." + cam.layer(), () -> over(map, "Grad-CAM" + of, false));
      all.put("grad-cam++." + cam.layer(), () -> over(plusPlus, "Grad-CAM++" + of, false));
    }
    return all;
  }

  private void add(Map<String, Supplier<BufferedImage>> all, Scene scene) {
    all.put("mask", () -> Masks.image(scene.labels(), scene.height(), scene.width()));
    all.put("overlay", () -> Overlay.over(Strip.of(picture), scene.labels(), OPACITY));
    all.put("uncertainty", () -> over(scene.uncertainty(), "uncertainty (entropy)", false));
  }

  private void add(Map<String, Supplier<BufferedImage>> all, Module module) {
    String name = module.name();
    String effect =
        Sentences.noEffect(module.effect(), "image").map(text -> "\n" + text).orElse("");
    module
        .channel()
        .ifPresent(
            gates ->
                all.put(
                    name + ".channels",
                    () ->
                        Drawing.of(
                            gates,
                            caption(name + ": channel gates" + effect, gates.statistics(), true))));
    module
        .spatial()
        .ifPresent(
            map ->
                all.put(
                    name + ".positions", () -> over(map, name + ": spatial gate" + effect, true)));
    module.affinity().ifPresent(affinity -> add(all, name, effect, affinity));
    module
        .channelAffinity()
        .ifPresent(
            matrix ->
                all.put(
                    name + ".channel-matrix",
                    () -> matrix(matrix, name + ": what each channel (row) attends to" + effect)));
  }

  private void add(
      Map<String, Supplier<BufferedImage>> all, String name, String effect, Affinity affinity) {
    Grid to = affinity.to();
    Region seen = seen();
    Plane received = Plane.of(to.height(), to.width(), affinity.received());
    all.put(
        name + ".received", () -> over(received, name + ": attention received" + effect, false));
    for (Row row : affinity.rows()) {
      Plane map = Plane.of(to.height(), to.width(), row.values());
      double[] centre = {
        seen.left() + (row.x() + 0.5) / affinity.from().width() * seen.width(),
        seen.top() + (row.y() + 0.5) / affinity.from().height() * seen.height()
      };
      String caption = name + ": attention of position (" + row.x() + ", " + row.y() + ")" + effect;
      all.put(
          name + ".from-" + row.x() + "-" + row.y(),
          () ->
              Drawing.over(picture, seen, map, centre, caption(caption, map.statistics(), false)));
    }
  }

  private BufferedImage over(Plane map, String caption, boolean gates) {
    return Drawing.over(picture, seen(), map, null, caption(caption, map.statistics(), gates));
  }

  private static BufferedImage matrix(ChannelMatrix matrix, String caption) {
    Plane plane =
        new Plane(matrix.channels(), matrix.channels(), matrix.values(), matrix.statistics());
    return Drawing.of(plane, caption(caption, matrix.statistics(), false));
  }

  /** A caption with the statistics below a picture. */
  private static String caption(String title, Statistics statistics, boolean gates) {
    String entropy =
        Double.isNaN(statistics.entropy())
            ? "mean " + Drawing.number(statistics.mean())
            : String.format(Locale.ROOT, "entropy %.3f", statistics.entropy());
    return title
        + "\n"
        + entropy
        + (gates
            ? (statistics.isFlat() ? ", all alike" : "")
                + "\n< 0.1: "
                + percent(statistics.under())
                + ",  > 0.9: "
                + percent(statistics.over())
            : "");
  }

  private static String percent(double share) {
    return String.format(Locale.ROOT, "%.1f %%", 100 * share);
  }
}
