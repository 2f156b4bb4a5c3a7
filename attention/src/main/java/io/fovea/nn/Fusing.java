package io.fovea.nn;

import java.util.IdentityHashMap;
import java.util.function.Supplier;
import org.bytedeco.pytorch.NoGradGuard;

/**
 * Convolutions as inference computes them: the batch norm behind each is part of its weights and offsets,
 * and oneDNN keeps the weights in its own order and applies the activation while a result is in cache.
 *
 * <p>It is a copy of the layers' parameters as they are when they are added. While {@link #using} runs,
 * the layers that were added compute with it on that thread; several threads may at once.
 */
public final class Fusing implements AutoCloseable {
  private static final ThreadLocal<Fusing> IN_USE = new ThreadLocal<>();

  private final IdentityHashMap<Convolution, FusedConvolution> folded = new IdentityHashMap<>();

  /** An empty one. */
  public Fusing() {}

  /** Adds a convolution and the batch norm that its output goes through. */
  public void add(Convolution convolution, BatchNorm norm) {
    folded.put(convolution, new FusedConvolution(convolution, norm));
  }

  /** Adds all convolutions of a layer that have a batch norm right behind them. */
  public void add(Layer layer) {
    if (layer instanceof Sequence sequence) {
      sequence.fold(this);
    }
  }

  /**
   * Runs {@code body} on this thread, without gradients.
   *
   * @return what the body returned
   */
  public <T> T using(Supplier<T> body) {
    Fusing outer = IN_USE.get();
    IN_USE.set(this);
    try (NoGradGuard guard = new NoGradGuard()) {
      return body.get();
    } finally {
      IN_USE.set(outer);
    }
  }

  /** The copy that this thread computes with in place of a convolution and its norm, or null. */
  static FusedConvolution of(Convolution convolution) {
    Fusing inUse = IN_USE.get();
    return inUse == null ? null : inUse.folded.get(convolution);
  }

  /** Frees the copies; nobody may be using them. */
  @Override
  public void close() {
    folded.values().forEach(FusedConvolution::close);
    folded.clear();
  }
}
