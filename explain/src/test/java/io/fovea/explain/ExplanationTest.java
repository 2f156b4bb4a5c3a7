package io.fovea.explain;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.fovea.attention.Attention;
import io.fovea.attention.AttentionMaps;
import io.fovea.explain.Explanation.Kind;
import io.fovea.models.Classifier;
import io.fovea.models.ModelSpec;
import io.fovea.models.weights.StateDict;
import io.fovea.testing.Numeric;
import io.fovea.testing.Rounding;
import java.util.List;
import java.util.Set;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.FloatRange;
import net.jqwik.api.constraints.Size;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What a network's attention modules do, against the modules themselves and plain loops. */
@Numeric
class ExplanationTest {
  /** What a sum of shares may be off 1 in float32: of some thousands, which are rounded. */
  private static final double SUM = 64 * Rounding.UNIT;

  private static Classifier network(String attention) {
    return new ModelSpec("resnet8", 4, 1, 0.5, attention).create();
  }

  private static Tensor image() {
    torch.manual_seed(3);
    return torch.randn(1, 1, 28, 28);
  }

  /** Makes a residual module do something; it starts as the identity. */
  private static void open(Classifier network) {
    try (NoGradGuard guard = new NoGradGuard()) {
      StateDict.parameters(network)
          .forEach(
              (name, parameter) -> {
                if (name.endsWith("gamma") || name.endsWith("W.1.weight")) {
                  parameter.fill_(new Scalar(0.7));
                }
              });
    }
  }

  @Test
  void tellsModulesAndLayersInTheirOrder() {
    try (PointerScope scope = new PointerScope()) {
      Classifier network =
          network("cbam:reduction=4@standard:2,3; bam:reduction=4@stage:1; pam@head");

      Explanation explanation = Explanation.of(network, image());

      assertThat(explanation.layers())
          .extracting(Explanation.Layer::name)
          .containsExactly("layer1.0", "layer1", "layer2.0", "layer2", "layer3.0", "layer3");
      assertThat(explanation.layers().get(2))
          .isEqualTo(new Explanation.Layer("layer2.0", 16, 14, 14));
      assertThat(explanation.stages())
          .extracting(Explanation.Layer::name)
          .containsExactly("layer1", "layer2", "layer3");
      assertThat(explanation.modules())
          .extracting(module -> module.name() + " in " + module.layer())
          .containsExactly(
              "bam1 in layer1",
              "layer2.0.cbam in layer2.0",
              "layer3.0.cbam in layer3.0",
              "pam_head in layer3");
      assertThat(explanation.modules())
          .extracting(Explanation.Module::kinds)
          .containsExactly(
              Set.of(Kind.CHANNEL, Kind.SPATIAL),
              Set.of(Kind.CHANNEL, Kind.SPATIAL),
              Set.of(Kind.CHANNEL, Kind.SPATIAL),
              Set.of(Kind.AFFINITY));
      assertThat(explanation.modules())
          .extracting(module -> explanation.stageOf(module).name())
          .containsExactly("layer1", "layer2", "layer3", "layer3");
      assertThat(network.is_training()).isTrue(); // as it was
      float[] scores = explanation.scores();
      assertThat(scores[explanation.predicted()]).isEqualTo(max(scores));
      assertThat(sum(explanation.probabilities())).isCloseTo(1, within(SUM));
    }
  }

  /** With the stride of the convolution, too: its maps are then smaller than those it gets. */
  @ParameterizedTest
  @ValueSource(strings = {"splat@conv:2", "sk:groups=4@conv:2"})
  void aModuleInPlaceOfAConvolutionShowsItsChoice(String attention) {
    try (PointerScope scope = new PointerScope()) {
      Classifier network = new ModelSpec("resnet50", 4, 1, 0.125, attention).create();
      Explanation explanation = Explanation.of(network, image());
      assertThat(explanation.modules())
          .extracting(module -> module.name() + " in " + module.layer())
          .startsWith("layer2.0.conv2 in layer2.0", "layer2.1.conv2 in layer2.1");
      Explanation.Module strided = explanation.module("layer2.0.conv2");
      assertThat(strided.kinds()).containsExactly(Kind.CHANNEL);
      assertThat(strided.channel().orElseThrow().values()).hasSize(16);
      assertThat(strided.effect().change()).isEqualTo(1);
    }
  }

  @Test
  void gatesAreTheModulesOwn() {
    try (PointerScope scope = new PointerScope()) {
      Classifier network = network("cbam:reduction=4@standard:2");
      network.eval();
      Tensor image = image();

      Explanation.Module module = Explanation.of(network, image).module("layer2.0.cbam");

      Attention attention = network.attentions().get("layer2.0.cbam");
      Tensor[] input = new Tensor[1];
      Attention.observing(
          (observed, x) -> {
            input[0] = x.clone();
            scope.attach(input[0]);
          },
          () -> network.forward(image));
      AttentionMaps maps = attention.explain(input[0]);
      float[] gates = Values.of(maps.channel().orElseThrow());
      assertThat(module.channel().orElseThrow().values()).containsExactly(gates);
      assertThat(module.spatial().orElseThrow().values())
          .containsExactly(Values.of(maps.spatial().orElseThrow()));
      assertThat(module.spatial().orElseThrow().height()).isEqualTo(14);

      int[] order = module.channel().orElseThrow().order();
      assertThat(gates[order[0]]).isEqualTo(max(gates));
      List<Explanation.FeatureMap> shown = module.channel().orElseThrow().shown();
      assertThat(shown)
          .extracting(Explanation.FeatureMap::channel)
          .containsExactly(
              order[0], order[1], order[2], order[3], order[12], order[13], order[14], order[15]);
      assertThat(shown.get(7).map().values())
          .containsExactly(Values.of(input[0].select(1, order[15])));

      float[] x = Values.of(input[0]);
      float[] y = Values.of(attention.forward(input[0]));
      double cosine = dot(x, y) / Math.sqrt(dot(x, x) * dot(y, y));
      assertThat(module.effect().change()).isCloseTo(Math.sqrt(1 - cosine * cosine), within(1e-4));
      assertThat(module.effect().scale()).isCloseTo(dot(x, y) / dot(x, x), within(1e-5));
      assertThat(module.effect().isNone()).isFalse();
    }
  }

  /** BAM's factor is the one that it applies, {@code y = x * factor}, however it combines its branches. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "bam:reduction=4",
        "bam:reduction=4,combine=add",
        "bam:reduction=4,combine=max",
        "bam:reduction=4,branches=spatial"
      })
  void theFactorOfBamIsTheOneThatItApplies(String attention) {
    try (PointerScope scope = new PointerScope();
        NoGradGuard guard = new NoGradGuard()) {
      Classifier network = network(attention + "@stage:2");
      Tensor image = image();

      Explanation.Module module = Explanation.of(network, image).module("bam2");

      float[][] applied = new float[1][];
      AttentionTrace.of(
          network,
          look -> {
            // Where the input is not nearly 0 each value of the output says what its factor was.
            Tensor small = look.x().abs().lt(new Scalar(1e-3));
            Tensor factors = look.y().div(look.x());
            applied[0] = Values.of(factors.masked_fill(small, new Scalar(Float.NaN)));
          },
          () -> network.forward(image));
      Plane factor = module.spatial().orElseThrow();
      int positions = factor.values().length;
      for (int i = 0; i < positions; i++) {
        double sum = 0;
        int known = 0;
        for (int channel = 0; channel < module.channels(); channel++) {
          float value = applied[0][channel * positions + i];
          sum += Float.isNaN(value) ? 0 : value;
          known += Float.isNaN(value) ? 0 : 1;
        }
        if (known == module.channels()) {
          assertThat(factor.values()[i])
              .isCloseTo((float) (sum / known), within((float) (2 * SUM)));
        }
        assertThat(factor.values()[i]).isBetween(1f, 2f);
      }
      module
          .channel()
          .ifPresent(
              gates -> {
                assertThat(gates.statistics().minimum()).isGreaterThan(1);
                assertThat(gates.statistics().maximum()).isLessThan(2);
              });
    }
  }

  @Test
  void aLayerHasTheModulesInItAndBehindIt() {
    try (PointerScope scope = new PointerScope()) {
      Explanation explanation =
          Explanation.of(
              network("cbam:reduction=4@standard:2,3; bam:reduction=4@stage:2"), image());

      assertThat(explanation.modulesIn("layer2"))
          .extracting(Explanation.Module::name)
          .containsExactly("layer2.0.cbam", "bam2");
      assertThat(explanation.modulesIn("layer3.0")).hasSize(1);
      assertThat(explanation.modulesIn("layer3.0.cbam")).hasSize(1);
      assertThat(explanation.modulesIn("layer1")).isEmpty();
      assertThat(explanation.modulesIn("layer")).isEmpty();
    }
  }

  @Test
  void positionsAttendToOthers() {
    try (PointerScope scope = new PointerScope()) {
      Classifier network = network("nonlocal@after:2.1; dual:reduction=2@stage:3");
      open(network);

      Explanation explanation =
          Explanation.builder(network).point(0.5, 0.2).point(0, 0.999).grid(2000).of(image());

      Affinity affinity = explanation.module("layer2.0.nonlocal_after").affinity().orElseThrow();
      assertThat(affinity.from()).isEqualTo(new Grid(1, 14, 14));
      assertThat(affinity.to()).isEqualTo(new Grid(1, 7, 7)); // keys are subsampled
      assertThat(affinity.rows()).extracting(Row::x).containsExactly(7, 0);
      assertThat(affinity.rows()).extracting(Row::y).containsExactly(2, 13);
      assertThat(affinity.step()).isEqualTo(3); // 5 * 5 * 49 values
      assertThat(affinity.every()).hasSize(25);
      for (Row row : affinity.every()) {
        assertThat(row.values()).hasSize(49);
        assertThat(sum(row.values())).isCloseTo(1, within(SUM));
      }
      assertThat(affinity.every().get(6)).extracting(Row::y, Row::x).containsExactly(3, 3);
      assertThat(sum(affinity.received())).isCloseTo(1, within(SUM));
      assertThat(affinity.entropy()).isBetween(0.0, 1.0);

      Explanation.Module dual = explanation.module("dual3");
      assertThat(dual.kinds()).containsExactlyInAnyOrder(Kind.AFFINITY, Kind.CHANNEL_AFFINITY);
      Explanation.ChannelMatrix matrix = dual.channelAffinity().orElseThrow();
      assertThat(matrix.channels()).isEqualTo(32);
      assertThat(sum(matrix.values())).isCloseTo(32, within(32 * SUM));
      assertThat(dual.affinity().orElseThrow().step()).isEqualTo(2);
    }
  }

  /** GC's positions share one row; gates of channels alone have no map over the positions. */
  @Test
  void allPositionsAttendToTheSame() {
    try (PointerScope scope = new PointerScope()) {
      Classifier network =
          network(
              "gc:reduction=4@stage:2; ge:reduction=4@stage:1; ge:extent=2,reduction=4@stage:3");
      open(network);

      Explanation explanation = Explanation.of(network, image());

      Explanation.Module context = explanation.module("gc2");
      assertThat(context.kinds()).containsExactly(Kind.AFFINITY);
      Affinity affinity = context.affinity().orElseThrow();
      assertThat(affinity.rows()).isNotEmpty();
      for (Row row : affinity.rows()) {
        assertThat(row.values()).hasSameSizeAs(affinity.received());
        for (int i = 0; i < row.values().length; i++) {
          assertThat(row.values()[i]).isCloseTo(affinity.received()[i], within((float) SUM));
        }
      }
      assertThat(explanation.module("ge1").kinds()).containsExactly(Kind.CHANNEL);
      assertThat(explanation.module("ge3").kinds())
          .containsExactlyInAnyOrder(Kind.CHANNEL, Kind.SPATIAL);
    }
  }

  @Test
  void theMostTellingPositionsAreApart() {
    try (PointerScope scope = new PointerScope()) {
      Classifier network = network("nonlocal:subsample=false@after:1.1");

      List<Row> rows =
          Explanation.builder(network)
              .mostInformative(3)
              .of(image())
              .modules()
              .get(0)
              .affinity()
              .orElseThrow()
              .rows();

      assertThat(rows).hasSize(3);
      for (Row a : rows) {
        for (Row b : rows) {
          assertThat(a.equals(b) || Math.hypot(a.x() - b.x(), a.y() - b.y()) >= 7).isTrue();
        }
      }
    }
  }

  @Test
  void attentionThatDoesNothingIsCalledSo() {
    try (PointerScope scope = new PointerScope()) {
      Classifier network = network("pam@head"); // gamma is 0: the identity until trained
      Explanation.Module fresh = Explanation.of(network, image()).modules().get(0);
      assertThat(fresh.effect().isNone()).isTrue();
      assertThat(fresh.effect().scale()).isCloseTo(1, within(1e-6));

      open(network);
      assertThat(Explanation.of(network, image()).modules().get(0).effect().change()).isPositive();
    }
  }

  @Test
  void looksCloselyWhereItIsTold() {
    try (PointerScope scope = new PointerScope()) {
      Classifier network = network("pam@head; se:reduction=4@standard");

      Explanation explanation =
          Explanation.builder(network).detail(Set.of("layer1.0.se")).of(image());

      assertThat(explanation.module("pam_head").affinity()).isEmpty();
      assertThat(explanation.module("layer1.0.se").channel().orElseThrow().shown()).hasSize(8);
      assertThat(explanation.module("layer2.0.se").channel().orElseThrow().shown()).isEmpty();
      assertThatThrownBy(() -> Explanation.builder(network).detail(Set.of("layer1.se")))
          .hasMessageContaining("(did you mean \"layer1.0.se\"?)");
      assertThatThrownBy(() -> explanation.module("x"))
          .hasMessageContaining("unknown attention module");
      assertThatThrownBy(() -> Explanation.builder(network).point(1, 0))
          .hasMessage("expected a point from 0 to below 1, got 1.0, 0.0");
      assertThatThrownBy(() -> Explanation.of(network, torch.randn(2, 1, 28, 28)))
          .hasMessageContaining("expected one image");
    }
  }

  @Test
  void aNetworkWithoutAttentionIsExplainedByItsLayers() {
    try (PointerScope scope = new PointerScope()) {
      Explanation explanation = Explanation.of(network("none"), image());

      assertThat(explanation.modules()).isEmpty();
      assertThat(explanation.stages()).hasSize(3);
    }
  }

  @Test
  void statisticsOfKnownValues() {
    Statistics even = Statistics.of(0.5f, 0.5f, 0.5f, 0.5f);
    assertThat(even.entropy()).isCloseTo(1, within(1e-12));
    assertThat(even.isFlat()).isTrue();
    assertThat(even.deviation()).isZero();

    Statistics one = Statistics.of(0, 1, 0, 0);
    assertThat(one.entropy()).isZero();
    assertThat(one.under()).isEqualTo(0.75);
    assertThat(one.over()).isEqualTo(0.25);
    assertThat(one.mean()).isEqualTo(0.25);
    assertThat(one.isFlat()).isFalse();

    assertThat(Statistics.of(-1, 2).entropy()).isNaN();
    assertThat(Statistics.of(0, 0).entropy()).isNaN();
    assertThat(Statistics.of(3).entropy()).isNaN();
    assertThatThrownBy(Statistics::of).hasMessage("expected at least one value");
  }

  @Property(tries = 200)
  void entropyIsAShareOfTheLargest(
      @ForAll @Size(min = 2, max = 50) List<@FloatRange(min = 0.01f, max = 10) Float> given) {
    float[] values = new float[given.size()];
    for (int i = 0; i < values.length; i++) {
      values[i] = given.get(i);
    }
    Statistics statistics = Statistics.of(values);

    assertThat(statistics.entropy()).isBetween(0.0, 1 + 1e-9);
    assertThat(statistics.mean()).isBetween(statistics.minimum(), statistics.maximum());
    assertThat(statistics.under() + statistics.over()).isBetween(0.0, 1.0);
  }

  private static float max(float[] values) {
    float max = values[0];
    for (float value : values) {
      max = Math.max(max, value);
    }
    return max;
  }

  private static double sum(float[] values) {
    double sum = 0;
    for (float value : values) {
      sum += value;
    }
    return sum;
  }

  private static double dot(float[] a, float[] b) {
    double sum = 0;
    for (int i = 0; i < a.length; i++) {
      sum += (double) a[i] * b[i];
    }
    return sum;
  }
}
