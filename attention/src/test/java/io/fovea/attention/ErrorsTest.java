package io.fovea.attention;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatNullPointerException;

import io.fovea.errors.SpecException;
import io.fovea.tensor.Threads;
import java.util.List;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Device;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.FieldSource;

/** Every mistake that Java can see is refused in Java, with what was given and what was expected. */
class ErrorsTest {
  static final List<String> MECHANISMS = AttentionSpec.mechanisms();
  static final List<String> WITH_PARAMETERS = Specs.withParameters(4);

  private static Attention create(String spec, long channels, int dimensions) {
    return AttentionSpec.parse(spec).create(channels, dimensions);
  }

  /** Forward and explain refuse {@code x} in the same words, and the module is none the worse. */
  private static void assertRefused(Attention module, Tensor x, String message) {
    assertThatIllegalArgumentException().isThrownBy(() -> module.forward(x)).withMessage(message);
    assertThatIllegalArgumentException().isThrownBy(() -> module.explain(x)).withMessage(message);
    assertThat(module.is_training()).isTrue();
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "cbam | 2 | 8 32 7 7     | expected 64 channels, got [8, 32, 7, 7]",
        "bam  | 2 | 8 1 7 7      | expected 64 channels, got [8, 1, 7, 7]",
        "pam  | 2 | 8 65 7       | expected 64 channels, got [8, 65, 7]",
        "cam  | 2 | 8 7 7 64     | expected 64 channels, got [8, 7, 7, 64]",
        "nonlocal | 3 | 8 32 7 7 7 | expected 64 channels, got [8, 32, 7, 7, 7]",
        "se   | 1 | 8 64         | expected [B, 64, L], got [8, 64]",
        "cbam | 2 | 64 7 7       | expected [B, 64, H, W], got [64, 7, 7]",
        "bam  | 2 | 8 64 7 7 7   | expected [B, 64, H, W], got [8, 64, 7, 7, 7]",
        "nonlocal | 3 | 8 64 7 7 | expected [B, 64, T, H, W], got [8, 64, 7, 7]",
        "pam  | 2 | 8 64         | expected [B, 64, spatial...], got [8, 64]",
        "cam  | 3 | 64           | expected [B, 64, spatial...], got [64]",
        "dual | 1 | ''           | expected [B, 64, spatial...], got []",
        "se   | 2 | 0 64 7 7     | expected at least one value in each dimension, got [0, 64, 7, 7]",
        "dual | 2 | 8 64 0 7     | expected at least one value in each dimension, got [8, 64, 0, 7]",
      })
  void shapes(String mechanism, int dimensions, String sizes, String message) {
    try (PointerScope scope = new PointerScope()) {
      long[] shape =
          List.of(sizes.split(" ")).stream()
              .filter(size -> !size.isEmpty())
              .mapToLong(Long::parseLong)
              .toArray();
      assertRefused(
          create(mechanism, 64, dimensions), torch.zeros(shape), mechanism + ": " + message);
    }
  }

  @ParameterizedTest
  @FieldSource("WITH_PARAMETERS")
  void tensors(String mechanism) {
    try (PointerScope scope = new PointerScope()) {
      Attention module = create(mechanism, 4, 2);
      Tensor good = torch.ones(2, 4, 3, 3);
      Tensor closed = torch.ones(2, 4, 3, 3);
      closed.close();
      assertRefused(module, null, mechanism + ": expected a tensor, got null");
      assertRefused(
          module, new Tensor(), mechanism + ": expected a tensor, got an undefined tensor");
      assertRefused(module, closed, mechanism + ": expected a tensor, got an undefined tensor");
      assertRefused(
          module, good.to_sparse(), mechanism + ": expected a dense tensor, got layout Sparse");
      for (ScalarType type :
          List.of(ScalarType.Int, ScalarType.Byte, ScalarType.Bool, ScalarType.ComplexFloat)) {
        assertRefused(
            module, good.to(type), mechanism + ": expected a floating point tensor, got " + type);
      }
      for (ScalarType type : List.of(ScalarType.Double, ScalarType.Half)) {
        assertRefused(
            module,
            good.to(type),
            mechanism
                + ": the parameters are Float, the input is "
                + type
                + "; convert one of them with to()");
      }
      assertRefused(
          module,
          good.to(new Device("meta"), ScalarType.Float),
          mechanism + ": the parameters are on cpu, the input is on meta");
      assertThat(module.forward(good).shape()).isEqualTo(good.shape());
    }
  }

  @ParameterizedTest
  @FieldSource("MECHANISMS")
  void sizes(String mechanism) {
    try (PointerScope scope = new PointerScope()) {
      for (long channels : new long[] {0, -1, Long.MIN_VALUE}) {
        assertThatIllegalArgumentException()
            .isThrownBy(() -> create(mechanism, channels, 2))
            .withMessage(mechanism + ": channels must be at least 1, got " + channels);
      }
      for (int dimensions : new int[] {0, 4, -1, Integer.MAX_VALUE}) {
        assertThatIllegalArgumentException()
            .isThrownBy(() -> create(mechanism, 4, dimensions))
            .withMessage(mechanism + ": spatial dimensions must be 1, 2 or 3, got " + dimensions);
      }
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "se:reduction=0 | se: reduction must be at least 1, got 0",
        "cbam:reduction=-4 | cbam: reduction must be at least 1, got -4",
        "bam:reduction=0 | bam: reduction must be at least 1, got 0",
        "pam:reduction=0 | pam: reduction must be at least 1, got 0",
        "dual:reduction=-1 | dual: reduction must be at least 1, got -1",
        "cbam:kernel=6 | cbam: kernel must be odd and at least 1, got 6",
        "cbam:kernel=0 | cbam: kernel must be odd and at least 1, got 0",
        "cbam:kernel=-3 | cbam: kernel must be odd and at least 1, got -3",
        "cbam:kernel=seven | cbam: kernel must be a whole number, got \"seven\"",
        "cbam:kernel=7.0 | cbam: kernel must be a whole number, got \"7.0\"",
        "cbam:kernel= | cbam: kernel must be a whole number, got \"\"",
        "se:reduction=99999999999 | se: reduction must be a whole number, got \"99999999999\"",
        "se:bias=yes | se: bias must be true or false, got \"yes\"",
        "cbam:bias=TRUE | cbam: bias must be true or false, got \"TRUE\"",
        "se:squeeze=mean | se: squeeze must be one of avg, max, avgmax, got \"mean\"",
        "se:excitation=Sigmoid"
            + " | se: excitation must be one of sigmoid, relu, tanh, hard_sigmoid, got \"Sigmoid\"",
        "bam:combine=sum | bam: combine must be one of multiply, add, max, got \"sum\"",
        "bam:layers=-1 | bam: layers must be at least 0, got -1",
        "bam:convs=-1 | bam: convs must be at least 0, got -1",
        "bam:dilation=0 | bam: dilation must be at least 1, got 0",
        "nonlocal:mode=gausian | nonlocal: mode must be one of gaussian, embedded_gaussian,"
            + " dot_product, concatenation, got \"gausian\"",
        "se:divisor=0 | se: divisor must be at least 1, got 0",
        "cbam:order=parallel,branches=channel | cbam: order has no effect"
            + " with branches=channel; remove one of the two",
        "cbam:branches=channel,kernel=3 | cbam: kernel has no effect with"
            + " branches=channel; remove one of the two",
        "cbam:branches=channel,norm=true | cbam: norm has no effect with"
            + " branches=channel; remove one of the two",
        "cbam:norm=1 | cbam: norm must be true or false, got \"1\"",
        "cbam:branches=channel,spatial_pool=max | cbam: spatial_pool has no"
            + " effect with branches=channel; remove one of the two",
        "cbam:branches=spatial,reduction=8 | cbam: reduction has no effect"
            + " with branches=spatial; remove one of the two",
        "bam:combine=add,branches=spatial | bam: combine has no effect with"
            + " branches=spatial; remove one of the two",
        "bam:dilation=2,branches=channel | bam: dilation has no effect with"
            + " branches=channel; remove one of the two",
        "nonlocal:mode=concatenation,scale=true | nonlocal: scale has no"
            + " effect with mode=concatenation; remove one of the two",
        "nonlocal:inter=0 | nonlocal: inter must be at least 1, got 0",
        "nonlocal:inter=x | nonlocal: inter must be half, all or a whole number, got \"x\"",
        "se:reduction=4,bias=true,reduction=8"
            + " | se: option \"reduction\" is given twice in \"se:reduction=4,bias=true,reduction=8\"",
        "cbam:kernel | cbam: expected option=value, got \"kernel\" in \"cbam:kernel\"",
        "cbam: | cbam: expected option=value, got \"\" in \"cbam:\"",
        "cbam:kernel=3, | cbam: expected option=value, got \"\" in \"cbam:kernel=3,\"",
        "cbam:kernel=3;bias=true | cbam: kernel must be a whole number, got \"3;bias=true\"",
        "fca:frequencies=top3 | fca: frequencies must be top, low or bot with 1, 2, 4, 8, 16 or 32,"
            + " such as top16, got \"top3\"",
        "fca:size=6 | fca: size must be at least 7, got 6",
        "gc:fusion=sum | gc: fusion must be one of add, multiply, both, got \"sum\"",
        "ela:size=xl | ela: size must be one of t, b, s, l, got \"xl\"",
        "ge:extent=3 | ge: extent must be 0 or a power of 2, at least 2, got 3",
        "ge:extent=1 | ge: extent must be 0 or a power of 2, at least 2, got 1",
        "ge:extent=-2 | ge: extent must be 0 or a power of 2, at least 2, got -2",
        "ge:mlp=false,reduction=4 | ge: reduction has no effect with mlp=false;"
            + " remove one of the two",
        "ge:size=5 | ge: size has no effect with parameters=false; remove one of the two",
      })
  void values(String spec, String message) {
    assertThatExceptionOfType(SpecException.class)
        .isThrownBy(() -> AttentionSpec.parse(spec))
        .withMessage(message);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "cbam:kernal=7 | cbam: unknown option: \"kernal\" | kernel | reduction, bias, kernel, norm,"
            + " spatial_bias, pool, spatial_pool, order, branches, residual",
        "se:Bias=true | se: unknown option: \"Bias\" | bias | reduction, bias, squeeze, excitation,"
            + " divisor, of, activation",
        "nonlocal:sub_sample=true | nonlocal: unknown option: \"sub_sample\" | subsample"
            + " | mode, subsample, bn, inter, scale",
        "bam:=3 | bam: unknown option: \"\" | | reduction, layers, dilation, convs, combine, branches",
        "pam:temperature=3 | pam: unknown option: \"temperature\" | | reduction",
        "nam:reduction=8 | nam: unknown option: \"reduction\" | |",
        "cbma | unknown mechanism: \"cbma\" | cbam | *",
        "non-local:bn=true | unknown mechanism: \"non-local\" | nonlocal" + " | *",
        "CAM | unknown mechanism: \"CAM\" | | *",
        "transformer | unknown mechanism: \"transformer\" | | *",
        "'' | unknown mechanism: \"\" | | *",
        "' ' | unknown mechanism: \"\" | | *",
        ":kernel=7 | unknown mechanism: \"\" | | *",
      })
  void names(String spec, String message, String nearest, String known) {
    assertThatExceptionOfType(SpecException.class)
        .isThrownBy(() -> AttentionSpec.parse(spec))
        .withMessageStartingWith(message)
        .satisfies(
            e -> {
              if (nearest == null) {
                assertThat(e).hasMessageNotContaining("did you mean");
              } else {
                assertThat(e).hasMessageContaining("did you mean \"" + nearest + "\"?");
              }
              assertThat(e)
                  .hasMessageEndingWith(
                      known == null
                          ? "none is available"
                          : "available: " + known.replace("*", String.join(", ", MECHANISMS)));
            });
  }

  @Test
  void noText() {
    assertThatNullPointerException()
        .isThrownBy(() -> AttentionSpec.parse(null))
        .withMessage("text");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "cbam:kernel=6 | cbam: kernel must be odd and at least 1, got 6",
        "cbam:reduction=0 | cbam: reduction must be at least 1, got 0",
        "nonlocal:inter=0 | nonlocal: inter must be at least 1, got 0",
        "dual:reduction=0 | dual: reduction must be at least 1, got 0",
        "nonlocal:mode=concatenation,scale=true | nonlocal: scale has no"
            + " effect with mode=concatenation; remove one of the two"
      })
  void valuesOutOfRange(String spec, String message) {
    assertThatExceptionOfType(SpecException.class)
        .isThrownBy(() -> AttentionSpec.parse(spec))
        .withMessage(message);
  }

  @Test
  void channelsAndDimensions() {
    assertRefused(() -> create("pam", 4, 4), "pam: spatial dimensions must be 1, 2 or 3, got 4");
    assertRefused(() -> create("cam", 0, 2), "cam: channels must be at least 1, got 0");
  }

  /** Widths that do not divide are refused with what would fit. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "sge | 6 | sge: groups=64 does not divide the 6 channels; 1, 2, 3, 6 do",
        "shuffle | 64 | shuffle: groups=64 times 2 does not divide the 64 channels;"
            + " 1, 2, 4, 8, 16, 32 do",
        "shuffle | 7 | shuffle: groups=64 times 2 does not divide the 7 channels;"
            + " no value does, because 2 does not",
        "ema | 16 | ema: factor=32 does not divide the 16 channels; 1, 2, 4, 8, 16 do",
        "fca | 8 | fca: frequencies=top16 does not divide the 8 channels;"
            + " top1, top2, top4, top8 do",
        "ela | 8 | ela: groups=16 does not divide the 8 channels; 1, 2, 4, 8 do",
        "ela:size=l | 12 | ela: size=l has groups of 8 channels, and 8 does not divide the 12"
            + " channels; sizes t and b would fit",
        "gam:groups=4 | 8 | gam: groups=4 does not divide the 8 channels and the 2 reduced ones;"
            + " 1, 2 do",
      })
  void widths(String spec, long channels, String message) {
    assertRefused(() -> create(spec, channels, 2), message);
  }

  @Test
  void threads() {
    assertRefused(() -> Threads.set(0), "the number of threads must be from 1 to 1024, got 0");
    assertRefused( // libtorch would crash
        () -> Threads.set(50_000), "the number of threads must be from 1 to 1024, got 50000");
  }

  private static void assertRefused(Runnable body, String message) {
    assertThatIllegalArgumentException().isThrownBy(body::run).withMessage(message);
  }

  /** What is too large for any machine is libtorch's to say; it must say so, not die. */
  @ParameterizedTest
  @CsvSource({
    "'cbam:kernel=2147483647', 4",
    "'nonlocal:inter=9223372036854775807', 4",
    "se, 9223372036854775807",
    "pam, 9223372036854775807"
  })
  void tooLarge(String spec, long channels) {
    try (PointerScope scope = new PointerScope()) {
      assertThatExceptionOfType(RuntimeException.class)
          .isThrownBy(() -> create(spec, channels, 3))
          .withMessageContaining("overflow");
    }
  }
}
