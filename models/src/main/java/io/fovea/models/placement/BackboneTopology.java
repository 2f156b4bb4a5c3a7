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
 * @param backbone the name of the backbone
 * @param imageSize the usual side of its images in pixels
 * @param own the attention that the published network has
 * @param places the places of each block of each stage
 */
public record BackboneTopology(
    String backbone, int imageSize, Optional<AttentionSpec> own, List<List<Set<Site>>> places) {
  /** A place for attention. Stage and block are counted from 1; they are 0 if they do not apply. */
  public record Place(Site site, int stage, int block) {}

  /** Creates the structure of a network whose blocks all have the same places. */
  public static BackboneTopology uniform(
      String backbone, int imageSize, int[] blocks, Site... sites) {
    Set<Site> each = EnumSet.of(Site.AFTER, sites);
    return new BackboneTopology(
        backbone,
        imageSize,
        Optional.empty(),
        IntStream.of(blocks)
            .mapToObj(count -> Stream.generate(() -> each).limit(count).toList())
            .toList());
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

  boolean offers(Site site, int stage, int block) {
    return places.get(stage - 1).get(block - 1).contains(site);
  }

  /** The names of the placements that the backbone supports. */
  public List<String> placements() {
    return Stream.of(Site.values())
        .filter(site -> site == Site.STAGE || site == Site.HEAD || offers(site))
        .map(Site::toString)
        .toList();
  }
}
