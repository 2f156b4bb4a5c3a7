package io.fovea.explain;

/**
 * The colours of maps: viridis, whose steps look even in colour, in greyscale, and to colour-blind
 * people.
 */
final class Viridis {
  /**
   * Every fifth of its 256 colours; the others are interpolated. The pages get the colours from
   * here.
   */
  static final String STOPS =
      "440154 46085c 471063 481769 481d6f 482475 472a7a 46307e 453781 433d84 414287 3f4889 3d4e8a"
          + " 3a538b 38598c 355e8d 33638d 31688e 2e6d8e 2c718e 2a768e 297b8e 27808e 25848e 23898e"
          + " 218e8d 20928c 1f978b 1e9c89 1fa188 21a585 24aa83 28ae80 2eb37c 35b779 3dbc74 46c06f"
          + " 50c46a 5ac864 65cb5e 70cf57 7cd250 89d548 95d840 a2da37 b0dd2f bddf26 cae11f d8e219"
          + " e5e419 f1e51d fde725";

  private static final int LEVELS = 256;
  private static final int[] COLOURS = colours();

  private Viridis() {}

  /**
   * The colour of a value between 0 and 1, as {@code 0xRRGGBB}.
   *
   * @param share the value; less than 0 counts as 0, more than 1 as 1, and NaN as 0
   */
  static int of(double share) {
    return COLOURS[(int) Math.round(Math.max(0, Math.min(1, share)) * (LEVELS - 1))];
  }

  private static int[] colours() {
    String[] texts = STOPS.split(" ");
    int[] stops = new int[texts.length];
    for (int i = 0; i < stops.length; i++) {
      stops[i] = Integer.parseInt(texts[i], 16);
    }
    int[] colours = new int[LEVELS];
    for (int level = 0; level < LEVELS; level++) {
      double at = (double) level * (stops.length - 1) / (LEVELS - 1);
      int from = Math.min(stops.length - 2, (int) at);
      colours[level] = mixed(stops[from], stops[from + 1], at - from);
    }
    return colours;
  }

  /** Interpolates between two colours. */
  static int mixed(int from, int to, double share) {
    int mixed = 0;
    for (int shift = 16; shift >= 0; shift -= 8) {
      double value = (from >> shift & 255) * (1 - share) + (to >> shift & 255) * share;
      mixed |= (int) Math.round(value) << shift;
    }
    return mixed;
  }
}
