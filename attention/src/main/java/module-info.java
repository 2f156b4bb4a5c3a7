/** Attention mechanisms as libtorch modules, and the layers that they are made of. */
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
  uses io.fovea.tensor.compute.LibtorchThreads;
}
