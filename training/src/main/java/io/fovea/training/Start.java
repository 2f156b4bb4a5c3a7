package io.fovea.training;

import io.fovea.models.Network;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;

/**
 * The trained weights from which a network started, as stored in its run.
 *
 * @param source the file or run of the weights
 * @param fresh the parameters and buffers that were not in it, and started with new values
 */
public record Start(String source, List<String> fresh) {
  /** Copies the list. */
  public Start {
    fresh = List.copyOf(fresh);
  }

  /** The names of the parameters that a training of a network leaves as they are. */
  static Set<String> frozen(
      Start start, Network network, Set<String> parameters, Transfer transfer) {
    if (start == null) {
      return Set.of();
    }
    Set<String> frozen = new LinkedHashSet<>(parameters);
    frozen.removeIf(name -> start.fresh().contains(name) || !transfer.freezes(network, name));
    return frozen;
  }
}
