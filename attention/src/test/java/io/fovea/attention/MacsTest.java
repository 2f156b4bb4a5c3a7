package io.fovea.attention;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import io.fovea.tensor.internal.Macs;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Multiply-accumulates, worked out by hand: B = 2 images, C = 8 channels, N = 4 · 6 = 24 positions. */
class MacsTest {
  private static final long B = 2;
  private static final long C = 8;
  private static final long N = 24;
  private static final long HALVED = 6; // positions after subsampling: 2 · 3

  private static void assertMacs(String spec, long expected) {
    try (PointerScope scope = new PointerScope()) {
      Attention module = AttentionSpec.parse(spec).create(C, 2);
      assertThat(Macs.count(() -> module.forward(torch.ones(B, C, 4, 6)))).isEqualTo(expected);
    }
  }

  @Test
  void squeezeExcitation() {
    assertMacs("se:reduction=2", B * (C * 4 + 4 * C));
    assertMacs("se:reduction=16,bias=true", B * (C + C)); // reduced to 1; a bias multiplies nothing
  }

  @Test
  void cbam() {
    long mlp = C * 4 + 4 * C;
    assertMacs(
        "cbam:reduction=2", B * (2 * mlp + N * 2 * 7 * 7)); // the MLP runs on mean and maximum
    assertMacs("cbam:reduction=2,kernel=3", B * (2 * mlp + N * 2 * 3 * 3));
  }

  @Test
  void bam() {
    long channel = C * 4 + 4 * C;
    long spatial = N * (C * 4 + 2 * (4 * 4 * 3 * 3) + 4);
    assertMacs("bam:reduction=2", B * (channel + spatial));
    assertMacs("bam:reduction=2,layers=0,convs=0", B * (C * C + N * (C * 4 + 4)));
    assertMacs("bam:reduction=2,layers=2,convs=0", B * (channel + 4 * 4 + N * (C * 4 + 4)));
  }

  @Test
  void positionAttention() {
    assertMacs("pam:reduction=2", B * pam());
  }

  private static long pam() {
    long projections = N * (C * 4 + C * 4 + C * C);
    return projections + N * N * 4 + N * N * C; // energies, then values
  }

  @Test
  void channelAttention() {
    assertMacs("cam", B * (C * C * N + C * C * N));
  }

  @Test
  void dualAttention() {
    assertMacs("dual:reduction=2", B * (pam() + 2 * C * C * N));
  }

  @Test
  void globalContext() {
    long transform = C * 4 + 4 * C;
    assertMacs("gc:reduction=2", B * (N * C + N * C + transform)); // weights, their sum
    assertMacs("gc:reduction=2,pool=average,fusion=both", B * 2 * transform);
  }

  @Test
  void concurrentSqueezeExcitation() {
    assertMacs("scse:reduction=2", B * (C * 4 + 4 * C + N * C));
  }

  @Test
  void multiScaleAttention() {
    long group = (4 + 6) * 4 * 4 + N * 4 * 4 * 3 * 3 + 2 * N * 4;
    assertMacs("ema:factor=2", B * 2 * group);
  }

  @Test
  void globalAttentionMechanism() {
    assertMacs("gam", B * N * (2 * C * 2 + 2 * C * 2 * 7 * 7));
    assertMacs("gam:reduction=2,groups=2", B * N * (2 * C * 4 + 2 * C * 4 / 2 * 7 * 7));
  }

  @Test
  void gatherExcite() {
    assertMacs("ge:reduction=2", B * 2 * C * 4);
    assertMacs("ge:extent=2,reduction=2", B * HALVED * 2 * C * 4);
    assertMacs("ge:extent=2,parameters=true,mlp=false", B * HALVED * C * 3 * 3);
    assertMacs("ge:parameters=true,mlp=false,size=5", B * C * 5 * 5);
  }

  @ParameterizedTest
  @CsvSource({
    // projections: g, theta, phi and W; then what a pair takes, and what it draws
    "'nonlocal', 4, 4, 6",
    "'nonlocal:bn=false', 4, 4, 6",
    "'nonlocal:subsample=false', 4, 4, 24",
    "'nonlocal:inter=3', 4, 3, 6",
    "'nonlocal:mode=dot_product', 4, 4, 6",
    "'nonlocal:mode=dot_product,subsample=false', 4, 4, 24",
  })
  void nonLocal(String spec, long projections, long inter, long keys) {
    assertMacs(spec, B * (projections * N * C * inter + N * keys * (inter + inter)));
  }

  @Test
  void nonLocalOfTheInputItself() {
    // no theta and no phi; inputs of C channels are compared
    assertMacs("nonlocal:mode=gaussian", B * (2 * N * C * C + N * HALVED * (C + C)));
    assertMacs("nonlocal:mode=gaussian,inter=4", B * (2 * N * C * 4 + N * HALVED * (C + 4)));
  }

  @Test
  void nonLocalByConcatenation() {
    // each query and each key is projected to one number; a pair takes an addition only
    long projected = N * 4 + HALVED * 4;
    assertMacs("nonlocal:mode=concatenation", B * (4 * N * C * 4 + projected + N * HALVED * 4));
  }

  @Test
  void countsWhatRunsInsideOnly() {
    try (PointerScope scope = new PointerScope()) {
      Attention module = AttentionSpec.parse("cam").create(C, 2);
      Runnable run = () -> module.forward(torch.ones(B, C, 4, 6));
      long once = Macs.count(run);
      run.run();
      assertThat(Macs.count(() -> {})).isZero();
      assertThatIllegalArgumentException()
          .isThrownBy(() -> Macs.count(() -> module.forward(torch.ones(1, 1, 1, 1))));
      long[] inner = new long[1];
      long outer =
          Macs.count(
              () -> {
                run.run();
                inner[0] = Macs.count(run);
                run.run();
              });
      assertThat(inner[0]).isEqualTo(once);
      assertThat(outer).as("what is counted inside is counted once").isEqualTo(2 * once);
    }
  }

  @Test
  void trainingAndEvaluationCountTheSame() {
    try (PointerScope scope = new PointerScope()) {
      for (String mechanism : Specs.taking(C)) {
        Attention module = AttentionSpec.parse(mechanism).create(C, 2);
        Runnable run = () -> module.forward(torch.ones(B, C, 4, 6));
        long training = Macs.count(run);
        module.eval();
        assertThat(Macs.count(run)).as(mechanism).isEqualTo(training).isNotNegative();
      }
    }
  }
}
