package io.fovea;

import io.fovea.data.DataException;
import io.fovea.data.ImageDataset;
import io.fovea.data.Progress;
import io.fovea.data.TrainingData;
import io.fovea.data.source.DataSpec;
import io.fovea.errors.FoveaException;
import io.fovea.errors.SpecException;
import io.fovea.models.Classifier;
import io.fovea.models.NetworkSpec;
import io.fovea.models.placement.PlacedAttention;
import io.fovea.training.EpochResult;
import io.fovea.training.PublishedWeights;
import io.fovea.training.Tasks;
import io.fovea.training.TrainingListener;
import io.fovea.training.TrainingSpec;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CancellationException;
import org.jspecify.annotations.Nullable;

/**
 * A network for images, which is described but not yet created: a backbone, attention in it, and
 * the seed of its weights. Immutable and thread-safe.
 *
 * <pre>{@code
 * Model model = Model.classifier("resnet18").attention("cbam").seed(1).build();
 * }</pre>
 */
public final class Model {
  private final NetworkSpec<Classifier> spec;
  private final @Nullable List<String> classes;
  private final long seed;
  private final @Nullable Path weights;
  private final @Nullable PublishedWeights published;

  private Model(Builder builder) {
    spec = builder.spec;
    classes = builder.classes;
    seed = builder.seed;
    weights = builder.weights;
    published = builder.published;
  }

  /**
   * A network that predicts the class of an image.
   *
   * @param backbone its name, such as {@code resnet18} or {@code mobilenetv3-small}; {@code fovea
   *     models} lists them. {@code resnet8}, {@code resnet20} and so on are for small images.
   * @throws SpecException if there is no such backbone
   */
  public static Builder classifier(String backbone) {
    return new Builder(Tasks.CLASSIFICATION.network(backbone, null));
  }

  /** The name of the backbone. */
  public String backbone() {
    return spec.backbone();
  }

  /** The attention as text, {@code none} without. */
  public String attention() {
    return spec.attention();
  }

  /**
   * Trains the network and keeps it in a folder. The same data, settings and seed give the same
   * weights bit for bit, on one machine with the same number of threads.
   *
   * @param data the images; the network gets a score for each of their classes
   * @param training how
   * @param folder the folder of the run, which is created. If it contains the same training, interrupted, that
   *     goes on; it must not contain another run.
   * @return the run, to be closed
   * @throws SpecException if the images have other classes than the model was given, or attention
   *     does not fit into the network
   * @throws DataException if the folder contains a finished run, or one with other settings, if it
   *     cannot be written, or the training fails
   * @throws FoveaException if published weights cannot be downloaded
   * @throws CancellationException if the training was cancelled
   */
  public Run train(ImageData data, Training training, Path folder) {
    if (classes != null && !classes.equals(data.classes())) {
      throw new SpecException(
          "the model has the classes " + classes + ", but the images have " + data.classes());
    }
    TrainingSpec settings = training.spec().withSeed(seed);
    TrainingListener listener =
        new TrainingListener() {
          private long done;
          private long total;

          @Override
          public void planned(int epochs) {
            total = (long) epochs * data.train().size();
          }

          @Override
          public void step(int images, double loss) {
            done += images;
            training.progress().progress("training", done, total);
            if (training.isCancelled()) {
              throw new CancellationException("the training was cancelled");
            }
          }

          @Override
          public void epoch(EpochResult result, io.fovea.training.evaluate.Evaluation evaluation) {
            training.onEpoch().accept(Epoch.of(result));
          }
        };
    TrainingData<ImageDataset> images = data.data();
    if (published != null && images.train().channels() == 3) {
      images = images.withNormalization(published.normalization());
    }
    io.fovea.training.Training<Classifier, ImageDataset> ready =
        io.fovea.training.Training.of(Tasks.CLASSIFICATION, spec, images, settings);
    try {
      if (published != null) {
        Path file = published.file(PublishedWeights.cache(), Progress.NONE);
        ready = ready.startFrom(file, published.title(), false, line -> {});
      } else if (weights != null) {
        ready = ready.startFrom(weights, line -> {});
      }
      return Run.of(
          io.fovea.training.run.Run.train(
              folder, ready, data.source(), training.saveEvery(), listener));
    } finally {
      ready.network().close();
    }
  }

  /** The description of the network. */
  NetworkSpec<Classifier> spec() {
    return spec;
  }

  /** The source with the size and the crop for this model. */
  DataSpec prepared(DataSpec source) {
    DataSpec sized = source.withImageSize(spec.imageSize());
    return sized.withResize(published == null ? 0 : published.resize(spec.imageSize()));
  }

  /** The backbone and the attention. */
  @Override
  public String toString() {
    return spec.title();
  }

  /** Describes a network. Not thread-safe. */
  public static final class Builder {
    private NetworkSpec<Classifier> spec;
    private @Nullable List<String> classes;
    private long seed = 1;
    private @Nullable Path weights;
    private @Nullable PublishedWeights published;

    private Builder(NetworkSpec<Classifier> spec) {
      this.spec = spec;
    }

    /**
     * Puts attention into the network.
     *
     * @param attention a mechanism with options and places, such as {@code se}, {@code
     *     cbam:reduction=8}, {@code se@pre} or {@code se; nonlocal@after:2.1}; {@code none} for
     *     none, which is the default. Without a place it stands where its paper puts it.
     * @throws SpecException if there is no such mechanism, option or place
     */
    public Builder attention(String attention) {
      spec = spec.withAttention(PlacedAttention.text(PlacedAttention.parseAll(attention)));
      return this;
    }

    /**
     * Multiplies the channels of the backbone; default 1.
     *
     * @throws SpecException if it is not above 0
     */
    public Builder width(double factor) {
      if (!(factor > 0)) {
        throw new SpecException("the width must be above 0, got " + factor);
      }
      spec = spec.withWidth(factor);
      return this;
    }

    /**
     * Starts from trained weights instead of new ones. The classifier starts fresh if the classes
     * differ, and attention that the weights lack starts fresh; everything else must fit, or {@link
     * Model#train} throws an exception.
     *
     * @param fileOrRun a {@code .safetensors} or {@code .pth} file of the same backbone, or the
     *     folder of a run
     */
    public Builder weights(Path fileOrRun) {
      weights = fileOrRun;
      published = null;
      return this;
    }

    /**
     * Starts from the newest published weights of the backbone, with their normalisation:
     * torchvision's for ImageNet, akamaster's for CIFAR-10. {@link Model#train} downloads them once.
     *
     * @throws FoveaException if there are none
     */
    public Builder pretrained() {
      published = PublishedWeights.of(spec.backbone(), null);
      weights = null;
      return this;
    }

    /** Requires these classes of the images; without them, any classes are trained. */
    public Builder classes(List<String> names) {
      classes = List.copyOf(names);
      return this;
    }

    /** The seed of the initial weights, the order of the images and their augmentation; default 1. */
    public Builder seed(long seed) {
      this.seed = seed;
      return this;
    }

    /**
     * The model.
     *
     * @throws SpecException if attention does not fit into the network
     */
    public Model build() {
      if (classes != null) {
        spec = spec.withData(classes.size(), spec.channels());
      }
      spec.create().close(); // a mistake is named here, not after the images were read
      return new Model(this);
    }
  }
}
