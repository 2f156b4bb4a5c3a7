package io.fovea.attention;

import io.fovea.errors.SpecException;
import io.fovea.tensor.internal.DidYouMean;
import java.util.ArrayList;
import java.util.Collections;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Function;

/**
 * A mechanism says everything about itself here: its name in specs, its title and paper, its options, where
 * its paper puts it, and what can be seen of it. Specs, help, tables, placement, explanations and tests
 * follow from that; no other place knows a mechanism by its name.
 *
 * <p>A mechanism from outside is one class that extends {@link Attention}, with a constant of this type, and
 * a {@link Provider} that is named in {@code META-INF/services/io.fovea.attention.Mechanism$Provider}.
 */
public final class Mechanism {
  /** Finds a mechanism from outside, by {@link java.util.ServiceLoader}. */
  public interface Provider {
    /** The mechanism, the same one in each call. */
    Mechanism mechanism();
  }

  /** Where in a network a paper puts its mechanism. */
  public enum Place {
    /** In every block, after its last convolution and batch norm, before the addition. */
    BLOCK,
    /** At the end of every stage but the last. */
    STAGE_ENDS,
    /** At the end of the last stage but one, once. */
    LAST_STAGE_BUT_ONE
  }

  /** What {@link Attention#explain} shows. */
  public enum Shows {
    /** A factor for each channel. */
    CHANNEL_GATES,
    /** A factor for each position. */
    SPATIAL_GATES,
    /** How much each position attends to each. */
    AFFINITY,
    /** How much each channel attends to each. */
    CHANNEL_AFFINITY
  }

  private final String name;
  private final String title;
  private final String paper;
  private final String summary;
  private final Place place;
  private final Set<Shows> shows;
  private final boolean inTheBlock;
  private final String partName;
  private final Function<AttentionSpec, List<AttentionSpec>> parts;
  private final List<Option<?>> options;
  private final Set<Integer> dimensions;
  private final Function<Settings, ? extends Attention> make;

  private Mechanism(Builder b, Function<Settings, ? extends Attention> make) {
    name = b.name;
    title = b.title;
    paper = b.paper;
    summary = b.summary;
    place = b.place;
    shows = Collections.unmodifiableSet(b.shows);
    inTheBlock = b.inTheBlock;
    partName = b.partName;
    parts = b.parts;
    options = List.copyOf(b.options);
    dimensions = Collections.unmodifiableSet(new TreeSet<>(b.dimensions));
    this.make = make;
  }

  /**
   * Starts a mechanism.
   *
   * @param name in specs, file names and the names of modules: lower-case letters and digits
   * @param title for people: {@code Squeeze-and-excitation}
   */
  public static Builder named(String name, String title) {
    return new Builder(name, title);
  }

  /** All mechanisms: those of Fovea in the order of the documentation, then those from outside by name. */
  public static List<Mechanism> all() {
    return Mechanisms.all();
  }

  /** The name in specs: {@code cbam}. */
  public String name() {
    return name;
  }

  /** The name for people. */
  public String title() {
    return title;
  }

  /** Its paper: a number on arXiv ({@code 1807.06521}) or an address. */
  public String paper() {
    return paper;
  }

  /** What it does, in half a sentence. */
  public String summary() {
    return summary;
  }

  /** Where its paper puts it, or close by. */
  public Place place() {
    return place;
  }

  /** What can be seen of it. */
  public Set<Shows> shows() {
    return shows;
  }

  /** Its options, in the order of the documentation. */
  public List<Option<?>> options() {
    return options;
  }

  /** How many spatial dimensions feature maps may have: those that the equation has a meaning for. */
  public Set<Integer> dimensions() {
    return dimensions;
  }

  /** Whether its parts are registered in a block itself, without a module around them. */
  public boolean isRegisteredInTheBlock() {
    return inTheBlock;
  }

  /** What its authors call the module in a segmentation network's head. */
  public String partName() {
    return partName;
  }

  /** The modules that have a branch each in a segmentation network's head: mostly one, the spec itself. */
  public List<AttentionSpec> parts(AttentionSpec spec) {
    return parts.apply(spec);
  }

  /** The spec with the defaults. */
  public AttentionSpec spec() {
    return spec(Map.of());
  }

  /** The name in specs. */
  @Override
  public String toString() {
    return name;
  }

  /** The spec with the options given as text and the defaults for the others. */
  AttentionSpec spec(Map<String, String> given) {
    Map<Option<?>, Object> values = new LinkedHashMap<>();
    AttentionSpec spec = new AttentionSpec(this, Collections.unmodifiableMap(values));
    Settings settings = spec.settings(1, 1); // for its values alone
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
        values.put(option, text == null ? option.defaultIn(settings) : option.parse(text));
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

  /** A spec's text, without the options that have their defaults. */
  String text(AttentionSpec spec) {
    Settings settings = spec.settings(1, 1);
    List<String> changed = new ArrayList<>();
    for (Option<?> option : options) {
      Object value = settings.get(option);
      if (!value.equals(option.defaultIn(settings))) {
        changed.add(option.name() + "=" + Option.text(value));
      }
    }
    return changed.isEmpty() ? name : name + ":" + String.join(",", changed);
  }

  /** What a mechanism can say of itself. */
  public static final class Builder {
    private final String name;
    private final String title;
    private String paper = "";
    private String summary = "";
    private Place place = Place.BLOCK;
    private final Set<Shows> shows = EnumSet.noneOf(Shows.class);
    private boolean inTheBlock;
    private String partName;
    private Function<AttentionSpec, List<AttentionSpec>> parts = List::of;
    private List<Option<?>> options = List.of();
    private Set<Integer> dimensions = Set.of(1, 2, 3);

    private Builder(String name, String title) {
      if (!name.matches("[a-z][a-z0-9]*")) {
        throw new IllegalArgumentException(
            "a mechanism's name is lower-case letters and digits, got \"" + name + "\"");
      }
      this.name = name;
      this.title = title;
      this.partName = name;
    }

    /** The paper: its number on arXiv, or an address. */
    public Builder paper(String paper) {
      this.paper = paper;
      return this;
    }

    /** What it does, in half a sentence: {@code a gate for each channel}. */
    public Builder summary(String summary) {
      this.summary = summary;
      return this;
    }

    /** The options, in the order of the documentation; a default may depend on options before it. */
    public Builder options(Option<?>... options) {
      this.options = List.of(options);
      return this;
    }

    /** How many spatial dimensions the equation has a meaning for; default 1, 2 and 3. */
    public Builder dimensions(Integer... dimensions) {
      this.dimensions = Set.of(dimensions);
      return this;
    }

    /** Where the paper puts it; default {@link Place#BLOCK}. */
    public Builder place(Place place) {
      this.place = place;
      return this;
    }

    /** What can be seen of it; default nothing. */
    public Builder shows(Shows... shows) {
      this.shows.addAll(List.of(shows));
      return this;
    }

    /** In a block, its parts are registered in the block itself, as in its authors' networks. */
    Builder registeredInTheBlock() {
      inTheBlock = true;
      return this;
    }

    /** What its authors call it in a segmentation network's head; default its name. */
    Builder partName(String name) {
      partName = name;
      return this;
    }

    /** The modules that it consists of, where a segmentation network's head has a branch for each. */
    Builder parts(Function<AttentionSpec, List<AttentionSpec>> parts) {
      this.parts = parts;
      return this;
    }

    /**
     * Ends with the constructor.
     *
     * @param make takes the settings: {@code EfficientChannelAttention::new}
     */
    public Mechanism madeBy(Function<Settings, ? extends Attention> make) {
      return new Mechanism(this, make);
    }
  }
}
