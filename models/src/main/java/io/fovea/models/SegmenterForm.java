package io.fovea.models;

import com.fasterxml.jackson.annotation.JsonValue;
import io.fovea.errors.SpecException;
import java.util.Locale;

/**
 * Whose code a segmentation network follows, where published codes of the same network compute different
 * things.
 */
public enum SegmenterForm {
  /** The code of the authors of each head. The corners are aligned, but for {@code aspp}. */
  AUTHORS,
  /**
   * MMSegmentation's {@code DAHead, FCNHead, NLHead, GCHead, CCHead, PSPHead, ASPPHead, OCRHead} and
   * {@code ANNHead}. A head with a single branch joins its result with its input in one more convolution
   * ({@code concat_input}). {@code aspp} has a quarter of the channels instead of an eighth, and one
   * convolution behind the pyramid instead of two. {@code ocr} takes its first scores from the stage
   * before. {@code ann} has narrower auxiliary scores. Basic blocks dilate their first convolution only, and
   * a multi-grid has the dilations 1, 2 and 4. The corners are not aligned.
   */
  MMSEGMENTATION,
  /**
   * torchvision's {@code fcn_resnet*} and {@code deeplabv3_resnet*}: the head {@code none} has one
   * convolution. The corners are not aligned.
   */
  TORCHVISION;

  /** The name on the command line and in files. */
  @JsonValue
  @Override
  public String toString() {
    return name().toLowerCase(Locale.ROOT);
  }

  /**
   * Reads a name.
   *
   * @throws SpecException if there is no such form
   */
  static SegmenterForm of(String name) {
    return Forms.of(SegmenterForm.class, "segmentation", name);
  }
}
