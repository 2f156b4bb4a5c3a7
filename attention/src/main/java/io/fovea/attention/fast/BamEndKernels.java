package io.fovea.attention.fast;

import io.fovea.tensor.compute.CustomGradient;
import io.fovea.tensor.internal.Gradients;
import java.util.List;
import java.util.Optional;
import java.util.function.UnaryOperator;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/** The last step of BAM, {@code (1 + σ(channel · spatial)) · x}, computed by {@link Kernels}. */
public final class BamEndKernels implements FastPath {
  private final UnaryOperator<Tensor> channel;
  private final UnaryOperator<Tensor> spatial;

  /**
   * Creates the fast path for two branches.
   *
   * @param channel {@code [B, C, spatial...] -> [B, C]}
   * @param spatial {@code [B, C, spatial...] -> [B, 1, spatial...]}
   */
  public BamEndKernels(UnaryOperator<Tensor> channel, UnaryOperator<Tensor> spatial) {
    this.channel = channel;
    this.spatial = spatial;
  }

  @Override
  public boolean supports(Tensor x, Tensor shortcut) {
    return shortcut == null && kernel().isPresent() && KernelMaps.supports(x);
  }

  private static Optional<Kernels.Bam> kernel() {
    return Kernels.inUse(Kernels.Bam.class);
  }

  @Override
  public Tensor forward(Tensor x, Tensor shortcut, boolean inPlace) {
    Kernels.Bam kernel = kernel().orElseThrow();
    Kernels.Shape shape = KernelMaps.shape(x);
    Tensor perChannel = channel.apply(x);
    Tensor perPosition = spatial.apply(x);
    float[] ofChannels = KernelMaps.copy(perChannel);
    float[] ofPositions = KernelMaps.copy(perPosition);
    Tensor y = torch.empty_like(x.detach());
    kernel.bamEnd(shape, ofChannels, ofPositions, KernelMaps.memory(x), KernelMaps.memory(y));
    List<Tensor> inputs = List.of(x, perChannel, perPosition);
    if (Gradients.needed(inputs)) {
      Tensor input = x.detach();
      // the tensors have been freed when the gradient is computed
      long[] channelShape = perChannel.shape();
      long[] spatialShape = perPosition.shape();
      CustomGradient.attach(
          y,
          inputs,
          List.of(input),
          dy -> {
            Tensor dx = torch.empty_like(input);
            Kernels.BamGradients computed =
                kernel.bamEndGradient(
                    shape,
                    ofChannels,
                    ofPositions,
                    KernelMaps.memory(input),
                    KernelMaps.memory(dy),
                    KernelMaps.memory(dx));
            return List.of(
                dx,
                Tensor.create(computed.channel()).view(channelShape),
                Tensor.create(computed.spatial()).view(spatialShape));
          });
    }
    return y;
  }
}
