package io.fovea.explain;

import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Map;
import java.util.function.Supplier;

/** The explanation of a network on one file, an image or a video, which can be drawn. */
public sealed interface Explained permits ExplainedImage, ExplainedVideo {
  /** The name of the file, without its folder. */
  String name();

  /** The number of attention modules that were looked at. */
  int modules();

  /** All pictures by their names; each is drawn when it is requested. */
  Map<String, Supplier<BufferedImage>> pictures();

  /**
   * Writes all pictures as PNG, and {@code explain.html}, one file that works offline.
   *
   * @param folder the folder, which is created if necessary
   * @return the path of the page
   * @throws IOException if a file cannot be written; written files are complete
   */
  Path save(Path folder) throws IOException;

  /**
   * Writes its pictures as PNG.
   *
   * @param folder the folder, which is created if necessary
   * @throws IOException if a file cannot be written; written files are complete
   */
  void savePictures(Path folder) throws IOException;

  /** Adds it to a page. */
  void addTo(ExplainPage page);
}
