package io.fovea.attention;

import io.fovea.nn.TensorOps;
import io.fovea.testing.Numeric;
import java.util.stream.Stream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Every module against what the reference code computed, in float64 and float32. */
@Numeric
class GoldenTest {
  private static final String WHOLE =
      """
      se_r16          | se                                        | 64 | 2
      se_r4           | se:reduction=4                            | 32 | 2
      cbam            | cbam                                      | 64 | 2
      bam             | bam                                       | 64 | 2
      pam             | pam                                       | 64 | 2
      cam             | cam                                       | 24 | 2
      nonlocal1d      | nonlocal:subsample=false,bn=false         | 16 | 1
      nonlocal1d_bn   | nonlocal:subsample=false                  | 16 | 1
      nonlocal1d_sub  | nonlocal:bn=false                         | 16 | 1
      nonlocal1d_sub_bn | nonlocal                                | 16 | 1
      nonlocal2d      | nonlocal:subsample=false,bn=false         | 16 | 2
      nonlocal2d_bn   | nonlocal:subsample=false                  | 16 | 2
      nonlocal2d_sub  | nonlocal:bn=false                         | 16 | 2
      nonlocal2d_sub_bn | nonlocal                                | 16 | 2
      nonlocal2d_inter | nonlocal:subsample=false,inter=5         | 16 | 2
      nonlocal2d_gaussian | nonlocal:mode=gaussian,inter=8        | 8  | 2
      nonlocal2d_dot_product | nonlocal:mode=dot_product          | 8  | 2
      nonlocal2d_concatenation | nonlocal:mode=concatenation      | 8  | 2
      eca_c4          | eca                                       | 4  | 2
      eca_c16         | eca                                       | 16 | 2
      eca_c64         | eca                                       | 64 | 2
      eca_c128        | eca                                       | 128 | 2
      eca_k3          | eca:kernel=3                              | 8  | 2
      eca_k5          | eca:kernel=5                              | 16 | 2
      ese             | ese                                       | 16 | 2
      ese_avgmax      | ese:pool=avgmax                           | 16 | 2
      gct             | gct                                       | 16 | 2
      gct_l1          | gct:norm=l1                               | 16 | 2
      srm             | srm                                       | 16 | 2
      nam             | nam                                       | 16 | 2
      coord           | coord                                     | 32 | 2
      coord_r2        | coord:reduction=2                         | 32 | 2
      simam           | simam                                     | 8  | 2
      simam_lambda    | simam:lambda=0.1                          | 8  | 2
      triplet         | triplet                                   | 8  | 2
      triplet_two     | triplet:spatial=false                     | 8  | 2
      sge             | sge                                       | 64 | 2
      sge_g4          | sge:groups=4                              | 16 | 2
      lka             | lka                                       | 8  | 2
      nonlocal3d      | nonlocal:subsample=false,bn=false         | 16 | 3
      nonlocal3d_bn   | nonlocal:subsample=false                  | 16 | 3
      nonlocal3d_sub  | nonlocal:bn=false                         | 16 | 3
      nonlocal3d_sub_bn | nonlocal                                | 16 | 3
      """;

  static Stream<Arguments> whole() {
    return WHOLE
        .lines()
        .map(line -> line.split("\\|"))
        .flatMap(
            cell ->
                Stream.of(ScalarType.Double, ScalarType.Float)
                    .map(
                        type ->
                            Arguments.of(
                                cell[0].strip(),
                                cell[1].strip(),
                                Long.parseLong(cell[2].strip()),
                                Integer.parseInt(cell[3].strip()),
                                type)));
  }

  @ParameterizedTest(name = "{0} {4}")
  @MethodSource("whole")
  void agreesWithTheReferenceImplementation(
      String file, String spec, long channels, int dimensions, ScalarType type) {
    try (PointerScope scope = new PointerScope()) {
      Attention module = AttentionSpec.parse(spec).create(channels, dimensions);
      Golden.load(file).verify(module, "", type, module::forward);
    }
  }

  @ParameterizedTest
  @CsvSource({"Double", "Float"})
  void channelHalfOfCbam(ScalarType type) {
    try (PointerScope scope = new PointerScope()) {
      Cbam module = (Cbam) AttentionSpec.parse("cbam").create(64, 2);
      Golden.load("cbam_channel")
          .verify(module, "ca.", type, x -> module.channelGates(TensorOps.PLAIN, x));
    }
  }

  @ParameterizedTest
  @CsvSource({"3,Double", "3,Float", "7,Double", "7,Float"})
  void spatialHalfOfCbam(int kernel, ScalarType type) {
    try (PointerScope scope = new PointerScope()) {
      Cbam module = (Cbam) AttentionSpec.parse("cbam:kernel=" + kernel).create(16, 2);
      Golden.load("cbam_spatial_" + kernel)
          .verify(module, "sa.", type, x -> module.spatialGates(TensorOps.PLAIN, x));
    }
  }

  @ParameterizedTest
  @CsvSource({
    "bam_channel,64,16,1,Double",
    "bam_channel,64,16,1,Float",
    "bam_channel_2,32,4,2,Double",
    "bam_channel_2,32,4,2,Float"
  })
  void channelHalfOfBam(String file, long channels, int reduction, int layers, ScalarType type) {
    try (PointerScope scope = new PointerScope()) {
      Bam module =
          (Bam)
              AttentionSpec.parse("bam:reduction=" + reduction + ",layers=" + layers)
                  .create(channels, 2);
      Golden.load(file)
          .verify(
              module,
              "channel_att.",
              type,
              x -> TensorOps.PLAIN.perChannel(module.channel(TensorOps.PLAIN, x), x).expand_as(x));
    }
  }

  @ParameterizedTest
  @CsvSource({
    "bam_spatial,64,16,2,4,Double",
    "bam_spatial,64,16,2,4,Float",
    "bam_spatial_d2,32,8,3,2,Double",
    "bam_spatial_d2,32,8,3,2,Float"
  })
  void spatialHalfOfBam(
      String file, long channels, int reduction, int convs, int dilation, ScalarType type) {
    try (PointerScope scope = new PointerScope()) {
      Bam module =
          (Bam)
              AttentionSpec.parse(
                      "bam:reduction=%d,convs=%d,dilation=%d".formatted(reduction, convs, dilation))
                  .create(channels, 2);
      Golden.load(file)
          .verify(
              module, "spatial_att.", type, x -> module.spatial(TensorOps.PLAIN, x).expand_as(x));
    }
  }
}
