package io.fovea.models.transfer;

import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/**
 * What the configuration of MMSegmentation that stands in a checkpoint tells, as text: weights do not tell
 * it.
 *
 * @param text the configuration, in Python; it is searched, never executed
 */
record SegmentationConfig(String text) {
  private static final Pattern ALIGN = Pattern.compile("align_corners\\s*[=:]\\s*(True|False)");
  private static final Pattern DILATIONS =
      Pattern.compile("dilations\\s*=\\s*[(\\[]\\s*1,\\s*1,\\s*(\\d),\\s*(\\d),?\\s*[)\\]]");
  private static final Pattern GRID =
      Pattern.compile("multi_grid\\s*=\\s*[(\\[]\\s*1,\\s*2,\\s*4,?\\s*[)\\]]");
  private static final Pattern CAFFE = Pattern.compile("style\\s*=\\s*['\"]caffe['\"]");
  private static final Pattern PLAIN = Pattern.compile("contract_dilation\\s*=\\s*False");

  /** Whether the corners are aligned; empty if it says nothing, or not the same everywhere. */
  Optional<Boolean> alignCorners() {
    Set<String> values =
        ALIGN.matcher(text).results().map(each -> each.group(1)).collect(Collectors.toSet());
    return values.size() == 1
        ? Optional.of(Boolean.valueOf(values.iterator().next().toLowerCase(Locale.ROOT)))
        : Optional.empty();
  }

  /** The output stride of the backbone; empty if it says nothing. */
  Optional<Integer> outputStride() {
    Matcher matcher = DILATIONS.matcher(text);
    if (!matcher.find()) {
      return Optional.empty();
    }
    return switch (matcher.group(1) + matcher.group(2)) {
      case "24" -> Optional.of(8);
      case "12" -> Optional.of(16);
      case "11" -> Optional.of(32);
      default -> Optional.empty();
    };
  }

  /** Whether the last stage has the dilations 1, 2 and 4. */
  boolean multiGrid() {
    return GRID.matcher(text).find();
  }

  /** Why its network cannot be imported, although names and shapes are the same. */
  Optional<String> obstacle() {
    return CAFFE.matcher(text).find()
        ? Optional.of(
            "its configuration has style='caffe': the stride in the first 1x1 convolution of a"
                + " bottleneck, where Fovea has it in the 3x3 convolution")
        : PLAIN.matcher(text).find()
            ? Optional.of(
                "its configuration has contract_dilation=False: the first block of a stage has the"
                    + " whole dilation, where Fovea has half")
            : Optional.empty();
  }
}
