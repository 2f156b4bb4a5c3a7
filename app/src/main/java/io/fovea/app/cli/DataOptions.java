package io.fovea.app.cli;

import io.fovea.data.source.DataSpec;
import io.fovea.data.source.SegmentationSource;
import io.fovea.data.video.Sampling;
import io.fovea.training.Task;
import java.nio.file.Path;
import picocli.CommandLine.Option;

/** The options that say which images. */
final class DataOptions {
  @Option(
      names = "--data",
      paramLabel = "DATA",
      description = {
        "Which images: fashion-mnist-sample (bundled: 6,000 to train on and 2,000 to test on),"
            + " fashion-mnist (all 70,000, found or downloaded), or a folder of class folders of JPEG,"
            + " PNG, BMP or WebP, with train/ and val/ or split 80 to 20. Default:"
            + " fashion-mnist-sample.",
        "Of segmentation: scenes (bundled: garments of Fashion-MNIST over textures, 96 x 96), or a"
            + " folder of images/ and masks/, of Pascal VOC, or of Cityscapes. Default: scenes.",
        "Of video: garments-return (bundled: whether the kind of garment that left comes back),"
            + " garments-order (bundled: which kind is first), or a folder of class folders of videos:"
            + " files (MP4, MKV, WebM, MOV, AVI, ...) or folders of frames. Default: garments-return."
      })
  private String source;

  @ForTask(Task.CLASSIFICATION)
  @Option(
      names = "--data-dir",
      paramLabel = "DIR",
      description = "Where the files of fashion-mnist are.")
  private Path dataDir;

  @ForTask({Task.CLASSIFICATION, Task.VIDEO})
  @Option(
      names = "--image-size",
      paramLabel = "PIXELS",
      description =
          "The side that images of a folder are scaled and cropped to. Default: the backbone's, 32 for"
              + " the small ones and 224 for those of ImageNet.")
  private Integer imageSize;

  @ForTask({Task.CLASSIFICATION, Task.VIDEO})
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

  @Option(
      names = "--strict",
      description = "End at a damaged image or video instead of skipping it.")
  private boolean strict;

  @ForTask(Task.VIDEO)
  @Option(names = "--frames", paramLabel = "T", description = "The frames of a clip. Default: 8.")
  private Integer frames;

  @ForTask(Task.VIDEO)
  @Option(
      names = "--frame-stride",
      paramLabel = "N",
      description = "Take every Nth frame of a video. Default: 1.")
  private Integer frameStride;

  @ForTask(Task.VIDEO)
  @Option(
      names = "--clips",
      paramLabel = "N",
      description =
          "Test on N clips evenly spread over each video, and average. Default: 1, the middle.")
  private Integer clips;

  @ForTask(Task.VIDEO)
  @Option(
      names = "--crops",
      paramLabel = "N",
      description = "Test on N squares along the longer side of each clip. Default: 1, the centre.")
  private Integer crops;

  /** The images with masks that were asked for. */
  SegmentationSource segmentation(String classes) {
    checkLimit();
    SegmentationSource spec =
        new SegmentationSource(
            source == null ? SegmentationSource.SCENES : source,
            classes,
            limit == null ? 0 : limit,
            splitSeed,
            strict);
    if (!spec.isFolder() && classes != null) {
      throw new IllegalArgumentException("--classes is for folders; scenes has its own");
    }
    return spec;
  }

  /** What was asked for, scaled to {@code side} unless told. */
  DataSpec spec(int side) {
    return spec(side, source == null ? DataSpec.SAMPLE : source, null);
  }

  /** The videos that were asked for, their frames scaled to {@code side} unless told. */
  DataSpec videos(int side) {
    DataSpec videos = spec(side, source == null ? DataSpec.GARMENTS : source, sampling());
    if (!videos.isFolder() && sampling().crops() > 1) {
      throw new IllegalArgumentException(
          "--crops is for folders; frames of " + videos.source() + " are square");
    }
    return videos;
  }

  /** How videos are sampled. */
  Sampling sampling() {
    Sampling usual = Sampling.DEFAULT;
    return new Sampling(
        frames == null ? usual.frames() : frames,
        frameStride == null ? usual.stride() : frameStride,
        clips == null ? usual.clips() : clips,
        crops == null ? usual.crops() : crops);
  }

  private void checkLimit() {
    if (limit != null && limit < 1) {
      throw new IllegalArgumentException("--limit must be at least 1, got " + limit);
    }
  }

  private DataSpec spec(int side, String images, Sampling sampling) {
    checkLimit();
    if (imageSize != null && imageSize < 1) {
      throw new IllegalArgumentException("--image-size must be at least 1, got " + imageSize);
    }
    DataSpec spec =
        new DataSpec(
            images,
            dataDir == null ? null : dataDir.toAbsolutePath().toString(),
            imageSize != null ? imageSize : side,
            grey ? 1 : 3,
            limit == null ? 0 : limit,
            splitSeed,
            strict,
            sampling);
    if (!spec.isFolder() && imageSize != null) {
      throw new IllegalArgumentException(
          "--image-size is for folders; the size of " + images + " is fixed");
    }
    if (!images.equals(DataSpec.FASHION_MNIST) && dataDir != null) {
      throw new IllegalArgumentException("--data-dir is for --data fashion-mnist");
    }
    return spec;
  }
}
