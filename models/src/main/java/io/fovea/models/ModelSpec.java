package io.fovea.models;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.annotation.JsonProperty;
import io.fovea.errors.SpecException;
import io.fovea.models.placement.PlacedAttention;
import io.fovea.models.weights.StateDict;
import java.util.List;
import org.bytedeco.javacpp.PointerScope;

/**
 * The complete description of a network, which a run folder stores as JSON.
 *
 * <p>Immutable and thread-safe.
 *
 * @param backbone the backbone, such as {@code resnet20}
 * @param classes the number of classes
 * @param channels the number of channels of the images
 * @param width the width multiplier of the backbone, 1 for the published width
 * @param frames the number of frames of the clips for a video network, otherwise 0
 * @param attention the attention in the syntax of {@link PlacedAttention#parseAll}: {@code se@pre;
 *     nonlocal@after:3.4}, or {@code none}
 * @param form whose code a video network follows where codes differ; null for Fovea's own, and for images
 */
@JsonInclude(JsonInclude.Include.ALWAYS)
public record ModelSpec(
    @JsonProperty("backbone") String backbone,
    @JsonProperty("classes") int classes,
    @JsonProperty("channels") int channels,
    @JsonProperty("width") double width,
    @JsonProperty("frames") int frames,
    @JsonProperty("attention") String attention,
    @JsonInclude(JsonInclude.Include.NON_NULL) @JsonProperty("form") VideoForm form)
    implements NetworkSpec<Classifier> {
  /** The image size of the small backbones, which have no dropout. */
  private static final int SMALL_IMAGE = 32;

  private static final double NARROW = 0.05; // names do not depend on the width

  /** Takes the usual form. */
  public ModelSpec {
    form = form == VideoForm.FOVEA ? null : form;
  }

  /** Creates the spec of a network in Fovea's own form. */
  public ModelSpec(
      String backbone, int classes, int channels, double width, int frames, String attention) {
    this(backbone, classes, channels, width, frames, attention, null);
  }

  /** Creates the spec of an image network. */
  public ModelSpec(String backbone, int classes, int channels, double width, String attention) {
    this(backbone, classes, channels, width, 0, attention);
  }

  @Override
  public ModelSpec withAttention(String other) {
    return new ModelSpec(backbone, classes, channels, width, frames, other, form);
  }

  @Override
  public ModelSpec withData(int otherClasses, int otherChannels) {
    return new ModelSpec(backbone, otherClasses, otherChannels, width, frames, attention, form);
  }

  @Override
  public ModelSpec withWidth(double factor) {
    return new ModelSpec(backbone, classes, channels, factor, frames, attention, form);
  }

  @Override
  public ModelSpec withDilation(int outputStride, boolean multiGrid) {
    throw new SpecException(backbone + " cannot be dilated here; only segmentation networks are");
  }

  @Override
  public ModelSpec withForm(String other, Boolean alignCorners) {
    if (frames == 0 || alignCorners != null) {
      throw new SpecException(
          backbone
              + (frames == 0
                  ? " has one form here; networks for segmentation and video have more"
                  : " has no corners to align; only segmentation networks have"));
    }
    return other == null
        ? this
        : new ModelSpec(backbone, classes, channels, width, frames, attention, VideoForm.of(other));
  }

  @Override
  public String named(String attention) {
    return PlacedAttention.text(PlacedAttention.parseAll(attention));
  }

  @Override
  public String title() {
    return backbone + " with " + attention + (form == null ? "" : " in the form of " + form);
  }

  @Override
  public boolean ofImageNet() {
    return imageSize() > SMALL_IMAGE;
  }

  @Override
  public Ends ends() {
    try (PointerScope scope = new PointerScope()) {
      List<String> names =
          List.copyOf(
              StateDict.parameters(Classifier.builder(backbone).classes(2).width(NARROW).build())
                  .keySet());
      String weight =
          names.stream()
              .filter(name -> name.endsWith(".weight"))
              .reduce((first, second) -> second)
              .orElseThrow();
      return new Ends(names.get(0), List.of(weight, weight.replace(".weight", ".bias")));
    }
  }

  @Override
  public int imageSize() {
    return Classifier.builder(backbone).imageSize();
  }

  /**
   * {@inheritDoc} Networks with dropout do not count as short: in parallel, they would use
   * libtorch's shared random generator in an order that is not repeatable.
   */
  @Override
  public boolean hasShortSteps() {
    return imageSize() <= SMALL_IMAGE;
  }

  @Override
  public Classifier create() {
    Classifier.Builder<?> builder =
        Classifier.builder(backbone)
            .classes(classes)
            .channels(channels)
            .width(width)
            .attention(PlacedAttention.parseAll(attention));
    if (frames > 0) {
      builder.frames(frames).videoForm(form == null ? VideoForm.FOVEA : form);
    }
    return builder.build();
  }
}
