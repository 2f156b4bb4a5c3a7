package io.fovea.data.mask;

import io.fovea.data.MaskedImage;
import io.fovea.data.folder.ClassMatch;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * How the values of masks become labels.
 *
 * @param labels the label of each value of a mask, -1 for unknown values; the array is not copied
 * @param colours the label of each colour {@code 0xRRGGBB}, for masks in colour
 */
record Labelling(int[] labels, Map<Integer, Integer> colours) {
  /** The values are the labels, from 0 to below {@code classes}; 255 is ignored. */
  static Labelling of(int classes) {
    int[] labels = new int[256];
    Arrays.setAll(labels, value -> value < classes || value == MaskedImage.IGNORED ? value : -1);
    return new Labelling(labels, Map.of());
  }

  /** Each class has its value; 255 is ignored unless a class has it. */
  static Labelling ofValues(List<Integer> values) {
    int highest = values.stream().mapToInt(Integer::intValue).max().orElse(0);
    int[] labels = new int[Math.max(256, highest + 1)];
    Arrays.fill(labels, -1);
    labels[MaskedImage.IGNORED] = MaskedImage.IGNORED;
    for (int label = 0; label < values.size(); label++) {
      labels[values.get(label)] = label;
    }
    return new Labelling(labels, Map.of());
  }

  /** The same, where the classes have colours. */
  Labelling withColours(List<Integer> list) {
    Map<Integer, Integer> map = new HashMap<>();
    for (int label = 0; label < list.size(); label++) {
      map.put(list.get(label), label);
    }
    return new Labelling(labels, map);
  }

  /** The same, where a value has another label. */
  Labelling with(int value, int label) {
    int[] other = labels.clone();
    other[value] = label;
    return new Labelling(other, colours);
  }

  /** The same with the labels of a network; classes that it does not know are ignored. */
  Labelling matched(ClassMatch match) {
    int[] other = labels.clone();
    Arrays.setAll(other, value -> matched(other[value], match));
    Map<Integer, Integer> map = new HashMap<>();
    colours.forEach((colour, label) -> map.put(colour, matched(label, match)));
    return new Labelling(other, map);
  }

  private static int matched(int label, ClassMatch match) {
    if (label < 0 || label == MaskedImage.IGNORED) {
      return label;
    }
    return match.label(label) < 0 ? MaskedImage.IGNORED : match.label(label);
  }

  /** The label of a pixel of a mask, or -1 if its value is unknown. */
  int label(Masks.Mask mask, int pixel) {
    int value = mask.values()[pixel];
    if (mask.coloured()) {
      return colours.getOrDefault(value, -1);
    }
    return value < labels.length ? labels[value] : -1;
  }
}
