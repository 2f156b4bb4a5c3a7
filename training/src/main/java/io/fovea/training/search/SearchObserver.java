package io.fovea.training.search;

import com.fasterxml.jackson.databind.JsonNode;
import io.fovea.models.Network;

/**
 * Receives the progress of a search. {@link #line} and {@link #changed} are called on the thread that
 * runs the search, the others on the threads that train.
 *
 * @param <N> the type of the networks
 */
public interface SearchObserver<N extends Network> {
  /** Receives a line for the user. */
  default void line(String text) {}

  /** Is called after each event with the result so far. */
  default void changed(SearchResult soFar) {}

  /** Is called after each step of a training with its number of images. */
  default void step(int images) {}

  /**
   * Is called when a training has reached a rung of the race.
   *
   * @param network the network with the weights of that rung, which is freed afterwards
   */
  default void reached(String module, int epochs, N network) {}

  /**
   * Is called at the end of the first training of a finalist or the baseline in the final.
   *
   * @param network the trained network, which is freed afterwards
   * @return what is to be kept with the result, or null
   */
  default JsonNode look(String module, N network) {
    return null;
  }
}
