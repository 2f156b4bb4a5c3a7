package io.fovea.attention;

import static org.assertj.core.api.Assertions.assertThat;

import io.fovea.nn.Convolution;
import io.fovea.tensor.internal.ChannelsLast;
import io.fovea.testing.Numeric;
import io.fovea.testing.Rounding;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.BoolOptional;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorArrayRefOptional;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.MemoryFormat;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Feature maps with their channels last in memory, and in bfloat16. */
@Numeric
class ChannelsLastTest {
  private static Tensor leaf(Tensor x) {
    return x.detach().clone().set_requires_grad(true);
  }

  private static Attention module(String spec) {
    Attention module = Tensors.randomized(spec, 6, 2);
    module.to(ScalarType.Float, false);
    module.eval();
    return module;
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "se:reduction=2",
        "cbam:reduction=2,kernel=3",
        "bam:reduction=2",
        "pam:reduction=2",
        "cam",
        "dual:reduction=2",
        "nonlocal"
      })
  void orderIsKeptThereAndBack(String spec) {
    try (PointerScope scope = new PointerScope()) {
      Attention module = module(spec);
      Tensor usual = leaf(Tensors.random(3, 2, 6, 5, 4).to(ScalarType.Float));
      Tensor last = leaf(usual.contiguous(MemoryFormat.ChannelsLast));
      Tensor wide = leaf(usual.to(ScalarType.Double));
      Tensor expected = module.forward(usual);
      Tensor actual = module.forward(last);
      assertThat(ChannelsLast.is(actual)).isTrue();
      Tensor cotangent = Tensors.random(4, 2, 6, 5, 4).to(ScalarType.Float);
      backward(expected, cotangent);
      backward(actual, cotangent.contiguous(MemoryFormat.ChannelsLast));
      module.to(ScalarType.Double, false);
      Tensor exact = module.forward(wide);
      backward(exact, cotangent.to(ScalarType.Double));
      Rounding.assertAsCloseAs("output", actual, expected, exact);
      Rounding.assertAsCloseAs("gradient", last.grad(), usual.grad(), wide.grad());
    }
  }

  private static void backward(Tensor output, Tensor cotangent) {
    output.backward(cotangent, new BoolOptional(), false, new TensorArrayRefOptional());
  }

  /** As the next operator gets it, not as it is kept. */
  private static Tensor gradient(Tensor output, Tensor input) {
    return torch.grad(new TensorVector(output), new TensorVector(input)).get(0);
  }

  @Test
  void theGradientOfACopyIsInTheOrderOfWhatWasCopied() {
    try (PointerScope scope = new PointerScope()) {
      Tensor cotangent = torch.randn(2, 6, 5, 4);
      Tensor last = leaf(torch.randn(2, 6, 5, 4).contiguous(MemoryFormat.ChannelsLast));
      Tensor back = gradient(ChannelsLast.undone(last).mul(cotangent).sum(), last);
      assertThat(ChannelsLast.is(back)).isTrue();
      Tensors.assertClose("gradient", back, cotangent, 0);
      Tensor usual = leaf(torch.randn(2, 6, 5, 4));
      Tensor turned = cotangent.contiguous(MemoryFormat.ChannelsLast);
      back = gradient(ChannelsLast.of(usual).mul(turned).sum(), usual);
      assertThat(back.is_contiguous()).isTrue();
      Tensors.assertClose("gradient", back, cotangent, 0);
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"se:reduction=2", "se:reduction=2,squeeze=max", "cbam:reduction=2,kernel=3"})
  void theEndOfABlockMayTakeTheMemoryOfItsInput(String spec) {
    try (PointerScope scope = new PointerScope()) {
      Attention module = module(spec);
      Tensor x = torch.randn(2, 6, 5, 4);
      Tensor shortcut = torch.randn(2, 6, 5, 4);
      module.to(ScalarType.Double, false);
      Tensor exact =
          module.forwardResidual(x.to(ScalarType.Double), shortcut.to(ScalarType.Double));
      module.to(ScalarType.Float, false);
      for (MemoryFormat order :
          new MemoryFormat[] {MemoryFormat.Contiguous, MemoryFormat.ChannelsLast}) {
        Tensor own = x.contiguous(order);
        Tensor added = shortcut.contiguous(order);
        Tensor expected = module.forwardResidual(own, added);
        Tensors.assertClose("untouched", own, x, 0);
        Rounding.assertAsCloseAs(
            "with gradients", module.forwardResidualInPlace(own, added), expected, exact);
        Tensors.assertClose("untouched", own, x, 0);
        try (NoGradGuard guard = new NoGradGuard()) {
          Tensor over = module.forwardResidualInPlace(own.clone(), added);
          Rounding.assertAsCloseAs("without", over, expected, exact);
          Tensors.assertClose("the shortcut", added, shortcut, 0);
        }
      }
    }
  }

  /** Then it cannot be overwritten: each value would change what others are computed from. */
  @ParameterizedTest
  @ValueSource(strings = {"se:reduction=2", "cbam:reduction=2,kernel=3", "bam:reduction=2"})
  void theEndOfABlockTakesNoMemoryThatIsShared(String spec) {
    try (PointerScope scope = new PointerScope();
        NoGradGuard guard = new NoGradGuard()) {
      Attention module = module(spec);
      module.to(ScalarType.Double, false);
      Tensor images = torch.randn(3, 6, 5, 4).to(ScalarType.Double);
      for (MemoryFormat order :
          new MemoryFormat[] {MemoryFormat.Contiguous, MemoryFormat.ChannelsLast}) {
        Tensor all = images.contiguous(order);
        for (Tensor[] pair :
            new Tensor[][] {
              {all.narrow(0, 0, 1).expand(2, 6, 5, 4), all.narrow(0, 1, 2)}, // one image twice
              {all.narrow(0, 0, 2), all.narrow(0, 1, 2)}, // an image of both
              {all.narrow(0, 0, 2), all.narrow(0, 0, 2)}
            }) {
          Tensor expected = module.forwardResidual(pair[0].clone(), pair[1].clone());
          Tensor y = module.forwardResidualInPlace(pair[0], pair[1]);
          Tensors.assertClose(spec, y, expected, 1e-12);
          Tensors.assertClose("untouched", all, images, 0);
        }
      }
    }
  }

  /** Of a map far smaller than the weights: it is turned around in place of them. */
  @Test
  void aSmallMapKeepsItsOrderThroughAConvolution() {
    try (PointerScope scope = new PointerScope()) {
      Convolution convolution = Convolution.builder(2, 32, 24, 3).padding(1).bias(false).build();
      Tensor usual = leaf(torch.randn(1, 32, 5, 4));
      Tensor last = leaf(usual.contiguous(MemoryFormat.ChannelsLast));
      Tensor cotangent = torch.randn(1, 24, 5, 4);
      convolution.forward(usual).mul(cotangent).sum().backward();
      Tensor expected = convolution.weight().grad().clone();
      convolution.weight().mutable_grad().reset();
      Tensor y = convolution.forward(last);
      assertThat(ChannelsLast.is(y)).isTrue();
      Tensor back = gradient(y.mul(cotangent).sum(), last);
      assertThat(ChannelsLast.is(back)).isTrue();
      convolution.forward(last).mul(cotangent).sum().backward();
      Tensor weights = convolution.weight().grad().clone();
      assertThat(convolution.weight().grad().is_contiguous()).isTrue();
      convolution.weight().mutable_grad().reset();
      convolution.to(ScalarType.Double, false);
      Tensor wide = leaf(usual.to(ScalarType.Double));
      convolution.forward(wide).mul(cotangent).sum().backward();
      Rounding.assertAsCloseAs("input", last.grad(), usual.grad(), wide.grad());
      Rounding.assertAsCloseAs("weights", weights, expected, convolution.weight().grad());
    }
  }

  @Test
  void aSingleChannelIsLastToo() {
    try (PointerScope scope = new PointerScope()) {
      Tensor x = torch.randn(2, 1, 5, 4);
      Tensor last = ChannelsLast.where(x);
      Tensors.assertClose("the same numbers", last, x, 0);
      Tensor y = torch.conv2d(last, torch.randn(3, 1, 3, 3));
      assertThat(ChannelsLast.is(y)).isTrue();
    }
  }

  @Test
  void float64StaysAsItIs() {
    try (PointerScope scope = new PointerScope()) {
      assertThat(ChannelsLast.where(Tensors.random(1, 2, 3, 4, 5)).is_contiguous()).isTrue();
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"se:reduction=2", "cbam:reduction=2,kernel=3", "pam:reduction=2", "cam"})
  void bfloat16IsComputedInTheTypeOfTheParameters(String spec) {
    try (PointerScope scope = new PointerScope()) {
      Attention module = module(spec);
      Tensor half = torch.randn(2, 6, 5, 4).to(ScalarType.BFloat16);
      Tensor y = module.forward(half);
      assertThat(y.scalar_type().intern()).isEqualTo(ScalarType.BFloat16);
      Tensor expected = module.forward(half.to(ScalarType.Float)).to(ScalarType.BFloat16);
      Tensors.assertClose("rounded once", y.to(ScalarType.Float), expected.to(ScalarType.Float), 0);
      Tensor residual = module.forwardResidual(half, half);
      assertThat(residual.scalar_type().intern()).isEqualTo(ScalarType.BFloat16);
      assertThat(module.explain(half)).isNotNull();
    }
  }
}
