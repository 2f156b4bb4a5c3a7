package io.fovea.kernels;

import static io.fovea.kernels.Steps.module;
import static io.fovea.kernels.Steps.random;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.fovea.attention.Attention;
import io.fovea.attention.AttentionSpec;
import io.fovea.attention.fast.Kernels;
import io.fovea.tensor.Threads;
import io.fovea.tensor.internal.ChannelsLast;
import io.fovea.tensor.internal.Macs;
import io.fovea.testing.MemoryGrowth;
import io.fovea.testing.Numeric;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.IntStream;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.BoolOptional;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorArrayRefOptional;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.MemoryFormat;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The kernels, which compute in float32, against the plain form: the same module in float64, which they
 * do not serve.
 */
@Numeric
class VectorKernelsTest {
  /**
   * Of the largest value, or of 1, which is about as large as what is summed: as many roundings of
   * float32 as a sum of 65536 terms, more than nearly all here have, is off by where they go up and
   * down like a random walk.
   */
  private static final double TOLERANCE = Math.sqrt(65536) * 0x1p-24;

  private static List<Tensor> step(Attention module, Tensor x, ScalarType type) {
    return Steps.step(module, x.detach().clone().to(type));
  }

  private static Tensor last(Tensor x) {
    return x.contiguous(MemoryFormat.ChannelsLast);
  }

  private static Tensor infer(Attention module, Tensor x, ScalarType type) {
    module.to(type, false);
    module.eval();
    try (NoGradGuard guard = new NoGradGuard()) {
      return module.forward(x.to(type));
    }
  }

  private static void assertClose(Tensor actual, Tensor expected) {
    double largest = expected.abs().max().item_double();
    assertThat(actual.sub(expected).abs().max().item_double())
        .isLessThanOrEqualTo(TOLERANCE * Math.max(largest, 1));
  }

  private static void assertSteps(String spec, Tensor x) {
    Attention module = module(spec, x.size(1));
    List<Tensor> actual = step(module, x, ScalarType.Float);
    List<Tensor> expected = step(module, x, ScalarType.Double);
    assertThat(actual).hasSameSizeAs(expected);
    for (int i = 0; i < actual.size(); i++) {
      assertClose(actual.get(i), expected.get(i));
    }
  }

  @Test
  void areInUse() {
    assertThat(Kernels.inUse()).containsInstanceOf(VectorKernels.class);
    assertThat(Kernels.whyNot()).isEmpty();
  }

  @Property(tries = 60)
  void cbam(
      @ForAll @IntRange(min = 1, max = 3) int images,
      @ForAll @IntRange(min = 1, max = 20) int channels,
      @ForAll @IntRange(min = 1, max = 11) int height,
      @ForAll @IntRange(min = 1, max = 40) int width,
      @ForAll @IntRange(min = 0, max = 3) int half,
      @ForAll boolean bias) {
    try (PointerScope scope = new PointerScope()) {
      Tensor x = random(1, images, channels, height, width);
      String spec = "cbam:reduction=4,bias=" + bias + ",kernel=" + (2 * half + 1);
      assertSteps(spec, x);
      Attention module = module(spec, channels);
      assertClose(infer(module, x, ScalarType.Float), infer(module, x, ScalarType.Double));
    }
  }

  /** Up to several vectors of channels, whole and not, and more positions than are taken at once. */
  @Property(tries = 60)
  void cbamWithChannelsLast(
      @ForAll @IntRange(min = 1, max = 3) int images,
      @ForAll @IntRange(min = 1, max = 70) int channels,
      @ForAll @IntRange(min = 1, max = 11) int height,
      @ForAll @IntRange(min = 1, max = 30) int width,
      @ForAll @IntRange(min = 0, max = 3) int half,
      @ForAll boolean bias) {
    assertCbamWithChannelsLast(
        "cbam:reduction=4,bias=" + bias + ",kernel=" + (2 * half + 1),
        images,
        channels,
        height,
        width);
  }

  /** Whole vectors of channels, which have loops of their own. */
  @Property(tries = 20)
  void cbamWithWholeVectorsOfChannels(
      @ForAll @IntRange(min = 1, max = 2) int images,
      @ForAll @IntRange(min = 1, max = 3) int vectors,
      @ForAll @IntRange(min = 1, max = 9) int height,
      @ForAll @IntRange(min = 1, max = 30) int width) {
    assertCbamWithChannelsLast("cbam:reduction=4", images, vectors * Lanes.WIDTH, height, width);
  }

  private static void assertCbamWithChannelsLast(
      String spec, int images, int channels, int height, int width) {
    try (PointerScope scope = new PointerScope()) {
      Tensor x = last(random(1, images, channels, height, width));
      Tensor shortcut = last(random(2, images, channels, height, width));
      assertSteps(spec, x);
      assertResidualSteps(spec, x, shortcut);
      assertEndOverItsInput(module(spec, channels), x, shortcut);
      assertResidualSteps(spec, x.contiguous(), shortcut.contiguous());
    }
  }

  /** In the memory of its input, if that has its channels last and no gradient is taken. */
  private static void assertEndOverItsInput(Attention module, Tensor x, Tensor shortcut) {
    Tensor expected = infer(module, x, ScalarType.Double).add(shortcut).relu();
    module.to(ScalarType.Float, false);
    try (NoGradGuard guard = new NoGradGuard()) {
      Tensor in = x.clone();
      long memory = in.data_ptr_float().address();
      Tensor y = module.forwardResidualInPlace(in, shortcut);
      assertClose(y, expected);
      if (ChannelsLast.is(x)) {
        assertThat(y.data_ptr_float().address()).isEqualTo(memory);
        assertThat(ChannelsLast.is(y)).isTrue();
      }
    }
  }

  @Property(tries = 40)
  void squeezeExcitationWithChannelsLast(
      @ForAll @IntRange(min = 1, max = 3) int images,
      @ForAll @IntRange(min = 1, max = 70) int channels,
      @ForAll @IntRange(min = 1, max = 50) int width,
      @ForAll boolean bias) {
    try (PointerScope scope = new PointerScope()) {
      String spec = "se:reduction=2,bias=" + bias;
      Tensor x = last(random(1, images, channels, 3, width));
      Tensor shortcut = last(random(2, images, channels, 3, width));
      assertSteps(spec, x);
      assertResidualSteps(spec, x, shortcut);
      assertEndOverItsInput(module(spec, channels), x, shortcut);
    }
  }

  /** Maps of several parts, which few images are divided into. */
  @ParameterizedTest
  @ValueSource(strings = {"cbam:reduction=4", "se:reduction=4"})
  void severalPartsGiveTheSameBitsForAnyNumberOfThreads(String spec) {
    try (PointerScope scope = new PointerScope()) {
      Tensor x = last(random(1, 3, 48, 51, 60));
      Attention module = module(spec, 48);
      Threads.set(1);
      List<Tensor> alone = step(module, x, ScalarType.Float);
      Threads.set(2);
      List<Tensor> together = step(module, x, ScalarType.Float);
      Threads.set(1);
      List<Tensor> expected = step(module, x, ScalarType.Double);
      for (int i = 0; i < alone.size(); i++) {
        assertThat(together.get(i).equal(alone.get(i))).isTrue();
        assertClose(alone.get(i), expected.get(i));
      }
    } finally {
      Threads.set(1);
    }
  }

  /** Batch norms are slow where it does not; of one image the first stride is easily lost. */
  @Test
  void theGradientOfOneImageKeepsItsStrides() {
    try (PointerScope scope = new PointerScope()) {
      Tensor x = last(random(1, 1, 16, 5, 6)).set_requires_grad(true);
      Tensor y = module("cbam:reduction=4", 16).forward(x);
      Tensor dx = torch.grad(new TensorVector(y.sum()), new TensorVector(x)).get(0);
      assertThat(dx.strides().vec().get()).isEqualTo(new long[] {480, 1, 96, 16});
      assertThat(y.strides().vec().get()).isEqualTo(x.strides().vec().get());
    }
  }

  /** A gradient by libtorch can be differentiated again, which tells that it is one. */
  @Test
  void weightsThatAreManyBesideTheMapAreLeftToLibtorch() {
    try (PointerScope scope = new PointerScope()) {
      Attention module = module("se:reduction=1", 128);
      backward(module.forward(random(1, 1, 128, 2, 3).set_requires_grad(true)).sum(), true, true);
      Tensor large = random(1, 4, 128, 16, 16).set_requires_grad(true);
      assertThatThrownBy(() -> backward(module.forward(large).sum(), true, true))
          .hasMessageContaining("fovea.kernels=off");
    }
  }

  /** Whole numbers: every maximum is there several times, and the first one takes the gradient. */
  @Property(tries = 20)
  void cbamWithTies(@ForAll @IntRange(min = 1, max = 9) int channels) {
    try (PointerScope scope = new PointerScope()) {
      assertSteps("cbam:reduction=2", random(2, 2, channels, 6, 19).clamp_max(new Scalar(0.5)));
      assertSteps("cbam:reduction=2", torch.zeros(2, channels, 3, 5));
    }
  }

  @Property(tries = 20)
  void cbamWithTiesAndChannelsLast(@ForAll @IntRange(min = 1, max = 40) int channels) {
    try (PointerScope scope = new PointerScope()) {
      Tensor x = random(2, 2, channels, 6, 19).clamp_max(new Scalar(0.5));
      assertSteps("cbam:reduction=2", last(x));
      assertSteps("cbam:reduction=2", last(torch.zeros(2, channels, 3, 5)));
    }
  }

  @Property(tries = 40)
  void squeezeExcitation(
      @ForAll @IntRange(min = 1, max = 3) int images,
      @ForAll @IntRange(min = 1, max = 40) int channels,
      @ForAll @IntRange(min = 1, max = 50) int width,
      @ForAll boolean bias) {
    try (PointerScope scope = new PointerScope();
        NoGradGuard guard = new NoGradGuard()) {
      Attention module = module("se:reduction=2,bias=" + bias, channels);
      Tensor x = random(1, images, channels, 3, width);
      Tensor shortcut = random(2, images, channels, 3, width);
      Tensor y = infer(module, x, ScalarType.Float);
      Tensor end = module.forwardResidual(x, shortcut);
      assertClose(y, infer(module, x, ScalarType.Double));
      assertClose(
          end, module.forwardResidual(x.to(ScalarType.Double), shortcut.to(ScalarType.Double)));
    }
    try (PointerScope scope = new PointerScope()) {
      Tensor x = random(1, images, channels, 3, width);
      assertSteps("se:reduction=2,bias=" + bias, x);
      assertResidualSteps("se:reduction=2,bias=" + bias, x, random(2, images, channels, 3, width));
    }
  }

  /** Also the gradient of a shortcut, and where only the shortcut has one. */
  private static void assertResidualSteps(String spec, Tensor x, Tensor shortcut) {
    for (boolean frozen : new boolean[] {false, true}) {
      Attention module = module(spec, x.size(1));
      List<List<Tensor>> results = new ArrayList<>();
      for (ScalarType type : List.of(ScalarType.Float, ScalarType.Double)) {
        module.to(type, false);
        List<Tensor> leaves = new ArrayList<>(List.of(shortcut.detach().clone().to(type)));
        if (!frozen) {
          leaves.add(x.detach().clone().to(type));
          leaves.addAll(List.of(module.parameters().get()));
        }
        for (Tensor parameter : module.parameters().get()) {
          parameter.set_requires_grad(!frozen).mutable_grad().reset();
        }
        leaves.forEach(leaf -> leaf.set_requires_grad(true));
        Tensor y = module.forwardResidual(frozen ? x.to(type) : leaves.get(1), leaves.get(0));
        y.mul(random(9, y.shape()).to(type)).sum().backward();
        List<Tensor> result = new ArrayList<>(List.of(y.detach()));
        leaves.forEach(leaf -> result.add(leaf.grad().clone()));
        results.add(result);
      }
      for (int i = 0; i < results.get(0).size(); i++) {
        assertClose(results.get(0).get(i), results.get(1).get(i));
      }
    }
  }

  @Property(tries = 150)
  void bam(
      @ForAll @IntRange(min = 1, max = 3) int images,
      @ForAll @IntRange(min = 1, max = 40) int channels,
      @ForAll @IntRange(min = 1, max = 11) int height,
      @ForAll @IntRange(min = 1, max = 40) int width,
      @ForAll @IntRange(min = 1, max = 9) int reduction,
      @ForAll @IntRange(min = 0, max = 2) int layers,
      @ForAll @IntRange(min = 0, max = 3) int convs,
      @ForAll @IntRange(min = 1, max = 13) int dilation) {
    try (PointerScope scope = new PointerScope()) {
      Attention module =
          evaluated(
              "bam:reduction="
                  + reduction
                  + ",layers="
                  + layers
                  + ",convs="
                  + convs
                  + ",dilation="
                  + dilation,
              channels);
      Tensor x = random(1, images, channels, height, width);
      assertClose(infer(module, x, ScalarType.Float), infer(module, x, ScalarType.Double));
    }
  }

  /** Several tiles and groups of channels, none of them whole. */
  @Test
  void bamOfLargeMaps() {
    try (PointerScope scope = new PointerScope()) {
      for (long[] shape : new long[][] {{1, 70, 23, 45}, {3, 37, 31, 29}, {2, 64, 61, 16}}) {
        Attention module = evaluated("bam:reduction=7", shape[1]);
        Tensor x = random(1, shape);
        assertClose(infer(module, x, ScalarType.Float), infer(module, x, ScalarType.Double));
      }
    }
  }

  /** Training mode, gradients, and another way to combine: by the end alone, or not at all. */
  @Property(tries = 20)
  void bamByItsEnd(
      @ForAll @IntRange(min = 2, max = 3) int images,
      @ForAll @IntRange(min = 1, max = 20) int channels,
      @ForAll @IntRange(min = 2, max = 50) int width) {
    try (PointerScope scope = new PointerScope()) {
      Tensor x = random(1, images, channels, 3, width);
      assertBamGradient(x, random(2, images, channels), random(3, images, 1, 3, width));
      Attention module = evaluated("bam:reduction=4", channels);
      Tensor expected = infer(module, x, ScalarType.Double);
      module.to(ScalarType.Float, false);
      Tensor differentiable = module.forward(x);
      assertThat(differentiable.requires_grad()).isTrue();
      assertClose(differentiable.detach(), expected);
    }
  }

  /** In evaluation mode, with batch norms that have seen something. */
  private static Attention evaluated(String spec, long channels) {
    Attention module = module(spec, channels);
    module.eval();
    for (Tensor buffer : module.buffers().get()) {
      if (buffer.is_floating_point()) {
        buffer.uniform_(0.5, 2, null);
      }
    }
    return module;
  }

  /** The end alone: in front of it are batch norms, which enlarge what float32 loses. */
  private static void assertBamGradient(Tensor x, Tensor channel, Tensor spatial) {
    Kernels.Shape shape =
        new Kernels.Shape((int) x.size(0), (int) x.size(1), (int) x.size(2), (int) x.size(3));
    Tensor dy = random(4, x.shape());
    Tensor dx = torch.empty_like(x);
    Kernels.BamGradients computed =
        Kernels.inUse(Kernels.Bam.class)
            .orElseThrow()
            .bamEndGradient(
                shape, values(channel), values(spatial), memory(x), memory(dy), memory(dx));
    List<Tensor> leaves = new ArrayList<>();
    for (Tensor leaf : List.of(x, channel, spatial)) {
      leaves.add(leaf.to(ScalarType.Double).set_requires_grad(true));
    }
    Tensor combined = leaves.get(1).view(shape.images(), shape.channels(), 1, 1).mul(leaves.get(2));
    Tensor y = combined.sigmoid().add(new Scalar(1.0)).mul(leaves.get(0));
    y.mul(dy.to(ScalarType.Double)).sum().backward();
    assertClose(dx, leaves.get(0).grad());
    assertClose(Tensor.create(computed.channel()).view(channel.shape()), leaves.get(1).grad());
    assertClose(Tensor.create(computed.spatial()).view(spatial.shape()), leaves.get(2).grad());
  }

  /** Logits up to where an exponential is no float any more, and what is not finite. */
  @ParameterizedTest
  @ValueSource(ints = {1, 7, 16, 33, 196})
  void bamByLogitsOfAnySize(int positions) {
    try (PointerScope scope = new PointerScope()) {
      int channels = 6;
      Tensor x = random(1, 1, channels, 1, positions);
      Tensor c = Tensor.create(1f, -30f, 1e20f, Float.NaN, Float.POSITIVE_INFINITY, 0f);
      List<Tensor> spatials = new ArrayList<>();
      for (double by : new double[] {1, 10, 1e3, 1e20}) {
        spatials.add(random(2, positions).mul(new Scalar(by)));
      }
      for (float value : new float[] {Float.NaN, Float.POSITIVE_INFINITY, -1e30f}) {
        Tensor one = random(2, positions);
        one.narrow(0, positions / 2, 1).fill_(new Scalar(value));
        spatials.add(one);
      }
      for (Tensor s : spatials) {
        Tensor y = torch.empty_like(x);
        Kernels.Shape shape = new Kernels.Shape(1, channels, 1, positions);
        Kernels.inUse(Kernels.Bam.class)
            .orElseThrow()
            .bamEnd(shape, values(c), values(s), memory(x), memory(y));
        Tensor logits = c.view(1, channels, 1, 1).mul(s).to(ScalarType.Double);
        Tensor expected = logits.sigmoid().add(new Scalar(1.0)).mul(x);
        assertThat(kinds(y)).isEqualTo(kinds(expected));
        assertClose(y.nan_to_num(), expected.nan_to_num());
      }
    }
  }

  private static float[] values(Tensor tensor) {
    float[] values = new float[(int) tensor.numel()];
    tensor.data_ptr_float().get(values);
    return values;
  }

  private static ByteBuffer memory(Tensor tensor) {
    return tensor.data_ptr_float().capacity(tensor.numel()).asByteBuffer();
  }

  /** Enough positions for the kernel of attention, which few tests have. */
  @Test
  void nonLocal() {
    try (PointerScope scope = new PointerScope()) {
      Threads.set(2);
      Tensor x = random(1, 1, 256, 52, 57).mul(new Scalar(0.1)); // moderate energies
      Attention module = module("nonlocal:subsample=false", 256);
      assertClose(infer(module, x, ScalarType.Float), infer(module, x, ScalarType.Double));
    }
  }

  /** A step through the whole module: the output, and what comes back to the input. */
  @Test
  void bamInTraining() {
    try (PointerScope scope = new PointerScope()) {
      Tensor x = random(1, 24, 12, 9, 11);
      Attention module = module("bam:reduction=4", 12);
      List<Tensor> actual = step(module, x, ScalarType.Float);
      List<Tensor> expected = step(module, x, ScalarType.Double);
      assertClose(actual.get(0), expected.get(0));
      assertClose(actual.get(1), expected.get(1));
    }
  }

  /** What is not finite comes out where the plain form has it, and as the same. */
  @ParameterizedTest
  @ValueSource(doubles = {Double.NaN, Double.POSITIVE_INFINITY, Double.NEGATIVE_INFINITY})
  void goesThrough(double value) {
    for (String spec : List.of("cbam:reduction=2", "se:reduction=2", "bam:reduction=2")) {
      try (PointerScope scope = new PointerScope()) {
        Attention module = module(spec, 4);
        Tensor x = random(1, 2, 4, 5, 21);
        x.view(-1).narrow(0, 100, 1).fill_(new Scalar(value));
        assertThat(kinds(infer(module, x, ScalarType.Float)))
            .as(spec)
            .isEqualTo(kinds(infer(module, x, ScalarType.Double)));
      }
    }
  }

  @ParameterizedTest
  @ValueSource(doubles = {Double.NaN, Double.POSITIVE_INFINITY, Double.NEGATIVE_INFINITY})
  void goesThroughWithChannelsLast(double value) {
    for (String spec : List.of("cbam:reduction=2,kernel=3", "se:reduction=2")) {
      for (int channels : new int[] {4, 16, 20}) {
        try (PointerScope scope = new PointerScope()) {
          Attention module = module(spec, channels);
          Tensor x = random(1, 2, channels, 9, 21);
          x.view(-1).narrow(0, 100, 1).fill_(new Scalar(value));
          assertThat(kinds(infer(module, last(x), ScalarType.Float)))
              .as(spec)
              .isEqualTo(kinds(infer(module, x, ScalarType.Double)));
        }
      }
    }
  }

  /** 0 where a number is finite, else its name. */
  private static List<String> kinds(Tensor tensor) {
    double[] values = new double[(int) tensor.numel()];
    tensor.to(ScalarType.Double).contiguous().data_ptr_double().get(values);
    return IntStream.range(0, values.length)
        .mapToObj(i -> Double.isFinite(values[i]) ? "0" : Double.toString(values[i]))
        .toList();
  }

  @Test
  void twiceInOneGraphWithAFrozenParameter() {
    try (PointerScope scope = new PointerScope()) {
      Attention module = module("cbam:reduction=2", 6);
      Tensor[] parameters = module.parameters().get();
      parameters[1].set_requires_grad(false);
      List<List<Tensor>> results = new ArrayList<>();
      for (ScalarType type : List.of(ScalarType.Float, ScalarType.Double)) {
        module.to(type, false);
        Tensor x = random(1, 2, 6, 4, 5).to(type).set_requires_grad(true);
        Tensor y = module.forward(x);
        module.forward(y.mul(x)).add(y).square().sum().backward();
        Tensor[] now = module.parameters().get();
        assertThat(now[1].grad().defined()).isFalse();
        results.add(List.of(x.grad(), now[0].grad().clone(), now[2].grad().clone()));
        now[0].mutable_grad().reset();
        now[2].mutable_grad().reset();
      }
      for (int i = 0; i < 3; i++) {
        assertClose(results.get(0).get(i), results.get(1).get(i));
      }
    }
  }

  @Test
  void withFrozenParametersOrAFrozenInput() {
    try (PointerScope scope = new PointerScope()) {
      Attention module = module("cbam:reduction=2", 6);
      Tensor frozen = random(1, 2, 6, 4, 5);
      module.forward(frozen).sum().backward();
      assertThat(module.parameters().get(0).grad().defined()).isTrue();
      for (Tensor parameter : module.parameters().get()) {
        parameter.set_requires_grad(false);
      }
      Tensor x = frozen.clone().set_requires_grad(true);
      module.forward(x).sum().backward();
      assertThat(x.grad().defined()).isTrue();
      assertThat(module.forward(frozen).requires_grad()).isFalse();
    }
  }

  @Test
  void aRetainedGraphGivesTheSameTwiceAndAFreedOneNothing() {
    try (PointerScope scope = new PointerScope()) {
      Attention module = module("cbam:reduction=2", 6);
      Tensor x = random(1, 2, 6, 4, 5).set_requires_grad(true);
      Tensor loss = module.forward(x).sum();
      backward(loss, true, false);
      Tensor once = x.grad().clone();
      backward(loss, false, false);
      assertClose(x.grad(), once.mul(new Scalar(2.0)));
      assertThatThrownBy(() -> backward(loss, false, false))
          .hasMessageContaining("use retain_graph to run backward twice");
    }
  }

  @Test
  void refusesWhatItCannotDifferentiate() {
    try (PointerScope scope = new PointerScope()) {
      Attention module = module("cbam:reduction=2", 6);
      Tensor x = random(1, 2, 6, 4, 5).set_requires_grad(true);
      Tensor loss = module.forward(x).sum();
      assertThatThrownBy(() -> backward(loss, true, true))
          .hasMessageContaining("fovea.kernels=off");
      Tensor input = x.mul(new Scalar(1.0));
      Tensor stale = module.forward(input).sum();
      input.add_(new Scalar(1.0));
      assertThatThrownBy(() -> backward(stale, false, false)).hasMessageContaining("in place");
    }
  }

  private static void backward(Tensor loss, boolean retain, boolean create) {
    loss.backward(new Tensor(), new BoolOptional(retain), create, new TensorArrayRefOptional());
  }

  /** A graph that nobody goes back through is let go of at the next call. */
  @Test
  void leavesNothingBehind() throws Exception {
    Attention module = AttentionSpec.parse("cbam:reduction=2").create(64, 2);
    long map = 4L * 64 * 32 * 32 * Float.BYTES;
    MemoryGrowth.assertNone(
        100,
        map,
        () -> {
          try (PointerScope scope = new PointerScope()) {
            Tensor x = torch.randn(4, 64, 32, 32).set_requires_grad(true);
            module.forward(x);
            module.forward(x).sum().backward();
          }
        });
    module.close();
  }

  @Test
  void theSameBitsForAnyNumberOfThreadsAndCallers() throws Exception {
    Attention module = module("cbam:reduction=2", 8);
    Tensor x = random(1, 16, 8, 9, 13);
    try (PointerScope scope = new PointerScope();
        ExecutorService callers = Executors.newFixedThreadPool(4)) {
      Threads.set(1);
      List<Tensor> alone = step(module, x, ScalarType.Float);
      Threads.set(3);
      List<Tensor> together = step(module, x, ScalarType.Float);
      for (int i = 0; i < alone.size(); i++) {
        assertThat(together.get(i).equal(alone.get(i))).isTrue();
      }
      List<Future<Boolean>> same = new ArrayList<>();
      for (int caller = 0; caller < 4; caller++) {
        same.add(
            callers.submit(
                () -> {
                  for (int turn = 0; turn < 20; turn++) {
                    try (NoGradGuard guard = new NoGradGuard();
                        Tensor y = module.forward(x)) {
                      if (!y.equal(alone.get(0))) {
                        return false;
                      }
                    }
                  }
                  return true;
                }));
      }
      for (Future<Boolean> one : same) {
        assertThat(one.get()).isTrue();
      }
    } finally {
      Threads.set(1);
    }
  }

  /** Few images are divided into tiles and groups, which must not show. */
  @Test
  void bamsBitsAreTheSameForAnyNumberOfThreads() {
    Attention module = evaluated("bam:reduction=4", 40);
    try (PointerScope scope = new PointerScope();
        NoGradGuard guard = new NoGradGuard()) {
      Tensor x = random(1, 3, 40, 29, 31);
      Threads.set(1);
      Tensor alone = module.forward(x);
      for (int threads = 2; threads <= 4; threads++) {
        Threads.set(threads);
        assertThat(module.forward(x).equal(alone)).as(threads + " threads").isTrue();
        assertThat(module.forward(x).equal(alone)).as(threads + " threads, again").isTrue();
      }
      assertThat(module.forward(x.narrow(0, 1, 1)).equal(alone.narrow(0, 1, 1))).isTrue();
    } finally {
      Threads.set(1);
    }
  }

  @Test
  void countsTheSameMultiplications() {
    try (PointerScope scope = new PointerScope();
        NoGradGuard guard = new NoGradGuard()) {
      for (String spec : List.of("cbam", "se", "bam", "bam:layers=2,convs=3,reduction=3")) {
        Attention module = AttentionSpec.parse(spec).create(32, 2);
        module.eval();
        Tensor x = random(1, 2, 32, 6, 7);
        long byKernels = Macs.count(() -> module.forward(x));
        module.to(ScalarType.Double, false);
        assertThat(byKernels).isEqualTo(Macs.count(() -> module.forward(x.to(ScalarType.Double))));
      }
    }
  }

  @Test
  void readsOnlyBuffersOfTheRightSize() {
    Kernels.Shape shape = new Kernels.Shape(1, 2, 3, 4);
    ByteBuffer right = ByteBuffer.allocateDirect(shape.channels() * shape.positions() * 4);
    ByteBuffer small = ByteBuffer.allocateDirect(right.capacity() - 4);
    VectorKernels kernels = new VectorKernels();
    float[] channel = new float[2];
    float[] spatial = new float[12];
    assertThatIllegalArgumentException()
        .isThrownBy(() -> kernels.bamEnd(shape, channel, spatial, small, right))
        .withMessageStartingWith("x: expected 96 bytes");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> kernels.bamEnd(shape, channel, spatial, right, small))
        .withMessageStartingWith("y: expected 96 bytes");
    Kernels.Affine one = new Kernels.Affine(new float[2], new float[1]);
    Kernels.BamWeights weights =
        new Kernels.BamWeights(
            List.of(), one, List.of(), 1, new Kernels.Affine(new float[1], new float[1]));
    assertThatIllegalArgumentException()
        .isThrownBy(() -> kernels.bam(shape, weights, small, right))
        .withMessageStartingWith("x: expected 96 bytes");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> kernels.bam(shape, weights, right, small))
        .withMessageStartingWith("y: expected 96 bytes");
  }

  @Test
  void notContiguousMapsGoThePlainWay() {
    try (PointerScope scope = new PointerScope();
        NoGradGuard guard = new NoGradGuard()) {
      Attention module = module("cbam:reduction=2", 6);
      Tensor x = random(1, 2, 6, 4, 5);
      Tensor turned = x.transpose(2, 3).contiguous().transpose(2, 3);
      assertThat(turned.is_contiguous()).isFalse();
      assertClose(module.forward(turned), module.forward(x));
    }
  }

  @Test
  void failuresOfAnImageReachTheCaller() {
    Random random = new Random(1);
    int bad = random.nextInt(50);
    assertThatThrownBy(
            () ->
                Parallel.forEach(
                    50,
                    i -> {
                      if (i == bad) {
                        throw new IllegalStateException("image " + i);
                      }
                    }))
        .isInstanceOf(IllegalStateException.class)
        .hasMessage("image " + bad);
  }
}
