package io.fovea.models.placement;

import io.fovea.attention.AttentionSpec;
import io.fovea.errors.SpecException;
import io.fovea.tensor.internal.DidYouMean;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.SortedSet;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * A placement says where in a network attention is inserted, as a value and as text.
 * docs/placements.md has a picture of each.
 *
 * <table>
 * <caption>Places</caption>
 * <tr><td>{@code paper}<td>where the mechanism's paper puts it, or close by: SE and CBAM {@code
 *     standard}; BAM at the end of every stage but the last; non-local at the end of the last stage but
 *     one (in its paper a block earlier); PAM, CAM and dual there, too (theirs is a segmentation network);
 *     selective kernels and split attention {@code conv}
 * <tr><td>{@code standard}<td>in a block, after its last convolution and batch norm, before the addition
 *     (in GoogLeNet: after the module's branches are joined; in MobileNetV3 and EfficientNet: after the
 *     depthwise convolution of the blocks that come with squeeze-and-excitation; in RegNetY: after the 3x3
 *     convolution; in DenseNet: on a layer's new features; in ConvNeXt: between the two 1x1 convolutions)
 * <tr><td>{@code pre}<td>in a block, before its first convolution; the shortcut bypasses it
 * <tr><td>{@code post}<td>in a block, after the addition and its ReLU
 * <tr><td>{@code identity}<td>on the shortcut of a block
 * <tr><td>{@code conv}<td>in a block, in place of its 3x3 convolution: the one of a bottleneck, the first
 *     one of a basic block, if it keeps the channels. Where a stage has only one block, and that changes
 *     the channels, it is the second one, except for mechanisms that are convolutions with a ReLU of
 *     their own. The batch norm and the ReLU behind it stay, unless the mechanism has both
 * <tr><td>{@code stage}<td>at the end of a stage, before the next one downsamples; every stage but the
 *     last, unless stages are named
 * <tr><td>{@code after:3.1,3.3}<td>after the first and the third block of stage 3
 * <tr><td>{@code after:every-other}<td>after the second, fourth, ... block of each stage
 * <tr><td>{@code head}<td>before the pooling in front of the classifier
 * </table>
 *
 * <p>Stages and blocks are counted from 1. A colon and a list of stages after a placement (except
 * {@code head} and named blocks) restricts it to these stages: {@code standard:2,3}, {@code
 * after:every-other:2,3}.
 *
 * <p>Immutable and thread-safe.
 */
public final class Placement {
  /** The places, by their names in the text. */
  public enum Site {
    PAPER,
    STANDARD,
    PRE,
    POST,
    IDENTITY,
    CONV,
    STAGE,
    AFTER,
    HEAD;

    @Override
    public String toString() {
      return name().toLowerCase(Locale.ROOT);
    }
  }

  /** A block of a network, both counted from 1. */
  record Block(int stage, int number) implements Comparable<Block> {
    @Override
    public int compareTo(Block other) {
      return stage != other.stage ? stage - other.stage : number - other.number;
    }

    @Override
    public String toString() {
      return stage + "." + number;
    }
  }

  private static final String EVERY_OTHER = "every-other";

  private final Site site;
  private final SortedSet<Integer> stages;
  private final SortedSet<Block> blocks;

  private Placement(Site site, SortedSet<Integer> stages, SortedSet<Block> blocks) {
    this.site = site;
    this.stages = stages;
    this.blocks = blocks;
  }

  private Placement(Site site) {
    this(site, new TreeSet<>(), new TreeSet<>());
  }

  /** The place in the mechanism's paper. */
  public static Placement paper() {
    return new Placement(Site.PAPER);
  }

  /** In every block, after its last convolution and batch norm, before the addition. */
  public static Placement standard() {
    return new Placement(Site.STANDARD);
  }

  /** In every block, before its first convolution. */
  public static Placement pre() {
    return new Placement(Site.PRE);
  }

  /** In every block, after the addition and its ReLU. */
  public static Placement post() {
    return new Placement(Site.POST);
  }

  /** On the shortcut of every block. */
  public static Placement identity() {
    return new Placement(Site.IDENTITY);
  }

  /** In place of the 3x3 convolution of every block that has one which keeps the channels. */
  public static Placement conv() {
    return new Placement(Site.CONV);
  }

  /** At the end of every stage but the last. */
  public static Placement stage() {
    return new Placement(Site.STAGE);
  }

  /** Before the pooling in front of the classifier. */
  public static Placement head() {
    return new Placement(Site.HEAD);
  }

  /** After every other block of each stage: the second, the fourth, ... */
  public static Placement afterEveryOther() {
    return new Placement(Site.AFTER);
  }

  /**
   * After one block; {@link #and} adds more.
   *
   * @param stage counted from 1
   * @param block of that stage, counted from 1
   */
  public static Placement after(int stage, int block) {
    return new Placement(Site.AFTER).and(stage, block);
  }

  /** Adds a place after another block. */
  public Placement and(int stage, int block) {
    if (site != Site.AFTER || !stages.isEmpty()) {
      throw new SpecException("only the placement after names blocks, this is " + this);
    }
    TreeSet<Block> more = new TreeSet<>(blocks);
    if (!more.add(new Block(stage, block))) {
      throw new SpecException("after: block " + stage + "." + block + " occurs twice");
    }
    return new Placement(site, stages, more);
  }

  /**
   * Restricts the placement to these stages.
   *
   * @param stages the stages, counted from 1; at least one
   * @throws SpecException for {@code head} and named blocks, which cannot be restricted
   */
  public Placement inStages(int... stages) {
    if (site == Site.HEAD || !blocks.isEmpty()) {
      throw new SpecException(this + " cannot be restricted to stages");
    }
    TreeSet<Integer> set = new TreeSet<>();
    for (int stage : stages) {
      if (!set.add(stage)) {
        throw new SpecException("stage " + stage + " occurs twice");
      }
    }
    if (set.isEmpty()) {
      throw new SpecException("expected at least one stage");
    }
    return new Placement(site, set, blocks);
  }

  /**
   * Parses a placement; see the table above.
   *
   * @throws SpecException if the placement is unknown; the message suggests the nearest one
   */
  public static Placement parse(String text) {
    String[] parts = text.strip().split(":", -1);
    Site site =
        Stream.of(Site.values())
            .filter(known -> known.toString().equals(parts[0].strip()))
            .findFirst()
            .orElseThrow(
                () ->
                    DidYouMean.unknown(
                        "placement",
                        parts[0].strip(),
                        Arrays.stream(Site.values()).map(Site::toString).toList()));
    Placement placement = new Placement(site);
    int next = 1;
    if (site == Site.AFTER) {
      String which = parts.length > 1 ? parts[1].strip() : "";
      next = 2;
      if (!which.equals(EVERY_OTHER)) {
        for (String block : which.split(",", -1)) {
          if (!block.strip().matches("[0-9]{1,4}\\.[0-9]{1,4}")) {
            throw new SpecException(
                "expected after:every-other or blocks such as after:3.1,3.3, got \"" + text + "\"");
          }
          String[] numbers = block.strip().split("\\.");
          placement = placement.and(Integer.parseInt(numbers[0]), Integer.parseInt(numbers[1]));
        }
      }
    }
    if (parts.length > next + 1) {
      throw new SpecException(
          "expected a placement such as standard or stage:1,2, got \"" + text + "\"");
    }
    return parts.length == next + 1 ? placement.inStages(numbers(parts[next], text)) : placement;
  }

  private static int[] numbers(String list, String text) {
    List<Integer> numbers = new ArrayList<>();
    for (String number : list.split(",", -1)) {
      if (!number.strip().matches("[0-9]{1,4}")) {
        throw new SpecException(
            "expected stages such as 2,3 after the colon, got \"" + text + "\"");
      }
      numbers.add(Integer.parseInt(number.strip()));
    }
    return numbers.stream().mapToInt(i -> i).toArray();
  }

  /** Whether this is the place in the mechanism's paper, in all stages. */
  boolean isPaper() {
    return equals(paper());
  }

  /** Whether stages or blocks are named. */
  boolean isLimited() {
    return !stages.isEmpty() || !blocks.isEmpty() || site == Site.HEAD;
  }

  /**
   * The places in a network that this placement selects.
   *
   * @throws SpecException if the network lacks the place
   */
  public List<BackboneTopology.Place> resolve(AttentionSpec attention, BackboneTopology anatomy) {
    checkStages(anatomy);
    return switch (site) {
      case PAPER -> ofPaper(attention, anatomy).resolve(attention, anatomy);
      case STAGE ->
          stagesOr(anatomy.stageNumbers(anatomy.stages() - 1)).stream()
              .map(stage -> new BackboneTopology.Place(site, stage, 0))
              .toList();
      case HEAD -> List.of(new BackboneTopology.Place(site, 0, 0));
      case AFTER -> blocks.isEmpty() ? everyOther(anatomy) : named(anatomy);
      default -> inBlocks(attention, anatomy);
    };
  }

  private Placement ofPaper(AttentionSpec attention, BackboneTopology anatomy) {
    return switch (attention.mechanism().place()) {
      case BLOCK -> new Placement(Site.STANDARD, stages, blocks);
      case STAGE_ENDS -> new Placement(Site.STAGE, stages, blocks);
      case LAST_STAGE_BUT_ONE ->
          stages.isEmpty()
              ? stage().inStages(anatomy.stages() - 1)
              : new Placement(Site.STAGE, stages, blocks);
      case CONVOLUTION -> new Placement(Site.CONV, stages, blocks);
      case CONVOLUTION_OF_LAST_STAGE ->
          stages.isEmpty()
              ? conv().inStages(anatomy.stages())
              : new Placement(Site.CONV, stages, blocks);
    };
  }

  private SortedSet<Integer> stagesOr(List<Integer> all) {
    return stages.isEmpty() ? new TreeSet<>(all) : stages;
  }

  private void checkStages(BackboneTopology anatomy) {
    for (int stage : stages) {
      if (stage < 1 || stage > anatomy.stages()) {
        throw new SpecException(
            "stage "
                + stage
                + " does not exist: "
                + anatomy.backbone()
                + " has stages 1 to "
                + anatomy.stages());
      }
    }
  }

  private List<BackboneTopology.Place> named(BackboneTopology anatomy) {
    for (Block block : blocks) {
      boolean stageExists = block.stage >= 1 && block.stage <= anatomy.stages();
      if (!stageExists || block.number < 1 || block.number > anatomy.blocks(block.stage)) {
        throw new SpecException(
            "block "
                + block
                + " does not exist: "
                + (stageExists
                    ? "stage "
                        + block.stage
                        + " of "
                        + anatomy.backbone()
                        + " has blocks "
                        + block.stage
                        + ".1 to "
                        + block.stage
                        + "."
                        + anatomy.blocks(block.stage)
                    : anatomy.backbone() + " has stages 1 to " + anatomy.stages()));
      }
    }
    return blocks.stream()
        .map(block -> new BackboneTopology.Place(Site.AFTER, block.stage, block.number))
        .toList();
  }

  private List<BackboneTopology.Place> everyOther(BackboneTopology anatomy) {
    List<BackboneTopology.Place> places = new ArrayList<>();
    for (int stage : stagesOr(anatomy.stageNumbers(anatomy.stages()))) {
      for (int block = 2; block <= anatomy.blocks(stage); block += 2) {
        places.add(new BackboneTopology.Place(Site.AFTER, stage, block));
      }
    }
    if (places.isEmpty()) {
      throw new SpecException(
          this
              + " does not exist in "
              + anatomy.backbone()
              + ": its stages have only one block each");
    }
    return places;
  }

  private List<BackboneTopology.Place> inBlocks(AttentionSpec attention, BackboneTopology anatomy) {
    if (!anatomy.offers(site)) {
      throw new SpecException(
          anatomy.backbone()
              + " has no place \""
              + site
              + "\"; it has "
              + String.join(", ", anatomy.placements()));
    }
    List<BackboneTopology.Place> places = new ArrayList<>();
    for (int stage : stagesOr(anatomy.stageNumbers(anatomy.stages()))) {
      for (int block = 1; block <= anatomy.blocks(stage); block++) {
        BackboneTopology.Place place = new BackboneTopology.Place(site, stage, block);
        if (anatomy.offers(place, attention)) {
          places.add(place);
        }
      }
    }
    if (places.isEmpty()) {
      throw new SpecException(
          this
              + " does not exist in "
              + anatomy.backbone()
              + ": no block in these stages has this place");
    }
    return places;
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof Placement that
        && site == that.site
        && stages.equals(that.stages)
        && blocks.equals(that.blocks);
  }

  @Override
  public int hashCode() {
    return toString().hashCode();
  }

  /** Returns a text that parses to an equal placement. */
  @Override
  public String toString() {
    StringBuilder text = new StringBuilder(site.toString());
    if (site == Site.AFTER) {
      text.append(':').append(blocks.isEmpty() ? EVERY_OTHER : joined(blocks));
    }
    if (!stages.isEmpty()) {
      text.append(':').append(joined(stages));
    }
    return text.toString();
  }

  private static String joined(SortedSet<?> values) {
    return values.stream().map(Object::toString).collect(Collectors.joining(","));
  }
}
