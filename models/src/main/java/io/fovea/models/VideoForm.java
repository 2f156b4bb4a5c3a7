package io.fovea.models;

import com.fasterxml.jackson.annotation.JsonValue;
import io.fovea.errors.SpecException;
import java.util.Locale;
import java.util.stream.Stream;

/**
 * Whose code a video network follows, where published codes of the same network compute different things:
 * how time is padded, and how maps are pooled. Kernels, and with them the names and shapes of all weights,
 * are the same.
 */
public enum VideoForm {
  /**
   * Fovea's: the padding over time repeats the first and the last frame, so that inflated weights give the
   * same scores for a still clip as for the image. Poolings over time take three frames.
   */
  FOVEA,
  /**
   * The networks of the authors of non-local networks (video-nonlocal-net): time is padded with zeros, the
   * pooling behind the stem is without padding, and the one after the first stage takes two frames. For
   * clips of 32 frames or more, the stem steps by two frames, and the pooling behind it takes two.
   */
  AUTHORS,
  /**
   * MMAction2's {@code ResNet3d} and {@code C2D}: time is padded with zeros, and the pooling after the first
   * stage takes two frames. For clips of 32 frames or more, the stem and the pooling behind it ({@code
   * conv1_stride_t}, {@code pool1_stride_t}) step by two frames in {@code i3d-} networks. The pooling behind
   * the stem of {@code c2d-} networks is without padding.
   */
  MMACTION;

  /** The name on the command line and in files. */
  @JsonValue
  @Override
  public String toString() {
    return name().toLowerCase(Locale.ROOT);
  }

  /** Whether this is the name of a form. */
  public static boolean isOne(String name) {
    return Stream.of(values()).anyMatch(form -> form.toString().equals(name));
  }

  /**
   * Reads a name.
   *
   * @throws SpecException if there is no such form
   */
  public static VideoForm of(String name) {
    return Forms.of(VideoForm.class, "video", name);
  }
}
