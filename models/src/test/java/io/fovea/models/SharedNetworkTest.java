package io.fovea.models;

import static org.assertj.core.api.Assertions.assertThat;

import io.fovea.attention.Attention;
import io.fovea.attention.AttentionMaps;
import io.fovea.models.placement.PlacedAttention;
import io.fovea.models.weights.StateDict;
import io.fovea.tensor.Threads;
import io.fovea.testing.Numeric;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * One network in evaluation mode, used by several threads at once in every way that is allowed, in a
 * random order: each thread gets what it would get alone, in float64. And used in ways that are not
 * allowed, which may give wrong numbers, but never damage memory.
 */
@Numeric
class SharedNetworkTest {
  private static final int CALLERS = 4;
  private static final int CALLS = 12;

  /** Sums of some thousand numbers in another order differ by less. */
  private static final double TOLERANCE = 1e-10;

  @BeforeAll
  static void oneThread() {
    Threads.set(1);
  }

  /** What a thread may do with a network that others use. */
  private enum Use {
    FORWARD,
    BACKWARD,
    EXPLAIN,
    FUSED,
    EVAL,
    STATE
  }

  private final AtomicInteger backward = new AtomicInteger();

  /** Does it, and returns the numbers that came of it. */
  private List<double[]> use(Use use, Classifier network, FusedNetwork fused, Tensor images) {
    List<double[]> results = new ArrayList<>();
    switch (use) {
      case FORWARD -> {
        try (NoGradGuard guard = new NoGradGuard()) {
          results.add(values(network.forward(images)));
        }
      }
      case BACKWARD -> { // into the gradients of the parameters, which all threads share
        Tensor own = images.clone().set_requires_grad(true);
        network.forward(own).square().sum().backward();
        backward.incrementAndGet();
        results.add(values(own.grad()));
      }
      case EXPLAIN ->
          network.inEvaluationMode(
              () ->
                  Attention.observing(
                      (attention, x) -> {
                        try (AttentionMaps maps = attention.explain(x)) {
                          maps.channel().ifPresent(gates -> results.add(values(gates)));
                          maps.spatial().ifPresent(gates -> results.add(values(gates)));
                        }
                      },
                      () -> results.add(values(network.forward(images)))));
      case FUSED -> fused.infer(() -> results.add(values(network.forward(images))));
      case EVAL -> network.eval();
      case STATE ->
          StateDict.clones(StateDict.of(network)).values().forEach(t -> results.add(values(t)));
    }
    return results;
  }

  private static double[] values(Tensor tensor) {
    double[] values = new double[(int) tensor.numel()];
    tensor.detach().to(ScalarType.Double).contiguous().data_ptr_double().get(values);
    return values;
  }

  private static void assertClose(String what, List<double[]> actual, List<double[]> expected) {
    assertThat(actual).as(what).hasSameSizeAs(expected);
    for (int i = 0; i < actual.size(); i++) {
      assertClose(what, actual.get(i), expected.get(i), TOLERANCE);
    }
  }

  private static void assertClose(
      String what, double[] actual, double[] expected, double tolerance) {
    double largest = 0;
    double difference = 0;
    for (int i = 0; i < expected.length; i++) {
      largest = Math.max(largest, Math.abs(expected[i]));
      difference = Math.max(difference, Math.abs(actual[i] - expected[i]));
    }
    assertThat(difference).as(what).isLessThanOrEqualTo(tolerance * largest);
  }

  private static Classifier network(String attention) {
    torch.manual_seed(1);
    return Classifier.builder("resnet8")
        .classes(5)
        .width(0.5)
        .attention(PlacedAttention.parseAll(attention))
        .build();
  }

  @ParameterizedTest
  @ValueSource(strings = {"cbam:reduction=4; nonlocal@stage:2", "bam:reduction=4; pam@stage:2"})
  void givesEachThreadWhatItWouldGetAlone(String attention) throws Exception {
    try (PointerScope scope = new PointerScope()) {
      Classifier network = network(attention);
      Filling.fill(network, name -> name);
      network.to(ScalarType.Double, false);
      network.eval();
      Tensor images = torch.randn(2, 3, 16, 16).to(ScalarType.Double);
      FusedNetwork fused = network.fuse();
      Map<Use, List<double[]>> alone = new LinkedHashMap<>();
      for (Use use : Use.values()) {
        alone.put(use, use(use, network, fused, images));
      }
      Map<String, Tensor> one = gradients(network);
      network.zero_grad(true);
      backward.set(0);

      ExecutorService pool = Executors.newFixedThreadPool(CALLERS);
      try {
        List<Callable<Void>> callers = new ArrayList<>();
        for (int caller = 0; caller < CALLERS; caller++) {
          Random random = new Random(caller);
          callers.add(
              () -> {
                Threads.set(1);
                for (int i = 0; i < CALLS; i++) {
                  Use use = Use.values()[random.nextInt(Use.values().length)];
                  try (PointerScope inner = new PointerScope()) {
                    assertClose(use.toString(), use(use, network, fused, images), alone.get(use));
                  }
                }
                return null;
              });
        }
        for (Future<Void> each : pool.invokeAll(callers)) {
          each.get();
        }
      } finally {
        pool.shutdown();
      }
      fused.close();
      gradients(network)
          .forEach(
              (name, sum) ->
                  assertClose(
                      "gradient of " + name,
                      values(sum),
                      values(one.get(name).mul(new Scalar((double) backward.get()))),
                      TOLERANCE));
    }
  }

  /**
   * What belongs to one thread, on several: gradients are computed while others discard them, change
   * modes, freeze parameters and copy the state. The numbers are nobody's, but memory stays whole: each
   * call ends, at worst with an exception of libtorch about what requires a gradient.
   */
  @ParameterizedTest
  @ValueSource(strings = {"cbam:reduction=4", "dual@stage:2"})
  void whatBelongsToOneThreadDamagesNothing(String attention) throws Exception {
    try (PointerScope scope = new PointerScope()) {
      Classifier network = network(attention);
      Tensor images = torch.randn(4, 3, 16, 16);
      Map<String, Tensor> before = StateDict.clones(StateDict.of(network));
      ExecutorService pool = Executors.newFixedThreadPool(CALLERS + 1);
      AtomicBoolean over = new AtomicBoolean();
      try {
        Future<?> meddler = pool.submit(() -> meddle(network, over));
        List<Callable<Void>> callers = new ArrayList<>();
        for (int caller = 0; caller < CALLERS; caller++) {
          callers.add(() -> gradientsAgainAndAgain(network, images));
        }
        for (Future<Void> each : pool.invokeAll(callers)) {
          each.get();
        }
        over.set(true);
        meddler.get();
      } finally {
        over.set(true);
        pool.shutdown();
      }
      StateDict.copy(before, StateDict.of(network));
      network.eval();
      network.zero_grad(true);
      network.forward(images).sum().backward();
      gradients(network).values().forEach(g -> assertThat(g.isfinite().all().item_bool()).isTrue());
    }
  }

  private static void meddle(Classifier network, AtomicBoolean over) {
    Random random = new Random(7);
    while (!over.get()) {
      try (PointerScope scope = new PointerScope()) {
        switch (random.nextInt(5)) {
          case 0 -> network.zero_grad(true);
          case 1 -> network.zero_grad(false);
          case 2 -> network.train(random.nextBoolean());
          case 3 -> StateDict.clones(StateDict.of(network));
          default -> {
            boolean frozen = random.nextBoolean();
            StateDict.parameters(network)
                .forEach((name, parameter) -> parameter.set_requires_grad(!frozen));
          }
        }
      }
    }
    StateDict.parameters(network).forEach((name, parameter) -> parameter.set_requires_grad(true));
  }

  private static Void gradientsAgainAndAgain(Classifier network, Tensor images) {
    Threads.set(1);
    for (int i = 0; i < CALLS; i++) {
      try (PointerScope scope = new PointerScope()) {
        network.forward(images).square().sum().backward();
      } catch (RuntimeException e) {
        assertThat(e)
            .hasMessageContaining("grad"); // that nothing requires one, or that something does
      }
    }
    return null;
  }

  private static Map<String, Tensor> gradients(Classifier network) {
    Map<String, Tensor> gradients = new LinkedHashMap<>();
    StateDict.parameters(network)
        .forEach(
            (name, parameter) -> {
              if (parameter.grad().defined()) {
                gradients.put(name, parameter.grad().clone());
              }
            });
    assertThat(gradients).isNotEmpty();
    return gradients;
  }
}
