package io.fovea.models;

import io.fovea.attention.AttentionSpec;
import io.fovea.errors.SpecException;
import io.fovea.models.SegmentationHead.Sizes;
import io.fovea.models.placement.PlacedAttention;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;

/**
 * The heads of segmentation networks: attention between two convolutions, as in DANet, or one of the
 * named ones, whose result is no feature map of the same shape. A new head is one file and one line
 * here.
 *
 * <p>Thread-safe.
 */
public final class SegmentationHeads {
  /**
   * A named head.
   *
   * @param create creates it
   * @param classifiers the names of its layers, within the head, whose size is the number of classes
   * @param alignsCorners whether its authors align the corners when they upsample maps
   */
  record Kind(
      Function<Sizes, SegmentationHead> create, List<String> classifiers, boolean alignsCorners) {}

  private static final Map<String, Kind> KINDS = new LinkedHashMap<>();

  static {
    KINDS.put("psp", new Kind(PyramidPoolingHead::new, PyramidPoolingHead.CLASSIFIERS, true));
    KINDS.put("aspp", new Kind(AtrousPyramidHead::new, AtrousPyramidHead.CLASSIFIERS, false));
    KINDS.put("ocr", new Kind(ObjectContextHead::new, ObjectContextHead.CLASSIFIERS, true));
    KINDS.put(
        "ann", new Kind(AsymmetricNonLocalHead::new, AsymmetricNonLocalHead.CLASSIFIERS, true));
  }

  private static final List<String> OF_BRANCHES = List.of("conv6", "conv7", "conv8");

  private SegmentationHeads() {}

  /** The names of the heads that are no attention between two convolutions. */
  public static List<String> names() {
    return List.copyOf(KINDS.keySet());
  }

  /**
   * Returns the shortest form of a head's name.
   *
   * @param head one of {@link #names}, an attention spec without a place, or {@code none}
   * @throws SpecException if there is no such head
   */
  public static String named(String head) {
    String text = head.strip();
    if (text.equals(PlacedAttention.NONE) || KINDS.containsKey(text)) {
      return text;
    }
    if (text.contains("@") || text.contains(";")) {
      throw new SpecException(
          "the head of a segmentation network takes one attention without a place, got \""
              + head
              + "\"");
    }
    String name = text.replaceFirst(":.*", "");
    if (KINDS.containsKey(name)) {
      throw new SpecException("the head " + name + " has no options, got \"" + head + "\"");
    }
    return AttentionSpec.parse(text).toString();
  }

  /** Creates a head. */
  static SegmentationHead create(String head, Sizes sizes) {
    Kind kind = KINDS.get(head);
    if (kind != null) {
      return kind.create().apply(sizes);
    }
    boolean none = head.equals(PlacedAttention.NONE);
    return new BranchHead(sizes, none ? null : AttentionSpec.parse(head));
  }

  /**
   * Whether the corners of maps lie on each other when they are upsampled.
   *
   * @param given what was asked for, or null for what the code of the form does
   */
  static boolean alignsCorners(String head, SegmenterForm form, Boolean given) {
    if (given != null) {
      return given;
    }
    Kind kind = KINDS.get(head);
    return form == SegmenterForm.AUTHORS && (kind == null || kind.alignsCorners());
  }

  /** Whether a parameter of a head depends on the number of classes. */
  static boolean isClassifier(String head, String parameter) {
    Kind kind = KINDS.get(head);
    List<String> layers = kind == null ? OF_BRANCHES : kind.classifiers();
    return layers.stream().anyMatch(layer -> parameter.startsWith("head." + layer + "."));
  }
}
