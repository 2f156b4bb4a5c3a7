package io.fovea.kernels;

import io.fovea.tensor.compute.AttentionKernels;
import io.fovea.tensor.compute.AttentionKernels.Columns;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import jdk.incubator.vector.FloatVector;

/**
 * Attention as in FlashAttention (Dao et al., 2022, arXiv:2205.14135): tiles of keys, a running
 * maximum and sum for each query, and no map in memory.
 *
 * <p>Queries are the lanes of vectors. So the maximum and the sum over keys need no steps across
 * lanes, both products read what the step before has written, and the result has the order of a
 * feature map. A panel of queries and its part of the map are in the first-level cache, a tile of
 * keys and values in the second-level cache.
 */
final class AttentionKernel implements AttentionKernels.Worker {
  private static final int PANEL = Tiles.PANEL;
  private static final int ROWS = Tiles.ROWS;
  private static final int TILE = 1 << 16; // the floats of keys and values in a tile
  private static final int MOST_KEYS = 129; // of a tile, so that a panel of the map is in the cache
  private static final int BLOCK = 1 << 18; // the floats of queries and results in a block

  private final int embedding;
  private final int width;
  private final int rows; // width, rounded up
  private final int tile; // the number of keys in a tile
  private final int panels; // the number of panels in a block
  private final float[] keys; // [tile / 3, E, 3]
  private final float[] values; // [D / 3, tile, 3]
  private final float[] line; // a part of a row of keys or values
  private final float[] map; // [tile, PANEL]
  private final float[] factors = new float[PANEL];
  private float[] queries = {}; // [panels, E, PANEL]
  private float[] results = {}; // [panels, D, PANEL]
  private float[] maxima = {}; // [panels, PANEL]
  private float[] sums = {};

  AttentionKernel(int embedding, int width) {
    this.embedding = embedding;
    this.width = width;
    rows = rounded(width);
    tile = Math.max(ROWS, Math.min(MOST_KEYS, TILE / (embedding + width)) / ROWS * ROWS);
    panels = Math.max(1, BLOCK / (embedding + width) / PANEL);
    keys = new float[tile * embedding];
    values = new float[rows * tile];
    line = new float[tile * ROWS];
    map = new float[tile * PANEL];
  }

  @Override
  public int most() {
    return panels * PANEL;
  }

  private static int rounded(int count) {
    return (count + ROWS - 1) / ROWS * ROWS;
  }

  @Override
  public void attend(Columns q, Columns k, Columns v, Columns y) {
    MemorySegment ofQueries = MemorySegment.ofBuffer(q.memory());
    MemorySegment ofKeys = MemorySegment.ofBuffer(k.memory());
    MemorySegment ofValues = MemorySegment.ofBuffer(v.memory());
    MemorySegment ofResults = MemorySegment.ofBuffer(y.memory());
    int all = (q.count() + PANEL - 1) / PANEL;
    int blocks = (all + panels - 1) / panels;
    for (int block = 0; block < blocks; block++) {
      int first = (int) ((long) all * block / blocks);
      int inBlock = (int) ((long) all * (block + 1) / blocks) - first;
      int from = first * PANEL;
      int columns = Math.min(q.count() - from, inBlock * PANEL);
      start(ofQueries, q, from, columns, inBlock);
      for (int key = 0; key < k.count(); key += tile) {
        int attended = Math.min(tile, k.count() - key);
        packKeys(ofKeys, k, key, attended);
        packValues(ofValues, v, key, attended);
        for (int panel = 0; panel < inBlock; panel++) {
          scores(panel, attended);
          weights(panel, attended);
          addValues(panel, attended);
        }
      }
      finish(ofResults, y, from, columns, inBlock);
    }
  }

  /** Copies the queries of a block, and zeros after the last one, so that panels are whole. */
  private void start(MemorySegment from, Columns q, int first, int columns, int inBlock) {
    if (queries.length < inBlock * embedding * PANEL) {
      queries = new float[inBlock * embedding * PANEL];
      results = new float[inBlock * rows * PANEL];
      maxima = new float[inBlock * PANEL];
      sums = new float[inBlock * PANEL];
    }
    Arrays.fill(results, 0, inBlock * rows * PANEL, 0);
    Arrays.fill(maxima, 0, inBlock * PANEL, Float.NEGATIVE_INFINITY);
    Arrays.fill(sums, 0, inBlock * PANEL, 0);
    for (int panel = 0; panel < inBlock; panel++) {
      int length = Math.min(PANEL, columns - panel * PANEL);
      for (int e = 0; e < embedding; e++) {
        int to = (panel * embedding + e) * PANEL;
        copy(from, q, e, first + panel * PANEL, queries, to, length);
        Arrays.fill(queries, to + length, to + PANEL, 0);
      }
    }
  }

  private static void copy(
      MemorySegment from, Columns columns, int row, int column, float[] to, int at, int count) {
    long index = (long) row * columns.stride() + columns.from() + column;
    MemorySegment.copy(from, ValueLayout.JAVA_FLOAT, index * Float.BYTES, to, at, count);
  }

  /** Keys with their channels one after the other, three keys interleaved. */
  private void packKeys(MemorySegment from, Columns k, int first, int count) {
    Arrays.fill(line, count, Math.min(line.length, count + ROWS), 0);
    for (int e = 0; e < embedding; e++) {
      copy(from, k, e, first, line, 0, count);
      int to = e * ROWS;
      for (int key = 0; key < count; key += ROWS) {
        keys[to] = line[key];
        keys[to + 1] = line[key + 1];
        keys[to + 2] = line[key + 2];
        to += embedding * ROWS;
      }
    }
  }

  /** Values with their keys one after the other, three channels interleaved. */
  private void packValues(MemorySegment from, Columns v, int first, int count) {
    for (int d = 0; d < rows; d += ROWS) {
      for (int i = 0; i < ROWS; i++) {
        if (d + i < width) {
          copy(from, v, d + i, first, line, i * tile, count);
        } else {
          Arrays.fill(line, i * tile, i * tile + count, 0);
        }
      }
      int to = d * tile;
      for (int key = 0; key < count; key++) {
        values[to] = line[key];
        values[to + 1] = line[tile + key];
        values[to + 2] = line[2 * tile + key];
        to += ROWS;
      }
    }
  }

  private void scores(int panel, int count) {
    Arrays.fill(map, 0, rounded(count) * PANEL, 0);
    for (int key = 0; key < count; key += ROWS) {
      Tiles.add(
          keys, key * embedding, queries, panel * embedding * PANEL, embedding, map, key * PANEL);
    }
  }

  private void addValues(int panel, int count) {
    for (int d = 0; d < rows; d += ROWS) {
      Tiles.add(values, d * tile, map, 0, count, results, (panel * rows + d) * PANEL);
    }
  }

  /** Replaces scores by their exponentials, and scales what was summed with a smaller maximum. */
  private void weights(int panel, int count) {
    int at = panel * PANEL;
    boolean larger = larger(map, count, maxima, at, factors);
    if (larger) {
      scale(factors, sums, at, PANEL);
      scale(factors, results, panel * rows * PANEL, rows * PANEL);
    }
    exponentials(map, count, maxima, at, sums);
  }

  /**
   * Updates the maxima.
   *
   * @param factors receives the exponential of the old maximum minus the new one
   * @return whether one has changed
   */
  private static boolean larger(float[] map, int count, float[] maxima, int at, float[] factors) {
    int w = Lanes.WIDTH;
    FloatVector was0 = Lanes.load(maxima, at);
    FloatVector was1 = Lanes.load(maxima, at + w);
    FloatVector was2 = Lanes.load(maxima, at + 2 * w);
    FloatVector m0 = Lanes.load(maxima, at);
    FloatVector m1 = Lanes.load(maxima, at + w);
    FloatVector m2 = Lanes.load(maxima, at + 2 * w);
    for (int i = 0; i < count * PANEL; i += PANEL) {
      m0 = Lanes.larger(m0, Lanes.load(map, i));
      m1 = Lanes.larger(m1, Lanes.load(map, i + w));
      m2 = Lanes.larger(m2, Lanes.load(map, i + 2 * w));
    }
    if (m0.eq(was0).and(m1.eq(was1)).and(m2.eq(was2)).allTrue()) {
      return false;
    }
    Lanes.expOfNegative(was0.sub(m0)).intoArray(factors, 0);
    Lanes.expOfNegative(was1.sub(m1)).intoArray(factors, w);
    Lanes.expOfNegative(was2.sub(m2)).intoArray(factors, 2 * w);
    m0.intoArray(maxima, at);
    m1.intoArray(maxima, at + w);
    m2.intoArray(maxima, at + 2 * w);
    return true;
  }

  private static void scale(float[] factors, float[] of, int from, int count) {
    for (int i = 0; i < count; i += PANEL) {
      for (int lane = 0; lane < PANEL; lane += Lanes.WIDTH) {
        int at = from + i + lane;
        Lanes.load(of, at).mul(Lanes.load(factors, lane)).intoArray(of, at);
      }
    }
  }

  private static void exponentials(float[] map, int count, float[] maxima, int at, float[] sums) {
    for (int lane = 0; lane < PANEL; lane += Lanes.WIDTH) {
      FloatVector most = Lanes.load(maxima, at + lane);
      FloatVector sum = FloatVector.zero(Lanes.SPECIES);
      for (int i = lane; i < count * PANEL; i += PANEL) {
        FloatVector weight = Lanes.expOfNegative(Lanes.load(map, i).sub(most));
        weight.intoArray(map, i);
        sum = sum.add(weight);
      }
      sum.add(Lanes.load(sums, at + lane)).intoArray(sums, at + lane);
    }
  }

  private void finish(MemorySegment to, Columns y, int first, int columns, int inBlock) {
    for (int panel = 0; panel < inBlock; panel++) {
      for (int lane = 0; lane < PANEL; lane += Lanes.WIDTH) {
        int at = panel * PANEL + lane;
        Lanes.broadcast(1).div(Lanes.load(sums, at)).intoArray(factors, lane);
      }
      scale(factors, results, panel * rows * PANEL, rows * PANEL);
      int length = Math.min(PANEL, columns - panel * PANEL);
      for (int d = 0; d < width; d++) {
        long index = (long) d * y.stride() + y.from() + first + (long) panel * PANEL;
        MemorySegment.copy(
            results,
            (panel * rows + d) * PANEL,
            to,
            ValueLayout.JAVA_FLOAT,
            index * Float.BYTES,
            length);
      }
    }
  }
}
