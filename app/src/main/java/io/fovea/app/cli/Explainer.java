package io.fovea.app.cli;

import io.fovea.app.console.ConsoleProgress;
import io.fovea.explain.Explained;
import io.fovea.explain.NetworkFacts;
import io.fovea.explain.Region;
import io.fovea.training.run.Run;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.List;

/**
 * Explains the files of one run for {@code fovea explain}. There is one class for each task, which
 * {@link Explainers} lists.
 *
 * @param <E> the explanation of a file
 */
abstract class Explainer<E extends Explained> {
  /**
   * What is asked about the files.
   *
   * @param weights the weights of the run to use
   * @param target the class for Grad-CAM, by name or number, or null
   * @param layer the only module or layer to show, or null
   * @param points the columns and rows of the pixels whose attention is shown
   * @param region the pixels whose scores Grad-CAM explains, or null
   * @param frame the frame of the points, or null
   */
  record Question(
      Run.Weights weights,
      String target,
      String layer,
      List<double[]> points,
      Region region,
      Integer frame) {}

  /**
   * A data set to look at instead of files.
   *
   * @param source the data set, as {@code --data} takes it
   * @param perClass the number of images of each class, or null for the default
   * @param limit the largest number of images, or null for all
   */
  record Survey(String source, Integer perClass, Integer limit) {}

  /** The description of the network for pages. */
  abstract NetworkFacts facts();

  /**
   * Explains one file.
   *
   * @throws io.fovea.data.DataException if it cannot be read
   */
  abstract E explain(Path file) throws IOException;

  /** Prints the explanation of a file. */
  abstract void print(Path file, E explained, PrintWriter console);

  /**
   * Explains a data set, prints what was found and writes its page. Tasks for which {@code --data} is
   * refused have none.
   *
   * @param folder the folder for the page and the pictures
   * @return the page
   */
  Path survey(Survey survey, Path folder, ConsoleProgress progress, PrintWriter console)
      throws IOException {
    throw new IllegalStateException("--data is for other tasks");
  }
}
