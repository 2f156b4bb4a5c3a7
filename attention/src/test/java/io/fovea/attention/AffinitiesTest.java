package io.fovea.attention;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import io.fovea.testing.Numeric;
import java.util.Arrays;
import java.util.Map;
import java.util.stream.LongStream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What positions attend to in mechanisms that compute no map of all pairs is what makes their output. */
@Numeric
class AffinitiesTest {
  private static final long CHANNELS = 8;

  private static Tensor input() {
    return Tensors.random(7, 3, CHANNELS, 4, 5);
  }

  private static Attention evaluating(String spec) {
    Attention module = Tensors.randomized(spec, CHANNELS, 2);
    module.eval();
    return module;
  }

  private static Tensor affinity(Attention module, Tensor x) {
    AttentionMaps maps = module.explain(x);
    assertThat(maps.querySize()).containsExactly(4, 5);
    assertThat(maps.keySize()).containsExactly(4, 5);
    Tensor rows = maps.affinity(LongStream.range(0, 20).toArray());
    assertThat(rows.shape()).containsExactly(3, 20, 20);
    Tensors.assertClose("received", maps.received(), rows.mean(1), 1e-12);
    Tensors.assertClose("some", maps.affinity(19, 3), rows.index_select(1, of(19, 3)), 1e-12);
    return rows;
  }

  private static Tensor of(long... positions) {
    return Tensor.create(positions);
  }

  /** A 1x1 convolution with a bias, {@code [B, out, N]}. */
  private static Tensor pointwise(Tensor flat, Map<String, Tensor> state, String name) {
    Tensor weight = state.get(name + ".weight").flatten(1, -1);
    return weight.matmul(flat).add(state.get(name + ".bias").unsqueeze(1));
  }

  private static void assertAddsUpToOne(Tensor rows) {
    assertThat(rows.min().item_double()).isNotNegative();
    Tensor sums = rows.sum(2);
    Tensors.assertClose("sum", sums, sums.new_ones(sums.shape()), 1e-12);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "external:block=false",
        "a2",
        "crisscross",
        "mhsa",
        "mhsa:position=relative",
        "dnl"
      })
  void rowsAddUpToOne(String spec) {
    try (PointerScope scope = new PointerScope()) {
      assertAddsUpToOne(affinity(evaluating(spec), input()));
    }
  }

  @Test
  void doubleAttentionPassesFeaturesBetweenPositions() {
    try (PointerScope scope = new PointerScope();
        NoGradGuard guard = new NoGradGuard()) {
      Attention module = evaluating("a2");
      Tensor x = input();
      Map<String, Tensor> state = Tensors.state(module);
      Tensor a = pointwise(x.flatten(2, -1), state, "convA");
      Tensor attended = a.bmm(affinity(module, x).transpose(1, 2));
      Tensor y = pointwise(attended, state, "conv_reconstruct").view(x.shape());
      Tensors.assertClose("output", module.forward(x), y, 1e-12);
    }
  }

  @Test
  void crissCrossAttendsToCrosses() {
    try (PointerScope scope = new PointerScope();
        NoGradGuard guard = new NoGradGuard()) {
      Attention module = evaluating("crisscross:recurrence=1");
      Tensor x = input();
      Tensor rows = affinity(module, x);
      double[] values = Tensors.values(rows.select(0, 0));
      for (int i = 0; i < 20; i++) {
        for (int j = 0; j < 20; j++) {
          boolean inCross = i / 5 == j / 5 || i % 5 == j % 5;
          assertThat(values[i * 20 + j] > 0).as(i + " to " + j).isEqualTo(inCross);
        }
      }
      Map<String, Tensor> state = Tensors.state(module);
      Tensor v = pointwise(x.flatten(2, -1), state, "value_conv");
      Tensor attended = v.bmm(rows.transpose(1, 2)).mul(state.get("gamma")).view(x.shape());
      Tensors.assertClose("output", module.forward(x), x.add(attended), 1e-12);
    }
  }

  @Test
  void crissCrossShowsItsLastPass() {
    try (PointerScope scope = new PointerScope();
        NoGradGuard guard = new NoGradGuard()) {
      Tensor x = input();
      Tensor between = evaluating("crisscross:recurrence=1").forward(x);
      Tensor expected = affinity(evaluating("crisscross:recurrence=1"), between);
      Tensors.assertClose("rows", affinity(evaluating("crisscross"), x), expected, 1e-12);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"absolute", "bot", "relative", "none"})
  void oneHeadIsItsAffinity(String position) {
    try (PointerScope scope = new PointerScope();
        NoGradGuard guard = new NoGradGuard()) {
      Attention module = evaluating("mhsa:heads=1,scale=all,position=" + position);
      Tensor x = input();
      Map<String, Tensor> state = Tensors.state(module);
      Tensor v =
          position.equals("relative")
              ? state
                  .get("qkv.weight")
                  .narrow(0, 2 * CHANNELS, CHANNELS)
                  .flatten(1, -1)
                  .matmul(x.flatten(2, -1))
              : pointwise(x.flatten(2, -1), state, "value");
      Tensor y = v.bmm(affinity(module, x).transpose(1, 2)).view(x.shape());
      Tensors.assertClose("output", module.forward(x), y, 1e-12);
    }
  }

  @Test
  void severalHeadsAreAveraged() {
    try (PointerScope scope = new PointerScope();
        NoGradGuard guard = new NoGradGuard()) {
      Attention module = evaluating("mhsa:heads=2,position=none");
      Tensor x = input();
      Map<String, Tensor> state = Tensors.state(module);
      Tensor q = pointwise(x.flatten(2, -1), state, "query");
      Tensor k = pointwise(x.flatten(2, -1), state, "key");
      Tensor sum = null;
      for (int head = 0; head < 2; head++) {
        Tensor energies = q.narrow(1, head * 4L, 4).transpose(1, 2).bmm(k.narrow(1, head * 4L, 4));
        sum = sum == null ? energies.softmax(2) : sum.add(energies.softmax(2));
      }
      Tensors.assertClose("rows", affinity(module, x), sum.div(Tensors.scalar(2)), 1e-12);
    }
  }

  @Test
  void disentangledPairsMakeTheirTerm() {
    try (PointerScope scope = new PointerScope();
        NoGradGuard guard = new NoGradGuard()) {
      Attention module = evaluating("dnl:unary=false");
      Tensor x = input();
      Map<String, Tensor> state = Tensors.state(module);
      Tensor v = state.get("conv_value.weight").flatten(1, -1).matmul(x.flatten(2, -1));
      Tensor pairs = v.bmm(affinity(module, x).transpose(1, 2)).mul(state.get("gamma"));
      Tensors.assertClose("output", module.forward(x), x.add(pairs.view(x.shape())), 1e-12);
    }
  }

  /** A map of another size has the tables of a module for that size, interpolated. */
  @ParameterizedTest
  @ValueSource(strings = {"absolute", "bot", "relative"})
  void positionsFitMapsOfAnySize(String position) {
    try (PointerScope scope = new PointerScope();
        NoGradGuard guard = new NoGradGuard()) {
      for (String size : new String[] {"7", "3x2", "1", "4x9", "5x4"}) {
        Attention other = evaluating("mhsa:position=" + position + ",size=" + size);
        Attention fitting = evaluating("mhsa:position=" + position + ",size=4x5");
        Map<String, Tensor> state = Tensors.state(fitting);
        Tensors.state(other)
            .forEach(
                (name, values) ->
                    state.get(name).copy_(interpolated(name, values, state.get(name))));
        Tensor x = input();
        Tensors.assertClose(size, other.forward(x), fitting.forward(x), 1e-11);
      }
    }
  }

  private static Tensor interpolated(String name, Tensor table, Tensor like) {
    if (name.startsWith("rel_")) { // [1, heads, d, rows, 1] or [1, heads, d, 1, columns]
      long[] size = {like.numel() / CHANNELS};
      Tensor flat = table.view(1, CHANNELS, -1);
      return torch.upsample_linear1d(flat, size, false).view(like.shape());
    }
    if (name.endsWith("_rel")) { // [2 rows - 1, d]: the largest offsets are the same
      Tensor flat = table.t().unsqueeze(0);
      return torch.upsample_linear1d(flat, new long[] {like.size(0)}, true).squeeze(0).t();
    }
    return table;
  }

  /** In place of a convolution with a stride, there are as many gates as channels all the same. */
  @ParameterizedTest
  @ValueSource(strings = {"sk:groups=4", "splat"})
  void convolutionsShowTheWeightsOfTheirLastPath(String spec) {
    try (PointerScope scope = new PointerScope()) {
      for (int stride : new int[] {1, 2}) {
        Attention module = AttentionSpec.parse(spec).create(CHANNELS, 2, stride, 1);
        AttentionMaps maps = module.explain(input().to(ScalarType.Float));
        double[] weights = Tensors.values(maps.channel().orElseThrow());
        assertThat(weights).hasSize(3 * (int) CHANNELS);
        assertThat(Arrays.stream(weights).allMatch(weight -> weight > 0 && weight < 1)).isTrue();
        assertThat(maps.factor()).isEmpty();
      }
    }
  }

  @Test
  void onlyConvolutionsHaveAStride() {
    assertThatIllegalArgumentException()
        .isThrownBy(() -> AttentionSpec.parse("se").create(8, 2, 2, 1))
        .withMessage("se: it keeps the size of feature maps and has no stride and no dilation");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> AttentionSpec.parse("splat").create(8, 2, 0, 1))
        .withMessage("splat: stride and dilation must be at least 1, got 0 and 1");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> AttentionSpec.parse("sk").create(48, 2))
        .withMessage(
            "sk: groups=32 does not divide the 48 channels; 1, 2, 3, 4, 6, 8, 12, 16, 24, 48 do");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> AttentionSpec.parse("splat:cardinality=3").create(16, 2))
        .withMessage(
            "splat: radix x cardinality=6 does not divide the 16 channels; 1, 2, 4, 8, 16 do");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> AttentionSpec.parse("mhsa").create(6, 2))
        .withMessage("mhsa: heads=4 does not divide the 6 channels; 1, 2, 3, 6 do");
  }

  @Test
  void whatIsShownStaysWhenTheInputChanges() {
    try (PointerScope scope = new PointerScope();
        NoGradGuard guard = new NoGradGuard()) {
      for (String spec : new String[] {"external:block=false", "a2", "crisscross", "mhsa", "dnl"}) {
        Tensor x = input();
        AttentionMaps maps = evaluating(spec).explain(x);
        double[] before = Tensors.values(maps.affinity(0, 7));
        x.zero_();
        assertThat(Arrays.equals(Tensors.values(maps.affinity(0, 7)), before)).as(spec).isTrue();
      }
    }
  }
}
