package io.fovea.models;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.annotation.JsonProperty;
import io.fovea.attention.AttentionSpec;
import java.util.HashSet;
import java.util.List;

/**
 * Everything that is needed to make a network again: what a run folder keeps of it, as JSON.
 *
 * @param backbone {@code resnet20}
 * @param classes the number of classes
 * @param channels the channels of the images
 * @param width what the backbone's channels are multiplied by, 1 for the published width
 * @param attention an {@link AttentionSpec} as text, or {@code none}
 * @param stages the stages that attention is limited to, empty for where the paper puts it
 */
@JsonInclude(JsonInclude.Include.ALWAYS)
public record ModelSpec(
    @JsonProperty("backbone") String backbone,
    @JsonProperty("classes") int classes,
    @JsonProperty("channels") int channels,
    @JsonProperty("width") double width,
    @JsonProperty("attention") String attention,
    @JsonProperty("stages") List<Integer> stages) {
  /** What stands for no attention. */
  public static final String NONE = "none";

  /** Copies the list. */
  public ModelSpec {
    stages = List.copyOf(stages);
  }

  /** The same network with other attention, or {@link #NONE}. */
  public ModelSpec withAttention(String other) {
    return new ModelSpec(backbone, classes, channels, width, other, stages);
  }

  /**
   * Makes the network, freshly initialised.
   *
   * @throws IllegalArgumentException if the backbone, the attention or a stage is not known
   */
  public Classifier create() {
    ResNet.Builder builder =
        ResNet.builder(backbone).classes(classes).channels(channels).width(width);
    if (!attention.equals(NONE)) {
      builder.attention(AttentionSpec.parse(attention));
    }
    if (!stages.isEmpty()) {
      builder.stages(new HashSet<>(stages));
    }
    return builder.build();
  }
}
