package io.fovea.reference;

import io.fovea.errors.SpecException;
import io.fovea.models.Classifier;
import io.fovea.models.weights.StateDict;
import io.fovea.tensor.internal.Scopes;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;
import org.bytedeco.pytorch.LongOptional;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.global.torch;

/**
 * The reference for whole networks, as they are written in PyTorch, operation by operation on the
 * same libtorch: a residual network with the reference attention ({@link ReferenceCode}) at the end
 * of each residual branch. It computes with a copy of the parameters and buffers of a Fovea
 * network, which have torchvision's names.
 *
 * <p>Intermediate results are freed where Python would free them: as soon as nothing refers to
 * them.
 */
final class ReferenceNetwork {
  private static final double MOMENTUM = 0.1;
  private static final double EPSILON = 1e-5;

  private final List<Tensor> parameters = new ArrayList<>();
  private final Map<String, Tensor> state = new HashMap<>();
  private final Map<String, TensorOptional> optionals = new HashMap<>();
  private final Map<String, ReferenceCode> attention = new HashMap<>();
  private final TensorOptional absent = new TensorOptional();
  private boolean training = true;

  /**
   * Copies the state of a residual network for images.
   *
   * @param network a network without attention, or with a mechanism of {@link ReferenceCode} at the
   *     standard place
   * @throws SpecException if there is no reference implementation of its attention
   */
  ReferenceNetwork(Classifier network) {
    StateDict.of(network)
        .forEach(
            (name, tensor) -> {
              Tensor copy = tensor.detach().clone();
              if (tensor.requires_grad() && isBackbone(name)) {
                parameters.add(copy.set_requires_grad(true));
              }
              state.put(name, copy);
              optionals.put(name, new TensorOptional(copy));
            });
    network
        .attentions()
        .forEach(
            (place, module) -> {
              ReferenceCode code = new ReferenceCode(module);
              parameters.addAll(code.parameters());
              attention.put(place.substring(0, place.lastIndexOf('.') + 1), code);
            });
  }

  private static boolean isBackbone(String name) {
    return name.matches("(layer\\d+\\.\\d+\\.)?(conv|bn)\\d\\..*|.*\\.downsample\\..*|fc\\..*");
  }

  /** The trained parameters. */
  List<Tensor> parameters() {
    return parameters;
  }

  /** Whether batch norms use the statistics of the batch, as after construction. */
  void train(boolean training) {
    this.training = training;
    attention.values().forEach(code -> code.train(training));
  }

  /** {@code [B, C, H, W] -> [B, classes]}; the result belongs to the caller's scope. */
  Tensor forward(Tensor x) {
    return Scopes.compute(() -> scores(x));
  }

  private Tensor scores(Tensor x) {
    boolean small = state.get("conv1.weight").size(2) == 3;
    Tensor y = rectified(normalised("bn1", conv("conv1", x, small ? 1 : 2)));
    if (!small) {
      y =
          then(
              y,
              z ->
                  torch.max_pool2d(
                      z,
                      new long[] {3, 3},
                      new long[] {2, 2},
                      new long[] {1, 1},
                      new long[] {1, 1},
                      false));
    }
    for (int stage = 1; state.containsKey("layer" + stage + ".0.conv1.weight"); stage++) {
      for (int i = 0; state.containsKey("layer" + stage + "." + i + ".conv1.weight"); i++) {
        String name = "layer" + stage + "." + i + ".";
        int stride = stage > 1 && i == 0 ? 2 : 1;
        y = then(y, z -> Scopes.compute(() -> block(name, z, stride)));
      }
    }
    Tensor pooled = then(y, z -> torch.adaptive_avg_pool2d(z, 1, 1)).flatten(1, -1);
    return torch.linear(pooled, state.get("fc.weight"), optionals.get("fc.bias"));
  }

  private Tensor block(String name, Tensor x, int stride) {
    boolean bottleneck = state.containsKey(name + "conv3.weight");
    Tensor y = conv(name + "conv1", x, bottleneck ? 1 : stride);
    y = rectified(normalised(name + "bn1", y));
    y = then(y, z -> conv(name + "conv2", z, bottleneck ? stride : 1));
    y = normalised(name + "bn2", y);
    if (bottleneck) {
      y = then(rectified(y), z -> conv(name + "conv3", z, 1));
      y = normalised(name + "bn3", y);
    }
    ReferenceCode code = attention.get(name);
    if (code != null) {
      y = then(y, z -> Scopes.compute(() -> code.forward(z)));
    }
    Tensor identity = shortcut(name, x, stride);
    return rectified(then(y, z -> z.add(identity)));
  }

  private Tensor shortcut(String name, Tensor x, int stride) {
    if (state.containsKey(name + "downsample.0.weight")) {
      return normalised(name + "downsample.1", conv(name + "downsample.0", x, stride));
    }
    if (stride == 1) {
      return x;
    }
    LongOptional none = new LongOptional();
    long more = x.size(1) / 2;
    return torch.constant_pad_nd(
        x.slice(2, none, none, stride).slice(3, none, none, stride), 0, 0, 0, 0, more, more);
  }

  /** Applies an operator and frees its input. */
  private static Tensor then(Tensor before, UnaryOperator<Tensor> operator) {
    Tensor after = operator.apply(before);
    before.close();
    return after;
  }

  private static Tensor rectified(Tensor y) {
    y.relu_();
    return y;
  }

  private Tensor conv(String name, Tensor x, long stride) {
    Tensor weight = state.get(name + ".weight");
    long padding = weight.size(2) / 2;
    return torch.conv2d(
        x,
        weight,
        absent,
        new long[] {stride, stride},
        new long[] {padding, padding},
        new long[] {1, 1},
        1);
  }

  private Tensor normalised(String name, Tensor x) {
    if (training) {
      state.get(name + ".num_batches_tracked").add_(new Scalar(1L));
    }
    return then(
        x,
        z ->
            torch.batch_norm(
                z,
                optionals.get(name + ".weight"),
                optionals.get(name + ".bias"),
                optionals.get(name + ".running_mean"),
                optionals.get(name + ".running_var"),
                training,
                MOMENTUM,
                EPSILON,
                true));
  }
}
