package io.fovea;

import io.fovea.data.DataException;
import io.fovea.data.Dataset;
import io.fovea.data.Progress;
import io.fovea.data.TrainingData;
import io.fovea.data.source.DataSpec;
import io.fovea.data.video.Sampling;
import io.fovea.errors.SpecException;
import io.fovea.models.Network;
import io.fovea.training.Task;
import io.fovea.training.Tasks;
import java.nio.file.Path;
import java.util.List;

/**
 * Samples for training and for testing: images with one class each, images with a class for each
 * pixel, or videos with one class each. The samples of a folder stay in their files and are decoded
 * when they are needed. Immutable and thread-safe.
 *
 * <pre>{@code
 * ImageData data = ImageData.folder(Path.of("my-images")).size(224).load();
 * ImageData scenes = ImageData.masks(Path.of("my-scenes")).load();
 * ImageData videos = ImageData.videos(Path.of("my-videos")).size(112).frames(16).load();
 * }</pre>
 */
public final class ImageData {
  private final Loaded<?, ?> loaded;
  private final Images train;
  private final Images test;

  /** Samples of one task, and where they come from. */
  private record Loaded<N extends Network, D extends Dataset<?>>(
      Task<N, D> task, DataSpec source, TrainingData<D> data) {
    static <N extends Network, D extends Dataset<?>> Loaded<N, D> of(
        Task<N, D> task, DataSpec source, Progress progress) {
      return new Loaded<>(task, source, task.open(source, progress));
    }

    Images train() {
      return new Images(task, data.train(), data.name());
    }

    Images test() {
      return new Images(task, data.test(), data.name());
    }
  }

  private ImageData(Loaded<?, ?> loaded) {
    this.loaded = loaded;
    train = loaded.train();
    test = loaded.test();
  }

  /**
   * The images of a folder: a folder of class folders for training in {@code train/} and one for
   * testing in {@code val/}, or class folders that are split, 80 to 20 in each class.
   *
   * @param folder the folder; JPEG, PNG, BMP and WebP files are read
   */
  public static Builder folder(Path folder) {
    return new Builder(Tasks.CLASSIFICATION, DataSpec.of(folder.toString()));
  }

  /**
   * Images with masks, which give each pixel a class: a folder with {@code images/} and {@code
   * masks/}, or one in the layout of Pascal VOC or Cityscapes, as docs/segmentation.md describes.
   * They keep their sizes.
   *
   * @param folder the folder
   */
  public static Builder masks(Path folder) {
    return new Builder(Tasks.SEGMENTATION, DataSpec.of(folder.toString()));
  }

  /**
   * The videos of a folder, in class folders as for {@link #folder}: video files, or folders of
   * frames. A sample is a clip of {@link Builder#frames} frames.
   *
   * @param folder the folder
   */
  public static Builder videos(Path folder) {
    return new Builder(Tasks.VIDEO, DataSpec.of(folder.toString()).withSampling(Sampling.DEFAULT));
  }

  /** The bundled sample of Fashion-MNIST: 6,000 training and 2,000 test images, 28 x 28, grey. */
  public static Builder fashionMnistSample() {
    return new Builder(Tasks.CLASSIFICATION, Tasks.CLASSIFICATION.data());
  }

  /** The bundled scenes with masks: 1,600 for training and 200 for testing, 96 x 96, in colour. */
  public static Builder bundledScenes() {
    return new Builder(Tasks.SEGMENTATION, Tasks.SEGMENTATION.data());
  }

  /** The bundled clips of moving garments, in which the order of the frames decides. */
  public static Builder bundledClips() {
    return new Builder(Tasks.VIDEO, Tasks.VIDEO.data());
  }

  /** The names of the classes, in the order of the network's scores. */
  public List<String> classes() {
    return loaded.data().classes();
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
    return loaded.data().skipped().stream()
        .map(file -> file.file() + ": " + file.reason())
        .toList();
  }

  DataSpec source() {
    return loaded.source();
  }

  /**
   * The samples for the networks of a task.
   *
   * @throws SpecException if they are samples of another task
   */
  <N extends Network, D extends Dataset<?>> TrainingData<D> of(Task<N, D> task) {
    if (loaded.task() != task) {
      throw new SpecException(
          "the model is for " + task + ", but these are samples for " + loaded.task());
    }
    @SuppressWarnings("unchecked") // a task has one type of data sets
    TrainingData<D> data = (TrainingData<D>) loaded.data();
    return data;
  }

  /** One line: the number of images, their size and the classes. */
  @Override
  public String toString() {
    return loaded.data().description();
  }

  /** Chooses how images are read. Not thread-safe. */
  public static final class Builder {
    private final Task<?, ?> task;
    private DataSpec spec;
    private ProgressListener listener = ProgressListener.NONE;

    private Builder(Task<?, ?> task, DataSpec spec) {
      this.task = task;
      this.spec = spec;
    }

    /**
     * Scales and crops the images or frames of a folder to squares. Images with masks keep their
     * size.
     *
     * @param pixels the side, at least 1; default 224, which the backbones of ImageNet expect. Those
     *     for small images (resnet8, resnet20, ...) expect 32.
     * @throws SpecException if it is less than 1, or these are images with masks
     */
    public Builder size(int pixels) {
      if (pixels < 1) {
        throw new SpecException("the size must be at least 1 pixel, got " + pixels);
      }
      if (task.namesPixels()) {
        throw new SpecException(
            "images with masks keep their size; Training.cropSize sets the crops of a training");
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

    /**
     * The number of frames of a clip; default 8.
     *
     * @throws SpecException if it is less than 1, or these are no videos
     */
    public Builder frames(int frames) {
      Sampling s = sampling();
      spec = spec.withSampling(new Sampling(frames, s.stride(), s.clips(), s.crops()));
      return this;
    }

    /**
     * The distance between the frames of a clip, in frames of the video; default 1.
     *
     * @throws SpecException if it is less than 1, or these are no videos
     */
    public Builder frameStride(int frames) {
      Sampling s = sampling();
      spec = spec.withSampling(new Sampling(s.frames(), frames, s.clips(), s.crops()));
      return this;
    }

    /**
     * The number of clips of a video whose probabilities are averaged in a test; default 1.
     *
     * @throws SpecException if it is less than 1, or these are no videos
     */
    public Builder clips(int clips) {
      Sampling s = sampling();
      spec = spec.withSampling(new Sampling(s.frames(), s.stride(), clips, s.crops()));
      return this;
    }

    private Sampling sampling() {
      if (spec.sampling() == null) {
        throw new SpecException("only videos have clips of frames; these are images");
      }
      return spec.sampling();
    }

    /**
     * A text file with the name of each class on a line, in the order of the labels in masks.
     * Default: {@code classes.txt} in the folder, or the names of its layout.
     *
     * @throws SpecException if these are no images with masks
     */
    public Builder classes(Path file) {
      if (!task.namesPixels()) {
        throw new SpecException("the classes of images and videos are the names of their folders");
      }
      spec = spec.withClasses(file.toAbsolutePath().toString());
      return this;
    }

    /** Reads the images of a folder without their colours. */
    public Builder greyscale() {
      spec = spec.withChannels(1);
      return this;
    }

    /**
     * Trains on at most this many images, with equal numbers from each class, if each image has one; default all.
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
      return new ImageData(Loaded.of(task, spec, Reported.to(listener)));
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
