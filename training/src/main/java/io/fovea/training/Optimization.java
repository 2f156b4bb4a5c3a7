package io.fovea.training;

import static io.fovea.errors.SpecException.check;

import com.fasterxml.jackson.annotation.JsonValue;
import io.fovea.errors.SpecException;
import java.util.Locale;
import java.util.Map;
import org.bytedeco.pytorch.AdamW;
import org.bytedeco.pytorch.AdamWOptions;
import org.bytedeco.pytorch.Optimizer;
import org.bytedeco.pytorch.RMSprop;
import org.bytedeco.pytorch.RMSpropOptions;
import org.bytedeco.pytorch.SGD;
import org.bytedeco.pytorch.SGDOptions;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;

/**
 * How a training changes the weights, and when it ends before its last epoch.
 *
 * @param method the optimiser
 * @param clip the largest norm of all gradients together, to which larger gradients are scaled; 0
 *     for any
 * @param patience the number of epochs without a better score on the test samples after which the
 *     training ends; 0 for never
 * @param accumulate the number of batches whose gradients make a step. The last step of an epoch has
 *     fewer if they do not divide its batches.
 * @param ema the largest decay of the moving average of the weights, which is kept beside them as
 *     timm's {@code ModelEmaV3} does; 0 for no average
 * @param seconds the time of the training, into which its number of epochs is fitted; 0 for the
 *     number of epochs of the settings
 */
public record Optimization(
    Method method, double clip, int patience, int accumulate, double ema, double seconds) {
  /** Stochastic gradient descent for all epochs. */
  public static final Optimization DEFAULT = new Optimization(Method.SGD, 0, 0, 1, 0, 0);

  /** The optimisers, which are libtorch's, with PyTorch's defaults. */
  public enum Method {
    /** Stochastic gradient descent with momentum. */
    SGD,
    /**
     * AdamW, whose weight decay does not depend on the gradients (Loshchilov, Hutter: <a
     * href="https://arxiv.org/abs/1711.05101">Decoupled Weight Decay Regularization</a>); betas of
     * 0.9 and 0.999. It has no momentum.
     */
    ADAMW,
    /** RMSprop with momentum, and a smoothing constant of 0.99. */
    RMSPROP;

    /**
     * The optimiser of a name.
     *
     * @throws SpecException if there is none
     */
    public static Method of(String name) {
      for (Method method : values()) {
        if (method.toString().equals(name)) {
          return method;
        }
      }
      throw new SpecException(
          "unknown optimiser: \"" + name + "\"; there are sgd, adamw and rmsprop");
    }

    /** The name in options and files. */
    @JsonValue
    @Override
    public String toString() {
      return name().toLowerCase(Locale.ROOT);
    }
  }

  /**
   * Checks the ranges.
   *
   * @throws io.fovea.errors.SpecException if a value is out of range
   */
  public Optimization {
    check(
        clip >= 0 && clip < Double.POSITIVE_INFINITY,
        "the largest norm of the gradients must be at least 0, got " + clip);
    check(patience >= 0, "the patience must be at least 0, got " + patience);
    accumulate = accumulate == 0 ? 1 : accumulate; // 0 in files of older versions
    check(accumulate >= 1, "the batches of a step must be at least 1, got " + accumulate);
    check(ema >= 0 && ema < 1, "the decay of the average must be from 0 to below 1, got " + ema);
    check(
        seconds >= 0 && seconds < Double.POSITIVE_INFINITY,
        "the time of the training must be at least 0 seconds, got " + seconds);
  }

  /** Returns settings with another optimiser. */
  public Optimization withMethod(Method other) {
    return new Optimization(other, clip, patience, accumulate, ema, seconds);
  }

  /** Returns settings with another largest norm of the gradients; 0 for any. */
  public Optimization withClip(double other) {
    return new Optimization(method, other, patience, accumulate, ema, seconds);
  }

  /** Returns settings with another patience; 0 for all epochs. */
  public Optimization withPatience(int other) {
    return new Optimization(method, clip, other, accumulate, ema, seconds);
  }

  /**
   * Returns settings with another number of batches of a step.
   *
   * @param other at least 1
   */
  public Optimization withAccumulate(int other) {
    check(other >= 1, "the batches of a step must be at least 1, got " + other);
    return new Optimization(method, clip, patience, other, ema, seconds);
  }

  /** Returns settings with another decay of the moving average of the weights; 0 for none. */
  public Optimization withEma(double other) {
    return new Optimization(method, clip, patience, accumulate, other, seconds);
  }

  /** Returns settings with another time in seconds; 0 for a fixed number of epochs. */
  public Optimization withSeconds(double other) {
    return new Optimization(method, clip, patience, accumulate, ema, other);
  }

  /** Creates an optimiser of the open scope. */
  Optimizer optimizer(Map<String, Tensor> parameters, double rate, double momentum, double decay) {
    TensorVector tensors = new TensorVector(parameters.values().toArray(new Tensor[0]));
    return switch (method) {
      case SGD -> {
        SGDOptions options = new SGDOptions(rate);
        options.momentum().put(momentum);
        options.weight_decay().put(decay);
        yield new SGD(tensors, options);
      }
      case ADAMW -> {
        AdamWOptions options = new AdamWOptions(rate);
        options.weight_decay().put(decay);
        yield new AdamW(tensors, options);
      }
      case RMSPROP -> {
        RMSpropOptions options = new RMSpropOptions(rate);
        options.momentum().put(momentum);
        options.weight_decay().put(decay);
        yield new RMSprop(tensors, options);
      }
    };
  }
}
