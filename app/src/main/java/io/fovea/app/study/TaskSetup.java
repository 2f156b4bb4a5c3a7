package io.fovea.app.study;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.fovea.data.Progress;
import io.fovea.explain.ReportExamples;
import io.fovea.models.Network;
import io.fovea.training.EpochResult;
import io.fovea.training.Task;
import io.fovea.training.TrainingListener;
import java.nio.file.Path;
import java.util.List;

/**
 * A task with its options chosen: which data, which networks, how they are trained. There is one
 * implementation for each {@link Task}; {@code train}, {@code compare} and {@code ablate} know no more
 * of a task than this.
 *
 * @param <N> the networks
 */
public interface TaskSetup<N extends Network> {
  /** The task. */
  Task task();

  /** The name of the network without attention. */
  String backbone();

  /** What its channels are multiplied by. */
  double width();

  /** Where the data come from, as a record that becomes JSON. */
  Object data();

  /** How networks are trained, but for the seed, as a record that becomes JSON. */
  Object training();

  /** The modules that {@code compare} takes where none are given, {@code none} first. */
  List<String> modules();

  /** A module as it is named in results: its own shortest form, with the place it gets. */
  String module(String given);

  /**
   * The module of a single training, named as by {@link #module}.
   *
   * @param given null for the default
   */
  String attentionOrDefault(String given);

  /**
   * Fails early, before data are read, if a module cannot be in the network.
   *
   * @throws IllegalArgumentException if it cannot
   */
  void check(String module);

  /**
   * Reads the data.
   *
   * @throws io.fovea.data.DataException if they are not there or not usable
   */
  LoadedTask<N> open(Progress progress);

  /**
   * The same with its data.
   *
   * @param <N> the networks
   */
  interface LoadedTask<N extends Network> {
    /** The task. */
    Task task();

    /** What the data are, for reports. */
    Results.Data data();

    /** The epochs of a training. */
    int epochs();

    /** Images a step. */
    int batchSize();

    /** What multiply-accumulates and latencies are those of: height and width of an image. */
    int[] size();

    /** How many images at once the second latency is that of. */
    int latencyBatch();

    /**
     * Whether runs are trained side by side, a thread each. A step of a small network is too short to be
     * divided: two runs on a thread each take little longer than one on both. Larger networks use all
     * threads well; and those that draw from libtorch's one generator while they train, as some with
     * dropout do, would do so in no repeatable order.
     */
    boolean sideBySide();

    /** Makes a network, freshly initialised by libtorch's generator. */
    N create(String module);

    /** Trains a network and tests it after each epoch. */
    List<? extends EpochResult> train(N network, long seed, TrainingListener listener);

    /** The same into a run folder. */
    void trainInto(Path folder, String module, N network, long seed, TrainingListener listener);

    /** What a network makes of a few test images. */
    List<ReportExamples.Example> examples(N network);

    /** A test image for a report: {@code image} (a data URI), {@code width}, {@code height}, the truth. */
    ObjectNode picture(int index);
  }
}
