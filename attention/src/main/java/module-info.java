/**
 * Attention mechanisms as libtorch modules, and the layers that they are made of.
 *
 * <pre>{@code
 * try (PointerScope scope = new PointerScope()) {
 *   Attention cbam = AttentionSpec.parse("cbam:reduction=8").create(64, 2); // 64 channels, 2 dimensions
 *   Tensor y = cbam.forward(torch.randn(32, 64, 56, 56)); // [32, 64, 56, 56], differentiable
 * }
 * }</pre>
 *
 * <p>Start with {@link io.fovea.attention.AttentionSpec} to use a mechanism, and with {@link
 * io.fovea.attention.Attention} to write one. {@link io.fovea.nn.Ops} has the operators of its
 * equation, {@link io.fovea.tensor.Threads} sets the number of threads. Tensors are those of {@code
 * org.bytedeco.pytorch}, outside of Java's heap: open a {@code PointerScope} around what computes.
 */
module io.fovea.attention {
  requires transitive org.bytedeco.javacpp;
  requires transitive org.bytedeco.pytorch;
  requires org.bytedeco.openblas;

  exports io.fovea.attention;
  exports io.fovea.errors;
  exports io.fovea.nn;
  exports io.fovea.tensor;
  exports io.fovea.attention.fast to
      io.fovea.app,
      io.fovea.kernels;
  exports io.fovea.tensor.compute to
      io.fovea.kernels,
      io.fovea.training;
  exports io.fovea.tensor.internal to
      io.fovea.app,
      io.fovea.data,
      io.fovea.explain,
      io.fovea.models,
      io.fovea.reference,
      io.fovea.training;

  uses io.fovea.attention.Mechanism.Provider;
  uses io.fovea.attention.fast.Kernels;
  uses io.fovea.tensor.compute.AttentionKernels;
  uses io.fovea.tensor.compute.LibtorchThreads;
}
