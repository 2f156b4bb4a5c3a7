package io.fovea.data.mask;

import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.Set;

/**
 * The rule by which the names of masks follow from those of their images: the same name, or one
 * prefix or suffix that all masks have, such as {@code NAME_mask} or {@code NAME_L}. It is found in
 * the names that are there.
 *
 * @param prefix what stands before the name of the image
 * @param suffix what stands behind it
 */
record MaskNames(String prefix, String suffix) {
  /** Names without their extensions; names of folders before them are kept. */
  static MaskNames of(Collection<String> images, Collection<String> masks) {
    Set<String> known = new LinkedHashSet<>(images);
    Map<MaskNames, Integer> counts = new HashMap<>();
    for (String mask : masks) {
      int folder = mask.lastIndexOf('/') + 1;
      for (int cut = folder; cut <= mask.length(); cut++) {
        // NAME + suffix
        if (known.contains(mask.substring(0, cut))) {
          counts.merge(new MaskNames("", mask.substring(cut)), 1, Integer::sum);
        }
        // prefix + NAME; the same name was counted above
        if (cut > folder && known.contains(mask.substring(0, folder) + mask.substring(cut))) {
          counts.merge(new MaskNames(mask.substring(folder, cut), ""), 1, Integer::sum);
        }
      }
    }
    MaskNames best = new MaskNames("", "");
    for (Map.Entry<MaskNames, Integer> one : counts.entrySet()) {
      int more = Integer.compare(one.getValue(), counts.getOrDefault(best, 0));
      if (more > 0 || (more == 0 && one.getKey().length() < best.length())) {
        best = one.getKey();
      }
    }
    return best;
  }

  private int length() {
    return prefix.length() + suffix.length();
  }

  /** The name of the mask of an image, both without extensions. */
  String of(String image) {
    int folder = image.lastIndexOf('/') + 1;
    return image.substring(0, folder) + prefix + image.substring(folder) + suffix;
  }
}
