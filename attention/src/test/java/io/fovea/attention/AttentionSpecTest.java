package io.fovea.attention;

import static org.assertj.core.api.Assertions.assertThat;

import io.fovea.errors.SpecException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import org.bytedeco.javacpp.PointerScope;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Specs as text and as values, and what they make. */
class AttentionSpecTest {
  /** Any of the options with any of their values, in any order. */
  @Provide
  Arbitrary<String> specs() {
    return Arbitraries.of(Mechanism.all())
        .flatMap(
            mechanism ->
                Arbitraries.shuffle(mechanism.options())
                    .flatMap(
                        options ->
                            Combinators.combine(
                                    options.stream()
                                        .map(
                                            option ->
                                                Arbitraries.of(option.samples()).injectNull(0.4))
                                        .toList())
                                .as(values -> text(mechanism.name(), options, values))))
        .filter(text -> !contradictory(text));
  }

  /** Whether an option would be without effect beside another, which is refused. */
  private static boolean contradictory(String text) {
    try {
      AttentionSpec.parse(text);
      return false;
    } catch (SpecException e) {
      assertThat(e).hasMessageMatching(".* has no effect with .*; remove one of the two");
      return true;
    }
  }

  private static String text(String mechanism, List<Option<?>> options, List<String> values) {
    List<String> given = new ArrayList<>();
    for (int i = 0; i < options.size(); i++) {
      if (values.get(i) != null) {
        given.add(options.get(i) + "=" + values.get(i));
      }
    }
    return given.isEmpty() ? mechanism : mechanism + ":" + String.join(",", given);
  }

  @Property(tries = 500)
  void textRoundTrips(@ForAll("specs") String text) {
    AttentionSpec spec = AttentionSpec.parse(text);
    AttentionSpec again = AttentionSpec.parse(spec.toString());
    assertThat(again).isEqualTo(spec).hasSameHashCodeAs(spec).hasToString(spec.toString());
    assertThat(again.options()).isEqualTo(spec.options());
  }

  @Property(tries = 100)
  void modulesKnowTheirSpec(@ForAll("specs") String text, @ForAll("dimensions") int dimensions) {
    try (PointerScope scope = new PointerScope()) {
      AttentionSpec spec = AttentionSpec.parse(text);
      Attention module;
      try {
        module = spec.create(6, dimensions);
      } catch (IllegalArgumentException e) { // groups do not divide 6, or it is for images alone
        assertThat(e).hasMessageMatching(".* does not divide .*|.*equation is defined for.*");
        return;
      }
      assertThat(module.spec()).isEqualTo(spec).hasSameHashCodeAs(spec);
      assertThat(module.channels()).isEqualTo(6);
      Attention again = module.spec().create(6, dimensions);
      assertThat(Tensors.state(again).keySet()).isEqualTo(Tensors.state(module).keySet());
    }
  }

  @Provide
  Arbitrary<Integer> dimensions() {
    return Arbitraries.integers().between(1, 3);
  }

  @Test
  void mechanismsInTheOrderOfTheDocumentation() {
    assertThat(AttentionSpec.mechanisms())
        .startsWith("se", "cbam", "bam", "pam", "cam", "dual", "nonlocal")
        .doesNotHaveDuplicates();
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "se       | reduction=16, bias=false, squeeze=avg, excitation=sigmoid, divisor=1,"
            + " of=map, activation=relu",
        "cbam     | reduction=16, bias=false, kernel=7, norm=false, spatial_bias=false, pool=avgmax,"
            + " spatial_pool=avgmax, order=channel_first, branches=both, residual=false",
        "bam      | reduction=16, layers=1, dilation=4, convs=2, combine=multiply, branches=both",
        "pam      | reduction=8",
        "cam      | softmax=reversed",
        "dual     | reduction=8",
        "nonlocal | mode=embedded_gaussian, subsample=true, bn=true, inter=half, scale=false",
        "eca      | kernel=auto, bias=false",
      })
  void defaults(String mechanism, String options) {
    AttentionSpec spec = AttentionSpec.parse(mechanism);
    assertThat(spec.mechanism().name()).isEqualTo(mechanism);
    assertThat(spec.options()).hasToString("{" + options + "}");
    assertThat(spec).hasToString(mechanism);
    String spelledOut = mechanism + ":" + options.replace(" ", "");
    assertThat(options.isEmpty() ? spec : AttentionSpec.parse(spelledOut)).isEqualTo(spec);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "cbam:reduction=8,kernel=7 | cbam:reduction=8",
        "cbam:kernel=3,reduction=8 | cbam:reduction=8,kernel=3",
        "' se : bias = true , reduction = 4 ' | se:reduction=4,bias=true",
        "se:reduction=+04 | se:reduction=4",
        "bam:combine=multiply,layers=1 | bam",
        "nonlocal:bn=true,inter=half | nonlocal",
        "nonlocal:inter=016 | nonlocal:inter=16",
        "'nonlocal:mode=gaussian,inter=all' | nonlocal:mode=gaussian",
        "'nonlocal:mode=gaussian,inter=half' | 'nonlocal:mode=gaussian,inter=half'",
        "'nonlocal:inter=half,mode=gaussian' | 'nonlocal:mode=gaussian,inter=half'",
        "nonlocal:inter=all | nonlocal:inter=all",
        "'cbam:pool=max,spatial_pool=max' | cbam:pool=max",
        "'cbam:spatial_pool=avgmax,pool=max' | 'cbam:pool=max,spatial_pool=avgmax'",
        "'cbam:branches=spatial,spatial_pool=conv' | 'cbam:spatial_pool=conv,branches=spatial'",
        "nonlocal:mode=dot_product | nonlocal:mode=dot_product",
      })
  void textShowsWhatDiffersFromTheDefaults(String given, String shown) {
    assertThat(AttentionSpec.parse(given)).hasToString(shown);
  }

  @Test
  void differentSpecsDiffer() {
    assertThat(AttentionSpec.parse("pam")).isNotEqualTo(AttentionSpec.parse("dual"));
    assertThat(AttentionSpec.parse("cbam")).isNotEqualTo(AttentionSpec.parse("cbam:kernel=3"));
    assertThat(AttentionSpec.parse("cbam")).isNotEqualTo(null).isNotEqualTo("cbam");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "se | reduction | 4 | se:reduction=4",
        "se:reduction=4 | bias | true | se:reduction=4,bias=true",
        "se:excitation=tanh | excitation | HARD_SIGMOID | se:excitation=hard_sigmoid",
        "se:reduction=4 | reduction | 16 | se",
        "cbam | pool | avg | cbam:pool=avg,spatial_pool=avgmax",
        "nonlocal:mode=gaussian | inter | 3 | nonlocal:mode=gaussian,inter=3"
      })
  void anotherValueOfAnOption(String spec, String option, String value, String expected) {
    try (PointerScope scope = new PointerScope()) {
      AttentionSpec changed = AttentionSpec.parse(spec).with(option, value);
      assertThat(changed).hasToString(expected).isEqualTo(AttentionSpec.parse(expected));
      assertSpec(changed.create(8, 2), expected);
    }
  }

  @Test
  void eachMechanismSaysWhatItIs() {
    for (Mechanism mechanism : Mechanism.all()) {
      assertThat(mechanism.title()).isNotBlank();
      assertThat(mechanism.summary()).isNotBlank();
      assertThat(mechanism.paper()).matches("[0-9]{4}\\.[0-9]{5}|https://.*");
      assertThat(mechanism.shows()).isNotEmpty();
      assertThat(mechanism.spec()).hasToString(mechanism.name());
      assertThat(mechanism.options())
          .allSatisfy(option -> assertThat(option.description()).isNotBlank());
    }
  }

  private static void assertSpec(Attention module, String text) {
    AttentionSpec spec = AttentionSpec.parse(text);
    assertThat(module.spec()).isEqualTo(spec).hasSameHashCodeAs(spec).hasToString(spec.toString());
  }

  /** In RegNetY's and EfficientNet's blocks, the reduced width is a part of the channels that enter. */
  @Test
  void aReductionMayBeOfTheBlocksChannels() {
    AttentionSpec spec = AttentionSpec.parse("se:reduction=4,of=block");
    try (PointerScope scope = new PointerScope()) {
      Attention inBlock = spec.createInBlock(48, 2, 8);
      assertThat(inBlock.parameters().get(0).shape()).containsExactly(2, 48);
      assertThat(spec.create(48, 2).parameters().get(0).shape()).containsExactly(12, 48);
    }
  }

  /** The names that the reference implementation's PyTorch code gives its parameters, and their shapes. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "se:reduction=2 | fc.0.weight [4, 8], fc.2.weight [8, 4]",
        "se:reduction=2,bias=true | fc.0.bias [4], fc.0.weight [4, 8], fc.2.bias [8],"
            + " fc.2.weight [8, 4]",
        "cbam | ca.sharedMLP.0.weight [1, 8, 1, 1], ca.sharedMLP.2.weight [8, 1, 1, 1],"
            + " sa.conv.weight [1, 2, 7, 7]",
        "se:reduction=4,divisor=8 | fc.0.weight [8, 8], fc.2.weight [8, 8]",
        "cbam:branches=channel | ca.sharedMLP.0.weight [1, 8, 1, 1],"
            + " ca.sharedMLP.2.weight [8, 1, 1, 1]",
        "cbam:branches=spatial,pool=max | sa.conv.weight [1, 1, 7, 7]",
        "cbam:branches=spatial,spatial_pool=conv | sa.conv.weight [1, 1, 7, 7],"
            + " sa.reduce.weight [1, 8, 1, 1]",
        "cbam:bias=true,norm=true | ca.sharedMLP.0.bias [1], ca.sharedMLP.0.weight [1, 8, 1, 1],"
            + " ca.sharedMLP.2.bias [8], ca.sharedMLP.2.weight [8, 1, 1, 1], sa.bn.bias [1],"
            + " sa.bn.weight [1], sa.conv.weight [1, 2, 7, 7]",
        "bam:layers=0,reduction=2,branches=channel | channel_att.gate_c.gate_c_fc_final.bias [8],"
            + " channel_att.gate_c.gate_c_fc_final.weight [8, 8]",
        "cbam:bias=true,kernel=3 | ca.sharedMLP.0.bias [1], ca.sharedMLP.0.weight [1, 8, 1, 1],"
            + " ca.sharedMLP.2.bias [8], ca.sharedMLP.2.weight [8, 1, 1, 1],"
            + " sa.conv.weight [1, 2, 3, 3]",
        "bam:layers=0,convs=0,reduction=2 | channel_att.gate_c.gate_c_fc_final.bias [8],"
            + " channel_att.gate_c.gate_c_fc_final.weight [8, 8],"
            + " spatial_att.gate_s.gate_s_bn_reduce0.bias [4],"
            + " spatial_att.gate_s.gate_s_bn_reduce0.weight [4],"
            + " spatial_att.gate_s.gate_s_conv_final.bias [1],"
            + " spatial_att.gate_s.gate_s_conv_final.weight [1, 4, 1, 1],"
            + " spatial_att.gate_s.gate_s_conv_reduce0.bias [4],"
            + " spatial_att.gate_s.gate_s_conv_reduce0.weight [4, 8, 1, 1]",
        "bam:layers=2,convs=1,reduction=2 | channel_att.gate_c.gate_c_bn_1.bias [4],"
            + " channel_att.gate_c.gate_c_bn_1.weight [4],"
            + " channel_att.gate_c.gate_c_bn_2.bias [4],"
            + " channel_att.gate_c.gate_c_bn_2.weight [4],"
            + " channel_att.gate_c.gate_c_fc_0.bias [4],"
            + " channel_att.gate_c.gate_c_fc_0.weight [4, 8],"
            + " channel_att.gate_c.gate_c_fc_1.bias [4],"
            + " channel_att.gate_c.gate_c_fc_1.weight [4, 4],"
            + " channel_att.gate_c.gate_c_fc_final.bias [8],"
            + " channel_att.gate_c.gate_c_fc_final.weight [8, 4],"
            + " spatial_att.gate_s.gate_s_bn_di_0.bias [4],"
            + " spatial_att.gate_s.gate_s_bn_di_0.weight [4],"
            + " spatial_att.gate_s.gate_s_bn_reduce0.bias [4],"
            + " spatial_att.gate_s.gate_s_bn_reduce0.weight [4],"
            + " spatial_att.gate_s.gate_s_conv_di_0.bias [4],"
            + " spatial_att.gate_s.gate_s_conv_di_0.weight [4, 4, 3, 3],"
            + " spatial_att.gate_s.gate_s_conv_final.bias [1],"
            + " spatial_att.gate_s.gate_s_conv_final.weight [1, 4, 1, 1],"
            + " spatial_att.gate_s.gate_s_conv_reduce0.bias [4],"
            + " spatial_att.gate_s.gate_s_conv_reduce0.weight [4, 8, 1, 1]",
        "pam | gamma [1], key_conv.bias [1], key_conv.weight [1, 8, 1, 1], query_conv.bias [1],"
            + " query_conv.weight [1, 8, 1, 1], value_conv.bias [8],"
            + " value_conv.weight [8, 8, 1, 1]",
        "cam | gamma [1]",
        "dual | cam.gamma [1], pam.gamma [1], pam.key_conv.bias [1],"
            + " pam.key_conv.weight [1, 8, 1, 1], pam.query_conv.bias [1],"
            + " pam.query_conv.weight [1, 8, 1, 1], pam.value_conv.bias [8],"
            + " pam.value_conv.weight [8, 8, 1, 1]",
        "nonlocal | W.0.bias [8], W.0.weight [8, 4, 1, 1], W.1.bias [8], W.1.weight [8],"
            + " g.0.bias [4], g.0.weight [4, 8, 1, 1], phi.0.bias [4], phi.0.weight [4, 8, 1, 1],"
            + " theta.bias [4], theta.weight [4, 8, 1, 1]",
        "nonlocal:subsample=false,mode=dot_product | W.0.bias [8], W.0.weight [8, 4, 1, 1],"
            + " W.1.bias [8], W.1.weight [8], g.bias [4], g.weight [4, 8, 1, 1], phi.bias [4],"
            + " phi.weight [4, 8, 1, 1], theta.bias [4], theta.weight [4, 8, 1, 1]",
        "nonlocal:bn=false,mode=gaussian | W.bias [8], W.weight [8, 8, 1, 1], g.0.bias [8],"
            + " g.0.weight [8, 8, 1, 1]",
        "nonlocal:bn=false,subsample=false,mode=concatenation,inter=3 | W.bias [8],"
            + " W.weight [8, 3, 1, 1], concat_project.0.weight [1, 6, 1, 1], g.bias [3],"
            + " g.weight [3, 8, 1, 1], phi.bias [3], phi.weight [3, 8, 1, 1], theta.bias [3],"
            + " theta.weight [3, 8, 1, 1]",
        "gc:reduction=2 | channel_add_conv.0.bias [4], channel_add_conv.0.weight [4, 8, 1, 1],"
            + " channel_add_conv.1.bias [4, 1, 1], channel_add_conv.1.weight [4, 1, 1],"
            + " channel_add_conv.3.bias [8], channel_add_conv.3.weight [8, 4, 1, 1],"
            + " conv_mask.bias [1], conv_mask.weight [1, 8, 1, 1]",
        "gc:reduction=4,pool=average,fusion=multiply | channel_mul_conv.0.bias [2],"
            + " channel_mul_conv.0.weight [2, 8, 1, 1], channel_mul_conv.1.bias [2, 1, 1],"
            + " channel_mul_conv.1.weight [2, 1, 1], channel_mul_conv.3.bias [8],"
            + " channel_mul_conv.3.weight [8, 2, 1, 1]",
        "grn | beta [1, 1, 1, 8], gamma [1, 1, 1, 8]",
        "scse:reduction=2 | cSE.1.bias [4], cSE.1.weight [4, 8, 1, 1], cSE.3.bias [8],"
            + " cSE.3.weight [8, 4, 1, 1], sSE.0.bias [1], sSE.0.weight [1, 8, 1, 1]",
        "scse:reduction=4,bias=false,relu=false | cSE.1.weight [2, 8, 1, 1],"
            + " cSE.3.weight [8, 2, 1, 1], sSE.0.weight [1, 8, 1, 1]",
        "fca:reduction=2,frequencies=top8 | fc.0.weight [4, 8], fc.2.weight [8, 4]",
        "mlca | conv.weight [1, 1, 3], conv_local.weight [1, 1, 3]",
        "mlca:learned=true | conv.weight [1, 1, 3], conv_local.weight [1, 1, 3], local_weight [1]",
        "shuffle:groups=2 | cbias [1, 2, 1, 1], cweight [1, 2, 1, 1], gn.bias [2], gn.weight [2],"
            + " sbias [1, 2, 1, 1], sweight [1, 2, 1, 1]",
        "ema:factor=2 | conv1x1.bias [4], conv1x1.weight [4, 4, 1, 1], conv3x3.bias [4],"
            + " conv3x3.weight [4, 4, 3, 3], gn.bias [4], gn.weight [4]",
        "gam | channel_attention.0.bias [2], channel_attention.0.weight [2, 8],"
            + " channel_attention.2.bias [8], channel_attention.2.weight [8, 2],"
            + " spatial_attention.0.bias [2], spatial_attention.0.weight [2, 8, 7, 7],"
            + " spatial_attention.1.bias [2], spatial_attention.1.weight [2],"
            + " spatial_attention.3.bias [8], spatial_attention.3.weight [8, 2, 7, 7],"
            + " spatial_attention.4.bias [8], spatial_attention.4.weight [8]",
        "ela:groups=4 | conv.weight [8, 1, 7], gn.bias [8], gn.weight [8]",
        "ela:size=s,groups=4 | conv.weight [8, 8, 5], gn.bias [8], gn.weight [8]",
        "polarized | conv_q_left.weight [4, 8, 1, 1], conv_q_right.weight [1, 8, 1, 1],"
            + " conv_up.weight [8, 4, 1, 1], conv_v_left.weight [4, 8, 1, 1],"
            + " conv_v_right.weight [4, 8, 1, 1]",
        "ge:extent=4,parameters=true,reduction=4 | gather.conv1.weight [8, 1, 3, 3],"
            + " gather.conv2.weight [8, 1, 3, 3], gather.norm1.bias [8], gather.norm1.weight [8],"
            + " gather.norm2.bias [8], gather.norm2.weight [8], mlp.fc1.bias [2],"
            + " mlp.fc1.weight [2, 8, 1, 1], mlp.fc2.bias [8], mlp.fc2.weight [8, 2, 1, 1]",
        "ge:parameters=true,mlp=false,size=5 | gather.conv1.weight [8, 1, 5, 5],"
            + " gather.norm1.bias [8], gather.norm1.weight [8]",
      })
  void parameters(String spec, String expected) {
    assertParameters(spec, 2, expected);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "1 | ca.sharedMLP.0.weight [1, 8, 1], ca.sharedMLP.2.weight [8, 1, 1],"
            + " sa.conv.weight [1, 2, 3]",
        "3 | ca.sharedMLP.0.weight [1, 8, 1, 1, 1], ca.sharedMLP.2.weight [8, 1, 1, 1, 1],"
            + " sa.conv.weight [1, 2, 3, 3, 3]",
      })
  void kernelsHaveTheDimensionsOfTheMap(int dimensions, String expected) {
    assertParameters("cbam:kernel=3", dimensions, expected);
  }

  private static void assertParameters(String spec, int dimensions, String expected) {
    try (PointerScope scope = new PointerScope()) {
      List<String> found = new ArrayList<>();
      Tensors.parameters(AttentionSpec.parse(spec).create(8, dimensions))
          .forEach((name, value) -> found.add(name + " " + Arrays.toString(value.shape())));
      assertThat(String.join(", ", found)).isEqualTo(expected);
    }
  }

  @Test
  void buffersAreThoseOfBatchNorm() {
    try (PointerScope scope = new PointerScope()) {
      Attention module = AttentionSpec.parse("nonlocal").create(8, 2);
      assertThat(Tensors.named(module.named_buffers(), "").keySet())
          .containsExactly("W.1.num_batches_tracked", "W.1.running_mean", "W.1.running_var");
      Attention plain = AttentionSpec.parse("nonlocal:bn=false").create(8, 2);
      assertThat(Tensors.named(plain.named_buffers(), "")).isEmpty();
    }
  }
}
