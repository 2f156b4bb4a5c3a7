package io.fovea.models.transfer;

import io.fovea.attention.AttentionSpec;
import io.fovea.attention.Mechanism;
import io.fovea.attention.ModuleState;
import io.fovea.attention.Recognised;
import io.fovea.errors.SpecException;
import io.fovea.models.Classifier;
import io.fovea.models.ModelSpec;
import io.fovea.models.NetworkSpec;
import io.fovea.models.VideoForm;
import io.fovea.models.placement.BackboneTopology.Place;
import io.fovea.models.placement.PlacedAttention;
import io.fovea.models.placement.Placement;
import io.fovea.models.placement.Placement.Site;
import io.fovea.models.transfer.BackboneNames.Slot;
import io.fovea.models.weights.WeightsException;
import io.fovea.models.weights.internal.UntrustedInput;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;
import java.util.stream.DoubleStream;
import java.util.stream.IntStream;
import org.bytedeco.pytorch.Tensor;

/**
 * The network that weights in a file belong to, as far as their names and shapes tell: its backbone,
 * its attention and the places of it. Networks are created and compared with the file; what is left in
 * the file is shown to the mechanisms, each of which knows the forms of its own weights.
 *
 * <p>Immutable; its methods may be called from several threads.
 *
 * @param spec the network
 * @param reasons why it was taken for this network, in sentences
 * @param untold what names and shapes do not tell, in sentences
 * @param unknown the names of weights that nothing was recognised in
 * @param steps what happens to each weight that has another name or another order here
 */
public record Recognition(
    NetworkSpec<?> spec,
    List<String> reasons,
    List<String> untold,
    List<String> unknown,
    Map<String, Step> steps) {
  private static final int LISTED = 3;
  private static final double LITTLE = 1e-3;
  private static final int LONG = 32; // frames

  /**
   * A change of one weight.
   *
   * @param name its name here
   * @param reversed whether its input channels are in the reverse order
   * @param shape its shape without trailing ones
   */
  record Step(String name, boolean reversed, List<Long> shape) {}

  /**
   * What the user knows of the network already.
   *
   * @param backbone the backbone, or null
   * @param attention the attention, or null
   * @param width the width multiplier, or null
   * @param frames the number of frames of the clips of a video network, or null
   */
  public record Known(String backbone, String attention, Double width, Integer frames) {
    /** Nothing is known. */
    public static final Known NOTHING = new Known(null, null, null);

    /** The frames of a video network's clips are not known. */
    public Known(String backbone, String attention, Double width) {
      this(backbone, attention, width, null);
    }
  }

  /**
   * What is known of networks for segmentation and video beside their weights.
   *
   * @param form whose code the layout follows, by the name of the {@link
   *     io.fovea.models.SegmenterForm} or {@link VideoForm}
   * @param config the configuration in the file
   */
  record Source(Optional<String> form, SegmentationConfig config) {
    static final Source NOTHING = new Source(Optional.empty(), new SegmentationConfig(""));
  }

  /** A module of the file: its names without their path, and where it may stand. */
  private record Found(String path, Map<String, long[]> shapes, Slot slot) {
    ModuleState state() {
      return ModuleState.of(slot.channels(), shapes);
    }
  }

  /**
   * Recognises a network.
   *
   * @param weights the weights by name, in a layout that was renamed to torchvision's names or Fovea's
   * @param known what the user knows
   * @param source what the layout and the file tell beside the weights
   * @throws WeightsException if there is no such backbone, or the attention is a copy whose equation is
   *     another one; the message gives the nearest backbone or the reason
   */
  static Recognition of(Map<String, Tensor> weights, Known known, Source source) {
    Map<String, long[]> shapes = new LinkedHashMap<>();
    weights.forEach(
        (name, tensor) -> {
          if (!name.endsWith(ModuleState.COUNTER)) {
            shapes.put(name, tensor.shape());
          }
        });
    return SegmenterRecogniser.isSegmenter(shapes.keySet())
        ? new SegmenterRecogniser(shapes, known, source).recognise()
        : new Recogniser(shapes, known, source).recognise();
  }

  /**
   * Recognises a network in no particular layout.
   *
   * @throws WeightsException if there is no such backbone, or the attention is a copy whose equation is
   *     another one
   */
  public static Recognition of(Map<String, Tensor> weights, Known known) {
    return of(weights, known, Source.NOTHING);
  }

  /** The weights under Fovea's names. Weights that change are copied, others are passed through. */
  public Map<String, Tensor> renamed(Map<String, Tensor> weights) {
    Map<String, Tensor> renamed = new LinkedHashMap<>();
    weights.forEach(
        (name, tensor) -> {
          Step step = steps.get(name);
          int dot = name.lastIndexOf('.');
          if (step == null && name.endsWith(ModuleState.COUNTER)) {
            // goes with the other weights of its batch norm
            Step beside = steps.get(name.substring(0, dot) + ".running_mean");
            renamed.put(
                beside == null
                    ? name
                    : beside.name().replaceAll("running_mean$", ModuleState.COUNTER),
                tensor);
          } else if (step == null) {
            renamed.put(name, tensor);
          } else {
            Tensor value = step.reversed() ? tensor.flip(1) : tensor;
            renamed.put(
                step.name(),
                value.reshape(step.shape().stream().mapToLong(size -> size).toArray()));
          }
        });
    return renamed;
  }

  /** The work of one recognition. */
  private static final class Recogniser {
    private final Map<String, long[]> shapes;
    private final Known known;
    private final VideoForm form;
    private final VideoConfig config;
    private final List<String> reasons = new ArrayList<>();
    private final Set<String> untold = new LinkedHashSet<>();
    private final List<String> unknown = new ArrayList<>();
    private final Map<String, Step> steps = new LinkedHashMap<>();
    private final Map<ModelSpec, Map<String, List<Long>>> created = new LinkedHashMap<>();
    private ModelSpec plain;
    private Map<String, List<Slot>> slots;

    Recogniser(Map<String, long[]> shapes, Known known, Source source) {
      this.shapes = shapes;
      this.known = known;
      form = source.form().filter(VideoForm::isOne).map(VideoForm::of).orElse(VideoForm.FOVEA);
      config = new VideoConfig(form == VideoForm.MMACTION ? source.config().text() : "");
    }

    Recognition recognise() {
      plain = backbone();
      slots = BackboneNames.slots(plain);
      Set<String> own = own(plain).keySet();
      reasons.add(
          plain.backbone()
              + (plain.width() == 1 ? "" : " of width " + plain.width())
              + ": "
              + own.stream().filter(shapes::containsKey).count()
              + " of its "
              + own.size()
              + " names are in the file");
      lastLayer();
      tellOfClips();
      List<String> rest =
          shapes.keySet().stream()
              .filter(name -> !own.contains(name) && !steps.containsKey(name))
              .toList();
      List<String> attentions = attentions(rest);
      if (attentions.isEmpty() && known.attention() == null) {
        attentions = List.of(PlacedAttention.NONE);
        untold.add(
            "attention without weights ("
                + NetworkSpec.aside(
                    () ->
                        Mechanism.all().stream()
                            .filter(Mechanism::hasNoWeights)
                            .map(Mechanism::name)
                            .collect(Collectors.joining(", ")))
                + ") leaves no trace in a file; none is taken");
      }
      String text = known.attention() == null ? String.join("; ", attentions) : known.attention();
      return new Recognition(
          plain.withAttention(text),
          List.copyOf(reasons),
          List.copyOf(untold),
          List.copyOf(unknown),
          Map.copyOf(steps));
    }

    private Map<String, List<Long>> own(ModelSpec spec) {
      return created.computeIfAbsent(spec, BackboneNames::shapes);
    }

    /** Says what is known of the clips of a video network, and what is not. */
    private void tellOfClips() {
      if (plain.frames() == 0) {
        return;
      }
      boolean halves = Classifier.builder(plain.backbone()).isHalvedAtStart(plain.frames(), form);
      config
          .obstacle(halves)
          .ifPresent(
              reason -> {
                throw new WeightsException(reason);
              });
      if (known.frames() == null && config.frames().isPresent()) {
        reasons.add("clips of " + plain.frames() + " frames: the configuration in the file");
      } else if (known.frames() == null) {
        untold.add(
            "clips of "
                + plain.frames()
                + " frames are taken, see --frames"
                + (Classifier.builder(plain.backbone()).isHalvedAtStart(LONG, form)
                    ? "; for 32 frames or more the network steps by two frames at its start"
                    : ""));
      }
    }

    /** Finds the classifier in a sequence, in which a dropout stands before it, or under another name. */
    private void lastLayer() {
      String weight = plain.ends().classifier().get(0);
      if (shapes.containsKey(weight)) {
        return;
      }
      String path = weight.substring(0, weight.length() - "weight".length());
      List<String> layers =
          shapes.keySet().stream()
              .filter(name -> name.startsWith(path) && name.endsWith(".weight"))
              .toList();
      if (layers.size() > 1) {
        throw new WeightsException(
            "the classifier has "
                + layers.size()
                + " layers ("
                + some(layers)
                + "), but the networks here have one; the backbone alone can be trained further:"
                + " leave the classifier out with the rule ^"
                + path.replace(".", "\\.")
                + " -> (drop: another classifier)");
      }
      List<String> last = layers.isEmpty() ? otherwiseNamed(weight) : layers;
      for (String layer : last) {
        String in = layer.substring(0, layer.length() - "weight".length());
        for (String name : List.of("weight", "bias")) {
          if (shapes.containsKey(in + name)) {
            steps.put(
                in + name,
                new Step(path + name, false, ModuleState.essential(shapes.get(in + name))));
          }
        }
        plain = plain.withData((int) Math.max(1, shapes.get(layer)[0]), plain.channels());
        reasons.add(layer + " is taken for " + weight);
      }
    }

    /** The only matrix at the top of the file that takes what the backbone gives to its classifier. */
    private List<String> otherwiseNamed(String weight) {
      List<Long> own = this.own(plain).get(weight);
      List<String> layers =
          shapes.keySet().stream()
              .filter(name -> name.matches("[^.]+\\.weight"))
              .filter(name -> !own(plain).containsKey(name))
              .filter(name -> shapes.get(name).length == 2)
              .filter(name -> shapes.get(name)[1] == own.get(own.size() - 1))
              .toList();
      return layers.size() == 1 ? layers : List.of();
    }

    /** The backbone whose names and shapes are in the file, with its width, channels and classes. */
    private ModelSpec backbone() {
      boolean video = // parameters of attention, such as tables of positions, may have five, too
          shapes.entrySet().stream()
              .anyMatch(e -> e.getKey().endsWith("weight") && e.getValue().length == 5);
      List<String> names =
          known.backbone() != null ? List.of(known.backbone()) : BackboneNames.names(video);
      Map<Double, List<String>> byFaults = new TreeMap<>();
      List<String> near = names.stream().filter(this::isNear).toList();
      for (String name : near.isEmpty() ? names : near) {
        byFaults.computeIfAbsent(faults(name), any -> new ArrayList<>()).add(name);
      }
      List<String> nearest = byFaults.values().iterator().next();
      if (known.backbone() == null && !isNear(nearest.get(0))) {
        throw new WeightsException(notRecognised(nearest.get(0)));
      }
      List<String> complaints = new ArrayList<>();
      List<ModelSpec> fitting = new ArrayList<>();
      for (String name : likeliest(nearest)) {
        for (double width : widths(name)) {
          ModelSpec spec = spec(name, width);
          Optional<String> different = different(spec);
          if (different.isEmpty() || (known.backbone() != null && known.width() != null)) {
            fitting.add(spec);
            break;
          }
          complaints.add(different.get());
        }
        if (!video && !fitting.isEmpty()) {
          break;
        }
      }
      if (!fitting.isEmpty()) {
        return chosen(fitting);
      }
      if (known.backbone() != null) {
        return spec(known.backbone(), known.width() == null ? 1 : known.width());
      }
      throw new WeightsException(
          "the names are those of " + String.join(" and ", nearest) + ", but " + complaints.get(0));
    }

    /** One of several video networks with the same weights, which differ in poolings over time. */
    private ModelSpec chosen(List<ModelSpec> fitting) {
      if (fitting.size() == 1) {
        return fitting.get(0);
      }
      List<String> names = fitting.stream().map(ModelSpec::backbone).toList();
      Optional<String> prefix = config.prefix();
      Optional<ModelSpec> told =
          prefix.flatMap(
              each ->
                  fitting.stream().filter(spec -> spec.backbone().startsWith(each)).findFirst());
      if (told.isPresent()) {
        reasons.add(told.get().backbone() + ": the configuration in the file");
        return told.get();
      }
      if (form == VideoForm.MMACTION) {
        throw new WeightsException(
            String.join(" and ", names)
                + " have the same weights, and there is no configuration in the file: say with --backbone"
                + " which it is");
      }
      untold.add(
          names.get(0)
              + " is taken, it may be "
              + String.join(" or ", names.subList(1, names.size()))
              + ": the weights are the same");
      return fitting.get(0);
    }

    /** The frames of the clips of a video backbone; 0 for images. */
    private int frames(String backbone) {
      int usual = BackboneNames.frames(backbone);
      return usual == 0
          ? 0
          : known.frames() != null ? known.frames() : config.frames().orElse(usual);
    }

    private ModelSpec spec(String name, double width) {
      int frames = frames(name);
      ModelSpec spec =
          new ModelSpec(name, 2, 3, width, frames, PlacedAttention.NONE, frames == 0 ? null : form);
      NetworkSpec.Ends ends = spec.ends();
      long[] classifier = shapes.get(ends.classifier().get(0));
      long[] first = shapes.get(ends.first());
      int classes =
          classifier == null || classifier.length == 0 ? 2 : (int) Math.max(1, classifier[0]);
      int channels = first != null && first.length > 1 && first[1] == 1 ? 1 : 3;
      return spec.withData(classes, channels);
    }

    /**
     * How far a backbone is from the file: the number of its names that are not in the file and of blocks'
     * weights that it does not have. Weights that attention in its blocks may have count little.
     */
    private double faults(String backbone) {
      Set<String> own = expected(backbone);
      Set<String> paths = new LinkedHashSet<>();
      own.forEach(name -> paths.addAll(paths(name)));
      long missing = own.stream().filter(name -> !shapes.containsKey(name)).count();
      List<String> more = shapes.keySet().stream().filter(name -> !own.contains(name)).toList();
      long foreign = more.stream().filter(name -> isForeign(name, paths)).count();
      return missing + foreign + LITTLE * more.size();
    }

    /** Whether a weight is in a numbered block, or a numbered part of one, that a backbone lacks. */
    private static boolean isForeign(String name, Set<String> paths) {
      return paths(name).stream()
          .filter(path -> !paths.contains(path))
          .findFirst()
          .map(path -> path.matches("(.*\\.)?\\d+|layer\\d+"))
          .orElse(false);
    }

    /** The paths of the modules that a name is in, the shortest first. */
    private static List<String> paths(String name) {
      return IntStream.range(0, name.length())
          .filter(i -> name.charAt(i) == '.')
          .mapToObj(i -> name.substring(0, i))
          .toList();
    }

    /**
     * The names of a backbone. Where the file has no statistics at all, its norms are no batch norms,
     * which tells nothing of the backbone.
     */
    private Set<String> expected(String backbone) {
      Set<String> own = BackboneNames.narrow(backbone).keySet();
      return shapes.keySet().stream().anyMatch(Recogniser::isStatistic)
          ? own
          : own.stream()
              .filter(name -> !isStatistic(name))
              .collect(Collectors.toCollection(LinkedHashSet::new));
    }

    private static boolean isStatistic(String name) {
      return name.endsWith(".running_mean") || name.endsWith(".running_var");
    }

    /** Whether most names of a backbone are in the file. */
    private boolean isNear(String backbone) {
      Set<String> own = expected(backbone);
      return 2 * own.stream().filter(shapes::containsKey).count() > own.size();
    }

    private String notRecognised(String nearest) {
      Set<String> own = BackboneNames.narrow(nearest).keySet();
      List<String> missing = own.stream().filter(name -> !shapes.containsKey(name)).toList();
      List<String> more = shapes.keySet().stream().filter(name -> !own.contains(name)).toList();
      Map<String, Long> heads =
          shapes.keySet().stream()
              .collect(
                  Collectors.groupingBy(
                      name -> name.substring(0, name.indexOf('.') + 1), Collectors.counting()));
      Optional<String> wrapper =
          heads.entrySet().stream()
              .filter(head -> head.getKey().length() > 1 && head.getValue() > 0.8 * shapes.size())
              .map(Map.Entry::getKey)
              .findFirst();
      return "not recognised: the nearest backbone is "
          + nearest
          + "; the file lacks "
          + some(missing)
          + " of it, and has "
          + some(more)
          + " instead; "
          + wrapper
              .map(
                  head ->
                      "most names begin with "
                          + head
                          + ", which a file for --rename with the line ^"
                          + head.replace(".", "\\.")
                          + " -> removes")
              .orElse("give rules with --rename, see docs/import.md");
    }

    /** Backbones of the same names, those whose shapes have the proportions of the file's first. */
    private List<String> likeliest(List<String> backbones) {
      return backbones.stream()
          .sorted(Comparator.comparing((String name) -> -proportional(name)))
          .toList();
    }

    private long proportional(String backbone) {
      double ratio = 1 / BackboneNames.NARROW;
      return BackboneNames.narrow(backbone).entrySet().stream()
          .filter(entry -> shapes.containsKey(entry.getKey()))
          .filter(
              entry -> {
                List<Long> own = entry.getValue();
                List<Long> theirs = ModuleState.essential(shapes.get(entry.getKey()));
                return own.size() == theirs.size()
                    && IntStream.range(0, own.size())
                        .allMatch(
                            i ->
                                theirs.get(i).equals(own.get(i))
                                    || theirs.get(i) == ratio * own.get(i));
              })
          .count();
    }

    /** The width multipliers that the first convolution may have, the likely first. */
    private List<Double> widths(String backbone) {
      if (known.width() != null) {
        return List.of(known.width());
      }
      String first = new ModelSpec(backbone, 2, 3, 1, "none").ends().first();
      long[] stem = shapes.get(first);
      List<Long> narrow = BackboneNames.narrow(backbone).get(first);
      double ratio =
          stem == null || stem.length == 0
              ? 1
              : (double) stem[0] / narrow.get(0) * BackboneNames.NARROW;
      return DoubleStream.of(ratio, 1, 0.75, 0.5, 0.35, 0.25, 0.125, 0.0625, 1.25, 1.4, 1.5, 2)
          .distinct()
          .boxed()
          .sorted(Comparator.comparing(width -> width == ratio ? 0 : width == 1 ? 1 : 2))
          .toList();
    }

    /** The first shape that differs from the backbone's. */
    private Optional<String> different(ModelSpec spec) {
      Set<String> classifier = Set.copyOf(spec.ends().classifier());
      return own(spec).entrySet().stream()
          .filter(entry -> shapes.containsKey(entry.getKey()))
          .filter(entry -> !classifier.contains(entry.getKey()))
          .filter(
              entry -> !ModuleState.essential(shapes.get(entry.getKey())).equals(entry.getValue()))
          .map(
              entry ->
                  entry.getKey()
                      + " has shape "
                      + ModuleState.essential(shapes.get(entry.getKey()))
                      + " instead of "
                      + entry.getValue())
          .findFirst();
    }

    /** Recognises the weights that the backbone alone does not have. */
    private List<String> attentions(List<String> rest) {
      Optional<String> published = published(rest);
      if (published.isPresent()) {
        reasons.add("its own attention, " + published.get());
        return List.of(published.get());
      }
      Map<String, List<String>> byBlock = new LinkedHashMap<>();
      for (String name : rest) {
        byBlock.computeIfAbsent(block(name), any -> new ArrayList<>()).add(name);
      }
      List<String> outside = byBlock.getOrDefault("", List.of());
      byBlock.remove("");
      List<String> texts = new ArrayList<>();
      Set<String> heads = new LinkedHashSet<>();
      byBlock.forEach((block, names) -> names.forEach(name -> heads.add(first(block, name))));
      List<Found> wholes = inBlocks(byBlock, "");
      Optional<Recognised> whole = wholes.isEmpty() ? Optional.empty() : recognised(wholes);
      if (whole.isPresent()) {
        take(whole.get(), wholes, texts);
      } else {
        heads.forEach(head -> part(inBlocks(byBlock, head), texts));
      }
      outside.stream()
          .map(name -> unnumbered(first("", name)))
          .distinct()
          .forEach(head -> part(outside(outside, head), texts));
      return texts;
    }

    /**
     * The attention of the published network, if all names and shapes are its. A module alone does
     * not tell it where its hidden width depends on the block around it.
     */
    private Optional<String> published(List<String> rest) {
      if (known.attention() != null || rest.isEmpty()) {
        return Optional.empty();
      }
      return Classifier.builder(plain.backbone())
          .ownAttention()
          .map(PlacedAttention::toString)
          .filter(
              text -> {
                Map<String, List<Long>> made = own(plain.withAttention(text));
                return rest.stream()
                    .allMatch(
                        name -> ModuleState.essential(shapes.get(name)).equals(made.get(name)));
              });
    }

    private String block(String name) {
      return slots.keySet().stream()
          .filter(path -> !path.isEmpty() && name.startsWith(path))
          .findFirst()
          .orElse("");
    }

    /** Recognises the modules of one name, all together or else stage by stage. */
    private void part(List<Found> modules, List<String> texts) {
      List<Found> deeper = modules;
      while (true) {
        if (deeper.stream().allMatch(found -> found.slot() != null)) {
          Optional<Recognised> recognised = recognised(deeper);
          if (recognised.isPresent()) {
            take(recognised.get(), deeper, texts);
            return;
          }
          if (byStage(deeper, texts)) {
            return;
          }
        }
        String next = commonHead(deeper);
        if (next == null) {
          break;
        }
        deeper = deeper.stream().map(found -> below(found, next)).toList();
      }
      modules.forEach(
          found -> found.shapes().keySet().forEach(name -> unknown.add(found.path() + name)));
    }

    private boolean byStage(List<Found> modules, List<String> texts) {
      Map<Integer, List<Found>> stages =
          modules.stream()
              .collect(
                  Collectors.groupingBy(
                      found -> found.slot().place().stage(), TreeMap::new, Collectors.toList()));
      Map<Integer, Optional<Recognised>> each = new TreeMap<>();
      stages.forEach((stage, members) -> each.put(stage, recognised(members)));
      if (stages.size() < 2 || each.values().stream().anyMatch(Optional::isEmpty)) {
        return false;
      }
      stages.forEach((stage, members) -> take(each.get(stage).orElseThrow(), members, texts));
      return true;
    }

    /** The likeliest mechanism of some modules. */
    private Optional<Recognised> recognised(List<Found> modules) {
      List<ModuleState> states = modules.stream().map(Found::state).toList();
      List<Recognised> all =
          NetworkSpec.aside(() -> of(states)).stream()
              .sorted(Comparator.comparing(recognised -> !isNamed(modules.get(0), recognised)))
              .toList();
      if (all.isEmpty()) {
        return Optional.empty();
      }
      Recognised first = all.get(0);
      if (first.form().refusal().isPresent()) {
        throw new WeightsException(
            UntrustedInput.text(modules.get(0).path())
                + "* is "
                + first.spec().mechanism()
                + " as "
                + first.form().whose()
                + " has it, which Fovea does not compute: "
                + first.form().refusal().get());
      }
      all.stream()
          .map(Recognised::spec)
          .filter(spec -> !spec.mechanism().equals(first.spec().mechanism()))
          .map(AttentionSpec::toString)
          .distinct()
          .forEach(
              other ->
                  untold.add(
                      first.spec().mechanism()
                          + " is taken, it may be "
                          + other
                          + ": both have the same names and shapes"));
      return Optional.of(first);
    }

    /** Whether a module has the name that a mechanism has at its place here. */
    private static boolean isNamed(Found found, Recognised recognised) {
      return found.path().equals(found.slot().path(recognised.spec().mechanism()));
    }

    /** The mechanisms of modules, those that the user or the backbone names first. */
    private List<Recognised> of(List<ModuleState> states) {
      List<Recognised> all = new ArrayList<>();
      for (AttentionSpec spec : wanted()) {
        Recognised.as(spec, states).ifPresent(all::add);
      }
      List<Recognised> read = Recognised.of(states);
      read.stream().filter(this::isWanted).forEach(all::add);
      read.stream().filter(recognised -> !isWanted(recognised)).forEach(all::add);
      return all;
    }

    private List<AttentionSpec> wanted() {
      if (known.attention() != null) {
        return PlacedAttention.parseAll(known.attention()).stream()
            .map(PlacedAttention::attention)
            .toList();
      }
      return Classifier.builder(plain.backbone()).ownAttention().stream()
          .map(PlacedAttention::attention)
          .toList();
    }

    private boolean isWanted(Recognised recognised) {
      return wanted().stream()
          .anyMatch(spec -> spec.mechanism().equals(recognised.spec().mechanism()));
    }

    /** What the configuration in the file tells of the options, where names and shapes allow it. */
    private Recognised configured(Recognised recognised, List<Found> modules) {
      AttentionSpec spec = recognised.spec();
      try {
        for (Map.Entry<String, String> option : config.attention().entrySet()) {
          if (spec.options().containsKey(option.getKey())) {
            spec = spec.with(option.getKey(), option.getValue());
          }
        }
      } catch (SpecException e) { // options that do not go together: it tells of another module
        return recognised;
      }
      boolean fits = Recognised.as(spec, modules.stream().map(Found::state).toList()).isPresent();
      return fits ? new Recognised(spec, recognised.form()) : recognised;
    }

    private void take(Recognised read, List<Found> given, List<String> texts) {
      Recognised recognised = configured(read, given);
      AttentionSpec spec = recognised.spec();
      Set<String> told = config.attention().keySet();
      List<Found> modules = given.stream().map(found -> placed(found, recognised)).toList();
      Set<Place> places = new LinkedHashSet<>();
      for (Found found : modules) {
        places.add(found.slot().place());
        String target = found.slot().path(spec.mechanism());
        Map<String, List<Long>> made =
            NetworkSpec.aside(() -> recognised.shapes(found.slot().channels()));
        for (String name : found.shapes().keySet()) {
          String here = recognised.form().renamed(name);
          boolean reversed = recognised.form().isReversed(here);
          List<Long> own = ModuleState.essential(found.shapes().get(name));
          List<Long> shape = recognised.form().isReshaped() ? made.getOrDefault(here, own) : own;
          if (reversed || !shape.equals(own) || !(found.path() + name).equals(target + here)) {
            steps.put(found.path() + name, new Step(target + here, reversed, shape));
          }
        }
      }
      String text =
          BackboneNames.placed(
              new PlacedAttention(spec, Placement.paper()), places, plain.backbone());
      if (text == null) {
        throw new WeightsException(
            spec
                + " is recognised in "
                + some(modules.stream().map(found -> found.path() + "*").toList())
                + ", but no placement of Fovea's means just these places of "
                + plain.backbone());
      }
      texts.add(text);
      reasons.add(
          spec
              + ": "
              + (modules.size() == 1 ? "a module " : modules.size() + " modules ")
              + some(modules.stream().map(Found::path).map(path -> path + "*").toList())
              + ", with the names of "
              + recognised.form().whose());
      if (modules.stream().anyMatch(found -> isGuessed(found, spec))) {
        untold.add(
            spec.mechanism()
                + ": it is taken to stand before the addition of its block, it may stand elsewhere in"
                + " the block");
      }
      NetworkSpec.aside(
              () ->
                  recognised.untold(
                      modules.stream()
                          .mapToLong(each -> each.slot().channels())
                          .min()
                          .orElseThrow()))
          .stream()
          .filter(
              sentence ->
                  told.stream()
                      .noneMatch(name -> sentence.startsWith(spec.mechanism() + ": " + name + "=")))
          .forEach(untold::add);
    }

    /** Whether a module in a block has another name than attention at a named place has here. */
    private static boolean isGuessed(Found found, AttentionSpec spec) {
      return found.slot().place().site() == Site.STANDARD
          && !found.path().equals(found.slot().path(spec.mechanism()));
    }

    /** Moves a module whose name does not say its place: some papers' stand between blocks. */
    private Found placed(Found found, Recognised recognised) {
      Mechanism mechanism = recognised.spec().mechanism();
      boolean ofPaper = recognised.form().equals(mechanism.forms().get(0));
      if (!isGuessed(found, recognised.spec())
          || !ofPaper
          || mechanism.place() == Mechanism.Place.BLOCK) {
        return found;
      }
      return slots.get(block(found.path())).stream()
          .filter(slot -> slot.place().site() == Site.AFTER)
          .findFirst()
          .map(slot -> new Found(found.path(), found.shapes(), slot))
          .orElse(found);
    }

    /** The modules of a name in each block that has it; {@code head} is "" for all of a block. */
    private List<Found> inBlocks(Map<String, List<String>> byBlock, String head) {
      List<Found> founds = new ArrayList<>();
      byBlock.forEach(
          (block, names) -> {
            String path = head.isEmpty() ? block : block + head + ".";
            Map<String, long[]> members = new LinkedHashMap<>();
            for (String name : names) {
              if (name.startsWith(path)) {
                members.put(name.substring(path.length()), shapes.get(name));
              }
            }
            if (!members.isEmpty()) {
              founds.add(new Found(path, members, inBlock(path, head, slots.get(block))));
            }
          });
      return founds;
    }

    /** The modules of a name with the number of a stage at its end, or without. */
    private List<Found> outside(List<String> names, String head) {
      Map<String, Map<String, long[]>> modules = new LinkedHashMap<>();
      for (String name : names) {
        String first = first("", name);
        if (unnumbered(first).equals(head)) {
          String path = first.isEmpty() ? "" : first + ".";
          modules
              .computeIfAbsent(path, any -> new LinkedHashMap<>())
              .put(name.substring(path.length()), shapes.get(name));
        }
      }
      List<Found> founds = new ArrayList<>();
      modules.forEach((path, members) -> founds.add(new Found(path, members, outside(path))));
      return founds;
    }

    private Slot outside(String path) {
      String digits = path.replaceAll("^.*?(\\d?)\\.?$", "$1");
      int stage = digits.matches("\\d{1,4}") ? Integer.parseInt(digits) : 0;
      return slots.getOrDefault("", List.of()).stream()
          .filter(
              slot ->
                  stage > 0
                      ? slot.place().site() == Site.STAGE && slot.place().stage() == stage
                      : slot.place().site() == Site.HEAD)
          .findFirst()
          .orElse(null);
    }

    /** The place of a module: that of a convolution that is gone, one that its name says, or the usual. */
    private Slot inBlock(String path, String head, List<Slot> all) {
      Optional<Slot> replaced =
          all.stream()
              .filter(slot -> slot.place().site() == Site.CONV)
              .filter(slot -> (slot.path() + ".").equals(path))
              .filter(slot -> !shapes.containsKey(slot.path() + ".weight"))
              .findFirst();
      Optional<Slot> named =
          all.stream().filter(slot -> head.endsWith("_" + slot.place().site())).findFirst();
      Optional<Slot> usual =
          all.stream().filter(slot -> slot.place().site() == Site.STANDARD).findFirst();
      Optional<Slot> last =
          all.stream().filter(slot -> slot.place().site() == Site.AFTER).findFirst();
      return replaced.or(() -> named).or(() -> usual).or(() -> last).orElse(null);
    }

    /** The first part of a name in a block; "" if it is a weight of the block itself. */
    private static String first(String block, String name) {
      String rest = name.substring(block.length());
      return rest.contains(".") ? rest.substring(0, rest.indexOf('.')) : "";
    }

    private static String unnumbered(String name) {
      return name.replaceAll("\\d$", "");
    }

    /** The first part of all names of all modules, or null if they have none in common. */
    private static String commonHead(List<Found> modules) {
      Set<String> heads =
          modules.stream()
              .flatMap(found -> found.shapes().keySet().stream())
              .map(name -> name.contains(".") ? name.substring(0, name.indexOf('.')) : "")
              .collect(Collectors.toSet());
      return heads.size() == 1 && !heads.contains("") ? heads.iterator().next() : null;
    }

    private static Found below(Found found, String head) {
      Map<String, long[]> shapes = new LinkedHashMap<>();
      found.shapes().forEach((name, shape) -> shapes.put(name.substring(head.length() + 1), shape));
      return new Found(found.path() + head + ".", shapes, found.slot());
    }
  }

  /** Some of many names, for a sentence. */
  private static String some(Collection<String> names) {
    List<String> list = List.copyOf(names);
    int shown = Math.min(LISTED, list.size());
    return (list.isEmpty() ? "nothing" : "")
        + IntStream.range(0, shown)
            .mapToObj(i -> UntrustedInput.text(list.get(i)))
            .collect(Collectors.joining(", "))
        + (list.size() > shown ? " and " + (list.size() - shown) + " more" : "");
  }
}
