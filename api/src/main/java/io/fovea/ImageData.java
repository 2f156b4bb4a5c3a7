package io.fovea;

import io.fovea.data.DataException;
import io.fovea.data.ImageDataset;
import io.fovea.data.Progress;
import io.fovea.data.TrainingData;
import io.fovea.data.source.DataSpec;
import io.fovea.errors.SpecException;
import io.fovea.training.Tasks;
import java.nio.file.Path;
import java.util.List;

/**
 * Images with one class each, for training and for testing. The images of a folder stay in their
 * files and are decoded when they are needed. Immutable and thread-safe.
 *
 * <pre>{@code
 * ImageData data = ImageData.folder(Path.of("my-images")).size(224).load();
 * }</pre>
 */
public final class ImageData {
  private final DataSpec source;
  private final TrainingData<ImageDataset> data;
  private final Images train;
  private final Images test;

  private ImageData(DataSpec source, TrainingData<ImageDataset> data) {
    this.source = source;
    this.data = data;
    train = new Images(data.train(), data.name());
    test = new Images(data.test(), data.name());
  }

  /**
   * The images of a folder: a folder of class folders for training in {@code train/} and one for
   * testing in {@code val/}, or class folders that are split, 80 to 20 in each class.
   *
   * @param folder the folder; JPEG, PNG, BMP and WebP files are read
   */
  public static Builder folder(Path folder) {
    return new Builder(DataSpec.of(folder.toString()));
  }

  /** The bundled sample of Fashion-MNIST: 6,000 training and 2,000 test images, 28 x 28, grey. */
  public static Builder fashionMnistSample() {
    return new Builder(DataSpec.of(DataSpec.SAMPLE));
  }

  /** The names of the classes, in the order of the network's scores. */
  public List<String> classes() {
    return data.classes();
  }

  /** The images to train on. */
  public Images train() {
    return train;
  }

  /** The images to test on. */
  public Images test() {
    return test;
  }

  /** The files that were left out, each with the reason. */
  public List<String> skipped() {
    return data.skipped().stream().map(file -> file.file() + ": " + file.reason()).toList();
  }

  DataSpec source() {
    return source;
  }

  TrainingData<ImageDataset> data() {
    return data;
  }

  /** One line: the number of images, their size and the classes. */
  @Override
  public String toString() {
    return data.description();
  }

  /** Chooses how images are read. Not thread-safe. */
  public static final class Builder {
    private DataSpec spec;
    private ProgressListener listener = ProgressListener.NONE;

    private Builder(DataSpec spec) {
      this.spec = spec;
    }

    /**
     * Scales and crops the images of a folder to squares.
     *
     * @param pixels the side, at least 1; default 224, which the backbones of ImageNet expect. Those
     *     for small images (resnet8, resnet20, ...) expect 32.
     * @throws SpecException if it is less than 1
     */
    public Builder size(int pixels) {
      if (pixels < 1) {
        throw new SpecException("the size must be at least 1 pixel, got " + pixels);
      }
      spec = spec.withImageSize(pixels);
      return this;
    }

    /**
     * Scales the shorter side of an image to this length, and then cuts out the centred square of
     * the {@link #size}, as published weights expect it; default: the largest centred square.
     *
     * @param pixels the length, at least the size
     */
    public Builder resize(int pixels) {
      spec = spec.withResize(pixels);
      return this;
    }

    /**
     * Scales and crops the images as a model expects it: to the size of its backbone and, if it
     * starts from published weights, with the crop of their publisher.
     */
    public Builder preparedFor(Model model) {
      spec = model.prepared(spec);
      return this;
    }

    /** Reads the images of a folder without their colours. */
    public Builder greyscale() {
      spec = spec.withChannels(1);
      return this;
    }

    /**
     * Trains on at most this many images, with equal numbers from each class; default all.
     *
     * @throws SpecException if it is less than 1
     */
    public Builder limit(int images) {
      if (images < 1) {
        throw new SpecException("the limit must be at least 1 image, got " + images);
      }
      spec = spec.withLimit(images);
      return this;
    }

    /** The seed of the split of a folder without {@code train/} and {@code val/}; default 1. */
    public Builder seed(long seed) {
      spec = spec.withSplitSeed(seed);
      return this;
    }

    /** Fails on the first unreadable file, instead of leaving it out. */
    public Builder strict() {
      spec = spec.withStrict(true);
      return this;
    }

    /** Tells a listener of the progress of {@link #load}. */
    public Builder progress(ProgressListener listener) {
      this.listener = listener;
      return this;
    }

    /**
     * Finds the images.
     *
     * @throws SpecException if the shorter side would be scaled to less than the size
     * @throws DataException if the folder does not exist or has no images of at least two classes
     */
    public ImageData load() {
      return new ImageData(spec, Tasks.CLASSIFICATION.open(spec, Reported.to(listener)));
    }
  }

  /** Passes progress on. */
  private static final class Reported implements Progress {
    private final ProgressListener listener;
    private String task = "";
    private long done;
    private long total;

    private Reported(ProgressListener listener) {
      this.listener = listener;
    }

    static Progress to(ProgressListener listener) {
      return listener == ProgressListener.NONE ? Progress.NONE : new Reported(listener);
    }

    @Override
    public void begin(String name, long steps) {
      task = name;
      done = 0;
      total = steps;
      listener.progress(task, done, total);
    }

    @Override
    public void step(long count) {
      done += count;
      listener.progress(task, done, total);
    }

    @Override
    public void end() {}
  }
}
