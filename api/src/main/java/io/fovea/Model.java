package io.fovea;

import io.fovea.data.DataException;
import io.fovea.data.Dataset;
import io.fovea.data.Progress;
import io.fovea.data.TrainingData;
import io.fovea.data.source.DataSpec;
import io.fovea.data.video.Sampling;
import io.fovea.errors.FoveaException;
import io.fovea.errors.SpecException;
import io.fovea.models.Network;
import io.fovea.models.NetworkSpec;
import io.fovea.training.EpochResult;
import io.fovea.training.PublishedWeights;
import io.fovea.training.Recipe;
import io.fovea.training.Task;
import io.fovea.training.Tasks;
import io.fovea.training.TrainingListener;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * A network which is described but not yet created: a backbone, attention in it, and the seed of its
 * weights. It predicts the class of an image, of each pixel of an image, or of a video. Immutable
 * and thread-safe.
 *
 * <pre>{@code
 * Model model = Model.classifier("resnet18").attention("cbam").seed(1).build();
 * Model scenes = Model.segmenter("resnet50").attention("dual").build();
 * Model videos = Model.video("i3d-resnet18").build();
 * }</pre>
 */
public final class Model {
  private final Described<?, ?> described;
  private final @Nullable List<String> classes;
  private final long seed;
  private final @Nullable Path weights;
  private final @Nullable PublishedWeights published;

  /** A network of a task. */
  record Described<N extends Network, D extends Dataset<?>>(Task<N, D> task, NetworkSpec<N> spec) {
    static <N extends Network, D extends Dataset<?>> Described<N, D> of(
        Task<N, D> task, String backbone) {
      NetworkSpec<N> plain = task.network(backbone, Sampling.DEFAULT);
      return new Described<>(task, plain);
    }

    Described<N, D> with(UnaryOperator<NetworkSpec<N>> change) {
      return new Described<>(task, change.apply(spec));
    }

    /** The attention that {@code fovea train} uses if none is given. */
    Described<N, D> withUsualAttention() {
      return withAttention(task.attention(spec));
    }

    Described<N, D> withAttention(String attention) {
      return with(s -> s.withAttention(s.named(attention)));
    }

    Described<N, D> withClasses(int count) {
      return with(s -> s.withData(count, s.channels()));
    }

    /** The network for clips of some frames. */
    NetworkSpec<N> fitting(DataSpec source) {
      return source.sampling() == null
          ? spec
          : task.network(spec.backbone(), source.sampling())
              .withWidth(spec.width())
              .withAttention(spec.attention());
    }
  }

  private Model(Builder builder) {
    described = builder.described;
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
    return new Builder(Described.of(Tasks.CLASSIFICATION, backbone));
  }

  /**
   * A network that predicts the class of each pixel of an image: a dilated backbone, and DANet's
   * head with attention, by default both of DANet's ({@code dual}).
   *
   * @param backbone {@code resnet18}, {@code resnet50}, {@code resnet101}, or {@code small} for
   *     images of about 100 pixels
   * @throws SpecException if there is no such backbone
   */
  public static Builder segmenter(String backbone) {
    return new Builder(Described.of(Tasks.SEGMENTATION, backbone).withUsualAttention());
  }

  /**
   * A network that predicts the class of a video, by default with non-local blocks. The number of
   * frames is that of the clips on which it is trained ({@link ImageData.Builder#frames}).
   *
   * @param backbone a residual network for images with {@code c2d-} or {@code i3d-} before its name,
   *     such as {@code i3d-resnet18}
   * @throws SpecException if there is no such backbone
   */
  public static Builder video(String backbone) {
    return new Builder(Described.of(Tasks.VIDEO, backbone).withUsualAttention());
  }

  /** The name of the backbone. */
  public String backbone() {
    return described.spec().backbone();
  }

  /** The attention as text, {@code none} without. */
  public String attention() {
    return described.spec().attention();
  }

  /** All settings of a training of this model, as text: options of {@code fovea train}, one a line. */
  public String recipe(Training training) {
    return Recipe.text(
        described.task(), training.spec(described.task(), startsFromWeights(), false));
  }

  private boolean startsFromWeights() {
    return weights != null || published != null;
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
    return train(described, data, training, folder);
  }

  private <N extends Network, D extends Dataset<?>> Run train(
      Described<N, D> network, ImageData data, Training training, Path folder) {
    TrainingData<D> samples = data.of(network.task());
    if (classes != null && !classes.equals(data.classes())) {
      throw new SpecException(
          "the model has the classes " + classes + ", but the images have " + data.classes());
    }
    if (published != null && samples.train().channels() == 3) {
      samples = samples.withNormalization(published.normalization());
    }
    io.fovea.training.Training<N, D> ready =
        io.fovea.training.Training.of(
            network.task(),
            network.fitting(data.source()),
            samples,
            training
                .spec(network.task(), startsFromWeights(), !data.source().fromFolder())
                .withSeed(seed));
    try {
      if (published != null) {
        Path file = published.file(PublishedWeights.cache(), Progress.NONE);
        ready = ready.startFrom(file, published.title(), false, line -> {});
      } else if (weights != null) {
        ready = ready.startFrom(weights, line -> {});
      }
      return Run.of(
          io.fovea.training.run.Run.train(
              folder,
              ready,
              data.source(),
              training.saveEvery(),
              new Told(network.task(), training, data.train().size())));
    } finally {
      ready.network().close();
    }
  }

  /** Passes the progress of a training on, and ends it when it is cancelled. */
  private static final class Told implements TrainingListener {
    private final Task<?, ?> task;
    private final Training training;
    private final int samples;
    private long done;
    private long total;

    Told(Task<?, ?> task, Training training, int samples) {
      this.task = task;
      this.training = training;
      this.samples = samples;
    }

    @Override
    public void planned(int epochs) {
      total = (long) epochs * samples;
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
      training.onEpoch().accept(Epoch.of(result, task));
    }
  }

  /** The description of the network. */
  Described<?, ?> described() {
    return described;
  }

  /** The source with the size and the crop for this model. */
  DataSpec prepared(DataSpec source) {
    int side = described.spec().imageSize();
    return source.withImageSize(side).withResize(published == null ? 0 : published.resize(side));
  }

  /** The backbone and the attention. */
  @Override
  public String toString() {
    return described.spec().title();
  }

  /** Describes a network. Not thread-safe. */
  public static final class Builder {
    private Described<?, ?> described;
    private @Nullable List<String> classes;
    private long seed = 1;
    private @Nullable Path weights;
    private @Nullable PublishedWeights published;

    private Builder(Described<?, ?> described) {
      this.described = described;
    }

    /**
     * Puts attention into the network.
     *
     * @param attention a mechanism with options and places, such as {@code se}, {@code
     *     cbam:reduction=8}, {@code se@pre} or {@code se; nonlocal@after:2.1}; {@code none} for
     *     none, which is the default of classifiers. Without a place it stands where its paper puts
     *     it. In a segmentation network it has no place: it stands in the head, which can also be
     *     {@code psp}, {@code aspp}, {@code ocr} or {@code ann}.
     * @throws SpecException if there is no such mechanism, option or place
     */
    public Builder attention(String attention) {
      described = described.withAttention(attention);
      return this;
    }

    /**
     * The dilation of the backbone of a segmentation network.
     *
     * @param outputStride the factor by which its feature map is smaller than the image: 8, which is
     *     the default, 16 or 32
     * @param multiGrid whether the dilations in the last stage are multiplied by 1, 2 and 4; default
     *     false
     * @throws SpecException if this is no segmentation network, or the backbone has no such stride
     */
    public Builder dilation(int outputStride, boolean multiGrid) {
      described = described.with(s -> s.withDilation(outputStride, multiGrid));
      return this;
    }

    /**
     * Multiplies the channels of the backbone; default 1.
     *
     * @throws SpecException if it is not above 0, or this is a segmentation network
     */
    public Builder width(double factor) {
      if (!(factor > 0)) {
        throw new SpecException("the width must be above 0, got " + factor);
      }
      described = described.with(s -> s.withWidth(factor));
      return this;
    }

    /**
     * Starts from trained weights instead of new ones. The classifier starts fresh if the classes
     * differ, and attention that the weights lack starts fresh; everything else must fit, or {@link
     * Model#train} throws an exception.
     *
     * @param fileOrRun a {@code .safetensors} or {@code .pth} file of the same backbone, or the
     *     folder of a run. A segmentation network also starts from a classifier with its backbone, a
     *     video network from the same network for images.
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
      return published(null);
    }

    /**
     * Starts from a version of the published weights of the backbone, as {@link #pretrained()}.
     *
     * @param version {@code v1} or {@code v2}
     * @throws FoveaException if there is no such version
     */
    public Builder pretrained(String version) {
      return published(version);
    }

    private Builder published(@Nullable String version) {
      published = PublishedWeights.of(described.spec().backbone(), version);
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
        described = described.withClasses(classes.size());
      }
      described.spec().create().close(); // a mistake is named here, not after the images were read
      return new Model(this);
    }
  }
}
