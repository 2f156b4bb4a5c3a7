package io.fovea.kernels;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * A map of H x W positions with zeros around, as a convolution of side 3 wants it. The zeros behind a row
 * are those before the next one, so that each step of the convolution is at the same distance from every
 * position: all positions can be gone through in one go, those between the rows with them.
 *
 * @param above rows of zeros above and below
 * @param beside zeros between two rows
 */
record BorderedPlane(int height, int width, int above, int beside) {
  /** Of a kernel: 3 x 3. */
  static final int WEIGHTS = 9;

  /** One step of a kernel of side 3: which of its weights, and how far from the position. */
  record Tap(int weight, int distance) {}

  /** For a convolution with this distance between the kernel's points. */
  static BorderedPlane of(int height, int width, int dilation) {
    return new BorderedPlane(
        height, width, dilation < height ? dilation : 0, dilation < width ? dilation : 0);
  }

  /** From one row to the next. */
  int pitch() {
    return width + beside;
  }

  /** Where the first position is. */
  int origin() {
    return above * pitch() + beside;
  }

  /** The positions with what is between the rows, in whole blocks. */
  int span() {
    return MapProduct.blocks(height * pitch()) * MapProduct.BLOCK;
  }

  /** Floats of a plane. */
  int size() {
    return span() + 2 * origin();
  }

  /** 1 at positions, 0 between and behind the rows, from {@link #origin} on. */
  float[] inside() {
    float[] inside = new float[span()];
    for (int y = 0; y < height; y++) {
      Arrays.fill(inside, y * pitch(), y * pitch() + width, 1);
    }
    return inside;
  }

  /** The steps that do not always fall on zeros: a dilation can be larger than the map. */
  List<Tap> taps() {
    List<Tap> taps = new ArrayList<>();
    for (int i = -1; i <= 1; i++) {
      for (int j = -1; j <= 1; j++) {
        if ((i == 0 || above > 0) && (j == 0 || beside > 0)) {
          taps.add(new Tap(3 * (i + 1) + j + 1, i * above * pitch() + j * beside));
        }
      }
    }
    return taps;
  }
}
