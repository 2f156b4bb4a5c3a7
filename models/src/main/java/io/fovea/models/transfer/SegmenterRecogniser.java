package io.fovea.models.transfer;

import io.fovea.attention.AttentionSpec;
import io.fovea.attention.Mechanism;
import io.fovea.attention.ModuleState;
import io.fovea.attention.Recognised;
import io.fovea.models.NetworkSpec;
import io.fovea.models.SegmentationHeads;
import io.fovea.models.Segmenter;
import io.fovea.models.SegmenterForm;
import io.fovea.models.SegmenterSpec;
import io.fovea.models.placement.PlacedAttention;
import io.fovea.models.transfer.Recognition.Step;
import io.fovea.models.weights.WeightsException;
import io.fovea.models.weights.internal.UntrustedInput;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Collectors;

/**
 * Recognises a segmentation network by names and shapes: its backbone, its head and the attention in it.
 * The output stride and a multi-grid change no weight.
 */
final class SegmenterRecogniser {
  private static final String BACKBONE = Segmenter.BACKBONE + ".";
  private static final String HEAD = "head.";
  private static final String JOINT = HEAD + "conv_cat.";

  private static final Map<String, Map<String, List<Long>>> KNOWN = new ConcurrentHashMap<>();

  private final Map<String, long[]> shapes;
  private final Recognition.Known known;
  private final SegmenterForm layout;
  private final SegmentationConfig config;
  private final List<String> reasons = new ArrayList<>();
  private final List<String> untold = new ArrayList<>();
  private final Map<String, Step> steps = new LinkedHashMap<>();
  private SegmenterForm form;
  private Boolean alignCorners;

  /**
   * Prepares a recognition.
   *
   * @param shapes the shapes by Fovea's names, as far as the layout tells them
   * @param known what the user knows
   * @param source what the layout and the file tell beside the weights
   */
  SegmenterRecogniser(
      Map<String, long[]> shapes, Recognition.Known known, Recognition.Source source) {
    this.shapes = shapes;
    this.known = known;
    layout =
        source
            .form()
            .map(name -> SegmenterForm.valueOf(name.toUpperCase(Locale.ROOT)))
            .orElse(SegmenterForm.AUTHORS);
    form = layout;
    config = source.config();
  }

  /** Whether weights with these names are those of a segmentation network. */
  static boolean isSegmenter(Set<String> names) {
    return names.stream().anyMatch(name -> name.startsWith(BACKBONE))
        && names.stream().anyMatch(name -> name.startsWith(HEAD));
  }

  Recognition recognise() {
    config
        .obstacle()
        .ifPresent(
            reason -> {
              throw new WeightsException(reason);
            });
    String backbone = backbone();
    String head = head(backbone);
    int stride = config.outputStride().orElse(8);
    alignCorners = config.alignCorners().orElse(alignCorners);
    SegmenterSpec spec =
        new SegmenterSpec(backbone, 2, 3, head, stride, config.multiGrid(), form, alignCorners);
    tell(spec);
    NetworkSpec.Ends ends = spec.ends();
    long[] classifier = shapes.get(ends.classifier().get(0));
    long[] first = shapes.get(ends.first());
    spec =
        spec.withData(
            classifier == null || classifier.length == 0 ? 2 : (int) Math.max(1, classifier[0]),
            first != null && first.length > 1 && first[1] == 1 ? 1 : 3);
    return new Recognition(
        spec, List.copyOf(reasons), List.copyOf(untold), List.of(), Map.copyOf(steps));
  }

  /** Says what the configuration tells, and what nothing tells. */
  private void tell(SegmenterSpec spec) {
    if (config.outputStride().isPresent()) {
      reasons.add(
          "output stride "
              + spec.outputStride()
              + (spec.multiGrid() ? ", multi-grid" : ", no multi-grid")
              + ": the configuration in the file");
    } else if (!spec.hasShortSteps()) {
      untold.add(
          "output stride 8 and no multi-grid are taken, see --output-stride and --multi-grid"
              + (layout == SegmenterForm.AUTHORS ? "; the official DANet has a multi-grid" : ""));
    }
    boolean usual = spec.form() == SegmenterForm.AUTHORS && alignCorners == null;
    if (config.alignCorners().isPresent()) {
      reasons.add("align_corners=" + alignCorners + ": the configuration in the file");
    } else if (!usual) {
      untold.add(
          "align_corners=false is taken, it may be true: --align-corners"
              + (layout == SegmenterForm.MMSEGMENTATION
                  ? "; configurations for 769 x 769 have true"
                  : ""));
    }
    if (layout == SegmenterForm.MMSEGMENTATION
        && config.text().isEmpty()
        && spec.backbone().matches("resnet(50|101).?")) {
      untold.add(
          "style='pytorch' is taken: the stride in the 3x3 convolution; networks with"
              + " style='caffe' cannot be imported");
    }
  }

  /** The backbone with just the names and shapes of the file. */
  private String backbone() {
    Map<String, List<Long>> own = new LinkedHashMap<>();
    shapes.forEach(
        (name, shape) -> {
          if (name.startsWith(BACKBONE) && !name.startsWith(BACKBONE + "fc.")) {
            own.put(name, ModuleState.essential(shape));
          }
        });
    List<String> names = known.backbone() == null ? Segmenter.BACKBONES : List.of(known.backbone());
    String nearest = null;
    int fewest = Integer.MAX_VALUE;
    for (String name : names) {
      Map<String, List<Long>> made = backbone(name);
      int faults =
          (int) made.keySet().stream().filter(each -> !own.containsKey(each)).count()
              + (int)
                  own.entrySet().stream()
                      .filter(each -> differs(each.getKey(), each.getValue(), made))
                      .count();
      if (faults < fewest) {
        fewest = faults;
        nearest = name;
      }
    }
    Set<String> made = backbone(nearest).keySet();
    if (fewest > made.size() / 10 && known.backbone() == null) {
      throw new WeightsException(
          "not recognised: the nearest backbone for segmentation is "
              + nearest
              + ", from which "
              + fewest
              + " of its "
              + made.size()
              + " names or shapes differ; there are "
              + String.join(", ", Segmenter.BACKBONES));
    }
    reasons.add(
        nearest
            + ": "
            + made.stream().filter(own::containsKey).count()
            + " of its "
            + made.size()
            + " names are in the file");
    return nearest;
  }

  /** Whether a shape is another one; images may have another number of channels. */
  private static boolean differs(String name, List<Long> shape, Map<String, List<Long>> made) {
    List<Long> here = made.get(name);
    if (here == null || here.size() != shape.size()) {
      return true;
    }
    boolean first = here.size() > 1 && here.get(1) == 3 && here.get(0).equals(shape.get(0));
    return !here.equals(shape) && !first;
  }

  private static Map<String, List<Long>> backbone(String name) {
    return KNOWN.computeIfAbsent(
        name, each -> of(BACKBONE, new SegmenterSpec(each, 2, 3, PlacedAttention.NONE, 8, false)));
  }

  /** The names and shapes of a part of a network. */
  private static Map<String, List<Long>> of(String part, SegmenterSpec spec) {
    Map<String, List<Long>> all = BackboneNames.shapes(spec);
    all.keySet().removeIf(name -> !name.startsWith(part));
    return all;
  }

  private String head(String backbone) {
    Set<String> names = new LinkedHashSet<>();
    shapes.keySet().stream().filter(name -> name.startsWith(HEAD)).forEach(names::add);
    String found = known.attention() == null ? null : known.attention();
    if (found == null) {
      for (String head : SegmentationHeads.names()) {
        Set<String> own = // names do not depend on the backbone
            of(HEAD, new SegmenterSpec("small", 2, 3, head, 8, false, form, null)).keySet();
        long there = own.stream().filter(names::contains).count();
        if (2 * there > own.size()) {
          found = head;
          reasons.add(head + ": " + there + " of its " + own.size() + " names are in the file");
        }
      }
    }
    if (found != null && SegmentationHeads.names().contains(found)) {
      return found;
    }
    concatenation(backbone, names);
    Map<String, Map<String, long[]>> modules = new LinkedHashMap<>();
    for (String name : names) {
      String rest = name.substring(HEAD.length());
      String module = rest.substring(0, Math.max(0, rest.indexOf('.')));
      if (!module.startsWith("conv")) {
        modules
            .computeIfAbsent(module, any -> new LinkedHashMap<>())
            .put(rest.substring(module.length() + 1), shapes.get(name));
      }
    }
    List<String> specs = new ArrayList<>();
    modules.forEach((module, members) -> specs.add(attention(module, members).toString()));
    if (found != null) {
      return found;
    }
    if (specs.isEmpty()) {
      reasons.add("none: the head has convolutions only");
      return PlacedAttention.NONE;
    }
    if (specs.size() == 1) {
      return specs.get(0);
    }
    return specs.stream()
        .filter(spec -> spec.startsWith("pam"))
        .map(spec -> spec.replaceFirst("pam", "dual"))
        .filter(spec -> modules.containsKey("sc") && modules.size() == 2)
        .findFirst()
        .orElseThrow(
            () ->
                new WeightsException(
                    "the head has several attention modules, "
                        + String.join(", ", modules.keySet())
                        + ", which no head of Fovea has"));
  }

  /** MMSegmentation's concat_input is told by a convolution. */
  private void concatenation(String backbone, Set<String> names) {
    boolean two = names.stream().anyMatch(name -> name.startsWith(HEAD + "conv5c."));
    if (layout != SegmenterForm.MMSEGMENTATION
        || two
        || names.stream().anyMatch(name -> name.startsWith(JOINT))) {
      return;
    }
    if (backbone.matches("resnet(18|34).?")) {
      throw new WeightsException(
          "the head does not join its input (concat_input=False), which Fovea has for backbones with"
              + " bottlenecks only, because the basic blocks of "
              + backbone
              + " are dilated otherwise in MMSegmentation");
    }
    form = SegmenterForm.AUTHORS;
    alignCorners = false;
    reasons.add("no conv_cat: the head does not join its input (concat_input=False)");
  }

  private AttentionSpec attention(String module, Map<String, long[]> members) {
    long[] before =
        shapes.get(
            HEAD
                + (module.equals("sa") ? "conv5a" : module.equals("sc") ? "conv5c" : "conv5")
                + ".0.weight");
    if (before == null || before.length == 0) {
      throw new WeightsException("the head has no convolution before " + module);
    }
    ModuleState state = ModuleState.of(before[0], members);
    List<Recognised> all = new ArrayList<>();
    if (known.attention() != null && !known.attention().equals(PlacedAttention.NONE)) {
      AttentionSpec wanted = AttentionSpec.parse(known.attention());
      for (AttentionSpec part : wanted.mechanism().parts(wanted)) {
        Recognised.as(part, List.of(state)).ifPresent(all::add);
      }
    }
    List<Recognised> read = NetworkSpec.aside(() -> Recognised.of(List.of(state)));
    read.stream().filter(each -> isNamed(each, module)).forEach(all::add);
    all.addAll(read);
    if (all.isEmpty()) {
      throw new WeightsException(
          "the attention "
              + UntrustedInput.text(HEAD + module)
              + ".* is not recognised; its weights are "
              + members.keySet().stream()
                  .limit(4)
                  .map(UntrustedInput::text)
                  .collect(Collectors.joining(", ")));
    }
    Recognised taken = all.get(0);
    if (taken.form().refusal().isPresent()) {
      throw new WeightsException(
          UntrustedInput.text(HEAD + module)
              + " is "
              + taken.spec().mechanism()
              + " as "
              + taken.form().whose()
              + " has it, which Fovea does not compute: "
              + taken.form().refusal().get());
    }
    Mechanism mechanism = taken.spec().mechanism();
    String target = HEAD + mechanism.partName() + ".";
    members.forEach(
        (name, shape) -> {
          String here = taken.form().renamed(name);
          String from = HEAD + module + "." + name;
          if (!from.equals(target + here)) {
            steps.put(
                from,
                new Step(
                    target + here, taken.form().isReversed(here), ModuleState.essential(shape)));
          }
        });
    reasons.add(
        taken.spec()
            + ": the module "
            + UntrustedInput.text(HEAD + module)
            + ".*, with the names of "
            + taken.form().whose());
    untold.addAll(NetworkSpec.aside(() -> taken.untold(before[0])));
    return taken.spec();
  }

  private static boolean isNamed(Recognised recognised, String module) {
    return recognised.spec().mechanism().partName().equals(module);
  }
}
