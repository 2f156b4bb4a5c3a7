package io.fovea.models;

import com.fasterxml.jackson.annotation.JsonInclude;

/**
 * Everything that is needed to make a segmentation network again: what a run folder keeps of it, as
 * JSON.
 *
 * @param backbone one of {@link Segmenter#BACKBONES}
 * @param classes the number of classes
 * @param channels the channels of the images
 * @param head as {@link Segmenter.Builder#head} takes it: {@code dual} for DANet
 * @param outputStride by how much the backbone reduces the sides: 8, 16 or 32
 * @param multiGrid whether the last stage's blocks have different dilations
 */
@JsonInclude(JsonInclude.Include.ALWAYS)
public record SegmenterSpec(
    String backbone, int classes, int channels, String head, int outputStride, boolean multiGrid) {

  /** The same network with another head. */
  public SegmenterSpec withHead(String other) {
    return new SegmenterSpec(backbone, classes, channels, other, outputStride, multiGrid);
  }

  /**
   * Makes the network, freshly initialised.
   *
   * @throws IllegalArgumentException if there is no such backbone, or no such head
   */
  public Segmenter create() {
    return Segmenter.builder(backbone)
        .classes(classes)
        .channels(channels)
        .head(head)
        .outputStride(outputStride)
        .multiGrid(multiGrid)
        .build();
  }
}
