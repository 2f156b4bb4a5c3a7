package io.fovea.attention;

import io.fovea.nn.Ops.AffinityRows;

/** The affinity of positions that attend to each other through a few units or descriptors. */
final class Factored {
  /**
   * The rows {@code Σ_k weights[k, i] · maps[k, j]}. Its sources are the weights of the units at each
   * position and the map of each unit over the positions, both {@code [B, K, N]}.
   */
  static final AffinityRows ROWS =
      (sources, positions) ->
          sources.get(0).index_select(2, positions).transpose(1, 2).bmm(sources.get(1));

  private Factored() {}
}
