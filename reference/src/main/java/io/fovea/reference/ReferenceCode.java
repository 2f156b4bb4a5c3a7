package io.fovea.reference;

import io.fovea.attention.Attention;
import io.fovea.attention.AttentionSpec;
import io.fovea.errors.SpecException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.bytedeco.pytorch.LongOptional;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.StringTensorDict;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;

/**
 * The forward passes of the reference implementations, transcribed operation by operation from
 * PyTorch to the same libtorch. Each computes with a copy of the parameters and buffers of a Fovea
 * module, which have the same names. Only the printing of a shape in the non-local block is left
 * out.
 *
 * <p>Inputs are {@code [B, C, H, W]}; for BAM they must be square, because of its pooling. Outputs
 * have the same shape. Nothing is checked. Intermediate results stay in the caller's scope.
 */
final class ReferenceCode {
  private static final double MOMENTUM = 0.1;
  private static final double EPSILON = 1e-5;

  private static final Set<String> MECHANISMS =
      Set.of("se", "cbam", "bam", "pam", "cam", "nonlocal");

  private final String mechanism;
  private final String mode;
  private final boolean subsample;
  private final List<Tensor> parameters = new ArrayList<>();
  private final Map<String, Tensor> state = new HashMap<>();
  private final Map<String, TensorOptional> optionals = new HashMap<>();
  private final TensorOptional absent = new TensorOptional();
  private boolean training = true;

  /**
   * Copies the state of a module.
   *
   * @param module a module with the default options of its mechanism; the non-local block may have
   *     any mode, with or without subsampling
   * @throws SpecException if there is no reference implementation of the module
   */
  ReferenceCode(Attention module) {
    AttentionSpec spec = module.spec();
    if (!isOf(spec)) {
      throw new SpecException(
          "no reference implementation for "
              + spec
              + "; available: se, cbam, bam, pam, cam, and nonlocal with subsample=false,"
              + " mode=dot_product and mode=concatenation");
    }
    mechanism = spec.mechanism().name();
    mode = mode(spec);
    subsample = subsample(spec);
    try (StringTensorDict trained = module.named_parameters();
        StringTensorDict buffers = module.named_buffers()) {
      copy(trained, true);
      copy(buffers, false);
    }
  }

  /** Whether there is a reference implementation of modules of this spec. */
  static boolean isOf(AttentionSpec spec) {
    String mechanism = spec.mechanism().name();
    String mode = mode(spec);
    String defaults =
        mechanism
            + (mode.isEmpty() ? "" : ":mode=" + mode)
            + (subsample(spec) ? "" : (mode.isEmpty() ? ":" : ",") + "subsample=false");
    return MECHANISMS.contains(mechanism)
        && !mode.equals("gaussian")
        && spec.equals(AttentionSpec.parse(defaults));
  }

  private static String mode(AttentionSpec spec) {
    return spec.options().getOrDefault("mode", "");
  }

  private static boolean subsample(AttentionSpec spec) {
    return spec.options().getOrDefault("subsample", "true").equals("true");
  }

  private void copy(StringTensorDict named, boolean trained) {
    for (long i = 0; i < named.size(); i++) {
      Tensor copy = named.get(i).access().detach().clone();
      if (trained) {
        parameters.add(copy.set_requires_grad(true));
      }
      String name = named.get(i).key().getString();
      state.put(name, copy);
      optionals.put(name, new TensorOptional(copy));
    }
  }

  /** The trained parameters, in the order of the module's {@code named_parameters}. */
  List<Tensor> parameters() {
    return parameters;
  }

  /** Whether batch norms use the statistics of the batch, as after construction. */
  void train(boolean training) {
    this.training = training;
  }

  Tensor forward(Tensor x) {
    return switch (mechanism) {
      case "se" -> se(x);
      case "cbam" -> cbam(x);
      case "bam" -> bam(x);
      case "pam" -> pam(x);
      case "cam" -> cam(x);
      case "nonlocal" -> nonLocal(x);
      default -> throw new SpecException("no reference implementation for " + mechanism);
    };
  }

  private Tensor se(Tensor x) {
    long b = x.size(0);
    long c = x.size(1);
    Tensor y = torch.adaptive_avg_pool2d(x, 1, 1).view(b, c);
    y = linear("fc.2", linear("fc.0", y).relu_()).sigmoid().view(b, c, 1, 1);
    return x.mul(y.expand_as(x));
  }

  private Tensor cbam(Tensor x) {
    Tensor refined = channelAttention(x).mul(x);
    return spatialAttention(refined).mul(refined);
  }

  private Tensor channelAttention(Tensor x) {
    Tensor average = sharedMlp(torch.adaptive_avg_pool2d(x, 1, 1));
    Tensor maximum = sharedMlp(torch.adaptive_max_pool2d(x, 1, 1).get0());
    return average.add(maximum).sigmoid();
  }

  private Tensor sharedMlp(Tensor x) {
    return conv("ca.sharedMLP.2", conv("ca.sharedMLP.0", x).relu());
  }

  private Tensor spatialAttention(Tensor x) {
    Tensor average = x.mean(new long[] {1}, true, null);
    Tensor maximum = x.max(1, true).get0();
    Tensor pooled = torch.cat(new TensorVector(average, maximum), 1);
    return conv("sa.conv", pooled, 3, 1).sigmoid();
  }

  private Tensor bam(Tensor x) {
    return channelGate(x).mul(spatialGate(x)).sigmoid().add(new Scalar(1.0)).mul(x);
  }

  private Tensor channelGate(Tensor x) {
    String gate = "channel_att.gate_c.gate_c_";
    long[] side = {x.size(2), x.size(2)};
    Tensor pooled =
        torch.avg_pool2d(x, side, side, new long[] {0, 0}, false, true, new LongOptional());
    Tensor y = linear(gate + "fc_0", pooled.view(x.size(0), -1));
    y = linear(gate + "fc_final", batchNorm(gate + "bn_1", y).relu());
    return y.unsqueeze(2).unsqueeze(3).expand_as(x);
  }

  private Tensor spatialGate(Tensor x) {
    String gate = "spatial_att.gate_s.gate_s_";
    Tensor y = batchNorm(gate + "bn_reduce0", conv(gate + "conv_reduce0", x)).relu();
    y = batchNorm(gate + "bn_di_0", conv(gate + "conv_di_0", y, 4, 4)).relu();
    y = batchNorm(gate + "bn_di_1", conv(gate + "conv_di_1", y, 4, 4)).relu();
    return conv(gate + "conv_final", y).expand_as(x);
  }

  private Tensor pam(Tensor x) {
    Tensor query = flat(conv("query_conv", x)).permute(0, 2, 1);
    Tensor key = flat(conv("key_conv", x));
    Tensor attention = torch.softmax(torch.bmm(query, key), -1);
    Tensor value = flat(conv("value_conv", x));
    Tensor out = torch.bmm(value, attention.permute(0, 2, 1)).view(x.shape());
    return state.get("gamma").mul(out).add(x);
  }

  private Tensor cam(Tensor x) {
    Tensor energy = torch.bmm(flat(x), flat(x).permute(0, 2, 1));
    Tensor reversed = torch.max(energy, -1, true).get0().expand_as(energy).sub(energy);
    Tensor out = torch.bmm(torch.softmax(reversed, -1), flat(x)).view(x.shape());
    return state.get("gamma").mul(out).add(x);
  }

  private Tensor nonLocal(Tensor x) {
    Tensor g = flat(subsampled("g", x)).permute(0, 2, 1);
    Tensor theta = flat(conv("theta", x)).permute(0, 2, 1);
    Tensor phi = flat(subsampled("phi", x));
    Tensor weights =
        switch (mode) {
          case "dot_product" -> {
            Tensor products = torch.matmul(theta, phi);
            yield products.div(new Scalar((double) products.size(2)));
          }
          case "concatenation" -> concatenated(theta.permute(0, 2, 1), phi);
          default -> torch.softmax(torch.matmul(theta, phi), -1);
        };
    Tensor y = torch.matmul(weights, g).permute(0, 2, 1).contiguous();
    y = y.view(x.size(0), y.size(1), x.size(2), x.size(3));
    return batchNorm("W.1", conv("W.0", y)).add(x);
  }

  private Tensor subsampled(String name, Tensor x) {
    return subsample ? torch.max_pool2d(conv(name + ".0", x), 2, 2) : conv(name, x);
  }

  /**
   * Projects the concatenation of every pair of embeddings: {@code [B, E, N], [B, E, N'] -> [B, N,
   * N']}.
   */
  private Tensor concatenated(Tensor theta, Tensor phi) {
    long n = theta.size(2);
    long m = phi.size(2);
    Tensor queries = theta.unsqueeze(3).repeat(1, 1, 1, m);
    Tensor keys = phi.unsqueeze(2).repeat(1, 1, n, 1);
    Tensor pairs = torch.cat(new TensorVector(queries, keys), 1); // [B, 2E, N, N']
    Tensor f = conv("concat_project.0", pairs).relu().view(theta.size(0), n, m);
    return f.div(new Scalar((double) m));
  }

  /** {@code [B, C, H, W] -> [B, C, N]}. */
  private static Tensor flat(Tensor x) {
    return x.view(x.size(0), -1, x.size(2) * x.size(3));
  }

  private Tensor conv(String name, Tensor x) {
    return conv(name, x, 0, 1);
  }

  private Tensor conv(String name, Tensor x, long padding, long dilation) {
    return torch.conv2d(
        x,
        state.get(name + ".weight"),
        optionals.getOrDefault(name + ".bias", absent),
        new long[] {1, 1},
        new long[] {padding, padding},
        new long[] {dilation, dilation},
        1);
  }

  private Tensor linear(String name, Tensor x) {
    return torch.linear(
        x, state.get(name + ".weight"), optionals.getOrDefault(name + ".bias", absent));
  }

  private Tensor batchNorm(String name, Tensor x) {
    if (training) {
      state.get(name + ".num_batches_tracked").add_(new Scalar(1L));
    }
    return torch.batch_norm(
        x,
        optionals.get(name + ".weight"),
        optionals.get(name + ".bias"),
        optionals.get(name + ".running_mean"),
        optionals.get(name + ".running_var"),
        training,
        MOMENTUM,
        EPSILON,
        true);
  }
}
