package io.fovea.app.cli;

import io.fovea.data.source.DataSpec;
import io.fovea.errors.SpecException;
import java.nio.file.Path;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Option;

/** The options that select the samples. */
final class DataOptions {
  static final String HEADING = "%nData:%n";

  @Option(
      names = "--data",
      paramLabel = "DATA",
      description =
          "A folder of class folders, with train/ and val/ or without; fashion-mnist-sample"
              + " (bundled, the default); or fashion-mnist (downloaded).")
  private String source;

  @ArgGroup(validate = false, order = 2, heading = HEADING)
  private Details details = new Details();

  /** The options that most users leave alone. */
  private static final class Details {
    @ForTask("classification")
    @Option(
        names = "--data-dir",
        paramLabel = "DIR",
        description = "Folder with the files of fashion-mnist.")
    private Path dataDir;

    @Option(
        names = "--limit",
        paramLabel = "N",
        description =
            "Train on at most N images, with equal numbers from each class. Default: all.")
    private Integer limit;

    @Option(
        names = "--split-seed",
        paramLabel = "SEED",
        description =
            "Seed for the split of a folder without train/ and val/ (80 to 20). Default: 1.")
    private Long splitSeed;

    @Option(
        names = "--strict",
        description = "Fail on the first unreadable file instead of skipping it.")
    private boolean strict;
  }

  /** The source that was given, or the default. */
  String source(String usual) {
    return source == null ? usual : source;
  }

  /**
   * The selected samples.
   *
   * @param usual the default: the bundled samples of the task
   * @param side the side to which images are scaled by default
   */
  DataSpec spec(
      DataSpec usual,
      int side,
      ClassOptions images,
      VideoOptions videos,
      SegmentationOptions masks) {
    atLeastOne("--limit", details.limit);
    atLeastOne("--image-size", images.imageSize);
    DataSpec spec =
        new DataSpec(
            source(usual.source()),
            details.dataDir == null ? null : details.dataDir.toAbsolutePath().toString(),
            masks.classes == null ? null : masks.classes.toAbsolutePath().toString(),
            images.imageSize != null ? images.imageSize : side,
            images.grey ? 1 : 3,
            details.limit == null ? 0 : details.limit,
            details.splitSeed == null ? 1 : details.splitSeed,
            details.strict,
            videos.sampling(usual.sampling()),
            0);
    if (!spec.fromFolder() && images.imageSize != null) {
      throw new SpecException(
          "--image-size is for folders; the size of " + spec.source() + " is fixed");
    }
    if (!spec.fromFolder() && masks.classes != null) {
      throw new SpecException(
          "--classes is for folders; " + spec.source() + " has classes of its own");
    }
    if (!spec.fromFolder() && spec.sampling() != null && spec.sampling().crops() > 1) {
      throw new SpecException("--crops is for folders; frames of " + spec.source() + " are square");
    }
    if (!spec.source().equals(DataSpec.FASHION_MNIST) && details.dataDir != null) {
      throw new SpecException("--data-dir is for --data fashion-mnist");
    }
    return spec;
  }

  /** Throws an exception if an option is below 1. */
  static void atLeastOne(String option, Integer value) {
    if (value != null && value < 1) {
      throw new SpecException(option + " must be at least 1, got " + value);
    }
  }
}
