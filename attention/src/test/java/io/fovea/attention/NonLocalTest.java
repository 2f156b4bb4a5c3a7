package io.fovea.attention;

import static org.assertj.core.api.Assertions.assertThat;

import io.fovea.attention.fast.DotProduct;
import io.fovea.tensor.Threads;
import io.fovea.tensor.compute.CustomGradient;
import io.fovea.tensor.compute.SoftmaxAttention;
import io.fovea.testing.Numeric;
import java.util.Map;
import java.util.TreeMap;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The block on maps that are large enough for its short ways, beside its equation op for op. */
@Numeric
public class NonLocalTest {
  /** The module's equation from its parameters, op for op. */
  public static Tensor plain(Attention module, Tensor x, boolean scaled) {
    Map<String, Tensor> p = Tensors.state(module);
    boolean subsample = p.containsKey("g.0.weight");
    boolean softmax = !module.spec().toString().contains("dot_product");
    String pooled = subsample ? ".0" : "";
    long[] shape = x.shape();
    Tensor flat = x.flatten(2, -1);
    Tensor[] attended = new Tensor[3];
    String[] names = {"theta", "phi" + pooled, "g" + pooled};
    for (int i = 0; i < 3; i++) {
      Tensor weight = p.get(names[i] + ".weight").flatten(1, -1);
      attended[i] = weight.matmul(flat).add(p.get(names[i] + ".bias").unsqueeze(1));
      if (subsample && i > 0) {
        long[] own = shape.clone();
        own[1] = weight.size(0);
        Tensor map = attended[i].view(own);
        attended[i] =
            (shape.length == 5
                    ? torch.max_pool3d(map, 1, 2, 2)
                    : shape.length == 4 ? torch.max_pool2d(map, 2, 2) : torch.max_pool1d(map, 2))
                .flatten(2, -1);
      }
    }
    double inter = attended[0].size(1);
    Tensor energies =
        attended[0]
            .transpose(1, 2)
            .bmm(attended[1])
            .div(Tensors.scalar(scaled ? Math.sqrt(inter) : 1));
    Tensor weights =
        softmax ? energies.softmax(2) : energies.div(Tensors.scalar((double) attended[1].size(2)));
    Tensor y = attended[2].bmm(weights.transpose(1, 2));
    boolean bn = p.containsKey("W.0.weight");
    Tensor w = p.get(bn ? "W.0.weight" : "W.weight").flatten(1, -1);
    Tensor z = w.matmul(y).add(p.get(bn ? "W.0.bias" : "W.bias").unsqueeze(1));
    if (bn) {
      Tensor mean =
          module.is_training()
              ? z.mean(new long[] {0, 2}, true, null)
              : p.get("W.1.running_mean").view(1, -1, 1).clone();
      Tensor variance =
          module.is_training()
              ? z.sub(mean).square().mean(new long[] {0, 2}, true, null)
              : p.get("W.1.running_var").view(1, -1, 1).clone();
      z =
          z.sub(mean)
              .div(variance.add(Tensors.scalar(1e-5)).sqrt())
              .mul(p.get("W.1.weight").view(1, -1, 1))
              .add(p.get("W.1.bias").view(1, -1, 1));
    }
    return z.view(shape).add(x);
  }

  /** Some 3,200 positions of 64 channels with 64 embeddings: enough for the short ways. */
  @ParameterizedTest
  @CsvSource({
    "'dot_product,subsample=false', 2, true",
    "'dot_product,subsample=false', 2, false",
    "'dot_product,subsample=false,bn=false', 1, true",
    "'dot_product,subsample=false,scale=true', 3, false",
    "'dot_product,subsample=true', 1, true",
    "'dot_product,subsample=true,scale=true', 2, false",
    "'dot_product,subsample=true,bn=false', 3, true",
    "'embedded_gaussian,subsample=false', 2, true",
    "'embedded_gaussian,subsample=false,bn=false', 1, true",
    "'embedded_gaussian,subsample=false,scale=true', 2, false",
    "'embedded_gaussian,subsample=true', 2, false",
    "'embedded_gaussian,subsample=true,scale=true', 3, true",
  })
  void givesTheNumbersOfThePlainForm(String options, int dimensions, boolean training) {
    long[] shape =
        dimensions == 1
            ? new long[] {2, 64, 3201}
            : dimensions == 2 ? new long[] {1, 64, 57, 57} : new long[] {1, 64, 3, 32, 35};
    assertThat(DotProduct.isShorter(3201, 64, 64, options.contains("subsample=true"))).isTrue();
    boolean scaled = options.contains("scale");
    Threads.set(2);
    try (PointerScope scope = new PointerScope()) {
      Attention module = Tensors.randomized("nonlocal:inter=all,mode=" + options, 64, dimensions);
      if (options.startsWith("embedded")) { // else each softmax would pick one
        try (NoGradGuard guard = new NoGradGuard()) {
          Tensors.parameters(module).forEach((name, value) -> value.mul_(Tensors.scalar(0.1)));
        }
      }
      module.train(training);
      Tensor x = Tensors.random(50, shape).set_requires_grad(true);
      Tensor y = module.forward(x);
      y.mul(Tensors.random(51, shape)).sum().backward();
      Map<String, Tensor> parameters = Tensors.parameters(module);
      Map<String, Tensor> ours = new TreeMap<>();
      parameters.forEach((name, parameter) -> ours.put(name, parameter.grad().clone()));
      ours.put("x", x.grad().clone());
      module.zero_grad(true);
      x.mutable_grad().reset();

      Tensor z = plain(module, x, scaled);
      Tensors.assertClose("output", y, z, 1e-11);
      z.mul(Tensors.random(51, shape)).sum().backward();
      ours.forEach(
          (name, gradient) -> {
            if (!isNothing(name, options, training)) {
              Tensor expected = name.equals("x") ? x.grad() : parameters.get(name).grad();
              Tensors.assertClose("gradient of " + name, gradient, expected, 1e-9);
            }
          });
      try (NoGradGuard guard = new NoGradGuard()) {
        Tensors.assertClose("output without gradients", module.forward(x), z, 1e-11);
      }
      assertThat(CustomGradient.alive()).isZero();
    } finally {
      Threads.set(1);
    }
  }

  /** Gradients that are 0 but for rounding: of what is the same everywhere, before a norm or a softmax. */
  private static boolean isNothing(String name, String options, boolean training) {
    boolean bias = name.endsWith("bias");
    boolean normed = bias && training && !options.contains("bn=false");
    if (options.startsWith("dot")) {
      return normed && (name.startsWith("W.0") || name.startsWith("theta"));
    }
    return (bias && name.startsWith("phi"))
        || (normed && (name.startsWith("W.0") || name.startsWith("g.")));
  }

  /** Blocks of queries that are projected there, and what they draw projected back. */
  @Property(tries = 30)
  void projectsInBlocks(
      @ForAll @IntRange(min = 1, max = 3) int images,
      @ForAll @IntRange(min = 1, max = 500) int positions,
      @ForAll @IntRange(min = 1, max = 40) int keys,
      @ForAll @IntRange(min = 1, max = 9) int channels,
      @ForAll @IntRange(min = 1, max = 5) int inter,
      @ForAll @IntRange(min = 1, max = 2) int threads) {
    Threads.set(threads);
    try (PointerScope scope = new PointerScope()) {
      Tensor x = Tensors.random(1, images, channels, positions);
      Tensor query = Tensors.random(2, inter, channels + 1);
      Tensor k = Tensors.random(3, images, inter, keys);
      Tensor v = Tensors.random(4, images, inter + 1, keys);
      Tensor weight = Tensors.random(5, channels, inter + 1);
      Tensor bias = Tensors.random(6, channels, 1);
      Tensor q = query.narrow(1, 0, channels).matmul(x).add(query.narrow(1, channels, 1));
      Tensor map = q.transpose(1, 2).bmm(k).softmax(2);
      Tensor expected = weight.matmul(v.bmm(map.transpose(1, 2))).add(bias).add(x);
      Tensors.assertClose(
          "output", SoftmaxAttention.added(x, query, k, v, weight, bias), expected, 1e-12);
    } finally {
      Threads.set(1);
    }
  }

  /** Of the softmax, in one position of the second image: it reaches all of that image, and no other. */
  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void whatIsNotANumberGoesThrough(boolean differentiated) {
    try (PointerScope scope = new PointerScope()) {
      Attention module = Tensors.randomized("nonlocal:inter=all,subsample=false", 64, 1);
      module.eval();
      Tensor x = Tensors.random(50, 2, 64, 3201);
      x.select(0, 1).select(0, 3).narrow(0, 7, 1).fill_(Tensors.scalar(Double.NaN));
      Tensor y;
      if (differentiated) {
        y = module.forward(x);
      } else {
        try (NoGradGuard guard = new NoGradGuard()) {
          y = module.forward(x);
        }
      }
      assertThat(y.select(0, 0).isfinite().all().item_bool()).isTrue();
      assertThat(y.select(0, 1).isfinite().any().item_bool()).isFalse();
    }
  }
}
