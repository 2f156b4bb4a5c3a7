package io.fovea.nn;

import io.fovea.nn.Graph.Value;
import io.fovea.tensor.internal.Macs;
import java.util.Map;
import java.util.Optional;
import org.bytedeco.pytorch.GradMode;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/** A linear layer {@code [B, in] -> [B, out]}. */
public final class Linear extends Layer {
  private final Tensor weight;
  private final TensorOptional bias;

  /** Creates a linear layer with new weights. */
  public Linear(long in, long out, boolean withBias) {
    super("Linear");
    weight = uniform(in, out, in);
    register_parameter("weight", weight);
    if (withBias) {
      Tensor values = uniform(in, out);
      register_parameter("bias", values);
      bias = new TensorOptional(values);
    } else {
      bias = new TensorOptional();
    }
  }

  /** The weights, {@code [out, in]}. */
  public Tensor weight() {
    return weight;
  }

  /** The biases, {@code [out]}, if the layer has any. */
  public Optional<Tensor> bias() {
    return bias.has_value() ? Optional.of(bias.get()) : Optional.empty();
  }

  @Override
  public <T> T apply(Ops<T> ops, T x) {
    return ops.linear(this, x);
  }

  Tensor compute(Tensor x) {
    computes();
    Macs.add(x.size(0) * weight.numel());
    Tensor in = isHalved(x, weight) ? x.to(ScalarType.Float) : x;
    if (in.size(0) == 1 && !GradMode.is_enabled()) { // up to nine times as fast for one image
      Tensor vector = in.flatten(0, -1);
      Tensor y = bias.has_value() ? torch.addmv(bias.get(), weight, vector) : weight.mv(vector);
      return y.unsqueeze(0);
    }
    return torch.linear(in, weight, bias);
  }

  Value nodes(Graph graph, Value x) {
    Map<String, ?> attributes = Map.of("transB", 1);
    Value weights = graph.weights("weight", weight);
    return bias.has_value()
        ? graph.node("Gemm", attributes, x, weights, graph.weights("bias", bias.get()))
        : graph.node("Gemm", attributes, x, weights);
  }
}
