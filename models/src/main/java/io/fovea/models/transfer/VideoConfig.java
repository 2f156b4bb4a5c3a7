package io.fovea.models.transfer;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * What the configuration of MMAction2 that stands in a checkpoint tells, as text: weights do not tell it.
 *
 * @param text the configuration, in Python; it is searched, never executed
 */
record VideoConfig(String text) {
  private static final Pattern TYPE =
      Pattern.compile(
          "['\"]?type['\"]?\\s*[=:]\\s*['\"](C2D|ResNet|ResNet3d|ResNet3dSlowOnly)['\"]");
  private static final Pattern MODE =
      Pattern.compile(
          "mode['\"]?\\s*[=:]\\s*['\"](gaussian|embedded_gaussian|dot_product|concatenation)['\"]");
  private static final Pattern SCALE = Pattern.compile("use_scale['\"]?\\s*[=:]\\s*(True|False)");
  private static final Pattern FRAMES = Pattern.compile("clip_len['\"]?\\s*[=:]\\s*(\\d{1,4})\\b");
  private static final Pattern CLIPS = Pattern.compile("num_clips['\"]?\\s*[=:]\\s*(\\d{1,4})\\b");
  private static final Pattern STEPS =
      Pattern.compile("(?:conv1|pool1)_stride_t['\"]?\\s*[=:]\\s*(\\d)");
  private static final Pattern STAGES =
      Pattern.compile("temporal_strides['\"]?\\s*[=:]\\s*[(\\[]\\s*([\\d,\\s]*)[)\\]]");
  private static final Pattern UNPOOLED = Pattern.compile("with_pool2['\"]?\\s*[=:]\\s*False");
  private static final Pattern CAFFE = Pattern.compile("style['\"]?\\s*[=:]\\s*['\"]caffe['\"]");

  /** The prefix of the video backbone, where shapes do not tell it; empty if nothing tells it. */
  Optional<String> prefix() {
    return first(TYPE)
        .flatMap(
            type ->
                switch (type) {
                  case "C2D" -> Optional.of("c2d-");
                  case "ResNet" -> Optional.of("tsn-");
                  default -> Optional.empty();
                });
  }

  /** The number of frames of a clip, or of clips of one frame; empty if it says nothing. */
  Optional<Integer> frames() {
    return first(FRAMES)
        .map(Integer::valueOf)
        .flatMap(frames -> frames == 1 ? first(CLIPS).map(Integer::valueOf) : Optional.of(frames))
        .filter(frames -> frames > 0);
  }

  /** The options of a non-local block, by their names here; those that it does not tell are missing. */
  Map<String, String> attention() {
    Map<String, String> options = new LinkedHashMap<>();
    first(MODE).ifPresent(mode -> options.put("mode", mode));
    String mode = options.get("mode");
    if (mode != null && !mode.equals("embedded_gaussian")) {
      if (!mode.equals("concatenation")) { // which has no such option
        options.put("scale", "false"); // the others are never scaled there
      }
    } else {
      first(SCALE)
          .ifPresent(scale -> options.put("scale", scale.equals("True") ? "true" : "false"));
    }
    return options;
  }

  /**
   * Why its network cannot be imported, although names and shapes are the same.
   *
   * @param halves whether the network here steps by two frames at its start, as for long clips
   */
  Optional<String> obstacle(boolean halves) {
    if (CAFFE.matcher(text).find()) {
      return Optional.of(
          "its configuration has style='caffe': the stride in the first 1x1 convolution of a"
              + " bottleneck, where Fovea has it in the 3x3 convolution");
    }
    boolean inflated = first(TYPE).filter("ResNet3d"::equals).isPresent();
    boolean steps =
        inflated && STEPS.matcher(text).results().anyMatch(m -> !m.group(1).equals("1"));
    if (inflated && steps != halves) {
      return Optional.of(
          "its configuration "
              + (steps ? "steps" : "does not step")
              + " by two frames at its start (conv1_stride_t, pool1_stride_t), which Fovea does for clips"
              + " of 32 frames and more only; --frames says how many a clip has");
    }
    if (inflated && UNPOOLED.matcher(text).find()) {
      return Optional.of(
          "its configuration has with_pool2=False: no pooling after the first stage, which i3d- networks"
              + " have here");
    }
    boolean later = first(STAGES).filter(steps2 -> steps2.matches(".*[2-9].*")).isPresent();
    return later
        ? Optional.of(
            "its configuration has temporal_strides: stages that step over frames, which networks here do"
                + " not")
        : Optional.empty();
  }

  private Optional<String> first(Pattern pattern) {
    Matcher matcher = pattern.matcher(text);
    return matcher.find() ? Optional.of(matcher.group(1)) : Optional.empty();
  }
}
