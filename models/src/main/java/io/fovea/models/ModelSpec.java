package io.fovea.models;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.annotation.JsonProperty;
import io.fovea.models.placement.PlacedAttention;

/**
 * Everything that is needed to make a network again: what a run folder keeps of it, as JSON.
 *
 * @param backbone {@code resnet20}
 * @param classes the number of classes
 * @param channels the channels of the images
 * @param width what the backbone's channels are multiplied by, 1 for the published width
 * @param frames of the clips, of a network for video; else 0
 * @param attention what {@link PlacedAttention#parseAll} reads: {@code se@pre; nonlocal@after:3.4}, or
 *     {@code none}
 */
@JsonInclude(JsonInclude.Include.ALWAYS)
public record ModelSpec(
    @JsonProperty("backbone") String backbone,
    @JsonProperty("classes") int classes,
    @JsonProperty("channels") int channels,
    @JsonProperty("width") double width,
    @JsonProperty("frames") int frames,
    @JsonProperty("attention") String attention) {

  /** A network for images. */
  public ModelSpec(String backbone, int classes, int channels, double width, String attention) {
    this(backbone, classes, channels, width, 0, attention);
  }

  /** The same network with other attention, or {@link PlacedAttention#NONE}. */
  public ModelSpec withAttention(String other) {
    return new ModelSpec(backbone, classes, channels, width, frames, other);
  }

  /**
   * Makes the network, freshly initialised.
   *
   * @throws IllegalArgumentException if the backbone is not known, or the attention cannot be in it
   */
  public Classifier create() {
    Classifier.Builder<?> builder =
        Classifier.builder(backbone)
            .classes(classes)
            .channels(channels)
            .width(width)
            .attention(PlacedAttention.parseAll(attention));
    if (frames > 0) {
      builder.frames(frames);
    }
    return builder.build();
  }
}
