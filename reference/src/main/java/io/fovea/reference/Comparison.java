package io.fovea.reference;

import io.fovea.attention.Attention;
import io.fovea.attention.AttentionSpec;
import io.fovea.errors.SpecException;
import java.util.List;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.BoolOptional;
import org.bytedeco.pytorch.GeneratorOptional;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorArrayRefOptional;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * Holds one mechanism twice, Fovea's and the reference implementation's, with the same parameters
 * and the same input.
 */
public final class Comparison {
  /** The largest difference that rounding explains, relative to the largest value. */
  public static final double TOLERANCE = 1e-4;

  /** The same in float64, where rounding explains much less. */
  static final double EXACT = 1e-6;

  /** However much a deep or a badly conditioned computation magnifies rounding, it is less. */
  static final double UNLIKE = 0.1;

  private final Attention module;
  private final ReferenceCode code;
  private final Contender fovea;
  private final Contender reference;
  private final boolean residual;
  private final long[] shape;

  /**
   * Creates both implementations in float32 and in training mode, with a random input.
   *
   * @param spec a spec that {@link ReferenceCode} implements
   * @param residual whether both include the end of a residual block: the addition of a shortcut
   *     and a ReLU
   * @param shape the shape of the input, {@code [B, C, H, W]}
   * @throws SpecException if there is no reference implementation of the spec
   */
  public Comparison(AttentionSpec spec, boolean residual, long... shape) {
    this(spec, residual, ScalarType.Float, shape);
  }

  /** Creates both with the same values of parameters and input in another type. */
  Comparison(AttentionSpec spec, boolean residual, ScalarType type, long... shape) {
    this.residual = residual;
    this.shape = shape.clone();
    module = module(spec, type, shape[1]);
    code = new ReferenceCode(module);
    Tensor x = input(type, shape);
    Tensor cotangent = torch.randn(shape).to(type);
    Tensor shortcut = residual ? torch.randn(shape).to(type) : null;
    fovea = contender(module, x, cotangent, shortcut);
    reference =
        new Contender(
            residual ? y -> code.forward(y).add(shortcut).relu_() : code::forward,
            code.parameters(),
            x,
            cotangent);
  }

  /** Creates Fovea's module with random parameters, in training mode. */
  static Attention module(AttentionSpec spec, ScalarType type, long channels) {
    torch.manual_seed(1);
    Attention module = spec.create(channels, 2);
    randomize(module); // some parameters are 0 initially and would hide everything that they scale
    module.to(type, false);
    return module;
  }

  /**
   * A random input. The numbers are small. With numbers around 1, the products of channels differ so
   * much that most of their softmax is denormal, and the benchmark would measure how slowly
   * processors multiply denormal numbers.
   */
  static Tensor input(ScalarType type, long... shape) {
    return torch.randn(shape).mul(new Scalar(0.2)).to(type).set_requires_grad(true);
  }

  /** Fovea's implementation, with the end of a residual block if there is a shortcut (or null). */
  static Contender contender(Attention module, Tensor x, Tensor cotangent, Tensor shortcut) {
    return new Contender(
        shortcut == null ? module::forward : y -> module.forwardResidual(y, shortcut),
        parameters(module),
        x,
        cotangent);
  }

  /** Copies the handles, because those of the vector are freed with it. */
  private static List<Tensor> parameters(Attention module) {
    try (TensorVector parameters = module.parameters()) {
      return Stream.of(parameters.get()).map(Tensor::new).toList();
    }
  }

  private static void randomize(Attention module) {
    try (PointerScope scope = new PointerScope();
        NoGradGuard guard = new NoGradGuard()) {
      for (Tensor parameter : module.parameters().get()) {
        parameter.normal_(0, 0.2, new GeneratorOptional());
      }
    }
  }

  /** Fovea's implementation. */
  public Contender fovea() {
    return fovea;
  }

  /** The reference implementation. */
  public Contender reference() {
    return reference;
  }

  /** Switches both between training and evaluation mode. */
  public Comparison train(boolean training) {
    module.train(training);
    code.train(training);
    return this;
  }

  /**
   * The largest difference between the two in the current mode, relative to the largest value. It
   * covers the outputs, with and without gradients, and the gradients of the input.
   */
  public double difference() {
    try (PointerScope scope = new PointerScope()) {
      double inferred = difference(fovea.infer(), reference.infer());
      Tensor output = fovea.step();
      // the step of the other implementation overwrites it
      Tensor gradient = fovea.inputGradient().clone();
      double computed = difference(output, reference.step());
      double derived = difference(gradient, reference.inputGradient());
      return Math.max(inferred, Math.max(computed, derived));
    }
  }

  private static double difference(Tensor actual, Tensor expected) {
    double largest = expected.detach().abs().max().item_double();
    return actual.sub(expected).detach().abs().max().item_double() / largest;
  }

  /**
   * Makes sure that both compute the same: where they differ by more than a few roundings, what they
   * compute in float64 decides.
   *
   * @throws IllegalStateException if the two differ by more than rounding in the current mode
   */
  public void check() {
    double difference = difference();
    if (!(difference <= TOLERANCE) && !(difference <= UNLIKE && agreesInFloat64())) {
      throw new IllegalStateException(
          module.spec() + " and the reference implementation differ by " + difference);
    }
  }

  private boolean agreesInFloat64() {
    try (PointerScope scope = new PointerScope()) {
      Comparison wide = new Comparison(module.spec(), residual, ScalarType.Double, shape);
      return wide.train(module.is_training()).difference() <= EXACT;
    }
  }

  /** One of the two implementations. Its results belong to the caller's scope. */
  public record Contender(
      UnaryOperator<Tensor> forward, List<Tensor> parameters, Tensor x, Tensor cotangent) {
    /** The output, without gradients. */
    public Tensor infer() {
      try (NoGradGuard guard = new NoGradGuard()) {
        return forward.apply(x);
      }
    }

    /**
     * Runs the forward and the backward pass, which set the gradients of the parameters and of the
     * input. Returns the output.
     */
    public Tensor step() {
      parameters.forEach(parameter -> parameter.mutable_grad().reset());
      x.mutable_grad().reset();
      Tensor y = forward.apply(x);
      y.backward(cotangent, new BoolOptional(), false, new TensorArrayRefOptional());
      return y;
    }

    /** The gradient of the input from the last step; both implementations share the input. */
    Tensor inputGradient() {
      return x.grad();
    }
  }
}
