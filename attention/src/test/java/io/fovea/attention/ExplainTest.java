package io.fovea.attention;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import io.fovea.nn.TensorOps;
import io.fovea.testing.Numeric;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Module;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.FieldSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What {@code explain} hands out is what {@code forward} computes with. */
@Numeric
class ExplainTest {
  private static final long CHANNELS = 4;
  static final List<String> MECHANISMS = Specs.withParameters(CHANNELS);
  static final List<String> WITH_AFFINITY =
      List.of(
          "pam:reduction=2",
          "dual:reduction=2",
          "nonlocal",
          "nonlocal:subsample=false",
          "nonlocal:mode=gaussian",
          "nonlocal:mode=gaussian,subsample=false",
          "nonlocal:mode=dot_product",
          "nonlocal:mode=dot_product,subsample=false,bn=false",
          "nonlocal:mode=concatenation",
          "nonlocal:mode=concatenation,subsample=false,bn=false");

  static Stream<Arguments> withAffinity() {
    return inAllDimensions(WITH_AFFINITY);
  }

  static Stream<Arguments> gates() {
    return inAllDimensions(
        List.of(
            "se:reduction=2",
            "se:reduction=2,squeeze=max,excitation=tanh,bias=true",
            "cbam:reduction=2",
            "cbam:reduction=2,kernel=3,bias=true",
            "bam:reduction=2",
            "bam:reduction=2,layers=0,convs=0,combine=add"));
  }

  private static Stream<Arguments> inAllDimensions(List<String> specs) {
    return specs.stream()
        .flatMap(spec -> IntStream.rangeClosed(1, 3).mapToObj(d -> Arguments.of(spec, d)));
  }

  /** {@code [3, 4, 5]}, {@code [3, 4, 5, 6]}, {@code [3, 4, 2, 3, 4]}. */
  private static Tensor input(int dimensions) {
    return switch (dimensions) {
      case 1 -> Tensors.random(7, 3, CHANNELS, 5);
      case 2 -> Tensors.random(7, 3, CHANNELS, 5, 6);
      default -> Tensors.random(7, 3, CHANNELS, 2, 3, 4);
    };
  }

  private static Attention evaluating(String spec, int dimensions) {
    Attention module = Tensors.randomized(spec, CHANNELS, dimensions);
    module.eval();
    return module;
  }

  private static long[] all(AttentionMaps maps) {
    return LongStream.range(0, product(maps.querySize())).toArray();
  }

  private static long product(long[] sizes) {
    return Arrays.stream(sizes).reduce(1, (a, b) -> a * b);
  }

  @ParameterizedTest(name = "{0} {1}d")
  @MethodSource("gates")
  void gatesMakeTheOutput(String spec, int dimensions) {
    try (PointerScope scope = new PointerScope()) {
      Attention module = evaluating(spec, dimensions);
      Tensor x = input(dimensions);
      AttentionMaps maps = module.explain(x);
      assertThat(maps.hasAffinity()).isFalse();
      assertThat(maps.channelAffinity()).isEmpty();

      Tensor factor = maps.factor().orElseThrow();
      Tensors.assertClose("output", factor.mul(x), module.forward(x), 1e-12);

      Tensor channel = maps.channel().orElseThrow();
      assertThat(channel.shape()).containsExactly(3, CHANNELS);
      if (!module.spec().mechanism().shows().contains(Mechanism.Shows.SPATIAL_GATES)) {
        assertThat(maps.spatial()).isEmpty();
        return;
      }
      Tensor spatial = maps.spatial().orElseThrow();
      long[] shape = x.shape();
      shape[1] = 1;
      assertThat(spatial.shape()).isEqualTo(shape);
      if (spec.startsWith("cbam")) {
        Tensors.assertClose(
            "factor", spatial.mul(TensorOps.PLAIN.perChannel(channel, x)), factor, 1e-12);
      } else { // BAM's gate is another for each channel and each position
        Tensors.assertClose("channel", channel, factor.flatten(2, -1).mean(2), 1e-12);
        Tensors.assertClose("spatial", spatial.squeeze(1), factor.mean(1), 1e-12);
      }
    }
  }

  @ParameterizedTest(name = "{0} {1}d")
  @MethodSource("withAffinity")
  void affinityMakesTheOutput(String spec, int dimensions) {
    try (PointerScope scope = new PointerScope();
        NoGradGuard guard = new NoGradGuard()) {
      Attention module = evaluating(spec, dimensions);
      Tensor x = input(dimensions);
      AttentionMaps maps = module.explain(x);
      assertThat(maps.hasAffinity()).isTrue();
      assertThat(maps.channel()).isEmpty();
      assertThat(maps.spatial()).isEmpty();

      Tensor affinity = maps.affinity(all(maps));
      assertThat(affinity.shape())
          .containsExactly(3, product(maps.querySize()), product(maps.keySize()));
      Map<String, Tensor> state = Tensors.state(module);
      Tensor attended;
      if (spec.startsWith("nonlocal")) {
        boolean subsample = !spec.contains("subsample=false");
        Tensor values = pointwise(x, state, subsample ? "g.0" : "g");
        Tensor y = (subsample ? halved(values) : values).flatten(2, -1);
        y = y.bmm(affinity.transpose(1, 2));
        attended = spec.contains("bn=false") ? pointwise(y, state, "W") : normalized(y, state);
      } else {
        String prefix = spec.startsWith("dual") ? "pam." : "";
        Tensor values = pointwise(x, state, prefix + "value_conv").flatten(2, -1);
        attended = values.bmm(affinity.transpose(1, 2)).mul(state.get(prefix + "gamma"));
      }
      Tensor y = x.add(attended.view(x.shape()));
      if (spec.startsWith("dual")) {
        y = y.add(attendedByChannels(maps, x, state.get("cam.gamma")));
      }
      Tensors.assertClose("output", y, module.forward(x), 1e-12);
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 3})
  void channelAffinityMakesTheOutput(int dimensions) {
    try (PointerScope scope = new PointerScope();
        NoGradGuard guard = new NoGradGuard()) {
      Attention module = evaluating("cam", dimensions);
      Tensor x = input(dimensions);
      AttentionMaps maps = module.explain(x);
      assertThat(maps.hasAffinity()).isFalse();
      assertThat(maps.channel()).isEmpty();
      assertThat(maps.spatial()).isEmpty();
      assertThat(maps.channelAffinity().orElseThrow().shape())
          .containsExactly(3, CHANNELS, CHANNELS);
      assertRowsAddUpToOne(maps.channelAffinity().orElseThrow());
      Tensor gamma = Tensors.state(module).get("gamma");
      Tensors.assertClose(
          "output", x.add(attendedByChannels(maps, x, gamma)), module.forward(x), 1e-12);
    }
  }

  /** GC: the softmax of one convolution, the same for all positions. */
  @ParameterizedTest
  @ValueSource(ints = {1, 2, 3})
  void allPositionsShareAnAffinity(int dimensions) {
    try (PointerScope scope = new PointerScope()) {
      Attention module = evaluating("gc:fusion=both", dimensions);
      Tensor x = input(dimensions);
      AttentionMaps maps = module.explain(x);
      assertThat(maps.keySize()).isEqualTo(maps.querySize());
      Tensor affinity = maps.affinity(all(maps));
      assertRowsAddUpToOne(affinity);
      Tensor scores = pointwise(x, Tensors.state(module), "conv_mask").flatten(2, -1);
      Tensors.assertClose("rows", affinity, scores.softmax(2).expand_as(affinity), 1e-12);
      Tensors.assertClose("mean", maps.received().unsqueeze(1), scores.softmax(2), 1e-12);
      assertThat(maps.channel().orElseThrow().shape()).containsExactly(3, CHANNELS);
      assertThat(evaluating("gc", dimensions).explain(x).channel()).isEmpty();
      assertThat(evaluating("gc:pool=average", dimensions).explain(x).hasAffinity()).isFalse();
    }
  }

  /** GRN: the gate, and a number that is added to each channel. */
  @ParameterizedTest
  @ValueSource(ints = {1, 2, 3})
  void gatesAndAShiftMakeTheOutput(int dimensions) {
    try (PointerScope scope = new PointerScope()) {
      Attention module = evaluating("grn", dimensions);
      Tensor x = input(dimensions);
      Tensor factor = module.explain(x).factor().orElseThrow();
      Tensor shift =
          TensorOps.PLAIN.perChannel(Tensors.state(module).get("beta").reshape(1, -1), x);
      Tensors.assertClose("output", x.mul(factor).add(shift), module.forward(x), 1e-12);
    }
  }

  /** Shuffle attention: the gates of the input's channels, which are then interleaved. */
  @ParameterizedTest
  @ValueSource(ints = {1, 2, 3})
  void gatesAndAShuffleMakeTheOutput(int dimensions) {
    try (PointerScope scope = new PointerScope()) {
      Attention module = evaluating("shuffle:groups=1", dimensions);
      Tensor x = input(dimensions);
      Tensor factor = module.explain(x).factor().orElseThrow();
      Tensor order = Tensor.create(new long[] {0, 2, 1, 3}); // of four channels
      Tensors.assertClose("output", x.mul(factor).index_select(1, order), module.forward(x), 1e-12);
    }
  }

  private static Tensor attendedByChannels(AttentionMaps maps, Tensor x, Tensor gamma) {
    Tensor affinity = maps.channelAffinity().orElseThrow();
    return affinity.bmm(x.flatten(2, -1)).view(x.shape()).mul(gamma);
  }

  /** A convolution with a kernel of one point, as the product of matrices that it is. */
  private static Tensor pointwise(Tensor x, Map<String, Tensor> state, String name) {
    Tensor weight = state.get(name + ".weight").flatten(1, -1);
    Tensor y = weight.matmul(x.flatten(2, -1)).add(state.get(name + ".bias").unsqueeze(1));
    long[] shape = x.shape();
    shape[1] = weight.size(0);
    return y.view(shape);
  }

  private static Tensor normalized(Tensor y, Map<String, Tensor> state) {
    Tensor deviation = state.get("W.1.running_var").add(Tensors.scalar(1e-5)).sqrt();
    return pointwise(y, state, "W.0")
        .sub(state.get("W.1.running_mean").unsqueeze(1))
        .div(deviation.unsqueeze(1))
        .mul(state.get("W.1.weight").unsqueeze(1))
        .add(state.get("W.1.bias").unsqueeze(1));
  }

  private static Tensor halved(Tensor x) {
    return switch ((int) x.dim() - 2) {
      case 1 -> torch.max_pool1d(x, 2);
      case 2 -> torch.max_pool2d(x, 2, 2);
      default -> torch.max_pool3d(x, 1, 2, 2);
    };
  }

  @ParameterizedTest(name = "{0} {1}d")
  @MethodSource("withAffinity")
  void rowsOfASoftmaxAddUpToOne(String spec, int dimensions) {
    try (PointerScope scope = new PointerScope()) {
      AttentionMaps maps = evaluating(spec, dimensions).explain(input(dimensions));
      Tensor rows = maps.affinity(all(maps));
      if (spec.contains("dot_product") || spec.contains("concatenation")) {
        assertThat(Tensors.values(rows.sum(2))).doesNotContain(1.0);
      } else {
        assertRowsAddUpToOne(rows);
      }
    }
  }

  private static void assertRowsAddUpToOne(Tensor rows) {
    assertThat(rows.min().item_double()).isNotNegative();
    Tensor sums = rows.sum(2);
    Tensors.assertClose("sum", sums, torch.ones_like(sums), 1e-12);
  }

  @Test
  void sizes() {
    try (PointerScope scope = new PointerScope()) {
      AttentionMaps image = evaluating("nonlocal", 2).explain(input(2));
      assertThat(image.querySize()).containsExactly(5, 6);
      assertThat(image.keySize()).containsExactly(2, 3);
      AttentionMaps video = evaluating("nonlocal", 3).explain(input(3));
      assertThat(video.querySize()).containsExactly(2, 3, 4);
      assertThat(video.keySize()).containsExactly(2, 1, 2);
      AttentionMaps whole = evaluating("pam", 3).explain(input(3));
      assertThat(whole.keySize()).containsExactly(2, 3, 4).isEqualTo(whole.querySize());
      whole.keySize()[0] = 99;
      assertThat(whole.querySize()).containsExactly(2, 3, 4);
    }
  }

  @ParameterizedTest
  @FieldSource("WITH_AFFINITY")
  void rowsInAnyOrderAndMoreThanOnce(String spec) {
    try (PointerScope scope = new PointerScope()) {
      AttentionMaps maps = evaluating(spec, 2).explain(input(2));
      Tensor every = maps.affinity(all(maps));
      Tensor some = maps.affinity(29, 0, 7, 7);
      assertThat(some.shape()).containsExactly(3, 4, product(maps.keySize()));
      long[] positions = {29, 0, 7, 7};
      for (int i = 0; i < positions.length; i++) {
        Tensors.assertClose("row", some.select(1, i), every.select(1, positions[i]), 1e-12);
      }
    }
  }

  /** More positions than are computed at once: 256 in a block, a whole number of blocks, and not. */
  @ParameterizedTest
  @ValueSource(longs = {1, 255, 256, 257, 512, 600})
  void receivedIsTheMeanOfAllRows(long positions) {
    try (PointerScope scope = new PointerScope()) {
      Tensor x = Tensors.random(1, 2, CHANNELS, positions);
      for (String spec : WITH_AFFINITY) {
        if (positions > 1 || spec.contains("subsample=false") || spec.startsWith("pam")) {
          AttentionMaps maps = evaluating(spec, 1).explain(x);
          Tensor received = maps.received();
          assertThat(received.shape()).containsExactly(2, product(maps.keySize()));
          Tensors.assertClose(spec, received, maps.affinity(all(maps)).mean(1), 1e-12);
        }
      }
    }
  }

  @ParameterizedTest
  @FieldSource("MECHANISMS")
  void explainingInTrainingLeavesNoTrace(String mechanism) {
    try (PointerScope scope = new PointerScope()) {
      Attention module = Tensors.randomized(mechanism, CHANNELS, 2);
      Tensor x = input(2).set_requires_grad(true);
      Map<String, double[]> before = new TreeMap<>();
      Tensors.state(module).forEach((name, value) -> before.put(name, Tensors.values(value)));

      AttentionMaps maps = module.explain(x);

      assertThat(module.is_training()).isTrue();
      Map<String, Tensor> after = Tensors.state(module);
      before.forEach(
          (name, value) -> assertThat(Tensors.values(after.get(name))).as(name).isEqualTo(value));
      Tensors.parameters(module)
          .forEach((name, value) -> assertThat(value.grad().defined()).as(name).isFalse());
      assertThat(x.grad().defined()).isFalse();
      tensors(maps).forEach(map -> assertThat(map.requires_grad()).isFalse());

      module.eval(); // what was explained is what evaluation gates by
      List<Tensor> evaluated = tensors(module.explain(x));
      for (Tensor map : tensors(maps)) {
        Tensors.assertClose("map", map, evaluated.remove(0), 1e-12);
      }
      assertThat(module.is_training()).isFalse();
      assertThat(module.forward(x).requires_grad()).as("gradients are taken again").isTrue();
    }
  }

  private static List<Tensor> tensors(AttentionMaps maps) {
    List<Tensor> tensors = new ArrayList<>();
    maps.channel().ifPresent(tensors::add);
    maps.spatial().ifPresent(tensors::add);
    maps.channelAffinity().ifPresent(tensors::add);
    if (maps.hasAffinity()) {
      tensors.add(maps.affinity(all(maps)));
      tensors.add(maps.received());
    }
    return tensors;
  }

  @Test
  void aFrozenBatchNormStaysFrozen() {
    try (PointerScope scope = new PointerScope()) {
      Attention module = Tensors.randomized("bam:reduction=2", CHANNELS, 2);
      Module frozen = part(module, "spatial_att.gate_s.gate_s_bn_reduce0");
      frozen.eval();
      module.explain(input(2));
      assertThat(frozen.is_training()).isFalse();
      assertThat(part(module, "spatial_att.gate_s.gate_s_bn_di_0").is_training()).isTrue();

      module.eval(); // and the other way round
      frozen.train(true);
      double[] mean = Tensors.values(frozen.buffers().get(0));
      module.explain(input(2));
      assertThat(frozen.is_training()).isTrue();
      assertThat(module.is_training()).isFalse();
      assertThat(Tensors.values(frozen.buffers().get(0))).isEqualTo(mean);
    }
  }

  private static Module part(Attention module, String name) {
    return module.named_modules("", true).get(name);
  }

  @ParameterizedTest
  @FieldSource("WITH_AFFINITY")
  void mapsStayWhatTheyWere(String spec) {
    try (PointerScope scope = new PointerScope();
        NoGradGuard guard = new NoGradGuard()) {
      Attention module = evaluating(spec, 2);
      Tensor x = input(2);
      AttentionMaps maps = module.explain(x);
      Tensor before = maps.affinity(0, 7).clone();
      x.zero_();
      Tensors.parameters(module).forEach((name, parameter) -> parameter.fill_(Tensors.scalar(0.1)));
      Tensors.assertClose("affinity", maps.affinity(0, 7), before, 0);
    }
  }

  @Test
  void positionsOutsideAreRefused() {
    try (PointerScope scope = new PointerScope()) {
      AttentionMaps maps = evaluating("nonlocal", 2).explain(input(2));
      assertThatIllegalArgumentException()
          .isThrownBy(() -> maps.affinity(0, 30))
          .withMessage("position 30 is not in the input, which has 30 positions");
      assertThatIllegalArgumentException()
          .isThrownBy(() -> maps.affinity(-1))
          .withMessage("position -1 is not in the input, which has 30 positions");
      assertThatIllegalArgumentException()
          .isThrownBy(maps::affinity)
          .withMessage("expected at least one position");
      assertThat(maps.affinity(29).shape()).containsExactly(3, 1, 6);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"se", "cbam", "bam", "cam"})
  void someHaveNoAffinityBetweenPositions(String mechanism) {
    try (PointerScope scope = new PointerScope()) {
      AttentionMaps maps = evaluating(mechanism, 2).explain(input(2));
      assertThat(maps.hasAffinity()).isFalse();
      for (Runnable question :
          List.<Runnable>of(
              () -> maps.affinity(0),
              maps::affinity,
              maps::received,
              maps::querySize,
              maps::keySize)) {
        assertThatIllegalStateException()
            .isThrownBy(question::run)
            .withMessage("this mechanism has no affinity between positions");
      }
    }
  }

  @ParameterizedTest
  @FieldSource("MECHANISMS")
  void mapsOutliveTheScopesWithin(String mechanism) {
    assertThat(PointerScope.getInnerScope()).isNull();
    Attention module = evaluating(mechanism, 2);
    Tensor x = input(2);
    AttentionMaps outside = module.explain(x); // without any scope
    List<double[]> expected = tensors(outside).stream().map(Tensors::values).toList();

    AttentionMaps inside;
    try (PointerScope scope = new PointerScope()) {
      inside = module.explain(x);
      List<double[]> found = tensors(inside).stream().map(Tensors::values).toList();
      for (int i = 0; i < expected.size(); i++) {
        Tensors.assertClose("map", found.get(i), expected.get(i), 1e-12);
      }
    }
    sources(inside).forEach(map -> assertThat(map.isNull()).as("went with its scope").isTrue());

    sources(outside).forEach(map -> assertThat(map.isNull()).isFalse());
    outside.close();
    outside.close();
    sources(outside).forEach(map -> assertThat(map.isNull()).as("closed").isTrue());
    if (outside.hasAffinity()) {
      assertThatIllegalStateException()
          .isThrownBy(() -> outside.affinity(0))
          .withMessage("the maps are closed, or the scope in which they were created is closed");
      assertThatIllegalStateException().isThrownBy(inside::received);
    }
    inside.close();
  }

  /** The tensors that maps hold. */
  private static List<Tensor> sources(AttentionMaps maps) {
    return Stream.of(maps.channel(), maps.spatial(), maps.channelAffinity())
        .flatMap(map -> map.stream())
        .toList();
  }

  @Test
  void inTheTypeOfTheModule() {
    try (PointerScope scope = new PointerScope()) {
      for (String mechanism : MECHANISMS) {
        Attention module = AttentionSpec.parse(mechanism).create(CHANNELS, 2);
        module.to(ScalarType.BFloat16, false);
        tensors(module.explain(input(2).to(ScalarType.BFloat16)))
            .forEach(map -> assertThat(map.scalar_type().intern()).isEqualTo(ScalarType.BFloat16));
      }
    }
  }
}
