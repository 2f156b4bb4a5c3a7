package io.fovea.attention.fast;

import io.fovea.nn.BatchNorm;
import io.fovea.nn.Convolution;
import io.fovea.nn.Layer;
import io.fovea.nn.Linear;
import io.fovea.nn.Sequence;
import io.fovea.tensor.internal.Gradients;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.bytedeco.pytorch.Module;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/**
 * BAM with multiplied branches, computed by {@link Kernels} on planes, in evaluation mode without
 * gradients.
 */
public final class BamKernels implements FastPath {
  /**
   * The number of reduced channels up to which kernels were at least as fast as libtorch's
   * convolutions.
   */
  private static final long WIDEST = 32;

  /**
   * The number of floats in an image's reduced feature maps up to which kernels keep them in Java
   * memory, per thread.
   */
  private static final long LARGEST = 1 << 22;

  private final Module module;
  private final Sequence channel;
  private final Sequence spatial;
  private final long reduced;
  private final int dilation;

  /**
   * Creates the fast path for two branches.
   *
   * @param module the module with the parameters
   * @param reduced the number of channels of the spatial branch
   */
  public BamKernels(Module module, Sequence channel, Sequence spatial, long reduced, int dilation) {
    this.module = module;
    this.channel = channel;
    this.spatial = spatial;
    this.reduced = reduced;
    this.dilation = dilation;
  }

  @Override
  public boolean supports(Tensor x, Tensor shortcut) {
    return shortcut == null
        && kernel().isPresent()
        && KernelMaps.supports(x)
        && x.dim() == 4
        && reduced <= WIDEST
        && reduced * x.size(2) * x.size(3) <= LARGEST
        && !channel.normalisesByBatch()
        && !spatial.normalisesByBatch()
        && !Gradients.needed(module, x);
  }

  private static Optional<Kernels.Bam> kernel() {
    return Kernels.inUse(Kernels.Bam.class);
  }

  @Override
  public Tensor forward(Tensor x, Tensor shortcut, boolean inPlace) {
    List<Kernels.Affine> ofChannel = affines(channel);
    List<Kernels.Affine> ofSpatial = affines(spatial);
    int last = ofSpatial.size() - 1;
    Kernels.BamWeights weights =
        new Kernels.BamWeights(
            ofChannel, ofSpatial.get(0), ofSpatial.subList(1, last), dilation, ofSpatial.get(last));
    Tensor y = torch.empty_like(x);
    kernel()
        .orElseThrow()
        .bam(KernelMaps.shape(x), weights, KernelMaps.memory(x), KernelMaps.memory(y));
    return y;
  }

  /**
   * Returns each convolution or linear layer, fused with the batch norm after it; the parameters
   * are float32.
   */
  private static List<Kernels.Affine> affines(Sequence sequence) {
    List<Kernels.Affine> affines = new ArrayList<>();
    List<Layer> layers = sequence.layers();
    for (int i = 0; i < layers.size(); i++) {
      BatchNorm norm =
          i + 1 < layers.size() && layers.get(i + 1) instanceof BatchNorm behind ? behind : null;
      if (layers.get(i) instanceof Convolution convolution) {
        affines.add(affine(convolution.weight(), convolution.bias(), norm));
      } else if (layers.get(i) instanceof Linear linear) {
        affines.add(affine(linear.weight(), linear.bias(), norm));
      }
    }
    return affines;
  }

  private static Kernels.Affine affine(Tensor weight, Optional<Tensor> bias, BatchNorm norm) {
    Kernels.Affine layer =
        new Kernels.Affine(
            KernelMaps.copy(weight),
            bias.map(KernelMaps::copy).orElseGet(() -> new float[(int) weight.size(0)]));
    return norm == null ? layer : fused(layer, norm);
  }

  /** Fuses a layer with the batch norm after it for evaluation mode; computed in float64. */
  private static Kernels.Affine fused(Kernels.Affine layer, BatchNorm norm) {
    float[] gain = KernelMaps.copy(norm.weight());
    float[] offset = KernelMaps.copy(norm.bias());
    float[] mean = KernelMaps.copy(norm.runningMean());
    float[] variance = KernelMaps.copy(norm.runningVariance());
    float[] weights = layer.weights().clone();
    float[] biases = new float[layer.outputs()];
    int inputs = weights.length / biases.length;
    for (int o = 0; o < biases.length; o++) {
      double scale = gain[o] / Math.sqrt(variance[o] + norm.epsilon());
      biases[o] = (float) (offset[o] + scale * (layer.bias()[o] - mean[o]));
      for (int i = o * inputs; i < (o + 1) * inputs; i++) {
        weights[i] = (float) (scale * weights[i]);
      }
    }
    return new Kernels.Affine(weights, biases);
  }
}
