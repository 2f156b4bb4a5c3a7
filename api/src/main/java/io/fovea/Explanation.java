package io.fovea;

import io.fovea.data.DataException;
import io.fovea.explain.Explained;
import io.fovea.explain.ExplainedImage;
import io.fovea.explain.Statistics;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;

/**
 * What a network looks at in an image, or in a clip of a video. Immutable; it does not need the
 * network any more.
 */
public final class Explanation {
  private final Explained explained;

  Explanation(Explained explained) {
    this.explained = explained;
  }

  /**
   * The gates that an attention module computed, in numbers.
   *
   * @param module the name of the module in the network
   * @param gates what they belong to: {@code channels} or {@code positions}
   * @param minimum the smallest
   * @param mean their mean
   * @param maximum the largest
   */
  public record Gates(String module, String gates, double minimum, double mean, double maximum) {
    private static Gates of(String module, String gates, Statistics statistics) {
      return new Gates(
          module, gates, statistics.minimum(), statistics.mean(), statistics.maximum());
    }
  }

  /** The gates of all modules that have some, in the order of the network; none for a video. */
  public List<Gates> gates() {
    List<Gates> all = new ArrayList<>();
    if (!(explained instanceof ExplainedImage image)) {
      return all;
    }
    for (io.fovea.explain.Explanation.Module module : image.explanation().modules()) {
      module
          .channel()
          .ifPresent(gates -> all.add(Gates.of(module.name(), "channels", gates.statistics())));
      module
          .spatial()
          .ifPresent(map -> all.add(Gates.of(module.name(), "positions", map.statistics())));
    }
    return all;
  }

  /**
   * The pictures by their names, such as {@code layer1.0.cbam.positions} or {@code
   * grad-cam.layer3}. Each is drawn when it is asked for.
   */
  public Map<String, Supplier<BufferedImage>> pictures() {
    return new LinkedHashMap<>(explained.pictures());
  }

  /**
   * Writes all pictures as PNG files, and {@code explain.html}, one page that needs nothing else.
   *
   * @param folder the folder, which is created
   * @return the page
   * @throws DataException if a file cannot be written
   */
  public Path save(Path folder) {
    try {
      return explained.save(folder);
    } catch (IOException e) {
      throw new DataException(folder + ": cannot be written: " + e.getMessage(), e);
    }
  }

  /** The name of the file and how many modules were looked at. */
  @Override
  public String toString() {
    return explained.name() + ": " + explained.modules() + " attention modules";
  }
}
