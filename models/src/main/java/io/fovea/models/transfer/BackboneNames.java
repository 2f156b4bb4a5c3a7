package io.fovea.models.transfer;

import io.fovea.attention.Attention;
import io.fovea.attention.Mechanism;
import io.fovea.attention.ModuleState;
import io.fovea.models.Classifier;
import io.fovea.models.ModelSpec;
import io.fovea.models.NetworkSpec;
import io.fovea.models.placement.BackboneTopology;
import io.fovea.models.placement.BackboneTopology.Place;
import io.fovea.models.placement.PlacedAttention;
import io.fovea.models.placement.Placement;
import io.fovea.models.placement.Placement.Site;
import io.fovea.models.weights.StateDict;
import io.fovea.tensor.internal.InitialValues;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * The names and shapes of backbones without attention, and the names that attention has in them. All
 * of it is read off networks that are created for this, so that no list has to be kept.
 */
final class BackboneNames {
  /** The width at which the names of a backbone are read; they do not depend on it. */
  static final double NARROW = 0.25;

  private static final Map<String, Map<String, List<Long>>> KNOWN = new ConcurrentHashMap<>();

  /** Some attention that can be placed anywhere and takes no memory. */
  private static final Mechanism PROBE =
      Mechanism.all().stream()
          .filter(Mechanism::hasNoWeights)
          .filter(mechanism -> mechanism.dimensions().containsAll(List.of(2, 3)))
          .findFirst()
          .orElseThrow();

  private BackboneNames() {}

  /**
   * A name under which attention can be registered.
   *
   * @param place the place in the backbone
   * @param path the path of the module, in which the name of the mechanism is {@link #PROBE}'s
   * @param channels the channels of the feature map there
   */
  record Slot(Place place, String path, long channels) {
    /** The path of a mechanism, with a dot at its end. */
    String path(Mechanism mechanism) {
      if (place.site() == Site.CONV) {
        return path + ".";
      }
      int dot = path.lastIndexOf('.') + 1;
      String in = path.substring(0, dot);
      if (place.site() == Site.STANDARD && mechanism.isRegisteredInTheBlock()) {
        return in;
      }
      return in + mechanism.name() + path.substring(dot + PROBE.name().length()) + ".";
    }
  }

  /** The backbones that may be in a file, the smaller first. */
  static List<String> names(boolean video) {
    return video ? Classifier.publishedVideoBackbones() : Classifier.backbones();
  }

  /** The names and shapes of a narrow backbone with two classes. */
  static Map<String, List<Long>> narrow(String backbone) {
    return KNOWN.computeIfAbsent(
        backbone, name -> shapes(new ModelSpec(name, 2, 3, NARROW, frames(name), "none")));
  }

  /** The frames of a video backbone's clips, which its weights do not depend on; otherwise 0. */
  static int frames(String backbone) {
    return Classifier.builder(backbone).isVideo() ? 8 : 0;
  }

  /** The names and shapes of a network. */
  static Map<String, List<Long>> shapes(NetworkSpec<?> spec) {
    return NetworkSpec.aside(
        () -> {
          Map<String, List<Long>> shapes = new LinkedHashMap<>();
          StateDict.of(InitialValues.skipped(spec::create))
              .forEach(
                  (name, tensor) -> {
                    if (!name.endsWith(ModuleState.COUNTER)) {
                      shapes.put(name, ModuleState.essential(tensor.shape()));
                    }
                  });
          return shapes;
        });
  }

  /** The places of a backbone, by the paths of its blocks; those outside blocks have the path "". */
  static Map<String, List<Slot>> slots(ModelSpec plain) {
    BackboneTopology anatomy = Classifier.builder(plain.backbone()).anatomy;
    String probes =
        anatomy.placements().stream()
            .map(site -> PROBE + "@" + everywhere(site, anatomy))
            .collect(Collectors.joining("; "));
    Map<String, Long> made =
        NetworkSpec.aside(
            () -> {
              Map<String, Long> channels = new LinkedHashMap<>();
              Map<String, Attention> modules =
                  InitialValues.skipped(plain.withAttention(probes)::create).attentions();
              modules.forEach((path, module) -> channels.put(path, module.channels()));
              return channels;
            });
    List<Place> blocks = new ArrayList<>();
    for (int stage = 1; stage <= anatomy.places().size(); stage++) {
      for (int block = 1; block <= anatomy.places().get(stage - 1).size(); block++) {
        blocks.add(new Place(Site.AFTER, stage, block));
      }
    }
    Map<String, Place> paths = new LinkedHashMap<>(); // of the blocks
    String after = PROBE + "_" + Site.AFTER;
    made.keySet().stream()
        .filter(path -> path.endsWith("." + after))
        .forEach(
            path ->
                paths.put(
                    path.substring(0, path.length() - after.length()), blocks.get(paths.size())));
    Map<String, List<Slot>> slots = new LinkedHashMap<>();
    made.forEach(
        (path, channels) -> {
          String block = paths.keySet().stream().filter(path::startsWith).findFirst().orElse("");
          slots
              .computeIfAbsent(block, any -> new ArrayList<>())
              .add(new Slot(place(path, paths.get(block)), path, channels));
        });
    return slots;
  }

  private static Place place(String path, Place block) {
    String name = path.substring(path.lastIndexOf('.') + 1);
    if (block == null) {
      String stage = name.substring(PROBE.name().length());
      return stage.matches("\\d+")
          ? new Place(Site.STAGE, Integer.parseInt(stage), 0)
          : new Place(Site.HEAD, 0, 0);
    }
    Site site =
        name.equals(PROBE.name())
            ? Site.STANDARD
            : Stream.of(Site.values())
                .filter(each -> name.equals(PROBE + "_" + each))
                .findFirst()
                .orElse(Site.CONV);
    return new Place(site, block.stage(), block.block());
  }

  private static String everywhere(String site, BackboneTopology anatomy) {
    List<String> blocks = new ArrayList<>();
    for (int stage = 1; stage <= anatomy.places().size(); stage++) {
      for (int block = 1; block <= anatomy.places().get(stage - 1).size(); block++) {
        blocks.add(stage + "." + block);
      }
    }
    String stages =
        IntStream.rangeClosed(1, anatomy.places().size())
            .mapToObj(Integer::toString)
            .collect(Collectors.joining(","));
    return site.equals(Site.AFTER.toString())
        ? site + ":" + String.join(",", blocks)
        : site.equals(Site.STAGE.toString()) ? site + ":" + stages : site;
  }

  /**
   * The shortest text for attention at some places of a backbone.
   *
   * @return the text, or null if no placement means these places
   */
  static String placed(PlacedAttention attention, Set<Place> places, String backbone) {
    BackboneTopology anatomy = Classifier.builder(backbone).anatomy;
    List<String> texts = new ArrayList<>(List.of("paper"));
    Set<Integer> stages = new LinkedHashSet<>();
    places.forEach(place -> stages.add(place.stage()));
    String listed = stages.stream().map(Object::toString).collect(Collectors.joining(","));
    Site site = places.iterator().next().site();
    if (site == Site.AFTER) {
      texts.add("after:every-other");
      texts.add("after:every-other:" + listed);
      texts.add(
          "after:"
              + places.stream()
                  .map(place -> place.stage() + "." + place.block())
                  .collect(Collectors.joining(",")));
    } else {
      texts.add(site.toString());
      texts.add(site + ":" + listed);
    }
    return texts.stream()
        .filter(text -> resolves(attention, text, places, anatomy))
        .map(text -> new PlacedAttention(attention.attention(), Placement.parse(text)).toString())
        .findFirst()
        .orElse(null);
  }

  private static boolean resolves(
      PlacedAttention attention, String text, Set<Place> places, BackboneTopology anatomy) {
    try {
      return Set.copyOf(Placement.parse(text).resolve(attention.attention(), anatomy))
          .equals(places);
    } catch (RuntimeException e) { // a place that the backbone does not have
      return false;
    }
  }
}
