package io.fovea.attention.fast;

import io.fovea.nn.TensorOps;
import java.util.List;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.bytedeco.pytorch.Tensor;

/** A faster way to compute the term that a module adds to its input. */
public interface Context {
  /** Whether it supports a feature map {@code [B, C, spatial...]}. */
  boolean supports(Tensor x);

  /** Computes the term, which has the shape of {@code x}. */
  Tensor of(Tensor x);

  /** Computes {@code x} plus the term. */
  default Tensor added(Tensor x) {
    return TensorOps.PLAIN.residual(x, of(x));
  }

  /** Computes {@code x + context(x)}, or {@code x} plus the sum of several contexts. */
  final class Path implements FastPath {
    private record Part(Context fast, UnaryOperator<Tensor> plain) {
      Tensor of(Tensor x) {
        return fast.supports(x) ? fast.of(x) : plain.apply(x);
      }
    }

    private final List<Part> parts;

    /**
     * Creates a path with one context, and with its equation for inputs that the context does not
     * support.
     */
    public Path(Context fast, UnaryOperator<Tensor> plain) {
      this(List.of(new Part(fast, plain)));
    }

    private Path(List<Part> parts) {
      this.parts = parts;
    }

    /** With another one. */
    public Path and(Context fast, UnaryOperator<Tensor> plain) {
      return new Path(Stream.concat(parts.stream(), Stream.of(new Part(fast, plain))).toList());
    }

    @Override
    public boolean supports(Tensor x, Tensor shortcut) {
      return shortcut == null && parts.stream().anyMatch(part -> part.fast.supports(x));
    }

    @Override
    public Tensor forward(Tensor x, Tensor shortcut, boolean inPlace) {
      if (parts.size() == 1) {
        return parts.get(0).fast.added(x);
      }
      Tensor sum = parts.stream().map(part -> part.of(x)).reduce(Tensor::add).orElseThrow();
      return TensorOps.PLAIN.residual(x, sum);
    }
  }
}
