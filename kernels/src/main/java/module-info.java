/** Vector kernels for Java 25, which are found when the program starts. */
module io.fovea.kernels {
  requires io.fovea.attention;
  requires jdk.incubator.vector;

  provides io.fovea.attention.fast.Kernels with
      io.fovea.kernels.VectorKernels;
  provides io.fovea.tensor.compute.AttentionKernels with
      io.fovea.kernels.VectorAttention;
  provides io.fovea.tensor.compute.LibtorchThreads with
      io.fovea.kernels.OpenMpThreads;
}
