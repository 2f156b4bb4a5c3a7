package io.fovea.data.video;

import io.fovea.errors.SpecException;

/**
 * The sampling of frames from a video.
 *
 * @param frames the number of frames T of a clip
 * @param stride the distance between frames of a clip, in frames of the video
 * @param clips the number of clips of a video in evaluation, evenly spaced; their probabilities are
 *     averaged
 * @param crops the number of crops of each clip in evaluation, evenly spaced along the longer side;
 *     1 is the centre
 */
public record Sampling(int frames, int stride, int clips, int crops) {
  /** Eight consecutive frames, one clip, its centre. */
  public static final Sampling DEFAULT = new Sampling(8, 1, 1, 1);

  /**
   * Checks the numbers.
   *
   * @throws SpecException if a number is below 1
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

  /** The number of frames of the video that a clip spans. */
  public int span() {
    return (frames - 1) * stride + 1;
  }

  /** The number of views of a video that are averaged in evaluation: {@code clips * crops}. */
  public int views() {
    return clips * crops;
  }

  /** The frames of a clip; if the video is too short, its last frame is repeated. */
  public int[] indices(int start, int length) {
    int[] indices = new int[frames];
    for (int i = 0; i < frames; i++) {
      indices[i] = Math.min(length - 1, start + i * stride);
    }
    return indices;
  }

  /**
   * The start of clip {@code i} in evaluation: the first is at the start of the video, the last at
   * its end, a single one in the middle.
   */
  public int start(int i, int length) {
    int last = Math.max(0, length - span());
    return clips == 1 ? last / 2 : (int) ((long) i * last / (clips - 1));
  }

  /** The place of a crop along the longer side: 0 is the start, 1 the end. */
  public double position(int crop) {
    return crops == 1 ? 0.5 : (double) crop / (crops - 1);
  }
}
