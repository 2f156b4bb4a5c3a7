package io.fovea.explain;

import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;

/**
 * The explanation of a network over a data set, with everything that is needed to draw it.
 *
 * @param name the name of the data set
 * @param network the explained network
 * @param explanation the explanation of the network on the data set
 */
public record ExplainedDataset(String name, NetworkFacts network, DatasetExplanation explanation) {
  private static final int MOST_CLASSES = 5; // number of lines that can be told apart in a picture

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
    List<Integer> classes = explanation.mostDifferent().stream().limit(MOST_CLASSES).toList();
    for (DatasetExplanation.Module module : explanation.modules()) {
      module
          .gates()
          .ifPresent(
              gates ->
                  all.put(
                      module.name() + ".classes",
                      () ->
                          Drawing.of(
                              classes.stream().map(label -> gates[label]).toList(),
                              classes.stream().map(network.classes()::get).toList(),
                              module.meanGates(),
                              module.name() + ": mean gate of each channel by class")));
      module
          .map()
          .ifPresent(
              map ->
                  all.put(
                      module.name() + ".average",
                      () ->
                          Drawing.of(
                              map.plane(),
                              module.name()
                                  + (map.received()
                                      ? ": attention received, on average"
                                      : ": spatial gate, on average"))));
    }
    return all;
  }
}
