package io.fovea.attention;

import io.fovea.attention.fast.FastPath;
import io.fovea.attention.fast.ImageByImage;
import io.fovea.errors.FoveaException;
import io.fovea.nn.Component;
import io.fovea.nn.Flow;
import io.fovea.nn.Graph;
import io.fovea.nn.Graph.Value;
import io.fovea.nn.GraphOps;
import io.fovea.nn.Ops;
import io.fovea.nn.ShapeOps;
import io.fovea.nn.TensorOps;
import io.fovea.tensor.internal.ChannelsLast;
import io.fovea.tensor.internal.EvaluationMode;
import io.fovea.tensor.internal.Macs;
import io.fovea.tensor.internal.Scopes;
import io.fovea.tensor.internal.ThreadValue;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.BiConsumer;
import java.util.function.Supplier;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.GradMode;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch.Layout;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * An attention module. It maps a feature map {@code [B, C, spatial...]} to one of the same shape
 * and is differentiable.
 *
 * <p>It is a libtorch module, so it is registered, moved, trained and saved like any other. Its
 * parameters have the names of the reference implementation. Every call runs in its own {@code
 * PointerScope} and returns only its result, into the caller's scope if there is one.
 *
 * <p>A mechanism is a class that implements its equation in {@link #attend}, and describes itself
 * in a {@link Mechanism}. Computation, export, multiply-accumulates and {@link #explain} follow
 * from the equation.
 *
 * <p>Invalid tensors are refused before libtorch sees them, with an {@link
 * IllegalArgumentException} that names the given and the expected value.
 *
 * <p>A module in evaluation mode is thread-safe; a module in training mode is not.
 */
public abstract class Attention extends Component {
  private static final boolean PLAIN = "off".equals(System.getProperty("fovea.fast"));
  private static final ThreadValue<Observer> OBSERVER = new ThreadValue<>();

  private final Settings settings;
  private final List<FastPath> fastPaths = new ArrayList<>();

  /** Creates a module with its settings. The constructor of the mechanism registers its parts. */
  protected Attention(Settings settings) {
    super(settings.spec().mechanism().name());
    this.settings = settings;
  }

  /**
   * The equation of the mechanism, written with operators that compute, export or count.
   *
   * @param x feature map {@code [B, C, spatial...]}, checked
   * @return a feature map of the same shape
   */
  protected abstract <T> T attend(Ops<T> ops, T x);

  /** Whether the equation is as fast on channels-last (NHWC) feature maps; default false. */
  protected boolean takesChannelsLast() {
    return false;
  }

  /** Whether the number of spatial dimensions may differ from that of the module; default false. */
  protected boolean takesAnyDimensions() {
    return false;
  }

  /** Refuses shapes that this mechanism cannot process. Rank and channels have been checked. */
  protected void checkShape(long[] shape) {}

  /**
   * Adds a fast path for the equation. Paths are tried in the order in which they were added,
   * before the equation itself.
   */
  final void faster(FastPath path) {
    fastPaths.add(path);
  }

  /** The operators that compute with tensors, for parts of the equation that a fast path reuses. */
  static TensorOps tensors() {
    return TensorOps.PLAIN;
  }

  /**
   * Applies the attention.
   *
   * @param x the feature map {@code [B, C, spatial...]}. Its type is that of the module's
   *     parameters, or bfloat16 if those are float32; it is then converted, and so is the result.
   *     It need not be contiguous
   * @return the attended feature map, with the same shape and type; it is channels last (NHWC) if
   *     {@code x} is. In place of a convolution with a stride, it is smaller by the stride
   * @throws IllegalArgumentException if the rank, the channels or the type are wrong, if the tensor
   *     is empty, or if batch normalisation in training mode would get only one value per channel
   */
  public final Tensor forward(Tensor x) {
    check(x);
    computes();
    return observed(x, Scopes.compute(() -> like(x, compute(own(x), null, false))));
  }

  /**
   * Applies the attention as a part of a network that is written with operators: computes {@link
   * #forward}, and writes or counts the equation.
   */
  public final <T> T apply(Ops<T> ops, T x) {
    return ops.module(this, x, this::forward, () -> attend(ops, x));
  }

  /**
   * Applies the attention at the end of a residual block: {@code relu(forward(x) + shortcut)}. Fast
   * paths compute this in one pass if they support it.
   *
   * @param x the feature map, as for {@link #forward}
   * @param shortcut the tensor to add, with the same shape
   * @return the result of the block, with the same shape
   * @throws IllegalArgumentException as {@link #forward}, or if the shapes differ
   */
  public final Tensor forwardResidual(Tensor x, Tensor shortcut) {
    return forwardResidual(x, shortcut, false);
  }

  /**
   * Computes {@link #forwardResidual}, possibly in place: without gradients, the result may
   * overwrite {@code x}, unless two of its values, or it and the shortcut, share memory.
   */
  public final Tensor forwardResidualInPlace(Tensor x, Tensor shortcut) {
    return forwardResidual(x, shortcut, !GradMode.is_enabled());
  }

  private Tensor forwardResidual(Tensor x, Tensor shortcut, boolean inPlace) {
    check(x);
    if (!Arrays.equals(x.shape(), shortcut.shape())) {
      throw refuse(
          "the shortcut is "
              + Arrays.toString(shortcut.shape())
              + ", expected the shape of the input, "
              + Arrays.toString(x.shape()));
    }
    computes();
    boolean over = inPlace && x.is_non_overlapping_and_dense() && !x.is_alias_of(shortcut);
    return Scopes.compute(
        () -> {
          if (OBSERVER.get() != null) {
            return forward(x).add(shortcut).relu_(); // observers need y without the shortcut
          }
          Tensor in = own(x);
          Tensor added = own(shortcut);
          return like(x, compute(in, added, over));
        });
  }

  /**
   * Computes {@code attend(x)}, or {@code relu(attend(x) + shortcut)}, with the first fast path
   * that supports it.
   */
  private Tensor compute(Tensor x, Tensor shortcut, boolean over) {
    if (Macs.isCounting()) {
      Macs.add(macs(x.shape()));
      return Macs.without(() -> computeUncounted(x, shortcut, over));
    }
    return computeUncounted(x, shortcut, over);
  }

  private Tensor computeUncounted(Tensor x, Tensor shortcut, boolean over) {
    FastPath fast = fastPath(x, shortcut);
    if (fast != null) {
      return fast.forward(x, shortcut, over);
    }
    if (shortcut == null) {
      return !PLAIN && OBSERVER.get() == null && ImageByImage.supports(this, x)
          ? ImageByImage.forward(
              x, attend(new ShapeOps(), x.shape()), image -> attend(TensorOps.PLAIN, image))
          : attend(TensorOps.PLAIN, x);
    }
    return computeUncounted(x, null, false).add(shortcut).relu_();
  }

  /** Computes the equation without fast paths. */
  final Tensor plain(Tensor x) {
    return Scopes.compute(() -> attend(TensorOps.PLAIN, x));
  }

  private FastPath fastPath(Tensor x, Tensor shortcut) {
    if (!PLAIN) {
      for (FastPath path : fastPaths) {
        if (path.supports(x, shortcut)) {
          return path;
        }
      }
    }
    return null;
  }

  /** The multiply-accumulates of the equation for feature maps of a shape, {@code [B, C, spatial...]}. */
  public final long macs(long... shape) {
    ShapeOps ops = new ShapeOps();
    attend(ops, shape.clone());
    return ops.macs();
  }

  /**
   * The steps of the equation for images, with the shapes of their results; the first one is the input.
   * Its picture is in docs/mechanisms.
   *
   * @throws IllegalStateException if the module is not for images
   */
  public final List<Flow.Step> flow() {
    if (dimensions() != 2) {
      throw new IllegalStateException("a flow is of images, and this module is not for them");
    }
    return Flow.of(
        this,
        channels(),
        new Flow.Equation() {
          @Override
          public <T> T apply(Ops<T> ops, T x) {
            return attend(ops, x);
          }
        });
  }

  private Tensor observed(Tensor x, Tensor y) {
    Observer observer = OBSERVER.get();
    if (observer != null) {
      OBSERVER.during( // what an observer computes is not observed, or it would never end
          null,
          () -> {
            observer.computed(this, own(x), y);
            return y;
          });
    }
    return y;
  }

  /** Converts a feature map to the type and memory order in which the mechanism computes. */
  private Tensor own(Tensor x) {
    Tensor real = x.is_neg() ? x.resolve_neg() : x; // kernels read memory, not the sign beside it
    Tensor y = real.scalar_type().intern() == ScalarType.BFloat16 ? real.to(type()) : real;
    boolean turns = ChannelsLast.is(y) && !takesChannelsLast() && fastPath(y, null) == null;
    return turns ? ChannelsLast.undone(y) : y;
  }

  /** The type of the parameters, or float32 if there are none. */
  private ScalarType type() {
    try (PointerScope scope = new PointerScope()) {
      TensorVector parameters = parameters();
      return parameters.empty() ? ScalarType.Float : parameters.get(0).scalar_type().intern();
    }
  }

  /** Converts a result to the type and memory order of the input. */
  private static Tensor like(Tensor x, Tensor result) {
    ScalarType type = x.scalar_type().intern();
    Tensor y = result.scalar_type().intern() == type ? result : result.to(type);
    return ChannelsLast.is(x) && !ChannelsLast.is(y) ? ChannelsLast.of(y) : y;
  }

  /**
   * Writes what {@link #forward} computes in evaluation mode into a graph, with the module's name
   * in the network.
   *
   * @param x the feature map, {@code [B, C, spatial...]}
   * @return the attended feature map, of the same shape
   * @throws FoveaException if the equation is written for tensors only
   */
  public final Value write(Graph graph, Value x) {
    return graph.in(this, () -> attend(new GraphOps(graph, dimensions() + 2), x));
  }

  /**
   * Returns the gates and maps of the module for {@code x}; see {@link AttentionMaps} for those of
   * each mechanism. Runs without gradients and in evaluation mode, and restores the mode of the
   * module.
   *
   * @param x feature map {@code [B, C, spatial...]}
   * @return the maps; the caller or the caller's scope closes them
   * @throws IllegalArgumentException as {@link #forward}
   */
  public final AttentionMaps explain(Tensor x) {
    check(x);
    return EvaluationMode.in( // an explanation must not change the batch statistics
        this,
        () -> {
          try (NoGradGuard guard = new NoGradGuard()) {
            return AttentionMaps.of(own(x), spec().mechanism().shows(), this::attend);
          }
        });
  }

  /**
   * The spec of the module: {@code module.spec().create(channels, dimensions)} creates an equal
   * one.
   */
  public final AttentionSpec spec() {
    return settings.spec();
  }

  /** The number of channels {@code C} of its feature maps. */
  public final long channels() {
    return settings.channels();
  }

  /** The number of spatial dimensions of the module: 1, 2 or 3. */
  public final int dimensions() {
    return settings.dimensions();
  }

  /** Is called for each attention module that computes. */
  @FunctionalInterface
  public interface Observer {
    /**
     * Is called after a module has computed.
     *
     * @param attention the module
     * @param x the input, {@code [B, C, spatial...]}
     * @param y the output, with the same shape; both may be read but not kept
     */
    void computed(Attention attention, Tensor x, Tensor y);
  }

  /**
   * Runs {@code body} and calls {@code observer} for each attention module that computes on this
   * thread, with its input. The observer may call {@link #explain} with this input; this is how a
   * whole network is explained. What the observer itself computes is not observed.
   */
  public static <T> T observing(BiConsumer<Attention, Tensor> observer, Supplier<T> body) {
    return observing((attention, x, y) -> observer.accept(attention, x), body);
  }

  /** The same for an observer that also gets the outputs. */
  public static <T> T observing(Observer observer, Supplier<T> body) {
    return OBSERVER.during(observer, body);
  }

  /** Whether an observer is active on this thread. */
  public static boolean isObserved() {
    return OBSERVER.get() != null;
  }

  /** Prefixes an error message with the name of the mechanism. */
  protected final IllegalArgumentException refuse(String message) {
    return new IllegalArgumentException(spec().mechanism() + ": " + message);
  }

  private void check(Tensor x) {
    if (x == null || x.isNull() || !x.defined()) {
      throw refuse("expected a tensor, got " + (x == null ? "null" : "an undefined tensor"));
    }
    long[] shape = x.shape();
    if (takesAnyDimensions() ? shape.length < 3 : shape.length != dimensions() + 2) {
      throw refuse("expected " + expectedShape() + ", got " + Arrays.toString(shape));
    }
    if (shape[1] != channels()) {
      throw refuse("expected " + channels() + " channels, got " + Arrays.toString(shape));
    }
    if (x.numel() == 0) {
      throw refuse("expected at least one value in each dimension, got " + Arrays.toString(shape));
    }
    ScalarType type = x.scalar_type().intern();
    if (x.layout().intern() != Layout.Strided) {
      throw refuse("expected a dense tensor, got layout " + x.layout().intern());
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

  /** The number of values per channel that a batch norm gets from a feature map of this shape. */
  protected static long valuesPerChannel(long[] shape) {
    return Arrays.stream(shape).reduce(1, (a, b) -> a * b) / shape[1];
  }

  /** Refuses one value per channel in training mode, for mechanisms with batch normalisation. */
  protected final void refuseSingleValue(long valuesPerChannel, long[] shape, String remedy) {
    if (is_training() && valuesPerChannel == 1) {
      throw refuse(
          "batch normalisation in training mode needs more than one value per channel, got "
              + Arrays.toString(shape)
              + "; "
              + remedy);
    }
  }

  private String expectedShape() {
    if (takesAnyDimensions()) {
      return "[B, " + channels() + ", spatial...]";
    }
    return switch (dimensions()) {
      case 1 -> "[B, " + channels() + ", L]";
      case 2 -> "[B, " + channels() + ", H, W]";
      default -> "[B, " + channels() + ", T, H, W]";
    };
  }
}
