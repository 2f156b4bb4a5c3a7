package io.fovea.models;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.fovea.attention.AttentionMaps;
import io.fovea.models.weights.StateDict;
import io.fovea.testing.Numeric;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.LongStream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.LongOptional;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;

/** What the positions of the heads {@code ann} and {@code ocr} attend to. */
@Numeric
class HeadAttentionTest {
  private static final int EARLIER = 16;
  private static final int LAST = 32;
  private static final int CLASSES = 4;
  private static final long[] SIDES = {9, 7};
  private static final int POSITIONS = 63;

  private interface Look {
    void at(String name, Tensor x, Tensor y, AttentionMaps maps);
  }

  private static SegmentationHead head(String name) {
    SegmentationHead head =
        SegmentationHeads.create(name, new SegmentationHead.Sizes(EARLIER, LAST, CLASSES, 8));
    head.to(ScalarType.Double, false);
    Filling.fill(head, each -> each);
    head.eval();
    return head;
  }

  private static Tensor map(String name, long channels) {
    return Filling.uniform(name, 1, channels, SIDES[0], SIDES[1]);
  }

  /** Computes with an observer, which changes nothing. */
  private static void look(SegmentationHead head, List<Tensor> features, Look look) {
    Tensor scores = head.forward(features, true).get(0);
    List<Tensor> seen = new ArrayList<>();
    HeadAttention.observing(look::at, () -> seen.addAll(head.forward(features, true)));
    assertThat(seen.get(0).equal(scores)).isTrue();
  }

  private static Tensor rows(AttentionMaps maps) {
    Tensor rows = maps.affinity(LongStream.range(0, POSITIONS).toArray()).squeeze(0);
    assertThat(rows.shape()).containsExactly(POSITIONS, POSITIONS);
    assertThat(rows.min().item_double()).isGreaterThanOrEqualTo(0);
    assertThat(rows.sum(1L).sub(new Scalar(1.0)).abs().max().item_double())
        .isCloseTo(0, within(1e-12));
    return rows;
  }

  /** The output is the end of the attended values, which are linear in the positions of a map. */
  @Test
  void positionsOfAnnAttendToPositionsThroughTheMeansOfParts() {
    try (PointerScope scope = new PointerScope();
        NoGradGuard guard = new NoGradGuard()) {
      SegmentationHead head = head("ann");
      Tensor earlier = map("earlier", EARLIER);
      List<String> names = new ArrayList<>();
      look(
          head,
          List.of(earlier, map("last", LAST)),
          (name, x, y, maps) -> {
            names.add(name);
            Tensor own = x.narrow(1, 0, x.size(1) / 2); // the rest is zeros
            assertThat(x.narrow(1, own.size(1), own.size(1)).abs().max().item_double()).isZero();
            assertThat(y.narrow(1, 0, own.size(1)).equal(own)).isTrue();
            Tensor low = names.size() == 1 ? earlier : own;
            Map<String, Tensor> state = StateDict.of(head);
            String path = name.replaceFirst("^head\\.", "");
            Tensor values = projected(state, path + ".f_value", low); // [D, N]
            Tensor attended = values.matmul(rows(maps).t()); // [D, N]
            Tensor weight = state.get(path + ".W.weight").flatten(1, -1);
            Tensor expected = weight.matmul(attended).add(state.get(path + ".W.bias").unsqueeze(1));
            Tensor actual = y.narrow(1, own.size(1), own.size(1)).squeeze(0).flatten(1, -1);
            assertThat(actual.sub(expected).abs().max().item_double())
                .isCloseTo(0, within(1e-12 * expected.abs().max().item_double()));
          });
      assertThat(names).isEqualTo(head.attending());
    }
  }

  private static Tensor projected(Map<String, Tensor> state, String layer, Tensor x) {
    Tensor weight = state.get(layer + ".weight").flatten(1, -1);
    return weight.matmul(x.squeeze(0).flatten(1, -1)).add(state.get(layer + ".bias").unsqueeze(1));
  }

  /** With first scores that are far apart, a class is described by the one position that scores highest. */
  @Test
  void positionsOfOcrAttendToPositionsThroughTheRegionsOfClasses() {
    try (PointerScope scope = new PointerScope();
        NoGradGuard guard = new NoGradGuard()) {
      SegmentationHead head = head("ocr");
      StateDict.of(head).get("aux_head.3.weight").mul_(new Scalar(1e6));
      List<Tensor> features = List.of(map("earlier", EARLIER), map("last", LAST));
      Tensor first = head.forward(features, true).get(1).squeeze(0).flatten(1, -1); // [K, N]
      Tensor highest = first.argmax(new LongOptional(1), false);
      Set<Long> expected = new LinkedHashSet<>();
      for (int label = 0; label < CLASSES; label++) {
        expected.add(highest.select(0, label).item_long());
      }
      List<String> names = new ArrayList<>();
      look(
          head,
          features,
          (name, x, y, maps) -> {
            names.add(name);
            double[] received = Filling.values(rows(maps).mean(0));
            for (long position = 0; position < POSITIONS; position++) {
              double own = received[(int) position];
              assertThat(own > 1e-9)
                  .as("position %d", position)
                  .isEqualTo(expected.contains(position));
            }
          });
      assertThat(names).isEqualTo(head.attending());
    }
  }
}
