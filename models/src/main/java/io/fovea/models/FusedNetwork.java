package io.fovea.models;

import io.fovea.nn.Fusing;
import java.util.function.Supplier;
import org.bytedeco.pytorch.Module;

/**
 * A network as it is now, for inference only: with its batch norms fused into the convolutions before
 * them, and their weights in the order that oneDNN computes in. It gives the numbers of the network's
 * evaluation mode but for rounding, in little more than half the time.
 *
 * <pre>{@code
 * network.eval();
 * try (FusedNetwork fused = network.fuse()) {
 *   Tensor scores = fused.infer(() -> network.forward(images));
 * }
 * }</pre>
 *
 * <p>The convolutions and batch norms are copies from the time of creation. After further training,
 * a new fused network must be created. All other layers (attention, classifiers) are shared with
 * the network. Several threads may infer at the same time. Each convolution keeps its weights in
 * the order for one input shape. If shapes alternate, the weights are reordered every time, which
 * costs more than it gains.
 */
public final class FusedNetwork implements AutoCloseable {
  private final Module network;
  private final Fusing fusing = new Fusing();

  FusedNetwork(Network network) {
    this.network = network;
    requireEvaluation();
    network.fuse(fusing);
  }

  /**
   * Runs {@code body} without gradients. During the call, the network uses the fused copies on this
   * thread.
   *
   * @return the result of the body
   * @throws IllegalStateException if the network is in training mode
   */
  public <T> T infer(Supplier<T> body) {
    requireEvaluation();
    return fusing.using(body);
  }

  private void requireEvaluation() {
    if (network.is_training()) {
      throw new IllegalStateException(
          "a fused network is in evaluation mode; call eval() before, and train() after it is closed");
    }
  }

  /** Frees the copies, which must not be in use. */
  @Override
  public void close() {
    fusing.close();
  }
}
