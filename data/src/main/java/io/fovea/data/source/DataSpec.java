package io.fovea.data.source;

import com.fasterxml.jackson.annotation.JsonInclude;
import io.fovea.data.DataException;
import io.fovea.data.ImageData;
import io.fovea.data.Progress;
import io.fovea.data.bundled.FashionMnist;
import io.fovea.data.bundled.MovingGarments;
import io.fovea.data.image.ImageFolder;
import io.fovea.data.video.Sampling;
import io.fovea.data.video.VideoFolder;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * Which images, as a configuration has it.
 *
 * @param source {@code fashion-mnist-sample} (bundled), {@code fashion-mnist}, or a folder of class
 *     folders
 * @param dataDir where Fashion-MNIST's files lie, null to look for them or download them
 * @param imageSize the side in pixels that a folder's images are scaled and cropped to
 * @param channels 3 for a folder's images in colour, 1 in grey
 * @param limit the most training images, 0 for all
 * @param splitSeed divides a folder without {@code train/} and {@code val/}
 * @param strict whether a damaged image ends everything instead of being skipped
 * @param sampling which frames of videos, null for images
 */
@JsonInclude(JsonInclude.Include.ALWAYS)
public record DataSpec(
    String source,
    String dataDir,
    int imageSize,
    int channels,
    int limit,
    long splitSeed,
    boolean strict,
    @JsonInclude(JsonInclude.Include.NON_NULL) Sampling sampling) {
  /** The bundled sample of Fashion-MNIST. */
  public static final String SAMPLE = "fashion-mnist-sample";

  /** The bundled clips of garments, {@link MovingGarments.Relation#RETURN}. */
  public static final String GARMENTS = "garments-return";

  /** All of Fashion-MNIST. */
  public static final String FASHION_MNIST = "fashion-mnist";

  /** Images. */
  public DataSpec(
      String source,
      String dataDir,
      int imageSize,
      int channels,
      int limit,
      long splitSeed,
      boolean strict) {
    this(source, dataDir, imageSize, channels, limit, splitSeed, strict, null);
  }

  /** Whether the images come from a folder, so that size and channels are to be chosen. */
  public boolean isFolder() {
    return !source.equals(SAMPLE) && !source.equals(FASHION_MNIST) && garments().isEmpty();
  }

  private Optional<MovingGarments.Relation> garments() {
    return Stream.of(MovingGarments.Relation.values())
        .filter(relation -> relation.source().equals(source))
        .findFirst();
  }

  /**
   * Reads the images.
   *
   * @param progress told of downloads and decoding
   * @throws DataException if they are not there or not usable
   */
  public ImageData open(Progress progress) {
    ImageData data = all(progress);
    return limit == 0 ? data : data.limit(limit);
  }

  private ImageData all(Progress progress) {
    return sampling == null ? images(progress) : videos(progress);
  }

  private ImageData videos(Progress progress) {
    if (garments().isPresent()) {
      return MovingGarments.of(garments().get(), sampling);
    }
    Path folder = Path.of(source);
    if (!Files.isDirectory(folder)) {
      throw new DataException(
          source
              + ": no such folder; expected "
              + Stream.of(MovingGarments.Relation.values())
                  .map(MovingGarments.Relation::source)
                  .collect(Collectors.joining(", "))
              + " or a folder of class folders of videos");
    }
    return VideoFolder.open(
        folder,
        new VideoFolder.Options(imageSize, channels, sampling, splitSeed, strict),
        progress);
  }

  private ImageData images(Progress progress) {
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
    Path folder = Path.of(source);
    if (!Files.isDirectory(folder)) {
      throw new DataException(
          source
              + ": no such folder; expected "
              + SAMPLE
              + ", "
              + FASHION_MNIST
              + " or a folder of class folders");
    }
    return ImageFolder.open(
        folder,
        new ImageFolder.Options(imageSize)
            .withChannels(channels)
            .withSeed(splitSeed)
            .withStrict(strict),
        progress);
  }
}
