package io.fovea.kernels;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * The layout of an H x W feature map with zero padding for a 3 x 3 convolution. The zeros after a
 * row are also those before the next row, so that each tap of the convolution has the same offset
 * from every position. All positions, including those between the rows, can then be processed in
 * one loop.
 *
 * @param above the number of rows of zeros above and below
 * @param beside the number of zeros between two rows
 */
record BorderedPlane(int height, int width, int above, int beside) {
  /** The number of taps of a 3 x 3 kernel. */
  static final int WEIGHTS = 9;

  /** One tap of a 3 x 3 kernel: the index of its weight, and its offset from the position. */
  record Tap(int weight, int distance) {}

  /** Creates the layout for a convolution with this dilation. */
  static BorderedPlane of(int height, int width, int dilation) {
    return new BorderedPlane(
        height, width, dilation < height ? dilation : 0, dilation < width ? dilation : 0);
  }

  /** The distance from one row to the next. */
  int pitch() {
    return width + beside;
  }

  /** The index of the first position. */
  int origin() {
    return above * pitch() + beside;
  }

  /** The number of positions including those between the rows, rounded up to whole blocks. */
  int span() {
    return MapProduct.blocks(height * pitch()) * MapProduct.BLOCK;
  }

  /** The number of floats of a plane. */
  int size() {
    return span() + 2 * origin();
  }

  /** A mask that begins at {@link #origin}: 1 at positions, 0 between and after the rows. */
  float[] inside() {
    float[] inside = new float[span()];
    for (int y = 0; y < height; y++) {
      Arrays.fill(inside, y * pitch(), y * pitch() + width, 1);
    }
    return inside;
  }

  /** The taps that do not always fall on zeros; a dilation can be larger than the feature map. */
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
