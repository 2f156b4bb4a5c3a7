package io.fovea.app.study;

import io.fovea.data.DataException;
import io.fovea.data.Dataset;
import io.fovea.data.Progress;
import io.fovea.explain.ReportExamples;
import io.fovea.models.Network;
import io.fovea.tensor.Threads;
import io.fovea.training.DivergedException;
import io.fovea.training.EpochResult;
import io.fovea.training.SideBySide;
import io.fovea.training.Training;
import io.fovea.training.TrainingListener;
import io.fovea.training.evaluate.Evaluation;
import io.fovea.training.evaluate.Latency;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Semaphore;
import java.util.function.Supplier;
import org.bytedeco.javacpp.PointerScope;

/**
 * Trains the runs of studies in this process. Several threads may train at the same time, but the
 * latencies of a network are measured while all of them pause.
 */
public final class RunTrainer implements AutoCloseable {
  /**
   * The number of permits of the machine, which is larger than the number of runs that train in
   * parallel.
   */
  private static final int MACHINE = 1 << 16;

  /**
   * Training runs hold one permit; timing holds all. The semaphore is fair, so that timing does not
   * wait for long.
   */
  private final Semaphore machine = new Semaphore(MACHINE, true);

  /**
   * A single thread measures all latencies. Each thread that computes in parallel has helper
   * threads of its own, and with more threads than cores all of them would sleep between steps.
   */
  private final ExecutorService timer = Executors.newSingleThreadExecutor(RunTrainer::daemon);

  /**
   * Prepares to train.
   *
   * @param threads the number of threads with which latencies are measured
   */
  public RunTrainer(int threads) {
    timer.execute(() -> Threads.set(threads));
  }

  private static Thread daemon(Runnable body) {
    Thread thread = new Thread(body, "fovea-latency");
    thread.setDaemon(true);
    return thread;
  }

  /** The latencies of a network for one image and for a batch. */
  private record Cost(double latencyMs, double latencyBatchMs) {
    static Cost of(Network network, int batch, int[] size) {
      return new Cost(
          Latency.milliseconds(network, 1, size), Latency.milliseconds(network, batch, size));
    }
  }

  /**
   * Trains a network and evaluates it, with as many threads as this thread has. An interrupt stops
   * it at its next step. A training that diverges is a result, too.
   *
   * @param progress receives the progress in images
   * @throws CancellationException if the thread was interrupted
   * @throws DataException if a sample cannot be read any more
   */
  public Study.Run train(TrainingJob job, Progress progress) {
    return train(job.task(), job, progress);
  }

  private <N extends Network, D extends Dataset<?>> Study.Run train(
      LoadedTask<N, D> task, TrainingJob job, Progress progress) {
    try (PointerScope scope = new PointerScope()) {
      Evaluation[] last = new Evaluation[1];
      N network;
      List<EpochResult> epochs;
      machine.acquireUninterruptibly();
      try {
        Training<N, D> training =
            Training.withSameBackbone(
                job.variant(), variant -> task.training(variant, job.seed(), task.data()));
        network = training.network();
        network.setPrecision(job.precision());
        epochs =
            training.start(
                new TrainingListener() {
                  @Override
                  public void step(int images, double loss) {
                    progress.step(images);
                    rest(job);
                  }

                  @Override
                  public void epoch(EpochResult metrics, Evaluation test) {
                    last[0] = test;
                  }
                });
      } finally {
        machine.release();
      }
      int[] size = task.size();
      Cost cost = alone(() -> Cost.of(network, task.task().latencyBatch(), size));
      List<ReportExamples.Example> examples = job.examples() ? examples(task, network) : List.of();
      return new Study.Run(
          job.variant(),
          job.seed(),
          network.parameterCount(),
          network.macs(size),
          List.copyOf(epochs),
          last[0].confusion(),
          cost.latencyMs,
          cost.latencyBatchMs,
          examples,
          job.settings(),
          null);
    } catch (DivergedException e) {
      return Study.Run.diverged(job, e.getMessage());
    } catch (DataException e) {
      throw new DataException(job.variant() + ", seed " + job.seed() + ": " + e.getMessage(), e);
    }
  }

  /** Evaluates the test images once more, while no other run is timed. */
  private <N extends Network, D extends Dataset<?>> List<ReportExamples.Example> examples(
      LoadedTask<N, D> task, N network) {
    machine.acquireUninterruptibly();
    try {
      return task.examples(network);
    } finally {
      machine.release();
    }
  }

  /** Runs a task while all training runs pause. */
  private <T> T alone(Supplier<T> body) {
    machine.acquireUninterruptibly(MACHINE);
    try {
      return CompletableFuture.supplyAsync(body, timer).join();
    } finally {
      machine.release(MACHINE);
    }
  }

  /**
   * Is called between two steps. Pauses while another run is timed, and stops this run if it was
   * cancelled.
   */
  private void rest(TrainingJob job) {
    if (Thread.currentThread().isInterrupted()) {
      throw new CancellationException(job.variant() + " was stopped");
    }
    if (machine.hasQueuedThreads()) {
      machine.release();
      machine.acquireUninterruptibly();
    }
  }

  /** Ends the thread that measures; no training may be running. */
  @Override
  public void close() {
    SideBySide.stop(timer);
  }
}
