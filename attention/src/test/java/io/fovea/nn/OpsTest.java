package io.fovea.nn;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import io.fovea.attention.Tensors;
import io.fovea.testing.Numeric;
import java.util.Arrays;
import java.util.stream.IntStream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Module;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Operators with tensors against plain loops, and the shapes that are counted with. */
@Numeric
class OpsTest {
  private static final TensorOps TENSORS = TensorOps.PLAIN;
  private static final ShapeOps SHAPES = new ShapeOps();

  /** {@code [2, 4, 7]}, {@code [2, 4, 7, 5]}, {@code [2, 4, 7, 5, 3]}. */
  private static Tensor input(int dimensions) {
    return Tensors.random(1, Arrays.copyOf(new long[] {2, 4, 7, 5, 3}, 2 + dimensions));
  }

  private static void assertShape(Tensor y, long[] counted) {
    assertThat(counted).isEqualTo(y.shape());
  }

  @ParameterizedTest
  @CsvSource({"7,3", "7,7", "3,7", "1,5", "5,1", "6,4"})
  void adaptiveAverages(int in, int out) {
    try (PointerScope scope = new PointerScope()) {
      Tensor x = Tensors.random(1, 2, 3, in, in + 1);
      double[] values = Tensors.values(x);
      double[] expected = new double[2 * 3 * out * (out + 2)];
      int at = 0;
      for (int map = 0; map < 6; map++) {
        for (int row = 0; row < out; row++) {
          for (int column = 0; column < out + 2; column++) {
            double sum = 0;
            int count = 0;
            for (int i = row * in / out; i * out < (row + 1) * in; i++) {
              int columns = in + 1;
              int wide = out + 2;
              for (int j = column * columns / wide; j * wide < (column + 1) * columns; j++) {
                sum += values[(map * in + i) * columns + j];
                count++;
              }
            }
            expected[at++] = sum / count;
          }
        }
      }
      Tensor y = TENSORS.adaptiveAverage(x, out, out + 2);
      Tensors.assertClose("windows", Tensors.values(y), expected, 1e-14);
      Tensor like = Tensors.random(2, 1, 1, out, out + 2);
      assertThat(TENSORS.adaptiveAverage(x, like).equal(y)).isTrue();
      assertShape(y, SHAPES.adaptiveAverage(x.shape(), out, out + 2));
      assertShape(y, SHAPES.adaptiveAverage(x.shape(), like.shape()));
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 3})
  void poolsHaveTheShapesThatAreCounted(int dimensions) {
    try (PointerScope scope = new PointerScope()) {
      Tensor x = input(dimensions);
      for (boolean countsPadding : new boolean[] {true, false}) {
        Tensor y = TENSORS.averagePool(x, 3, 2, 1, countsPadding);
        assertShape(y, SHAPES.averagePool(x.shape(), 3, 2, 1, countsPadding));
        Tensor large = TENSORS.nearest(y, x);
        assertShape(large, SHAPES.nearest(y.shape(), x.shape()));
      }
      int[] two = IntStream.generate(() -> 2).limit(dimensions).toArray();
      assertShape(TENSORS.adaptiveAverage(x, two), SHAPES.adaptiveAverage(x.shape(), two));
    }
  }

  @Test
  void averagesCountThePaddingOrDoNot() {
    try (PointerScope scope = new PointerScope()) {
      Tensor x = Tensor.create(new double[] {1, 2, 6}, 1, 1, 3);
      assertThat(Tensors.values(TENSORS.averagePool(x, 3, 2, 1, true))).containsExactly(1, 8 / 3.0);
      assertThat(Tensors.values(TENSORS.averagePool(x, 3, 2, 1, false))).containsExactly(1.5, 4);
    }
  }

  @Test
  void theNearestIsTheOneBefore() {
    try (PointerScope scope = new PointerScope()) {
      Tensor x = Tensor.create(new double[] {1, 2, 3}, 1, 1, 3);
      Tensor like = Tensors.random(1, 1, 1, 5);
      assertThat(Tensors.values(TENSORS.nearest(x, like))).containsExactly(1, 1, 2, 2, 3);
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 1, 2, 3, -1, -2})
  void sizesAndIndices(int dimension) {
    try (PointerScope scope = new PointerScope()) {
      Tensor x = Tensors.random(1, 2, 4, 7, 5).to(ScalarType.Float);
      long size = x.size(dimension);
      assertThat(TENSORS.size(x, dimension).item_double()).isEqualTo((double) size);
      Tensor indices = TENSORS.indices(x, dimension);
      assertThat(indices.scalar_type().intern()).isEqualTo(ScalarType.Float);
      assertThat(Tensors.values(indices))
          .isEqualTo(IntStream.range(0, (int) size).asDoubleStream().toArray());
      assertShape(indices, SHAPES.indices(x.shape(), dimension));
      assertThat(SHAPES.size(x.shape(), dimension)).isEmpty();
    }
  }

  @Test
  void broadcasts() {
    try (PointerScope scope = new PointerScope()) {
      Tensor x = Tensors.random(1, 4, 1, 3);
      Tensor like = Tensors.random(2, 2, 4, 5, 3);
      Tensor y = TENSORS.expand(x, like);
      assertThat(y.sub(x).abs().max().item_double()).isZero();
      assertShape(y, SHAPES.expand(x.shape(), like.shape()));
    }
  }

  @ParameterizedTest
  @CsvSource({"1,1", "2,1", "4,1", "1,2", "2,2", "4,2", "2,3"})
  void groupNorms(int groups, int dimensions) {
    try (PointerScope scope = new PointerScope()) {
      Tensor x = input(dimensions);
      GroupNorm norm = filled(new GroupNorm(groups, 4));
      double[] values = Tensors.values(x);
      double[] weights = Tensors.values(norm.weight());
      double[] biases = Tensors.values(norm.bias());
      int positions = values.length / 8;
      int size = 4 / groups * positions;
      double[] expected = new double[values.length];
      for (int from = 0; from < values.length; from += size) {
        double[] group = Arrays.copyOfRange(values, from, from + size);
        double mean = Arrays.stream(group).average().orElseThrow();
        double variance =
            Arrays.stream(group).map(v -> (v - mean) * (v - mean)).average().orElseThrow();
        for (int i = from; i < from + size; i++) {
          int channel = i / positions % 4;
          double normal = (values[i] - mean) / Math.sqrt(variance + 1e-5);
          expected[i] = normal * weights[channel] + biases[channel];
        }
      }
      Tensor y = norm.forward(x);
      Tensors.assertClose("group norm", Tensors.values(y), expected, 1e-13);
      assertShape(y, norm.apply(SHAPES, x.shape()));
    }
  }

  @Test
  void theLayerNormOfAVector() {
    try (PointerScope scope = new PointerScope()) {
      GroupNorm norm = filled(GroupNorm.ofVector(4, 2, 1e-6));
      assertThat(norm.weight().shape()).containsExactly(4, 1, 1);
      assertThat(norm.epsilon()).isEqualTo(1e-6);
      Tensor x = Tensors.random(3, 2, 4, 1, 1);
      Tensor variance = x.var(new long[] {1}, false, true).add(Tensors.scalar(1e-6));
      Tensor normal = x.sub(x.mean(new long[] {1}, true, null)).div(variance.sqrt());
      Tensor expected = normal.mul(norm.weight()).add(norm.bias());
      Tensors.assertClose("layer norm", norm.forward(x), expected, 1e-13);
    }
  }

  @Test
  void groupsDivideTheChannels() {
    assertThatIllegalArgumentException()
        .isThrownBy(() -> new GroupNorm(3, 4))
        .withMessage("group norm: 3 groups do not divide 4 channels");
  }

  private static GroupNorm filled(GroupNorm norm) {
    norm.to(ScalarType.Double, false);
    return filled(norm, norm.weight(), norm.bias());
  }

  private static <M extends Module> M filled(M module, Tensor... parameters) {
    try (NoGradGuard guard = new NoGradGuard()) {
      for (int i = 0; i < parameters.length; i++) {
        parameters[i].copy_(Tensors.random(10 + i, parameters[i].shape()));
      }
    }
    return module;
  }
}
