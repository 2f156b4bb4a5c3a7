package io.fovea.app.cli;

import io.fovea.data.DataException;
import io.fovea.data.MaskedImage;
import io.fovea.data.mask.Masks;
import io.fovea.errors.FoveaException;
import io.fovea.explain.Overlay;
import io.fovea.explain.Png;
import io.fovea.explain.Strip;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import picocli.CommandLine.Option;

/** The options for the prediction of pixels and for the output of masks. */
@ForTask("segmentation")
final class MaskOptions extends InferenceOptions {
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
    /** Writes mask and overlay, and prints their paths. */
    String write(Path file, MaskedImage mask);
  }

  /**
   * Creates a writer for the masks of some files.
   *
   * @throws FoveaException if two of them would have the same name
   */
  Writer writer(List<Path> files) {
    if (!(opacity >= 0 && opacity <= 1)) {
      throw new FoveaException("--opacity must be from 0 to 1, got " + opacity);
    }
    Set<String> names = new HashSet<>();
    for (Path file : files) {
      if (!names.add(stem(file))) {
        throw new FoveaException(
            "two of the images have the name " + stem(file) + "; use a different --out for each");
      }
    }
    return this::write;
  }

  private String write(Path file, MaskedImage mask) {
    write(file, "mask", Masks.image(mask.labels(), mask.height(), mask.width()));
    write(file, "overlay", Overlay.over(Strip.of(mask.image()), mask.labels(), opacity));
    return "  into " + target(file, "mask") + " and " + target(file, "overlay") + "\n";
  }

  private Path target(Path image, String what) {
    return out.resolve(stem(image) + "-" + what + ".png");
  }

  private static String stem(Path file) {
    String name = file.getFileName().toString();
    int dot = name.lastIndexOf('.');
    return dot > 0 ? name.substring(0, dot) : name;
  }

  private void write(Path image, String what, BufferedImage picture) {
    Path file = target(image, what);
    try {
      Png.write(file, picture);
    } catch (IOException e) {
      throw new DataException(file + ": cannot be written: " + e.getMessage(), e);
    }
  }
}
