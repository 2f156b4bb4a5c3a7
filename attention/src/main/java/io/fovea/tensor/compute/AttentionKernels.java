package io.fovea.tensor.compute;

import java.nio.ByteBuffer;
import java.util.Iterator;
import java.util.Optional;
import java.util.ServiceConfigurationError;
import java.util.ServiceLoader;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * Attention with a softmax as vector code, which keeps a small part of the map in the cache between
 * the two products. The provider is looked up when it is first needed. It belongs to the vector
 * kernels, and {@code -Dfovea.kernels=off} disables it, too. Without a provider, and for other
 * types and devices, libtorch's operators compute the same results.
 */
public interface AttentionKernels {
  /**
   * Creates the memory for one thread.
   *
   * @param embedding the number of channels of queries and keys
   * @param width the number of channels of values
   */
  Worker worker(int embedding, int width);

  /** Computes rows of the map, one call after the other. It is not thread-safe. */
  interface Worker {
    /**
     * Computes {@code softmax(queriesᵀ keys) valuesᵀ} for some queries. A result depends only on
     * its query, the keys and the values: it has the same bits in any block.
     *
     * @param queries {@code [E, rows]}
     * @param keys {@code [E, N']}
     * @param values {@code [D, N']}
     * @param result receives {@code [D, rows]}
     */
    void attend(Columns queries, Columns keys, Columns values, Columns result);

    /** The number of queries that it computes together: more than these need no more memory. */
    int most();
  }

  /**
   * Some columns of a float32 matrix whose rows are contiguous.
   *
   * @param memory the memory of the matrix, from its first float
   * @param stride the distance from one row to the next, in floats
   * @param from the first column
   * @param count the number of columns
   */
  record Columns(ByteBuffer memory, int stride, int from, int count) {
    /** The columns of a matrix for which {@link AttentionKernels#supports} is true. */
    public static Columns of(Tensor matrix, long from, long count) {
      int stride = Math.toIntExact(matrix.stride(0));
      long floats = stride * (matrix.size(0) - 1) + matrix.size(1);
      return new Columns(
          matrix.data_ptr_float().capacity(floats).asByteBuffer(),
          stride,
          Math.toIntExact(from),
          Math.toIntExact(count));
    }

    /** All columns. */
    public static Columns of(Tensor matrix) {
      return of(matrix, 0, matrix.size(1));
    }
  }

  /** The provider, if there is one, and if it supports matrices of this type and on this device. */
  static Optional<AttentionKernels> supporting(Tensor like) {
    return like.is_cpu() && like.scalar_type().intern() == ScalarType.Float
        ? Found.KERNELS
        : Optional.empty();
  }

  /** Whether a matrix can be read as {@link Columns}. */
  static boolean supports(Tensor matrix) {
    return matrix.stride(1) == 1
        && matrix.stride(0) >= matrix.size(1)
        && matrix.stride(0) * matrix.size(0) <= Integer.MAX_VALUE / Float.BYTES;
  }

  /** Looks up the provider once. */
  final class Found {
    private static final Optional<AttentionKernels> KERNELS = find();

    private Found() {}

    private static Optional<AttentionKernels> find() {
      if ("off".equals(System.getProperty("fovea.kernels"))) {
        return Optional.empty();
      }
      try {
        Iterator<AttentionKernels> providers =
            ServiceLoader.load(AttentionKernels.class).iterator();
        return providers.hasNext() ? Optional.of(providers.next()) : Optional.empty();
      } catch (ServiceConfigurationError | LinkageError e) {
        // the Java version is too old, or it has no Vector API, which KernelsInUse reports
        return Optional.empty();
      }
    }
  }
}
