package io.fovea.data.source;

import com.fasterxml.jackson.annotation.JsonInclude;
import io.fovea.data.DataException;
import io.fovea.data.Dataset;
import io.fovea.data.EvaluationData;
import io.fovea.data.ImageDataset;
import io.fovea.data.Progress;
import io.fovea.data.SegmentationDataset;
import io.fovea.data.SquareCrop;
import io.fovea.data.TrainingData;
import io.fovea.data.bundled.FashionMnist;
import io.fovea.data.bundled.MovingGarments;
import io.fovea.data.bundled.Scenes;
import io.fovea.data.image.ImageFolder;
import io.fovea.data.mask.SegmentationFolder;
import io.fovea.data.video.Sampling;
import io.fovea.data.video.VideoFolder;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * The source of samples, as stored in configurations. The task determines how they are read: as
 * images ({@link #images}), as images with masks ({@link #masks}), or as videos ({@link #videos}).
 *
 * <pre>{@code
 * TrainingData<ImageDataset> data = DataSpec.of("my-images").withImageSize(224).images(Progress.NONE);
 * }</pre>
 *
 * @param source the name of bundled samples ({@link #SAMPLE}, {@link #SCENES}, {@link #GARMENTS}), {@link
 *     #FASHION_MNIST}, or a folder
 * @param dataDir the folder with the files of Fashion-MNIST, or null to search for them or download
 *     them
 * @param classes for masks: a text file with one class name on each line, in the order of the
 *     labels; null for the names of the layout
 * @param imageSize the side in pixels to which images of a folder are scaled and cropped; images
 *     with masks keep their size
 * @param channels 3 for images of a folder in colour, 1 for greyscale
 * @param limit the largest number of training samples, or 0 for all
 * @param splitSeed the seed for the split of a folder without {@code train/} and {@code val/}
 * @param strict whether a damaged file is an error instead of being skipped
 * @param sampling the sampling of videos, or null for images
 * @param resize the length to which the shorter side of an image of a folder is scaled before the
 *     centred square is cut out, as published weights expect it; 0 for the largest square
 */
public record DataSpec(
    String source,
    @JsonInclude(JsonInclude.Include.NON_NULL) String dataDir,
    @JsonInclude(JsonInclude.Include.NON_NULL) String classes,
    int imageSize,
    int channels,
    int limit,
    long splitSeed,
    boolean strict,
    @JsonInclude(JsonInclude.Include.NON_NULL) Sampling sampling,
    @JsonInclude(JsonInclude.Include.NON_DEFAULT) int resize) {
  /** The bundled sample of Fashion-MNIST. */
  public static final String SAMPLE = "fashion-mnist-sample";

  /** All of Fashion-MNIST. */
  public static final String FASHION_MNIST = "fashion-mnist";

  /** The bundled {@link Scenes} with masks. */
  public static final String SCENES = "scenes";

  /** The bundled clips of garments, {@link MovingGarments.Relation#RETURN}. */
  public static final String GARMENTS = "garments-return";

  private static final int IMAGENET_SIDE = 224;

  /**
   * Creates a spec with defaults: all images of the source, 224 x 224 pixels in colour, split with
   * seed 1; damaged images are skipped.
   *
   * @param source see {@link #source}
   */
  public static DataSpec of(String source) {
    return new DataSpec(source, null, null, IMAGENET_SIDE, 3, 0, 1, false, null, 0);
  }

  /**
   * Returns a spec for another source, with all of its samples and without the files of the first
   * source.
   */
  public DataSpec withSource(String other) {
    return new DataSpec(
        other, null, classes, imageSize, channels, 0, splitSeed, strict, sampling, resize);
  }

  /** Returns a spec with a folder for the files of Fashion-MNIST. */
  public DataSpec withDataDir(String other) {
    return new DataSpec(
        source, other, classes, imageSize, channels, limit, splitSeed, strict, sampling, resize);
  }

  /** Returns a spec with a file that names the classes of masks. */
  public DataSpec withClasses(String other) {
    return new DataSpec(
        source, dataDir, other, imageSize, channels, limit, splitSeed, strict, sampling, resize);
  }

  /** Returns a spec with another side of the images in pixels. */
  public DataSpec withImageSize(int other) {
    return new DataSpec(
        source, dataDir, classes, other, channels, limit, splitSeed, strict, sampling, resize);
  }

  /** Returns a spec in colour (3) or greyscale (1). */
  public DataSpec withChannels(int other) {
    return new DataSpec(
        source, dataDir, classes, imageSize, other, limit, splitSeed, strict, sampling, resize);
  }

  /** Returns a spec with a limit of training samples; 0 for all. */
  public DataSpec withLimit(int other) {
    return new DataSpec(
        source, dataDir, classes, imageSize, channels, other, splitSeed, strict, sampling, resize);
  }

  /** Returns a spec with another seed of the split. */
  public DataSpec withSplitSeed(long other) {
    return new DataSpec(
        source, dataDir, classes, imageSize, channels, limit, other, strict, sampling, resize);
  }

  /** The same, strict or not. */
  public DataSpec withStrict(boolean other) {
    return new DataSpec(
        source, dataDir, classes, imageSize, channels, limit, splitSeed, other, sampling, resize);
  }

  /** Returns a spec with another sampling of videos. */
  public DataSpec withSampling(Sampling other) {
    return new DataSpec(
        source, dataDir, classes, imageSize, channels, limit, splitSeed, strict, other, resize);
  }

  /** Returns a spec with another length of the shorter side before the crop; 0 for none. */
  public DataSpec withResize(int other) {
    return new DataSpec(
        source, dataDir, classes, imageSize, channels, limit, splitSeed, strict, sampling, other);
  }

  /** Returns the same spec, whatever the current folder of the process that reads it. */
  public DataSpec absolute() {
    return new DataSpec(
        fromFolder() ? absolute(source) : source,
        absolute(dataDir),
        absolute(classes),
        imageSize,
        channels,
        limit,
        splitSeed,
        strict,
        sampling,
        resize);
  }

  private static String absolute(String file) {
    return file == null ? null : Path.of(file).toAbsolutePath().toString();
  }

  /** Whether the samples come from a folder, so that their size and channels can be chosen. */
  public boolean fromFolder() {
    return !List.of(SAMPLE, FASHION_MNIST, SCENES).contains(source) && garments().isEmpty();
  }

  private Optional<MovingGarments.Relation> garments() {
    return Arrays.stream(MovingGarments.Relation.values())
        .filter(relation -> relation.source().equals(source))
        .findFirst();
  }

  /**
   * Reads images with one class each.
   *
   * @param progress receives the progress of downloads and decoding
   * @throws DataException if the images do not exist or cannot be used
   */
  public TrainingData<ImageDataset> images(Progress progress) {
    return limited(allImages(progress));
  }

  private TrainingData<ImageDataset> allImages(Progress progress) {
    if (source.equals(SAMPLE)) {
      return FashionMnist.sample();
    }
    if (source.equals(FASHION_MNIST)) {
      try {
        return FashionMnist.full(Optional.ofNullable(dataDir).map(Path::of), progress);
      } catch (IOException e) {
        throw new DataException(e.getMessage(), e);
      }
    }
    return ImageFolder.open(imageFolder(), imageOptions(), progress);
  }

  /**
   * Looks at a folder of images before anything is decided about them.
   *
   * @return empty for bundled samples, and for a folder that {@link #images} would refuse
   */
  public Optional<ImageFolder.Glance> glance() {
    return fromFolder() ? ImageFolder.glance(Path.of(source)) : Optional.empty();
  }

  private Path imageFolder() {
    return folder(SAMPLE + ", " + FASHION_MNIST + " or a folder of class folders");
  }

  private ImageFolder.Options imageOptions() {
    return new ImageFolder.Options(imageSize)
        .withCrop(new SquareCrop(imageSize, resize == 0 ? imageSize : resize))
        .withChannels(channels)
        .withSeed(splitSeed)
        .withStrict(strict);
  }

  /**
   * Reads videos with one class each; {@link #sampling} must not be null.
   *
   * @param progress receives the progress in videos
   * @throws DataException if the images do not exist or cannot be used
   */
  public TrainingData<ImageDataset> videos(Progress progress) {
    return limited(allVideos(progress));
  }

  private TrainingData<ImageDataset> allVideos(Progress progress) {
    if (garments().isPresent()) {
      return MovingGarments.of(garments().get(), sampling);
    }
    return VideoFolder.open(videoFolder(), videoOptions(), progress);
  }

  private Path videoFolder() {
    String bundled =
        Stream.of(MovingGarments.Relation.values())
            .map(MovingGarments.Relation::source)
            .collect(Collectors.joining(", "));
    return folder(bundled + " or a folder of class folders of videos");
  }

  private VideoFolder.Options videoOptions() {
    return new VideoFolder.Options(imageSize, channels, sampling, splitSeed, strict);
  }

  /**
   * Reads images to evaluate a network that was trained on other ones: all images of a folder, or
   * the {@code val} (or {@code test}) part of a split one, or the test part of bundled samples.
   *
   * @param known the classes of the network, in the order of its scores
   * @param progress receives the progress of downloads and decoding
   * @throws DataException if the images do not exist, or have none of the classes
   */
  public EvaluationData<ImageDataset> evaluationImages(List<String> known, Progress progress) {
    return fromFolder()
        ? ImageFolder.openAll(imageFolder(), imageOptions(), known, progress)
        : bundled(allImages(progress), known);
  }

  /**
   * Reads videos to evaluate a network that was trained on other ones, as {@link
   * #evaluationImages}.
   */
  public EvaluationData<ImageDataset> evaluationVideos(List<String> known, Progress progress) {
    return fromFolder()
        ? VideoFolder.openAll(videoFolder(), videoOptions(), known, progress)
        : bundled(allVideos(progress), known);
  }

  /**
   * Reads images with masks to evaluate a network that was trained on other ones, as {@link
   * #evaluationImages}. Without names in the folder, the labels are those of the network.
   */
  public EvaluationData<SegmentationDataset> evaluationMasks(
      List<String> known, Progress progress) {
    return fromFolder()
        ? SegmentationFolder.openAll(maskFolder(), known, strict, progress)
        : bundled(Scenes.data(), known);
  }

  private <D extends Dataset<?>> EvaluationData<D> bundled(
      TrainingData<D> data, List<String> known) {
    if (!data.classes().equals(known)) {
      throw new DataException(
          source
              + ": the network was trained on other classes: "
              + known
              + ", these samples have "
              + data.classes());
    }
    return EvaluationData.testPart(data);
  }

  private TrainingData<ImageDataset> limited(TrainingData<ImageDataset> data) {
    return limit == 0 ? data : data.withTrain(data.train().limit(limit));
  }

  /**
   * Reads images with a class for each pixel.
   *
   * @param progress receives the progress of decoding
   * @throws DataException if the images do not exist or cannot be used
   */
  public TrainingData<SegmentationDataset> masks(Progress progress) {
    TrainingData<SegmentationDataset> data =
        source.equals(SCENES)
            ? Scenes.data()
            : SegmentationFolder.open(
                maskFolder(),
                classes == null ? null : Path.of(classes),
                splitSeed,
                strict,
                progress);
    return limit == 0 ? data : data.withTrain(data.train().limit(limit));
  }

  private Path maskFolder() {
    return folder(SCENES + " or a folder of images and masks");
  }

  private Path folder(String expected) {
    Path folder = Path.of(source);
    if (Files.isRegularFile(folder)) {
      throw new DataException(
          source
              + ": is a file; lists of files and labels, with several labels for an image or with"
              + " one, cannot be read yet: sort the images into one folder for each class. Expected "
              + expected);
    }
    if (!Files.isDirectory(folder)) {
      throw new DataException(source + ": no such folder; expected " + expected);
    }
    return folder;
  }
}
