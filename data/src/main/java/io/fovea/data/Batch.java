package io.fovea.data;

import org.bytedeco.pytorch.Tensor;

/**
 * Images and their labels as tensors. Whoever takes a batch closes it; until then no {@code
 * PointerScope} frees it.
 *
 * @param images float32 [B, C, H, W], or [B, C, T, H, W] of clips, normalised
 * @param labels int64 [B], of a segmentation [B, H, W]
 * @param indices which images of the data set these are, [B]
 */
public record Batch(Tensor images, Tensor labels, int[] indices) implements AutoCloseable {

  /** Frees the tensors. */
  @Override
  public void close() {
    images.close();
    labels.close();
  }
}
