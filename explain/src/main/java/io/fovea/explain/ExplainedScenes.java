package io.fovea.explain;

import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.Supplier;

/**
 * Which classes attend to which over a data set, with everything that is needed to draw it.
 *
 * @param name the name of the data set
 * @param network the explained network
 * @param survey what was found
 */
public record ExplainedScenes(String name, NetworkFacts network, SceneSurvey survey) {
  /**
   * Writes all pictures as PNG into the folder {@code data}, and {@code explain-data.html}, one
   * file that works offline.
   *
   * @param folder the folder, which is created if necessary
   * @return the path of the page
   * @throws IOException if a file cannot be written; written files are complete
   */
  public Path save(Path folder) throws IOException {
    Png.write(folder.resolve("data"), pictures());
    return new ExplainPage(network).add(this).write(folder.resolve("explain-data.html"));
  }

  /** All pictures by their names; each is drawn when it is requested. */
  public Map<String, Supplier<BufferedImage>> pictures() {
    Map<String, Supplier<BufferedImage>> all = new LinkedHashMap<>();
    for (SceneSurvey.Module module : survey.modules()) {
      module
          .affinity()
          .ifPresent(
              affinity ->
                  all.put(
                      module.name() + ".classes",
                      () ->
                          Drawing.of(
                              plane(affinity.weights()),
                              module.name() + ": what each class (row) attends to")));
    }
    return all;
  }

  private static Plane plane(double[][] matrix) {
    float[] values = new float[matrix.length * matrix.length];
    for (int i = 0; i < values.length; i++) {
      double value = matrix[i / matrix.length][i % matrix.length];
      values[i] = Double.isNaN(value) ? 0 : (float) value; // a class without positions
    }
    return Plane.of(matrix.length, matrix.length, values);
  }
}
