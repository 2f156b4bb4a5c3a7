package io.fovea.attention;

import io.fovea.attention.fast.FastPath;
import io.fovea.errors.FoveaException;
import io.fovea.nn.Graph;
import io.fovea.nn.Graph.Value;
import io.fovea.nn.GraphOps;
import io.fovea.nn.Ops;
import io.fovea.nn.ShapeOps;
import io.fovea.nn.TensorOps;
import io.fovea.tensor.EvaluationMode;
import io.fovea.tensor.Scopes;
import io.fovea.tensor.internal.ChannelsLast;
import io.fovea.tensor.internal.Macs;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
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
 * <p>A mechanism is a class that writes its equation, {@link #attend}, and says everything else about
 * itself in a {@link Mechanism}. Computing, export, multiply-accumulates and {@link #explain} follow from
 * the equation.
 *
 * <p>Bad tensors are refused before libtorch sees them, with an {@link IllegalArgumentException} that
 * says what was given and what was expected.
 *
 * <p>Threads may share a module in evaluation mode; training is for one thread.
 */
public abstract class Attention extends Module {
  private static final boolean PLAIN = "off".equals(System.getProperty("fovea.fast"));
  private static final ThreadLocal<Observer> OBSERVER = new ThreadLocal<>();

  private final Settings settings;
  private final List<FastPath> fastPaths = new ArrayList<>();

  /** Takes what the module is made with; the constructor of the mechanism registers its parts. */
  protected Attention(Settings settings) {
    super(settings.spec().mechanism().name());
    this.settings = settings;
  }

  /**
   * The equation of the mechanism, in operators that compute, export and count.
   *
   * @param x feature map {@code [B, C, spatial...]}, checked
   * @return a feature map of the same shape
   */
  protected abstract <T> T attend(Ops<T> ops, T x);

  /** Whether the equation is as fast on a feature map with its channels last (NHWC); default false. */
  protected boolean takesChannelsLast() {
    return false;
  }

  /** Whether feature maps may have other spatial dimensions than the module was made for; default false. */
  protected boolean takesAnyDimensions() {
    return false;
  }

  /** Refuses a shape that only this mechanism cannot take; rank and channels are checked already. */
  protected void checkShape(long[] shape) {}

  /** Another way to the numbers of the equation, asked before it, after those that were added earlier. */
  final void faster(FastPath path) {
    fastPaths.add(path);
  }

  /** The operators that compute, for what a fast path takes over from the equation. */
  static TensorOps tensors() {
    return TensorOps.PLAIN;
  }

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
    return observed(x, Scopes.compute(() -> like(x, compute(own(x), null, false))));
  }

  /**
   * Applies the attention at the end of a residual block: {@code relu(forward(x) + shortcut)}, which
   * fast paths compute in one pass where they can.
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
          return like(x, compute(in, added, over));
        });
  }

  /** {@code attend(x)}, or {@code relu(attend(x) + shortcut)}, by the first fast path that can. */
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
      return attend(TensorOps.PLAIN, x);
    }
    return computeUncounted(x, null, false).add(shortcut).relu_();
  }

  /** The equation alone, whatever is faster. */
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

  private Tensor observed(Tensor x, Tensor y) {
    Observer observer = OBSERVER.get();
    if (observer != null) {
      observer.computed(this, own(x), y);
    }
    return y;
  }

  /** A feature map in the type and the order of memory that the mechanism computes in. */
  private Tensor own(Tensor x) {
    Tensor y = x.scalar_type().intern() == ScalarType.BFloat16 ? x.to(type()) : x;
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
   * @throws FoveaException if the equation is written for tensors only
   */
  public final Value write(Graph graph, Value x) {
    return graph.in(this, () -> attend(new GraphOps(graph, dimensions() + 2), x));
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
    check(x);
    return EvaluationMode.in( // batch statistics must not move because somebody looked
        this,
        () -> {
          try (NoGradGuard guard = new NoGradGuard()) {
            return AttentionMaps.of(own(x), spec().mechanism().shows(), this::attendLooking);
          }
        });
  }

  private void attendLooking(Look look, Tensor x) {
    attend(look, x);
  }

  /** The spec that makes an equal module: {@code module.spec().create(channels, dimensions)}. */
  public final AttentionSpec spec() {
    return settings.spec();
  }

  /** The channels {@code C} of the feature maps it takes. */
  public final long channels() {
    return settings.channels();
  }

  /** The spatial dimensions that it was made for: 1, 2 or 3. */
  public final int dimensions() {
    return settings.dimensions();
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
  protected final IllegalArgumentException refuse(String message) {
    return new IllegalArgumentException(spec().mechanism() + ": " + message);
  }

  private void check(Tensor x) {
    if (x == null || x.isNull() || !x.defined()) {
      throw refuse("expected a tensor, got " + (x == null ? "null" : "an undefined one"));
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
  protected static long valuesPerChannel(long[] shape) {
    return Arrays.stream(shape).reduce(1, (a, b) -> a * b) / shape[1];
  }

  /** For mechanisms with batch normalisation, which cannot train on one value per channel. */
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
