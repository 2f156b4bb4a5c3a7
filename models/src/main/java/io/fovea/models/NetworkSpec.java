package io.fovea.models;

import io.fovea.errors.SpecException;
import io.fovea.models.placement.PlacedAttention;
import io.fovea.models.weights.StateDict;
import io.fovea.tensor.internal.InitialValues;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Supplier;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Generator;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/**
 * The complete description of a network, which a run folder stores: {@link ModelSpec} for
 * classifiers and {@link SegmenterSpec} for segmentation.
 *
 * <p>Immutable and thread-safe. Several threads may create networks; they take turns, because
 * libtorch has one random generator for all weights.
 *
 * @param <N> the type of the network
 */
public sealed interface NetworkSpec<N extends Network> permits ModelSpec, SegmenterSpec {
  /** The name of the backbone. */
  String backbone();

  /** The number of classes. */
  int classes();

  /** The number of channels of the images: 1 for greyscale, 3 for red, green and blue. */
  int channels();

  /** The width multiplier of the backbone. */
  double width();

  /** The attention as text, or {@link PlacedAttention#NONE}. */
  String attention();

  /** Returns a spec with another attention, or {@link PlacedAttention#NONE}. */
  NetworkSpec<N> withAttention(String other);

  /** Returns a spec for other images. */
  NetworkSpec<N> withData(int otherClasses, int otherChannels);

  /**
   * Returns a spec with another width of the backbone.
   *
   * @param factor the width multiplier
   * @throws SpecException if this kind of network has only one width
   */
  NetworkSpec<N> withWidth(double factor);

  /**
   * Returns a spec with a dilated backbone.
   *
   * @param outputStride the factor by which the backbone reduces height and width
   * @param multiGrid whether the last stage's blocks have different dilations
   * @throws SpecException if this kind of network cannot be dilated
   */
  NetworkSpec<N> withDilation(int outputStride, boolean multiGrid);

  /**
   * Returns a spec in the form of another code.
   *
   * @param form whose code is followed where codes differ, by the name of the {@link SegmenterForm} or
   *     {@link VideoForm}; null for the same as before
   * @param alignCorners whether the corners of maps lie on each other when they are upsampled; null for
   *     the same as before
   * @throws SpecException if there is no such form of this kind of network
   */
  NetworkSpec<N> withForm(String form, Boolean alignCorners);

  /**
   * Returns the shortest form of an attention for this kind of network.
   *
   * @param attention a spec, with a place if this kind of network has several places
   * @throws SpecException if the spec is invalid, or this kind of network cannot have it
   */
  String named(String attention);

  /** The description of the network with its attention, for messages. */
  String title();

  /** Whether its backbone is usually trained on ImageNet. */
  boolean ofImageNet();

  /** The names of its first and last weights. */
  Ends ends();

  /**
   * The names of a network's first and last weights, whose shapes give the number of channels and
   * classes.
   *
   * @param first the weight of the first convolution, {@code [width, channels, k, k]}
   * @param classifier the weight {@code [classes, width]} and the bias of the last layer; for a
   *     segmentation network those of all classifiers
   */
  record Ends(String first, List<String> classifier) {
    /** The number of classes of weights; empty if they have no classifier. */
    public Optional<Integer> classes(Map<String, Tensor> weights) {
      Tensor weight = weights.get(classifier.get(0));
      return weight == null || weight.dim() < 1
          ? Optional.empty()
          : Optional.of((int) Math.max(1, weight.size(0)));
    }

    /** The number of image channels of weights: 1 or 3. */
    public int channels(Map<String, Tensor> weights) {
      Tensor weight = weights.get(first);
      return weight != null && weight.dim() == 4 && weight.size(1) == 1 ? 1 : 3;
    }
  }

  /**
   * The usual side of the backbone's training images in pixels: 32 for small residual networks, about
   * 224 for ImageNet networks.
   */
  int imageSize();

  /**
   * Whether a training step is too short to be divided between threads: then two trainings side by side,
   * on one thread each, take little longer than one on both.
   */
  boolean hasShortSteps();

  /**
   * Creates the network, initialised by libtorch's random generator in its current state ({@link
   * #create(long)} sets the seed).
   *
   * @throws SpecException if the backbone is unknown or cannot have the attention
   */
  N create();

  /**
   * Creates the network with initial weights that depend on the seed alone, for any number of
   * threads. Only one network is created at a time, because libtorch has one random generator for
   * all weights.
   *
   * @param seed the seed of the weights and of the network's randomness in training (dropout)
   * @throws SpecException if the backbone is unknown or cannot have the attention
   */
  default N create(long seed) {
    synchronized (NetworkSpec.class) {
      torch.manual_seed(seed);
      return create();
    }
  }

  /** The names of the network's parameters and buffers without those of its attention. */
  default Set<String> namesWithoutAttention() {
    return aside(
        () ->
            InitialValues.skipped(
                () ->
                    new LinkedHashSet<>(
                        StateDict.of(withAttention(PlacedAttention.NONE).create()).keySet())));
  }

  /**
   * Creates networks or modules that are only looked at. libtorch has one random generator for all
   * weights: no network is created with a seed meanwhile, and afterwards the generator is as it was.
   *
   * @param body what it creates is freed at its end, so it must not return a native object
   */
  static <T> T aside(Supplier<T> body) {
    synchronized (NetworkSpec.class) {
      try (PointerScope scope = new PointerScope()) {
        Generator generator = torch.getDefaultCPUGenerator();
        Tensor state = generator.get_state();
        try {
          return body.get();
        } finally {
          generator.set_state(state);
        }
      }
    }
  }

  /**
   * Sets the state of libtorch's random generator, which all weights share, while no network is
   * created from it.
   *
   * @param state what the generator's {@code get_state} gave
   */
  static void setRandomState(Tensor state) {
    synchronized (NetworkSpec.class) {
      torch.getDefaultCPUGenerator().set_state(state);
    }
  }
}
