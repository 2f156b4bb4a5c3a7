package io.fovea.data.video;

import io.fovea.errors.SpecException;

/**
 * Which frames of a video a network sees.
 *
 * @param frames T of a clip
 * @param stride from one frame of a clip to the next, in frames of the video
 * @param clips of a video at evaluation, evenly spread over its length; their probabilities are averaged
 * @param crops of each clip at evaluation, evenly spread along the longer side; 1 is the centre
 */
public record Sampling(int frames, int stride, int clips, int crops) {
  /** Eight frames in a row, one clip, its centre. */
  public static final Sampling DEFAULT = new Sampling(8, 1, 1, 1);

  /**
   * Checks the numbers.
   *
   * @throws SpecException if one is below 1
   */
  public Sampling {
    check("frames", frames);
    check("frame stride", stride);
    check("clips", clips);
    check("crops", crops);
  }

  private static void check(String what, int value) {
    if (value < 1) {
      throw new SpecException("the " + what + " must be at least 1, got " + value);
    }
  }

  /** How many frames of the video a clip spans. */
  public int span() {
    return (frames - 1) * stride + 1;
  }

  /** How many views of a video are averaged at evaluation: {@code clips * crops}. */
  public int views() {
    return clips * crops;
  }

  /** The frames of a clip; a video that is too short stands still at its end. */
  public int[] indices(int start, int length) {
    int[] indices = new int[frames];
    for (int i = 0; i < frames; i++) {
      indices[i] = Math.min(length - 1, start + i * stride);
    }
    return indices;
  }

  /** Where clip {@code i} of evaluation starts: the first at the start, the last at the end; one in the middle. */
  public int start(int i, int length) {
    int last = Math.max(0, length - span());
    return clips == 1 ? last / 2 : (int) ((long) i * last / (clips - 1));
  }

  /** Where a crop lies along the longer side: 0 is its start, 1 its end. */
  public double position(int crop) {
    return crops == 1 ? 0.5 : (double) crop / (crops - 1);
  }
}
