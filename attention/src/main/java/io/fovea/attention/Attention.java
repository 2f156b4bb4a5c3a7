package io.fovea.attention;

import io.fovea.attention.fast.Kernels;
import io.fovea.nn.Graph;
import io.fovea.nn.Graph.Value;
import io.fovea.tensor.Scopes;
import io.fovea.tensor.internal.ChannelsLast;
import java.util.Arrays;
import java.util.function.BiConsumer;
import java.util.function.Supplier;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.GradMode;
import org.bytedeco.pytorch.Module;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch.Layout;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * An attention module: a feature map {@code [B, C, spatial...]} goes in, one of the same shape comes
 * out, differentiable.
 *
 * <p>It is a libtorch module, so it registers, moves, trains and saves like any other; its parameters
 * have the names that the PyTorch code of the mechanism gives them. Every call runs in a {@code
 * PointerScope} of its own and hands out only its result, into the caller's scope if there is one.
 *
 * <p>Bad tensors are refused before libtorch sees them, with an {@link IllegalArgumentException} that
 * says what was given and what was expected.
 */
public abstract class Attention extends Module {
  private static final ThreadLocal<Observer> OBSERVER = new ThreadLocal<>();

  private final AttentionSpec spec;
  private final long channels;
  private final int dimensions;

  /**
   * For the mechanisms of this package.
   *
   * @param dimensions how many spatial dimensions the input has, or 0 if the mechanism flattens
   *     whatever it gets
   */
  Attention(AttentionSpec spec, long channels, int dimensions) {
    super(spec.mechanism());
    this.spec = spec;
    this.channels = channels;
    this.dimensions = dimensions;
  }

  /** The equation of the mechanism; {@code x} has been checked and a scope is open. */
  abstract Tensor attend(Tensor x);

  /** {@code relu(attend(x) + shortcut)}; both have been checked and a scope is open. */
  Tensor attendResidual(Tensor x, Tensor shortcut) {
    return attend(x).add(shortcut).relu_();
  }

  /** The same, where {@code x} is not needed any more and no gradient is taken. */
  Tensor attendResidualOver(Tensor x, Tensor shortcut) {
    return attendResidual(x, shortcut);
  }

  /** Whether {@link #attend} is as fast on a feature map with its channels last. */
  boolean takesChannelsLast(Tensor x) {
    return false;
  }

  /** What {@link #attend} computes in evaluation mode, as ONNX operators. */
  abstract Value nodes(Graph graph, Value x);

  /** What {@link #attend} gates by; {@code x} has been checked, no gradients, evaluation mode. */
  abstract AttentionMaps maps(Tensor x);

  /** Refuses a shape that only this mechanism cannot take; rank and channels are checked already. */
  void checkShape(long[] shape) {}

  /**
   * Applies the attention.
   *
   * @param x feature map {@code [B, C, spatial...]} of the type of the module's parameters, or bfloat16
   *     where those are float32: it is converted, and so is the result; need not be contiguous
   * @return the attended feature map, of the same shape and type, with its channels last in memory where
   *     those of {@code x} are
   * @throws IllegalArgumentException if the rank, the channels or the type do not fit, if the tensor
   *     is empty, or if batch normalisation in training mode would see one value per channel only
   */
  public final Tensor forward(Tensor x) {
    check(x);
    return observed(x, Scopes.compute(() -> like(x, attend(own(x)))));
  }

  /**
   * Applies the attention at the end of a residual block: {@code relu(forward(x) + shortcut)}, which
   * {@link Kernels} compute in one pass where they have one.
   *
   * @param x feature map, as {@link #forward} takes it
   * @param shortcut what is added, of the same shape
   * @return the end of the block, of the same shape
   * @throws IllegalArgumentException as {@link #forward}, or if the shapes differ
   */
  public final Tensor forwardResidual(Tensor x, Tensor shortcut) {
    return forwardResidual(x, shortcut, false);
  }

  /**
   * {@link #forwardResidual} for a caller who needs {@code x} no more: where no gradient is taken, its
   * memory may become the result's.
   */
  public final Tensor forwardResidualInPlace(Tensor x, Tensor shortcut) {
    return forwardResidual(x, shortcut, !GradMode.is_enabled());
  }

  private Tensor forwardResidual(Tensor x, Tensor shortcut, boolean over) {
    check(x);
    if (!Arrays.equals(x.shape(), shortcut.shape())) {
      throw refuse(
          "the shortcut is "
              + Arrays.toString(shortcut.shape())
              + ", expected the shape of the input, "
              + Arrays.toString(x.shape()));
    }
    return Scopes.compute(
        () -> {
          if (OBSERVER.get() != null) {
            return forward(x).add(shortcut).relu_(); // y by itself, for who observes
          }
          Tensor in = own(x);
          Tensor added = own(shortcut);
          return like(x, over ? attendResidualOver(in, added) : attendResidual(in, added));
        });
  }

  private Tensor observed(Tensor x, Tensor y) {
    Observer observer = OBSERVER.get();
    if (observer != null) {
      observer.computed(this, own(x), y);
    }
    return y;
  }

  /** A feature map in the type and the order of memory that the mechanism computes in. */
  private Tensor own(Tensor x) {
    Tensor y = x.scalar_type().intern() == ScalarType.BFloat16 ? x.to(type(x)) : x;
    return ChannelsLast.is(y) && !takesChannelsLast(y) ? ChannelsLast.undone(y) : y;
  }

  /** The type of the parameters, or of {@code x} if there are none. */
  private ScalarType type(Tensor x) {
    try (PointerScope scope = new PointerScope()) {
      TensorVector parameters = parameters();
      return (parameters.empty() ? x : parameters.get(0)).scalar_type().intern();
    }
  }

  /** A result in the type and the order of memory that the input came in. */
  private static Tensor like(Tensor x, Tensor result) {
    ScalarType type = x.scalar_type().intern();
    Tensor y = result.scalar_type().intern() == type ? result : result.to(type);
    return ChannelsLast.is(x) && !ChannelsLast.is(y) ? ChannelsLast.of(y) : y;
  }

  /**
   * Writes what {@link #forward} computes in evaluation mode into a graph, under the module's name in
   * the network.
   *
   * @param x the feature map, {@code [B, C, spatial...]}
   * @return the attended feature map, of the same shape
   */
  public final Value write(Graph graph, Value x) {
    return graph.in(this, () -> nodes(graph, x));
  }

  /**
   * What the module gates by on {@code x}: see {@link AttentionMaps} for what each mechanism has. Runs
   * without gradients and in evaluation mode, and leaves the module as it was.
   *
   * @param x feature map {@code [B, C, spatial...]}
   * @return the maps, to be closed by the caller (or by the scope of the caller)
   * @throws IllegalArgumentException as {@link #forward}
   */
  public final AttentionMaps explain(Tensor x) {
    boolean[] training = training();
    eval(); // batch statistics must not move because somebody looked
    try (NoGradGuard guard = new NoGradGuard()) {
      check(x);
      return maps(own(x));
    } finally {
      train(training);
    }
  }

  /** Which of the module and its parts are in training mode: a batch norm may be frozen by itself. */
  private boolean[] training() {
    try (PointerScope scope = new PointerScope()) {
      Module[] parts = modules().get();
      boolean[] training = new boolean[parts.length];
      for (int i = 0; i < parts.length; i++) {
        training[i] = parts[i].is_training();
      }
      return training;
    }
  }

  private void train(boolean[] training) {
    try (PointerScope scope = new PointerScope()) {
      Module[] parts = modules().get();
      for (int i = 0; i < parts.length; i++) {
        parts[i].train(training[i]); // and all parts of it, whose turn comes later
      }
    }
  }

  /** The spec that makes an equal module: {@code module.spec().create(channels, dimensions)}. */
  public final AttentionSpec spec() {
    return spec;
  }

  /** The channels {@code C} of the feature maps it takes. */
  public final long channels() {
    return channels;
  }

  /** Told of each attention module that computes. */
  @FunctionalInterface
  public interface Observer {
    /**
     * A module has computed.
     *
     * @param attention the module
     * @param x what it was given, {@code [B, C, spatial...]}
     * @param y what it makes of that, of the same shape; both are to be read, not to be kept
     */
    void computed(Attention attention, Tensor x, Tensor y);
  }

  /**
   * Runs {@code body}, and calls {@code observer} for each attention module that computes meanwhile on
   * this thread, with the feature map it is given. This is how a whole network is looked into: the
   * observer may call {@link #explain} on what it gets.
   */
  public static <T> T observing(BiConsumer<Attention, Tensor> observer, Supplier<T> body) {
    return observing((attention, x, y) -> observer.accept(attention, x), body);
  }

  /** The same for an observer that looks at what the modules make of their feature maps, too. */
  public static <T> T observing(Observer observer, Supplier<T> body) {
    Observer outer = OBSERVER.get();
    OBSERVER.set(observer);
    try {
      return body.get();
    } finally {
      OBSERVER.set(outer);
    }
  }

  /** Whether anybody observes on this thread. */
  public static boolean isObserved() {
    return OBSERVER.get() != null;
  }

  /** The error message prefixed with the mechanism's name. */
  final IllegalArgumentException refuse(String message) {
    return new IllegalArgumentException(spec.mechanism() + ": " + message);
  }

  private void check(Tensor x) {
    if (x == null || x.isNull() || !x.defined()) {
      throw refuse("expected a tensor, got " + (x == null ? "null" : "an undefined one"));
    }
    long[] shape = x.shape();
    if (dimensions == 0 ? shape.length < 3 : shape.length != dimensions + 2) {
      throw refuse("expected " + expectedShape() + ", got " + Arrays.toString(shape));
    }
    if (shape[1] != channels) {
      throw refuse("expected " + channels + " channels, got " + Arrays.toString(shape));
    }
    if (x.numel() == 0) {
      throw refuse("expected at least one value in each dimension, got " + Arrays.toString(shape));
    }
    ScalarType type = x.scalar_type().intern();
    if (x.layout().intern() != Layout.Strided) {
      throw refuse("expected a dense tensor, got one of layout " + x.layout().intern());
    }
    if (!x.is_floating_point()) {
      throw refuse("expected a floating point tensor, got " + type);
    }
    try (PointerScope scope = new PointerScope()) {
      TensorVector parameters = parameters();
      if (!parameters.empty()) {
        Tensor own = parameters.get(0);
        boolean converts =
            type == ScalarType.BFloat16 && own.scalar_type().intern() == ScalarType.Float;
        if (own.scalar_type().intern() != type && !converts) {
          throw refuse(
              "the parameters are "
                  + own.scalar_type().intern()
                  + ", the input is "
                  + type
                  + "; convert one of them with to()");
        }
        if (!own.device().str().getString().equals(x.device().str().getString())) {
          throw refuse(
              "the parameters are on "
                  + own.device().str().getString()
                  + ", the input is on "
                  + x.device().str().getString());
        }
      }
    }
    checkShape(shape);
  }

  /** How many values of each channel a batch norm sees in a feature map of this shape. */
  static long valuesPerChannel(long[] shape) {
    return Arrays.stream(shape).reduce(1, (a, b) -> a * b) / shape[1];
  }

  /** For mechanisms with batch normalisation, which cannot train on one value per channel. */
  final void refuseSingleValue(long valuesPerChannel, long[] shape, String remedy) {
    if (is_training() && valuesPerChannel == 1) {
      throw refuse(
          "batch normalisation in training mode needs more than one value per channel, got "
              + Arrays.toString(shape)
              + "; "
              + remedy);
    }
  }

  private String expectedShape() {
    return switch (dimensions) {
      case 1 -> "[B, " + channels + ", L]";
      case 2 -> "[B, " + channels + ", H, W]";
      case 3 -> "[B, " + channels + ", T, H, W]";
      default -> "[B, " + channels + ", spatial...]";
    };
  }
}
