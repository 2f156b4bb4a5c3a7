package io.fovea.data;

import org.bytedeco.pytorch.Tensor;

/**
 * Images and their labels as tensors. The code that takes a batch must close it; no {@code
 * PointerScope} frees it before.
 *
 * @param images float32 [B, C, H, W], or [B, C, T, H, W] for clips, normalised
 * @param labels int64 [B], or [B, H, W] for segmentation, or [B, 3] for mixed images ({@link
 *     MixedLabels})
 * @param indices the indices of the images in the data set, [B]
 */
public record Batch(Tensor images, Tensor labels, int[] indices) implements AutoCloseable {

  /** Frees the tensors. */
  @Override
  public void close() {
    images.close();
    labels.close();
  }
}
