package io.fovea.explain;

import java.io.IOException;
import java.nio.file.Path;

/** The explanation of a network on one file, an image or a video, which can be drawn. */
public sealed interface Explained permits ExplainedImage, ExplainedVideo {
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
