package io.fovea.models.placement;

import io.fovea.attention.AttentionSpec;
import io.fovea.models.placement.Placement.Site;
import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * The structure of a backbone, as far as placements need it.
 *
 * <p>Immutable and thread-safe.
 *
 * @param backbone the name of the backbone
 * @param imageSize the usual side of its images in pixels
 * @param own the attention that the published network has
 * @param strides how many pixels of the image each position at the end of a stage stands for, in each
 *     direction
 * @param places the places of each block of each stage
 * @param lastConvolutions those places {@link Site#CONV} that are a block's last convolution, which no
 *     activation follows
 */
public record BackboneTopology(
    String backbone,
    int imageSize,
    Optional<PlacedAttention> own,
    List<Integer> strides,
    List<List<Set<Site>>> places,
    Set<Place> lastConvolutions) {
  /** A place for attention. Stage and block are counted from 1; they are 0 if they do not apply. */
  public record Place(Site site, int stage, int block) {}

  /** Creates the structure of a network whose blocks all have the same places. */
  public static BackboneTopology uniform(
      String backbone,
      int imageSize,
      Optional<PlacedAttention> own,
      int[] blocks,
      List<Integer> strides,
      Site... sites) {
    Set<Site> each = EnumSet.of(Site.AFTER, sites);
    return new BackboneTopology(
        backbone,
        imageSize,
        own,
        strides,
        IntStream.of(blocks)
            .mapToObj(count -> Stream.generate(() -> each).limit(count).toList())
            .toList(),
        Set.of());
  }

  /**
   * The side of the feature maps at the end of a stage for images of the usual size.
   *
   * @param stage the stage, counted from 1, or 0 for the end of the last one
   */
  int side(int stage) {
    int stride = strides.get((stage == 0 ? stages() : stage) - 1);
    return (imageSize + stride - 1) / stride;
  }

  int stages() {
    return places.size();
  }

  int blocks(int stage) {
    return places.get(stage - 1).size();
  }

  List<Integer> stageNumbers(int last) {
    return IntStream.rangeClosed(1, last).boxed().toList();
  }

  boolean offers(Site site) {
    return places.stream().flatMap(List::stream).anyMatch(sites -> sites.contains(site));
  }

  /**
   * Whether a block has a place for an attention. A convolution with an activation of its own cannot
   * replace the last convolution of a block.
   */
  boolean offers(Place place, AttentionSpec attention) {
    return places.get(place.stage - 1).get(place.block - 1).contains(place.site)
        && !(attention.mechanism().replacesNorm() && lastConvolutions.contains(place));
  }

  /** The names of the placements that the backbone supports. */
  public List<String> placements() {
    return Stream.of(Site.values())
        .filter(site -> site == Site.STAGE || site == Site.HEAD || offers(site))
        .map(Site::toString)
        .toList();
  }
}
