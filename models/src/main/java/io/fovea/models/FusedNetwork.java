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
 * <p>The convolutions and batch norms are copies: training that goes on meanwhile does not show, and a new
 * one is to be made after it. Everything else (attention, classifiers) is the network's own. Several
 * threads may infer at once; for each convolution the weights are kept for one shape of input, so threads
 * and batches of different shapes put them in order again and again, which costs what is gained.
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
   * Runs {@code body}, without gradients; the network computes with the copies meanwhile on this thread.
   *
   * @return what the body returned
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

  /** Frees the copies; nobody may be inferring. */
  @Override
  public void close() {
    fusing.close();
  }
}
