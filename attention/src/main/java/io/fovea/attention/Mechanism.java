package io.fovea.attention;

import io.fovea.errors.SpecException;
import io.fovea.tensor.internal.DidYouMean;
import java.util.ArrayList;
import java.util.Collections;
import java.util.EnumSet;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Function;
import java.util.stream.Stream;

/**
 * The description of a mechanism: its name in specs, its title and paper, its options, its place in
 * the paper, and what {@code explain} shows. Specs, help, tables, placements, explanations and
 * tests are derived from it. No other code refers to a mechanism by its name.
 *
 * <p>A mechanism outside this project is a class that extends {@link Attention} and has a constant
 * of this type, and a {@link Provider} that is named in {@code
 * META-INF/services/io.fovea.attention.Mechanism$Provider}.
 *
 * <p>Immutable and thread-safe.
 */
public final class Mechanism {
  /** Provides a mechanism from outside for {@link java.util.ServiceLoader}. */
  public interface Provider {
    /** The mechanism, which must be the same in each call. */
    Mechanism mechanism();
  }

  /** The place of a mechanism in the networks of its paper. */
  public enum Place {
    /** In every block, after its last convolution and batch norm, before the addition. */
    BLOCK,
    /** At the end of every stage but the last. */
    STAGE_ENDS,
    /** At the end of the last stage but one, once. */
    LAST_STAGE_BUT_ONE,
    /** In every block, in place of a 3x3 convolution. */
    CONVOLUTION,
    /** In the blocks of the last stage, in place of a 3x3 convolution. */
    CONVOLUTION_OF_LAST_STAGE
  }

  /** What {@link Attention#explain} shows. */
  public enum Shows {
    /** It has a gate for each channel. */
    CHANNEL_GATES,
    /** It has a gate for each position. */
    SPATIAL_GATES,
    /** It has the attention of each position to each position. */
    AFFINITY,
    /** It has the attention of each channel to each channel. */
    CHANNEL_AFFINITY
  }

  /**
   * Where code of a mechanism is.
   *
   * @param role whose it is and what it is for: {@code authors}, {@code reference}
   * @param repository {@code OWNER/NAME} on GitHub, or the name of a package on PyPI
   * @param version the commit or the version that was read, or empty
   * @param file the file, or empty
   */
  public record Code(String role, String repository, String version, String file) {}

  /**
   * The multiply-accumulates and the number of parameters as formulas, such as {@code 2·C·d; d = max(1,
   * C / reduction)}: with the channels C, the height H, the width W, the positions N = H·W, options by
   * their names, and the functions max and log2. Divisions and log2 round down.
   *
   * @param parameters the number of trained values
   * @param macs the multiply-accumulates for one image
   */
  public record Cost(String parameters, String macs) {}

  private static final int WIDE = 64; // channels that all groups and heads divide

  private final String name;
  private final String title;
  private final String paper;
  private final String equation;
  private final Cost cost;
  private final String shown;
  private final List<Code> code;
  private final Map<String, String> variants;
  private final List<Map.Entry<String, String>> copies;
  private final String summary;
  private final Place place;
  private final Set<Shows> shows;
  private final boolean inTheBlock;
  private final boolean replacesNorm;
  private final boolean comparedByDefault;
  private final long narrowest;
  private final String partName;
  private final Function<AttentionSpec, List<AttentionSpec>> parts;
  private final List<Option<?>> options;
  private final Set<Integer> dimensions;
  private final List<Written> forms;
  private final Function<Settings, ? extends Attention> make;

  private Mechanism(Builder b, Function<Settings, ? extends Attention> make) {
    name = b.name;
    title = b.title;
    paper = b.paper;
    equation = b.equation;
    cost = b.cost;
    shown = b.shown;
    code = List.copyOf(b.code);
    variants = Collections.unmodifiableMap(b.variants);
    copies = List.copyOf(b.copies);
    summary = b.summary;
    place = b.place;
    shows = Collections.unmodifiableSet(b.shows);
    inTheBlock = b.inTheBlock;
    replacesNorm = b.replacesNorm;
    comparedByDefault = b.comparedByDefault;
    narrowest = b.narrowest;
    partName = b.partName;
    parts = b.parts;
    options = List.copyOf(b.options);
    dimensions = Collections.unmodifiableSet(new TreeSet<>(b.dimensions));
    forms = List.copyOf(b.forms);
    this.make = make;
  }

  /**
   * Creates a builder for a mechanism.
   *
   * @param name the name in specs, files and modules: lower-case letters and digits
   * @param title the title for readers: {@code Squeeze-and-excitation}
   */
  public static Builder named(String name, String title) {
    return new Builder(name, title);
  }

  /**
   * All mechanisms: those of Fovea in the order of the documentation, then those from outside
   * sorted by name.
   */
  public static List<Mechanism> all() {
    return Mechanisms.all();
  }

  /** The name in specs: {@code cbam}. */
  public String name() {
    return name;
  }

  /** The title for readers. */
  public String title() {
    return title;
  }

  /** The paper of the mechanism: an arXiv number ({@code 1807.06521}) or an address. */
  public String paper() {
    return paper;
  }

  /** The equation as lines of text; x is the feature map, σ the sigmoid. Empty if it has none. */
  public String equation() {
    return equation;
  }

  /** The formulas of its cost with the default options, if it has any. */
  public Optional<Cost> cost() {
    return Optional.ofNullable(cost);
  }

  /** What exactly {@link Attention#explain} shows, where {@link #shows} does not say all; or empty. */
  public String shown() {
    return shown;
  }

  /** Where its authors' code and its reference implementation are. */
  public List<Code> code() {
    return code;
  }

  /** Specs of its variants with their meanings: whose code computes them. */
  public Map<String, String> variants() {
    return variants;
  }

  /**
   * What public copies of it compute otherwise, by the names of the copies. Each was seen by running
   * the copy ({@code scripts/golden/copies.py}).
   */
  public List<Map.Entry<String, String>> copies() {
    return copies;
  }

  /** A short description of what it does. */
  public String summary() {
    return summary;
  }

  /** The place in its paper, or close to it. */
  public Place place() {
    return place;
  }

  /** The gates and maps that it can show. */
  public Set<Shows> shows() {
    return shows;
  }

  /** Its options, in the order of the documentation. */
  public List<Option<?>> options() {
    return options;
  }

  /** The numbers of spatial dimensions for which the equation is defined. */
  public Set<Integer> dimensions() {
    return dimensions;
  }

  /** The forms in which its weights are found in files; the first are those with Fovea's names. */
  public List<Written> forms() {
    return forms;
  }

  /** Whether its module, with the default options, has no weights that a file could show. */
  public boolean hasNoWeights() {
    return AttentionSpec.state(spec(), WIDE).map(state -> state.shapes().isEmpty()).orElse(false);
  }

  /** Whether its parts are registered in a block itself, without a module around them. */
  public boolean isRegisteredInTheBlock() {
    return inTheBlock;
  }

  /**
   * Whether it is a convolution with batch norm and activation, which also takes the place of those
   * behind the convolution that it replaces.
   */
  public boolean replacesNorm() {
    return replacesNorm;
  }

  /** Whether a comparison includes the mechanism unless it is told which ones to compare. */
  public boolean isComparedByDefault() {
    return comparedByDefault;
  }

  /** The smallest hidden width that a reduction leads to, whatever the number of channels. */
  public long narrowest() {
    return narrowest;
  }

  /** The name of the module in the head of the authors' segmentation network. */
  public String partName() {
    return partName;
  }

  /**
   * The modules with a branch of their own in the head of a segmentation network: usually one, the
   * spec itself.
   */
  public List<AttentionSpec> parts(AttentionSpec spec) {
    return parts.apply(spec);
  }

  /** The spec with the defaults. */
  public AttentionSpec spec() {
    return spec(Map.of(), Set.of());
  }

  /** The name in specs. */
  @Override
  public String toString() {
    return name;
  }

  /**
   * Creates the spec from options as text, with defaults for the others.
   *
   * @param named the options that the user named, which networks do not replace
   */
  AttentionSpec spec(Map<String, String> given, Set<String> named) {
    Map<Option<?>, Object> values = new LinkedHashMap<>();
    Set<Option<?>> fixed = new HashSet<>();
    AttentionSpec spec =
        new AttentionSpec(
            this,
            Collections.unmodifiableMap(values),
            Collections.unmodifiableSet(fixed),
            Map.of());
    Settings settings = spec.settings(1, 1); // only its values are used
    for (String option : given.keySet()) {
      if (options.stream().noneMatch(known -> known.name().equals(option))) {
        throw new SpecException(
            name
                + ": "
                + DidYouMean.unknown("option", option, Option.names(options.stream()))
                    .getMessage());
      }
    }
    try {
      for (Option<?> option : options) {
        String text = given.get(option.name());
        Object usual = option.defaultIn(settings);
        Object value = text == null ? usual : option.parse(text);
        values.put(option, value);
        if (option.rule().isPresent() && (named.contains(option.name()) || !value.equals(usual))) {
          fixed.add(option);
        }
      }
      options.forEach(option -> option.refuseIdle(settings));
    } catch (Option.Invalid e) {
      throw new SpecException(name + ": " + e.getMessage(), e);
    }
    return spec;
  }

  Attention make(Settings settings) {
    return make.apply(settings);
  }

  /** The text of a spec, without options that have their defaults. */
  String text(AttentionSpec spec) {
    Settings settings = spec.settings(1, 1);
    List<String> changed = new ArrayList<>();
    for (Option<?> option : options) {
      Object value = settings.get(option);
      if (spec.isGiven(option) || !value.equals(option.defaultIn(settings))) {
        changed.add(option.name() + "=" + Option.text(value));
      }
    }
    return changed.isEmpty() ? name : name + ":" + String.join(",", changed);
  }

  /** Builds mechanisms. */
  public static final class Builder {
    private final String name;
    private final String title;
    private String paper = "";
    private String equation = "";
    private Cost cost;
    private String shown = "";
    private final List<Code> code = new ArrayList<>();
    private final Map<String, String> variants = new LinkedHashMap<>();
    private final List<Map.Entry<String, String>> copies = new ArrayList<>();
    private String summary = "";
    private Place place = Place.BLOCK;
    private final Set<Shows> shows = EnumSet.noneOf(Shows.class);
    private boolean inTheBlock;
    private boolean replacesNorm;
    private boolean comparedByDefault;
    private long narrowest = 1;
    private String partName;
    private Function<AttentionSpec, List<AttentionSpec>> parts = List::of;
    private List<Option<?>> options = List.of();
    private Set<Integer> dimensions = Set.of(1, 2, 3);
    private List<Written> forms =
        List.of(Written.here(state -> state.shapes().isEmpty() ? Stream.of() : Stream.of("")));

    private Builder(String name, String title) {
      if (!name.matches("[a-z][a-z0-9]*")) {
        throw new IllegalArgumentException(
            "the name of a mechanism must consist of lower-case letters and digits, got \""
                + name
                + "\"");
      }
      this.name = name;
      this.title = title;
      this.partName = name;
    }

    /** The paper of the mechanism: its arXiv number or its address. */
    public Builder paper(String paper) {
      this.paper = paper;
      return this;
    }

    /** The equation as lines of text: {@code y = x · σ(W₂ relu(W₁ mean(x)))}. */
    public Builder equation(String lines) {
      equation = lines.stripTrailing();
      return this;
    }

    /**
     * The cost with the default options as formulas; see {@link Cost}.
     *
     * @param parameters the number of trained values
     * @param macs the multiply-accumulates for one image
     */
    public Builder cost(String parameters, String macs) {
      cost = new Cost(parameters, macs);
      return this;
    }

    /** What exactly {@code explain} shows, where {@link #shows} does not say all. */
    public Builder shown(String what) {
      shown = what;
      return this;
    }

    /** Adds code: whose it is, where it is, and the commit or version that was read. */
    public Builder code(String role, String repository, String version, String file) {
      code.add(new Code(role, repository, version, file));
      return this;
    }

    /** Adds a variant: its spec, and whose code computes it. */
    public Builder variant(String spec, String whose) {
      variants.put(spec, whose);
      return this;
    }

    /** Adds what a public copy computes otherwise, as seen by running it. */
    public Builder copy(String name, String finding) {
      copies.add(Map.entry(name, finding));
      return this;
    }

    /** A short description of what it does: {@code a gate for each channel}. */
    public Builder summary(String summary) {
      this.summary = summary;
      return this;
    }

    /** The options, in the order of the documentation; a default may depend on options before it. */
    public Builder options(Option<?>... options) {
      this.options = List.of(options);
      return this;
    }

    /** The numbers of spatial dimensions for which the equation is defined; default 1, 2 and 3. */
    public Builder dimensions(Integer... dimensions) {
      this.dimensions = Set.of(dimensions);
      return this;
    }

    /**
     * The forms in which its weights are found in files; default one with Fovea's names, from which no
     * option is read.
     */
    public Builder written(Written... forms) {
      this.forms = List.of(forms);
      return this;
    }

    /** The place in the paper; default {@link Place#BLOCK}. */
    public Builder place(Place place) {
      this.place = place;
      return this;
    }

    /** The gates and maps that it can show; default none. */
    public Builder shows(Shows... shows) {
      this.shows.addAll(List.of(shows));
      return this;
    }

    /** Registers the parts in the block itself, as in the authors' networks. */
    Builder registeredInTheBlock() {
      inTheBlock = true;
      return this;
    }

    /**
     * The smallest hidden width that a reduction leads to, where the paper has one; default 1.
     * Without it, networks refuse a reduction above their number of channels as a mistake.
     */
    public Builder narrowest(long narrowest) {
      this.narrowest = narrowest;
      return this;
    }

    /**
     * In place of a convolution, it also takes the place of the batch norm and the activation behind
     * it, because it has its own. It makes a stride and a dilation of the convolution its own ({@link
     * Settings#stride}).
     */
    public Builder replacesNorm() {
      replacesNorm = true;
      return this;
    }

    /** A comparison includes the mechanism unless it is told which ones to compare. */
    Builder comparedByDefault() {
      comparedByDefault = true;
      return this;
    }

    /**
     * The name in the head of the authors' segmentation network; default the name of the mechanism.
     */
    Builder partName(String name) {
      partName = name;
      return this;
    }

    /**
     * The modules of which it consists, if the head of a segmentation network has a branch for
     * each.
     */
    Builder parts(Function<AttentionSpec, List<AttentionSpec>> parts) {
      this.parts = parts;
      return this;
    }

    /**
     * Finishes the mechanism with its constructor.
     *
     * @param make the constructor, which takes the settings: {@code EfficientChannelAttention::new}
     */
    public Mechanism madeBy(Function<Settings, ? extends Attention> make) {
      return new Mechanism(this, make);
    }
  }
}
