package io.fovea.models;

import io.fovea.errors.SpecException;
import io.fovea.models.placement.PlacedAttention;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/**
 * Everything that is needed to make a network again, as a run folder keeps it: {@link ModelSpec} for
 * classifiers and {@link SegmenterSpec} for segmentation.
 *
 * @param <N> the network
 */
public sealed interface NetworkSpec<N extends Network> permits ModelSpec, SegmenterSpec {
  /** The name of the backbone. */
  String backbone();

  /** The number of classes. */
  int classes();

  /** The channels of the images: 1 for grey, 3 for red, green and blue. */
  int channels();

  /** What the backbone's channels are multiplied by. */
  double width();

  /** The attention in it as text, or {@link PlacedAttention#NONE}. */
  String attention();

  /** The same network with other attention, or {@link PlacedAttention#NONE}. */
  NetworkSpec<N> withAttention(String other);

  /** The same network for other images. */
  NetworkSpec<N> withData(int otherClasses, int otherChannels);

  /**
   * The same network with other channels in its backbone.
   *
   * @param factor what they are multiplied by
   * @throws SpecException if this kind of network has one width
   */
  NetworkSpec<N> withWidth(double factor);

  /**
   * The same network with a backbone that is dilated.
   *
   * @param outputStride by how much the backbone reduces the sides
   * @param multiGrid whether the last stage's blocks have different dilations
   * @throws SpecException if this kind of network is never dilated
   */
  NetworkSpec<N> withDilation(int outputStride, boolean multiGrid);

  /**
   * An attention in its own shortest form, as this network names it.
   *
   * @param attention a spec, with a place where this kind of network has several
   * @throws SpecException if it is no attention, or not one that can be in this kind of network
   */
  String named(String attention);

  /** The network with its attention, for messages. */
  String title();

  /** Whether its backbone is one of those that are trained on ImageNet. */
  boolean ofImageNet();

  /** The names of its first and last weights. */
  Ends ends();

  /**
   * The names of a network's first and last weights: they tell how many channels and classes a file has.
   *
   * @param first the first convolution's weight, {@code [width, channels, k, k]}
   * @param classifier the last layer's weight {@code [classes, width]} and bias; of a segmentation network
   *     those of all its classifiers
   */
  record Ends(String first, List<String> classifier) {
    /** How many classes weights are for; empty if they have no classifier. */
    public Optional<Integer> classes(Map<String, Tensor> weights) {
      Tensor weight = weights.get(classifier.get(0));
      return weight == null || weight.dim() < 1
          ? Optional.empty()
          : Optional.of((int) Math.max(1, weight.size(0)));
    }

    /** How many channels of images weights are for: 1 or 3. */
    public int channels(Map<String, Tensor> weights) {
      Tensor weight = weights.get(first);
      return weight != null && weight.dim() == 4 && weight.size(1) == 1 ? 1 : 3;
    }
  }

  /**
   * The side of the images that the backbone is usually trained on, in pixels: 32 for small residual
   * networks, 224 for those of ImageNet.
   */
  int imageSize();

  /**
   * Whether a training step is too short to be divided between threads: then two trainings side by side,
   * on one thread each, take little longer than one on both.
   */
  boolean hasShortSteps();

  /**
   * Makes the network, freshly initialised by libtorch's generator as it stands ({@link #create(long)}
   * sets it).
   *
   * @throws SpecException if the backbone is not known, or the attention cannot be in it
   */
  N create();

  /**
   * Makes the network with initial weights that depend on the seed alone, on every thread count of a
   * machine. One at a time: all weights come from libtorch's one generator.
   *
   * @param seed of the weights, and of what the network draws at random in training (dropout)
   * @throws SpecException if the backbone is not known, or the attention cannot be in it
   */
  default N create(long seed) {
    synchronized (NetworkSpec.class) {
      torch.manual_seed(seed);
      return create();
    }
  }
}
