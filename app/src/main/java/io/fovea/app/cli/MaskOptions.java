package io.fovea.app.cli;

import io.fovea.data.MaskedImage;
import io.fovea.data.mask.Masks;
import io.fovea.errors.FoveaException;
import io.fovea.explain.Overlay;
import io.fovea.explain.Png;
import io.fovea.explain.Strip;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import picocli.CommandLine.Option;

/** The options for the prediction of pixels and for the output of masks. */
@ForTask("segmentation")
final class MaskOptions extends InferenceOptions {
  @Option(names = "--overwrite", description = OverwriteOption.DESCRIPTION)
  private boolean overwrite;

  @Option(
      names = "--out",
      paramLabel = "DIR",
      description =
          "Output folder for NAME-mask.png (the classes, with Pascal VOC's palette) and"
              + " NAME-overlay.png. Default: predictions.")
  private Path out = Path.of("predictions");

  @Option(
      names = "--opacity",
      paramLabel = "SHARE",
      description = "Opacity of the colours in the overlay, 0 to 1. Default: 0.5.")
  private double opacity = 0.5;

  /** Writes masks. */
  interface Writer {
    /**
     * Writes mask and overlay of an image.
     *
     * @param name the name of the image, with the folders that are kept
     * @return the files, by what they are
     */
    Map<String, Path> write(String name, MaskedImage mask);
  }

  /**
   * Creates a writer for the masks of some files.
   *
   * @throws FoveaException if two of them would have the same name, or a file exists already
   */
  Writer writer(List<InputFiles.Input> files) {
    if (!(opacity >= 0 && opacity <= 1)) {
      throw new FoveaException("--opacity must be from 0 to 1, got " + opacity);
    }
    Set<String> names = new LinkedHashSet<>();
    for (InputFiles.Input file : files) {
      if (!names.add(stem(file.name()))) {
        throw new FoveaException(
            "two of the images have the name "
                + stem(file.name())
                + "; use a different --out for each");
      }
    }
    if (overwrite) {
      return this::write;
    }
    OverwriteOption.requireFree(
        names.stream()
            .flatMap(name -> Stream.of(file(name, "mask"), file(name, "overlay")))
            .toList());
    return this::write;
  }

  private Map<String, Path> write(String name, MaskedImage mask) {
    Map<String, Path> written = new LinkedHashMap<>();
    BufferedImage labels = Masks.image(mask.labels(), mask.height(), mask.width());
    written.put("mask", write(name, "mask", labels));
    BufferedImage over = Overlay.over(Strip.of(mask.image()), mask.labels(), opacity);
    written.put("overlay", write(name, "overlay", over));
    return written;
  }

  private Path write(String name, String what, BufferedImage picture) {
    Path file = file(stem(name), what);
    try {
      Png.write(file, picture);
      return file;
    } catch (IOException e) {
      throw new FoveaException(file + ": cannot be written: " + e.getMessage(), e);
    }
  }

  private Path file(String stem, String what) {
    return out.resolve(stem + "-" + what + ".png");
  }

  private static String stem(String name) {
    int dot = name.lastIndexOf('.');
    return dot > name.lastIndexOf('/') + 1 ? name.substring(0, dot) : name;
  }
}
