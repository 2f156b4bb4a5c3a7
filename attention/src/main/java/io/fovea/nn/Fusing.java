package io.fovea.nn;

import io.fovea.tensor.internal.ThreadValue;
import java.util.IdentityHashMap;
import java.util.function.Supplier;
import org.bytedeco.pytorch.NoGradGuard;

/**
 * Convolutions with fused batch norms, for inference. oneDNN keeps their weights in its own order
 * and applies the activation while a result is in the cache.
 *
 * <p>It holds copies of the layers' parameters from the time they were added. While {@link #using}
 * runs, these layers compute with the copies on that thread. Several threads may do this at the
 * same time.
 */
public final class Fusing implements AutoCloseable {
  private static final ThreadValue<Fusing> IN_USE = new ThreadValue<>();

  private final IdentityHashMap<Convolution, FusedConvolution> fused = new IdentityHashMap<>();

  /** Creates an empty object. */
  public Fusing() {}

  /** Adds a convolution and the batch norm that follows it. */
  public void add(Convolution convolution, BatchNorm norm) {
    fused.put(convolution, new FusedConvolution(convolution, norm));
  }

  /** Adds all convolutions of a layer that are directly followed by a batch norm. */
  public void add(Layer layer) {
    layer.fuse(this);
  }

  /**
   * Runs {@code body} on this thread, without gradients.
   *
   * @return the result of the body
   */
  public <T> T using(Supplier<T> body) {
    try (NoGradGuard guard = new NoGradGuard()) {
      return IN_USE.during(this, body);
    }
  }

  /** The fused copy that this thread uses instead of a convolution and its norm, or null. */
  static FusedConvolution of(Convolution convolution) {
    Fusing inUse = IN_USE.get();
    return inUse == null ? null : inUse.fused.get(convolution);
  }

  /** Frees the copies, which must not be in use. */
  @Override
  public void close() {
    fused.values().forEach(FusedConvolution::close);
    fused.clear();
  }
}
