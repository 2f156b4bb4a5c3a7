package io.fovea.attention.fast;

import io.fovea.attention.fast.Kernels.PlaneStatistic;
import io.fovea.tensor.compute.CustomGradient;
import io.fovea.tensor.internal.Gradients;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.function.BinaryOperator;
import java.util.stream.Stream;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/**
 * Mechanisms that describe each channel of an image by a number and change it by numbers that follow
 * from those of all channels: {@code y = factors · x + shifts}. {@link Kernels} read and write the map.
 * The function between, of {@code [B, C]}, is left to libtorch and its autograd, or written for arrays.
 *
 * <p>The gradient of the input has two parts, one through the factors and one through the description. It
 * is written at once, when the second part is known.
 */
public final class PlaneGates implements FastPath {
  /** How channels are described. */
  public enum Pool {
    /** By their means, {@code [B, C]}. */
    MEAN(PlaneStatistic.MEAN),
    /** By the sums of their squares, {@code [B, C]}. */
    SQUARES(PlaneStatistic.SQUARES),
    /** By their norms, {@code [B, C]}; the gradient of the norm of zeros is 0. */
    NORM(PlaneStatistic.SQUARES),
    /** By their means and the sums of the squared distances from them, {@code [2, B, C]}. */
    DISTANCES(PlaneStatistic.DISTANCES);

    private final PlaneStatistic statistic;

    Pool(PlaneStatistic statistic) {
      this.statistic = statistic;
    }
  }

  /**
   * What is done with channels.
   *
   * @param factors a value for each channel of each image, or null for ones
   * @param shifts the same, or a value for each channel, or null for zeros
   */
  public record Change(Tensor factors, Tensor shifts) {}

  /** The function between. */
  public interface Equation {
    /**
     * Computes what is done with channels.
     *
     * @param pooled what describes them
     * @param like has the shape of the map; its values must not be used
     */
    Change of(Tensor pooled, Tensor like);
  }

  private final Pool pool;
  private final Equation equation; // null if it is written for arrays
  private final PlaneEquation arrays; // null if it is left to libtorch

  /** Creates the fast path for a function that gives factors and shifts. */
  public PlaneGates(Pool pool, Equation equation) {
    this.pool = pool;
    this.equation = equation;
    this.arrays = null;
  }

  /** Creates the fast path for a convolution along the channels. */
  public PlaneGates(ChannelConvolution gates) {
    this(Pool.MEAN, gates);
  }

  /** Creates the fast path for the gated channel transformation. */
  public PlaneGates(ChannelNormGates gates) {
    this(Pool.SQUARES, gates);
  }

  /** Creates the fast path for global response normalisation. */
  public PlaneGates(ChannelShares shares) {
    this(Pool.NORM, shares);
  }

  private PlaneGates(Pool pool, PlaneEquation arrays) {
    this.pool = pool;
    this.equation = null;
    this.arrays = arrays;
  }

  /** Creates the fast path for a function that gives factors. */
  public static PlaneGates of(Pool pool, BinaryOperator<Tensor> factors) {
    return new PlaneGates(pool, (pooled, like) -> new Change(factors.apply(pooled, like), null));
  }

  @Override
  public boolean supports(Tensor x, Tensor shortcut) {
    return shortcut == null && kernel().isPresent() && KernelMaps.supports(x);
  }

  private static Optional<Kernels.Planes> kernel() {
    return Kernels.inUse(Kernels.Planes.class);
  }

  @Override
  public Tensor forward(Tensor x, Tensor shortcut, boolean inPlace) {
    Call call = new Call(x);
    return arrays == null ? call.forward(x) : call.forwardInArrays(x);
  }

  /** One call, and its gradient. */
  private final class Call {
    private final Kernels.Planes kernel = kernel().orElseThrow();
    private final Kernels.Shape shape;
    private final Tensor input;
    private final int planes;
    private final float[] statistics;
    private float[] factors; // null for ones

    /** The gradient of the output, while that of the description is computed. */
    @SuppressWarnings("ThreadLocalUsage") // each graph has its own gradient
    private final ThreadLocal<Tensor> waiting = new ThreadLocal<>();

    Call(Tensor x) {
      shape = KernelMaps.shape(x);
      input = x.detach();
      planes = shape.images() * shape.channels();
      statistics = kernel.statistics(shape, pool.statistic, KernelMaps.memory(input));
      if (pool == Pool.NORM) {
        for (int i = 0; i < planes; i++) {
          statistics[i] = (float) Math.sqrt(statistics[i]);
        }
      }
    }

    Tensor forward(Tensor x) {
      Tensor pooled = pooled(statistics);
      boolean ofX = Gradients.needed(x);
      if (ofX) {
        CustomGradient.attach(pooled, List.of(x), List.of(input), this::ofInput);
      }
      Change change = equation.of(pooled, input);
      Tensor shifts = change.shifts() == null ? null : ofEachImage(change.shifts());
      factors = change.factors() == null ? null : KernelMaps.copy(change.factors());
      Tensor y = scaled(shifts == null ? null : KernelMaps.copy(shifts));
      List<Tensor> changes = Stream.of(change.factors(), shifts).filter(Objects::nonNull).toList();
      if (Gradients.needed(changes)) {
        List<long[]> shapes = changes.stream().map(Tensor::shape).toList();
        CustomGradient.attach(y, changes, List.of(input), dy -> ofChange(dy, ofX, shapes));
      }
      return y;
    }

    Tensor forwardInArrays(Tensor x) {
      PlaneEquation.Computed computed =
          arrays.compute(statistics, shape.images(), shape.channels());
      factors = computed.factors();
      Tensor y = scaled(computed.shifts());
      List<Tensor> inputs = new ArrayList<>(List.of(x));
      inputs.addAll(arrays.parameters());
      if (Gradients.needed(inputs)) {
        boolean ofX = x.requires_grad();
        List<long[]> shapes = inputs.stream().map(Tensor::shape).toList();
        CustomGradient.attach(y, inputs, List.of(input), dy -> ofArrays(dy, ofX, computed, shapes));
      }
      return y;
    }

    private Tensor scaled(float[] shifts) {
      Tensor y = torch.empty_like(input);
      kernel.scale(shape, factors, shifts, KernelMaps.memory(input), KernelMaps.memory(y));
      return y;
    }

    private List<Tensor> ofArrays(
        Tensor dy, boolean ofX, PlaneEquation.Computed computed, List<long[]> shapes) {
      float[] products = new float[planes];
      float[] sums = computed.shifts() == null ? null : new float[planes];
      kernel.products(shape, KernelMaps.memory(input), KernelMaps.memory(dy), products, sums);
      PlaneEquation.Gradients computedGradients = computed.gradient(products, sums);
      List<Tensor> gradients = new ArrayList<>();
      gradients.add(ofX ? ofInput(computedGradients.pooled(), dy) : new Tensor());
      for (float[] values : computedGradients.parameters()) {
        gradients.add(KernelMaps.tensor(values, shapes.get(gradients.size())));
      }
      return gradients;
    }

    private Tensor pooled(float[] values) {
      return pool == Pool.DISTANCES
          ? KernelMaps.tensor(values, 2, shape.images(), shape.channels())
          : KernelMaps.tensor(values, shape.images(), shape.channels());
    }

    private Tensor ofEachImage(Tensor values) {
      return values.reshape(-1, shape.channels()).expand(shape.images(), shape.channels());
    }

    /** The gradients of factors and shifts. That of the input waits for the other part. */
    private List<Tensor> ofChange(Tensor dy, boolean ofX, List<long[]> shapes) {
      float[] products = factors == null ? null : new float[planes];
      float[] sums = shapes.size() > (factors == null ? 0 : 1) ? new float[planes] : null;
      kernel.products(shape, KernelMaps.memory(input), KernelMaps.memory(dy), products, sums);
      if (ofX) {
        keep(new Tensor(dy));
      }
      List<Tensor> gradients = new ArrayList<>();
      for (float[] values : new float[][] {products, sums}) {
        if (values != null) {
          gradients.add(KernelMaps.tensor(values, shapes.get(gradients.size())));
        }
      }
      return gradients;
    }

    private void keep(Tensor dy) {
      Tensor before = waiting.get(); // is still there if no one asked for the gradient of the input
      if (before != null) {
        before.releaseReference();
      }
      dy.retainReference();
      waiting.set(dy);
    }

    /** The gradient of the input that has waited. */
    private List<Tensor> ofInput(Tensor ofPooled) {
      Tensor dy = waiting.get();
      waiting.remove();
      try {
        return List.of(ofInput(KernelMaps.copy(ofPooled), dy));
      } finally {
        dy.releaseReference();
      }
    }

    /** Both parts of the gradient of the input, from the gradient of what describes it. */
    private Tensor ofInput(float[] values, Tensor dy) {
      float[] centres = null;
      float[] slopes = null;
      float[] shifts = null;
      switch (pool) {
        case MEAN -> shifts = ofMeans(values);
        case SQUARES -> slopes = doubled(values, 0);
        case NORM -> {
          slopes = values;
          for (int i = 0; i < planes; i++) {
            slopes[i] = statistics[i] == 0 ? 0 : values[i] / statistics[i];
          }
        }
        case DISTANCES -> {
          centres = statistics;
          slopes = doubled(values, planes);
          shifts = ofMeans(values);
        }
      }
      Tensor dx = torch.empty_like(input);
      kernel.gradient(
          shape,
          factors,
          centres,
          slopes,
          shifts,
          KernelMaps.memory(input),
          KernelMaps.memory(dy),
          KernelMaps.memory(dx));
      return dx;
    }

    private float[] ofMeans(float[] values) {
      float[] shifts = new float[planes];
      for (int i = 0; i < planes; i++) {
        shifts[i] = values[i] / shape.positions();
      }
      return shifts;
    }

    private float[] doubled(float[] values, int from) {
      float[] slopes = new float[planes];
      for (int i = 0; i < planes; i++) {
        slopes[i] = 2 * values[from + i];
      }
      return slopes;
    }
  }
}
