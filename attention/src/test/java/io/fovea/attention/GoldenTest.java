package io.fovea.attention;

import static org.assertj.core.api.Assertions.assertThat;

import io.fovea.nn.TensorOps;
import io.fovea.testing.Numeric;
import java.util.stream.Stream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
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
      cbam_residual   | cbam:reduction=4,kernel=5,spatial_bias=true,residual=true | 16 | 2
      cbam_spatial_bias | cbam:reduction=4,spatial_bias=true      | 16 | 2
      bam             | bam                                       | 64 | 2
      pam             | pam                                       | 64 | 2
      cam             | cam                                       | 24 | 2
      cam_plain       | cam:softmax=plain                         | 16 | 2
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
      coord_networks  | coord:names=networks                      | 16 | 2
      simam           | simam                                     | 8  | 2
      simam_lambda    | simam:lambda=0.1                          | 8  | 2
      triplet         | triplet                                   | 8  | 2
      triplet_two     | triplet:spatial=false                     | 8  | 2
      triplet_networks | triplet:names=networks                   | 8  | 2
      sge             | sge                                       | 64 | 2
      sge_g4          | sge:groups=4                              | 16 | 2
      lka             | lka                                       | 8  | 2
      gc              | gc                                        | 64 | 2
      gc_multiply     | gc:reduction=4,fusion=multiply            | 16 | 2
      gc_both_average | gc:reduction=4,pool=average,fusion=both   | 16 | 2
      grn             | grn                                       | 16 | 2
      scse            | scse                                      | 32 | 2
      scse_max        | scse:reduction=2,fusion=max               | 16 | 2
      fca             | fca                                       | 32 | 2
      fca_pooled      | fca                                       | 32 | 2
      fca_low4_14     | fca:reduction=2,frequencies=low4,size=14  | 8  | 2
      fca_bot32       | fca:frequencies=bot32                     | 32 | 2
      fca_top32       | fca:frequencies=top32                     | 32 | 2
      fca_low32       | fca:frequencies=low32                     | 32 | 2
      mlca            | mlca                                      | 16 | 2
      mlca_small      | mlca:weight=0.3                           | 4  | 2
      mlca_learned    | mlca:learned=true                         | 8  | 2
      shuffle         | shuffle                                   | 128 | 2
      shuffle_g4      | shuffle:groups=4                          | 16 | 2
      ema             | ema                                       | 64 | 2
      ema_f4          | ema:factor=4                              | 16 | 2
      gam             | gam                                       | 8  | 2
      gam_sigmoid     | gam:sigmoid=true                          | 8  | 2
      gam_groups      | gam:groups=4                              | 16 | 2
      ela_t           | ela:size=t                                | 32 | 2
      ela_b           | ela                                       | 16 | 2
      ela_s           | ela:size=s                                | 16 | 2
      ela_l           | ela:size=l,groups=4                       | 16 | 2
      polarized       | polarized                                 | 16 | 2
      polarized_sequential | polarized:order=sequential                | 32 | 2
      polarized_paper | polarized:form=paper                      | 16 | 2
      polarized_paper_sequential | polarized:order=sequential,form=paper     | 16 | 2
      ge              | ge                                        | 32 | 2
      ge_mean         | ge:mlp=false                              | 8  | 2
      ge_windows      | ge:extent=4                               | 16 | 2
      ge_convolutions | ge:extent=4,parameters=true,reduction=4   | 16 | 2
      ge_strided      | ge:extent=2,parameters=true,mlp=false     | 8  | 2
      ge_whole        | ge:parameters=true,mlp=false,size=5       | 8  | 2
      external        | external                                  | 8  | 2
      external_memory | external:size=16,block=false              | 8  | 2
      a2              | a2                                        | 16 | 2
      a2_r2           | a2:reduction=2                            | 16 | 2
      crisscross      | crisscross                                | 16 | 2
      crisscross_once | crisscross:recurrence=1                   | 16 | 2
      strip           | strip                                     | 8  | 2
      strip_timm      | strip:form=timm                           | 8  | 2
      strip_timm_k5   | strip:form=timm,kernel=5                  | 8  | 2
      cpca            | cpca                                      | 8  | 2
      cpca_r2         | cpca:reduction=2                          | 8  | 2
      caa             | caa                                       | 8  | 2
      caa_default     | caa:epsilon=0.00001,momentum=0.1          | 8  | 2
      caa_plain       | caa:norm=false,kernel=13                  | 8  | 2
      lsk             | lsk                                       | 8  | 2
      mhsa            | mhsa:size=5x6                             | 16 | 2
      mhsa_h2         | mhsa:heads=2,size=6x4                     | 16 | 2
      mhsa_bot        | mhsa:position=bot,size=5x6                | 16 | 2
      mhsa_none       | mhsa:position=none                        | 16 | 2
      mhsa_relative   | mhsa:position=relative,size=5x6           | 16 | 2
      mhsa_relative_all | mhsa:heads=2,position=relative,scale=all,size=4x6 | 16 | 2
      dnl             | dnl                                       | 8  | 2
      dnl_pairs       | dnl:temperature=1,unary=false,subsample=true | 8 | 2
      dnl_ade         | dnl:temperature=0.1,reduction=4           | 8  | 2
      sk              | sk                                        | 32 | 2
      sk_paths        | sk:paths=3,groups=4                       | 8  | 2
      sk_split        | sk:split=true                             | 16 | 2
      splat           | splat                                     | 8  | 2
      splat_groups    | splat:cardinality=2                       | 8  | 2
      splat_one       | splat:radix=1                             | 8  | 2
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

  /** The buffer that the authors' code makes in float32 is what a new module has. */
  @ParameterizedTest
  @CsvSource({
    "fca_top32,frequencies=top32",
    "fca_low32,frequencies=low32",
    "fca_bot32,frequencies=bot32"
  })
  void cosinesOfANewModule(String file, String frequencies) {
    try (PointerScope scope = new PointerScope()) {
      Attention module = AttentionSpec.parse("fca:" + frequencies).create(32, 2);
      Tensor cosines = Tensors.state(module).get("dct_layer.weight");
      Tensor expected = Golden.load(file).tensor("state/dct_layer.weight");
      assertThat(cosines.to(ScalarType.Double).equal(expected)).isTrue();
    }
  }

  /** In place of a convolution with a stride and a dilation of 2. */
  @ParameterizedTest
  @CsvSource({
    "sk_steps,'sk:groups=8',Double",
    "sk_steps,'sk:groups=8',Float",
    "splat_steps,splat,Double",
    "splat_steps,splat,Float"
  })
  void inPlaceOfAConvolution(String file, String spec, ScalarType type) {
    try (PointerScope scope = new PointerScope()) {
      Attention module = AttentionSpec.parse(spec).create(8, 2, 2, 2);
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
