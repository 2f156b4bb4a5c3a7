package io.fovea.app.study;

import io.fovea.data.Progress;
import io.fovea.tensor.Threads;
import io.fovea.training.SideBySide;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/** Trains in this process, several networks side by side if the steps of one are short. */
final class LocalTrainings implements Trainings {
  private final int threads = Threads.count();
  private final int atOnce;
  private final Progress progress;
  private final RunTrainer trainer = new RunTrainer(threads);
  private final ExecutorService pool;

  /**
   * Prepares the threads.
   *
   * @param atOnce how many networks are trained side by side, each with its share of the threads
   * @param progress receives the progress in images
   */
  LocalTrainings(int atOnce, Progress progress) {
    this.atOnce = atOnce;
    this.progress = progress;
    pool = Executors.newFixedThreadPool(atOnce);
  }

  @Override
  public int atOnce() {
    return atOnce;
  }

  @Override
  public CompletableFuture<Study.Run> train(TrainingJob job) {
    return CompletableFuture.supplyAsync(
        () -> {
          // even if fewer runs are left, because the number of threads of a run determines its bits
          Threads.set(threads / atOnce);
          return trainer.train(job, progress);
        },
        pool);
  }

  @Override
  public void close() {
    SideBySide.stop(pool);
    trainer.close();
    Threads.set(threads);
  }
}
