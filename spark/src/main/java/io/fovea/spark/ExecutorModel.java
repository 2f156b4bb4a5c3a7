package io.fovea.spark;

import io.fovea.app.export.OnnxModel;
import io.fovea.data.source.Preprocessing;
import io.fovea.errors.FoveaException;
import io.fovea.models.Classifier;
import io.fovea.models.FusedNetwork;
import io.fovea.tensor.Threads;
import io.fovea.training.Tasks;
import io.fovea.training.run.Run;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Iterator;
import java.util.Map;
import java.util.function.UnaryOperator;
import org.bytedeco.pytorch.Tensor;

/**
 * The network of a job in the process of an executor. All tasks of the process share it: the first
 * one loads it, and it stays until the process ends or tasks need another one.
 */
final class ExecutorModel implements AutoCloseable {
  private static final Map<String, ExecutorModel> LOADED = new HashMap<>();

  static {
    Natives.unlimited();
  }

  private final Preprocessing preprocessing;
  private final UnaryOperator<Tensor> scores;
  private final Runnable release;
  private int users;

  private ExecutorModel(
      Preprocessing preprocessing, UnaryOperator<Tensor> scores, Runnable release) {
    this.preprocessing = preprocessing;
    this.scores = scores;
    this.release = release;
  }

  /**
   * Returns the network of a job for a task, which computes with a number of threads.
   *
   * @param threads the number of threads for this thread
   * @return the network, which the task must close
   */
  static ExecutorModel open(ShippedModel model, int threads) {
    Threads.set(threads);
    synchronized (LOADED) {
      ExecutorModel there = LOADED.get(model.key());
      if (there == null) {
        freeUnused();
        try (ShippedModel.Temporary folder = model.unpacked()) {
          there = load(folder.path, model.weights());
        } catch (IOException e) {
          throw new UncheckedIOException("the network cannot be unpacked: " + e.getMessage(), e);
        }
        LOADED.put(model.key(), there);
      }
      there.users++;
      return there;
    }
  }

  /** A long session may score with many networks after each other. */
  private static void freeUnused() {
    for (Iterator<ExecutorModel> all = LOADED.values().iterator(); all.hasNext(); ) {
      ExecutorModel one = all.next();
      if (one.users == 0) {
        one.release.run();
        all.remove();
      }
    }
  }

  /**
   * Loads a network.
   *
   * @param folder what {@link ShippedModel} packed
   * @param weights the weights of a run, or null for an ONNX file
   * @throws FoveaException if it cannot be used, or is not for classifying images
   */
  static ExecutorModel load(Path folder, Run.Weights weights) {
    if (weights == null) {
      OnnxModel model = new OnnxModel(folder.resolve(ShippedModel.ONNX));
      if (model.task() != Tasks.CLASSIFICATION) {
        String task = model.task().toString();
        model.close();
        throw new FoveaException("a network for " + task + ", expected " + Tasks.CLASSIFICATION);
      }
      return new ExecutorModel(model.preprocessing(), model::scores, model::close);
    }
    Run<Classifier, ?> run = Run.open(folder, Tasks.CLASSIFICATION);
    Classifier network = run.load(weights);
    FusedNetwork fused = network.fuse();
    return new ExecutorModel(
        run.preprocessing(),
        x -> fused.infer(() -> network.scores(x)),
        () -> {
          fused.close();
          network.close();
        });
  }

  /** What images need to become the network's input, and the names of its classes. */
  Preprocessing preprocessing() {
    return preprocessing;
  }

  /** The network: images {@code [B, C, H, W]} to scores {@code [B, classes]}. */
  UnaryOperator<Tensor> scores() {
    return scores;
  }

  /** Frees the network, which no task uses. */
  void free() {
    release.run();
  }

  /** Says that the task needs the network no longer. */
  @Override
  public void close() {
    synchronized (LOADED) {
      users--;
    }
  }

  /** The number of networks that this process holds. */
  static int loaded() {
    synchronized (LOADED) {
      return LOADED.size();
    }
  }
}
