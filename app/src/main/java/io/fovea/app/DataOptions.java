package io.fovea.app;

import io.fovea.training.DataSpec;
import io.fovea.training.Task;
import java.nio.file.Path;
import picocli.CommandLine.Option;

/** The options that say which images. */
final class DataOptions {
  @Option(
      names = "--data",
      paramLabel = "DATA",
      defaultValue = DataSpec.SAMPLE,
      description = {
        "Which images: fashion-mnist-sample (bundled: 6,000 to train on and 2,000 to test on),"
            + " fashion-mnist (all 70,000, found or downloaded), or a folder of class folders of JPEG,"
            + " PNG, BMP or WebP, with train/ and val/ or split 80 to 20. Default: ${DEFAULT-VALUE}."
      })
  private String source;

  @ForTask(Task.CLASSIFICATION)
  @Option(
      names = "--data-dir",
      paramLabel = "DIR",
      description = "Where the files of fashion-mnist are.")
  private Path dataDir;

  @ForTask(Task.CLASSIFICATION)
  @Option(
      names = "--image-size",
      paramLabel = "PIXELS",
      description =
          "The side that images of a folder are scaled and cropped to. Default: the backbone's, 32 for"
              + " the small ones and 224 for those of ImageNet.")
  private Integer imageSize;

  @ForTask(Task.CLASSIFICATION)
  @Option(names = "--grey", description = "Take the images of a folder in grey.")
  private boolean grey;

  @Option(
      names = "--limit",
      paramLabel = "N",
      description = "Train on at most N images, balanced over the classes. Default: all.")
  private Integer limit;

  @Option(
      names = "--split-seed",
      paramLabel = "SEED",
      defaultValue = "1",
      description = "Splits a folder without train/ and val/. Default: ${DEFAULT-VALUE}.")
  private long splitSeed;

  @Option(names = "--strict", description = "End at a damaged image instead of skipping it.")
  private boolean strict;

  /** What was asked for, scaled to {@code side} unless told. */
  DataSpec spec(int side) {
    if (limit != null && limit < 1) {
      throw new IllegalArgumentException("--limit must be at least 1, got " + limit);
    }
    if (imageSize != null && imageSize < 1) {
      throw new IllegalArgumentException("--image-size must be at least 1, got " + imageSize);
    }
    DataSpec spec =
        new DataSpec(
            source,
            dataDir == null ? null : dataDir.toAbsolutePath().toString(),
            imageSize != null ? imageSize : side,
            grey ? 1 : 3,
            limit == null ? 0 : limit,
            splitSeed,
            strict);
    if (!spec.isFolder() && imageSize != null) {
      throw new IllegalArgumentException(
          "--image-size is for folders; " + source + " has 28 x 28 pixels");
    }
    if (!source.equals(DataSpec.FASHION_MNIST) && dataDir != null) {
      throw new IllegalArgumentException("--data-dir is for --data fashion-mnist");
    }
    return spec;
  }
}
