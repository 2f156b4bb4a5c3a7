package io.fovea.attention.fast;

import io.fovea.nn.TensorOps;
import java.util.List;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.bytedeco.pytorch.Tensor;

/** What a module adds to its input, computed another way than its equation has it. */
public interface Context {
  /** Whether it serves for a feature map {@code [B, C, spatial...]}. */
  boolean supports(Tensor x);

  /** Computes; of the same shape as {@code x}. */
  Tensor of(Tensor x);

  /** {@code x + context(x)}, or with the sum of several contexts. */
  final class Path implements FastPath {
    private record Part(Context fast, UnaryOperator<Tensor> plain) {
      Tensor of(Tensor x) {
        return fast.supports(x) ? fast.of(x) : plain.apply(x);
      }
    }

    private final List<Part> parts;

    /** With one context, and its equation for where it does not serve. */
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
      Tensor sum = parts.stream().map(part -> part.of(x)).reduce(Tensor::add).orElseThrow();
      return TensorOps.PLAIN.residual(x, sum);
    }
  }
}
