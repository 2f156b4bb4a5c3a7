package io.fovea.models;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.within;

import io.fovea.models.placement.PlacedAttention;
import io.fovea.models.weights.StateDict;
import io.fovea.tensor.Threads;
import io.fovea.testing.Numeric;
import io.fovea.testing.Rounding;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.Supplier;
import java.util.stream.IntStream;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.MemoryFormat;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Networks fused for inference, beside themselves. */
@Numeric
class FusedNetworkTest {
  @BeforeAll
  static void oneThread() {
    Threads.set(1);
  }

  private static Classifier network(String backbone, String attention) {
    torch.manual_seed(1); // of the images
    Classifier network =
        Classifier.builder(backbone)
            .classes(7)
            .width(backbone.matches("resnet(8|14)") ? 1 : 0.25)
            .attention(PlacedAttention.parseAll(attention))
            .build();
    Filling.fill(network, name -> name);
    network.eval();
    return network;
  }

  private static double difference(Tensor actual, Tensor expected) {
    double largest = expected.abs().max().item_double();
    assertThat(largest).isPositive();
    return actual.sub(expected).abs().max().item_double() / largest;
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          resnet8            | none
          resnet8            | se@standard
          resnet8            | se:squeeze=max@pre
          resnet14           | cbam@standard
          resnet8            | bam
          resnet8            | pam
          resnet8            | cam
          resnet8            | dual
          resnet8            | nonlocal
          resnet8            | nonlocal:mode=concatenation@post
          resnet18           | se@identity; nonlocal@stage:2
          resnet50           | se@standard
          resnet50           | cbam@post
          resnext50          | bam
          googlenet          | none
          googlenet          | se@standard
          mobilenetv3-large  | se:reduction=4,bias=true,excitation=hard_sigmoid,divisor=8@standard
          mobilenetv3-small  | cbam:reduction=4@standard
          resnet18d          | none
          skresnet50         | sk:split=true
          efficientnet_b0    | se:reduction=4,bias=true,of=block,activation=silu
          regnet_y_400mf     | se:reduction=4,bias=true,of=block
          densenet121        | none
          convnextv2_tiny    | grn
          c2d-resnet8        | nonlocal
          i3d-resnet18       | none
          """)
  void givesTheSameScores(String backbone, String attention) {
    try (PointerScope scope = new PointerScope();
        NoGradGuard guard = new NoGradGuard()) {
      Classifier network = network(backbone, attention);
      Tensor x = network.frames() > 0 ? torch.randn(2, 3, 4, 40, 32) : torch.randn(2, 3, 48, 40);
      Tensor one = x.narrow(0, 1, 1);
      Tensor plain = network.forward(x);
      Tensor fusedBoth;
      Tensor fusedOne;
      try (FusedNetwork fused = network.fuse()) {
        fusedBoth = fused.infer(() -> network.forward(x));
        fusedOne = fused.infer(() -> network.forward(one));
      }
      network.to(ScalarType.Double, false);
      Tensor wide = x.to(ScalarType.Double);
      Tensor exact = network.forward(wide);
      // Fifty layers of random weights magnify rounding, of the plain form as of the other.
      double bound = Rounding.byReference(Rounding.error(plain, exact), Rounding.largest(exact));
      Rounding.assertWithin("several images", fusedBoth, exact, bound);
      Rounding.assertWithin("one image", fusedOne, exact.narrow(0, 1, 1), bound);
      try (FusedNetwork fused = network.fuse()) {
        assertThat(difference(fused.infer(() -> network.forward(wide)), exact))
            .as("float64")
            .isLessThan(1e-12);
        Tensor channelsLast = wide.dim() == 4 ? wide.contiguous(MemoryFormat.ChannelsLast) : wide;
        assertThat(difference(fused.infer(() -> network.forward(channelsLast)), exact))
            .as("float64, channels last")
            .isLessThan(1e-12);
      }
    }
  }

  @ParameterizedTest
  @CsvSource({"small,dual", "resnet18,none"})
  void alsoOfSegmentation(String backbone, String head) {
    try (PointerScope scope = new PointerScope();
        NoGradGuard guard = new NoGradGuard()) {
      Segmenter network = Segmenter.builder(backbone).classes(3).head(head).build();
      Filling.fill(network, name -> name);
      network.eval();
      Tensor x = torch.randn(1, 3, 48, 40);
      Tensor expected = network.forward(x).main();
      Tensor actual;
      try (FusedNetwork fused = network.fuse()) {
        actual = fused.infer(() -> network.forward(x).main());
        assertThat(actual.is_contiguous()).isTrue();
      }
      network.to(ScalarType.Double, false);
      Tensor wide = x.to(ScalarType.Double);
      Tensor exact = network.forward(wide).main();
      Rounding.assertAsCloseAs("scores", actual, expected, exact);
      try (FusedNetwork fused = network.fuse()) {
        Tensor inFloat64 = fused.infer(() -> network.forward(wide).main());
        assertThat(difference(inFloat64, exact)).isLessThan(1e-11);
      }
    }
  }

  @Test
  void aGreyImageIsComputedTheSame() {
    try (PointerScope scope = new PointerScope();
        NoGradGuard guard = new NoGradGuard()) {
      Classifier network = Classifier.builder("resnet8").channels(1).classes(4).build();
      Filling.fill(network, name -> name);
      network.eval();
      Tensor x = torch.randn(3, 1, 28, 28);
      Tensor plain = network.forward(x);
      Tensor actual;
      try (FusedNetwork fused = network.fuse()) {
        actual = fused.infer(() -> network.forward(x));
      }
      network.to(ScalarType.Double, false);
      Rounding.assertAsCloseAs("scores", actual, plain, network.forward(x.to(ScalarType.Double)));
    }
  }

  @Test
  void trainingBetweenDoesNotShow() {
    try (PointerScope scope = new PointerScope();
        NoGradGuard guard = new NoGradGuard()) {
      Classifier network = network("resnet8", "se@standard");
      network.to(ScalarType.Double, false);
      Tensor x = torch.randn(2, 3, 32, 32).to(ScalarType.Double);
      Tensor before = network.forward(x);
      FusedNetwork old = network.fuse();
      Map<String, Tensor> state = StateDict.parameters(network);
      state.get("layer1.0.conv1.weight").data().neg_(); // as an optimiser steps
      Tensor after = network.forward(x);
      assertThat(difference(after, before)).isGreaterThan(0.01);
      try (FusedNetwork fused = network.fuse()) {
        assertThat(difference(fused.infer(() -> network.forward(x)), after)).isLessThan(1e-11);
        assertThat(difference(old.infer(() -> network.forward(x)), before)).isLessThan(1e-11);
        assertThat(difference(network.forward(x), after)).as("by itself").isZero();
      }
      old.close();
    }
  }

  @ParameterizedTest
  @CsvSource({
    "resnet8,cbam@standard",
    "googlenet,none",
    "mobilenetv3-small,se:reduction=4@standard",
    "convnext_tiny,none"
  })
  void bfloat16ComesNearAndTrainsFloat32(String backbone, String attention) {
    try (PointerScope scope = new PointerScope()) {
      Classifier network = network(backbone, attention);
      Tensor x = torch.randn(4, 3, 48, 40);
      Tensor expected = network.forward(x).detach();
      // The same in float32 with weights and images of 8 bits: what is computed with 8 bits rounds
      // that, and each of its results, of which the network has many; float32 is much closer.
      Classifier rounded = network(backbone, attention);
      for (ScalarType type : new ScalarType[] {ScalarType.BFloat16, ScalarType.Float}) {
        rounded.to(type, false);
      }
      Tensor reference = rounded.forward(x.to(ScalarType.BFloat16).to(ScalarType.Float)).detach();
      double error = difference(reference, expected);
      network.setPrecision(Precision.BF16);
      Tensor scores = network.forward(x);
      assertThat(scores.scalar_type().intern()).isEqualTo(ScalarType.Float);
      assertThat(difference(scores.detach(), expected)).isBetween(error / 100, 4 * error);
      try (FusedNetwork fused = network.fuse()) {
        Tensor inferred = fused.infer(() -> network.forward(x));
        assertThat(inferred.scalar_type().intern()).isEqualTo(ScalarType.Float);
        assertThat(difference(inferred, expected)).isBetween(error / 100, 4 * error);
      }
      network.train(true);
      network.forward(x).sum().backward();
      StateDict.parameters(network)
          .forEach(
              (name, parameter) -> {
                assertThat(parameter.scalar_type().intern()).as(name).isEqualTo(ScalarType.Float);
                assertThat(parameter.grad().scalar_type().intern())
                    .as("gradient of " + name)
                    .isEqualTo(ScalarType.Float);
              });
      network.setPrecision(Precision.FLOAT32);
      network.eval();
      assertThat(network.forward(x).scalar_type().intern()).isEqualTo(ScalarType.Float);
    }
  }

  @Test
  void nothingStaysBehind() {
    try (PointerScope scope = new PointerScope()) {
      Classifier network = network("resnet8", "se@standard");
      Tensor x = torch.randn(2, 3, 32, 32);
      Tensor one = x.narrow(0, 0, 1);
      long[] counts = new long[2];
      for (int i = 0; i < 10; i++) {
        try (PointerScope inner = new PointerScope();
            FusedNetwork fused = network.fuse()) {
          fused.infer(() -> network.forward(x));
          fused.infer(() -> network.forward(one));
        }
        counts[Math.min(i, 1)] = Pointer.totalCount();
      }
      assertThat(counts[1]).as("native objects").isLessThanOrEqualTo(counts[0]);
    }
  }

  @Test
  void trainingModeIsRefused() {
    try (PointerScope scope = new PointerScope()) {
      Classifier network = network("resnet8", "none");
      FusedNetwork fused = network.fuse();
      network.train(true);
      assertThatIllegalStateException().isThrownBy(network::fuse);
      assertThatIllegalStateException().isThrownBy(() -> fused.infer(() -> null));
      fused.close();
    }
  }

  @Test
  void whoObservesSeesWhatIsComputed() {
    try (PointerScope scope = new PointerScope();
        NoGradGuard guard = new NoGradGuard()) {
      Classifier network = network("resnet8", "cbam@standard");
      Tensor x = torch.randn(1, 3, 32, 32);
      try (FusedNetwork fused = network.fuse()) {
        Supplier<double[]> sums =
            () -> {
              double[] all = new double[3];
              Classifier.observing(
                  (name, output) -> {
                    if (name.matches("layer[1-3]")) {
                      assertThat(output.is_contiguous()).isTrue();
                      all[name.charAt(5) - '1'] =
                          output.to(ScalarType.Double).abs().sum().item_double();
                    }
                  },
                  () -> network.forward(x));
              return all;
            };
        double[] plain = sums.get();
        double[] fusedSums = fused.infer(sums);
        for (int i = 0; i < plain.length; i++) {
          // Of each number as many roundings as there are in a few layers, in no common direction
          assertThat(fusedSums[i] / plain[i]).isCloseTo(1, within(64 * Rounding.UNIT));
        }
      }
    }
  }

  @Test
  void severalThreadsInferAtOnce() throws Exception {
    try (PointerScope scope = new PointerScope()) {
      Classifier network = network("resnet8", "se@standard");
      Tensor x = torch.randn(4, 3, 32, 32);
      FusedNetwork fused = network.fuse();
      Tensor plain;
      try (NoGradGuard guard = new NoGradGuard()) {
        plain = network.forward(x);
      }
      Classifier wide = network("resnet8", "se@standard");
      wide.to(ScalarType.Double, false);
      Tensor exact = wide.forward(x.to(ScalarType.Double));
      double bound = Rounding.byReference(Rounding.error(plain, exact), Rounding.largest(exact));
      ExecutorService pool = Executors.newFixedThreadPool(3);
      try {
        Callable<Double> caller =
            () -> {
              Threads.set(1);
              double worst = 0;
              for (int i = 0; i < 40; i++) { // batches of different sizes, in turn
                int count = 1 + i % 4;
                try (PointerScope inner = new PointerScope();
                    NoGradGuard guard = new NoGradGuard()) {
                  Tensor some = x.narrow(0, 0, count);
                  Tensor scores = fused.infer(() -> network.forward(some));
                  worst = Math.max(worst, Rounding.error(scores, exact.narrow(0, 0, count)));
                }
              }
              return worst;
            };
        List<Callable<Double>> callers = IntStream.range(0, 3).mapToObj(i -> caller).toList();
        for (Future<Double> each : pool.invokeAll(callers)) {
          assertThat(each.get()).isLessThanOrEqualTo(bound);
        }
      } finally {
        pool.shutdown();
      }
      fused.close();
    }
  }
}
