package io.fovea.benchmarks;

import io.fovea.models.Classifier;
import io.fovea.models.ModelSpec;
import io.fovea.tensor.Threads;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.IntSupplier;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/**
 * Measures how many images a network classifies in a second when 1, 2 and 4 Java threads call it at
 * once, one image per call: with all threads for each caller, and with one thread. The variants
 * take turns; results are medians.
 *
 * <pre>  Callers [threads [seconds]]</pre>
 */
public final class Callers {
  private static final int ROUNDS = 3;
  private static final int[] CALLERS = {1, 2, 4};

  private record Case(String backbone, String attention, int side) {}

  private static final List<Case> CASES =
      List.of(
          new Case("resnet20", "cbam:reduction=8", 32),
          new Case("resnet18", "none", 224),
          new Case("resnet18", "cbam", 224),
          new Case("resnet18", "pam@stage:2", 224));

  private Callers() {}

  /** Measures, and prints a line for each network and number of threads. */
  public static void main(String[] arguments) throws InterruptedException, ExecutionException {
    int threads =
        arguments.length > 0
            ? Integer.parseInt(arguments[0])
            : Runtime.getRuntime().availableProcessors();
    double seconds = arguments.length > 1 ? Double.parseDouble(arguments[1]) : 1;
    System.out.println(
        "images/s of                 threads per caller   1 caller   2 callers   4 callers");
    for (Case each : CASES) {
      Threads.set(threads);
      try (PointerScope scope = new PointerScope()) {
        torch.manual_seed(1);
        Classifier network = new ModelSpec(each.backbone, 1000, 3, 1, each.attention).create();
        network.eval();
        for (int share : new int[] {threads, 1}) {
          double[][] speeds = new double[CALLERS.length][ROUNDS];
          for (int round = -1; round < ROUNDS; round++) { // the first run is for warming up
            for (int i = 0; i < CALLERS.length; i++) {
              double speed = speed(network, each.side, CALLERS[i], share, seconds);
              if (round >= 0) {
                speeds[i][round] = speed;
              }
            }
          }
          System.out.printf(
              Locale.ROOT,
              "%-28.28s %4d %10.1f %11.1f %11.1f%n",
              each.backbone + " " + each.attention,
              share,
              median(speeds[0]),
              median(speeds[1]),
              median(speeds[2]));
        }
      }
    }
  }

  private static double speed(
      Classifier network, int side, int callers, int threads, double seconds)
      throws InterruptedException, ExecutionException {
    ExecutorService pool = Executors.newFixedThreadPool(callers);
    try {
      AtomicBoolean over = new AtomicBoolean();
      CountDownLatch ready = new CountDownLatch(callers);
      CountDownLatch start = new CountDownLatch(1);
      List<Future<Integer>> counts = new ArrayList<>();
      for (int i = 0; i < callers; i++) {
        IntSupplier caller = () -> answered(network, side, threads, ready, start, over);
        counts.add(pool.submit(caller::getAsInt));
      }
      ready.await();
      long begin = System.nanoTime();
      start.countDown();
      Thread.sleep((long) (1000 * seconds));
      over.set(true);
      int all = 0;
      for (Future<Integer> count : counts) {
        all += count.get();
      }
      return all / ((System.nanoTime() - begin) / 1e9);
    } finally {
      pool.shutdown();
    }
  }

  private static int answered(
      Classifier network,
      int side,
      int threads,
      CountDownLatch ready,
      CountDownLatch start,
      AtomicBoolean over) {
    Threads.set(threads);
    try (PointerScope scope = new PointerScope();
        NoGradGuard guard = new NoGradGuard()) {
      Tensor image = torch.randn(1, network.channels(), side, side);
      network.forward(image).close();
      ready.countDown();
      start.await();
      int count = 0;
      while (!over.get()) {
        network.forward(image).close();
        count++;
      }
      return count;
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return 0;
    }
  }

  private static double median(double[] values) {
    Arrays.sort(values);
    return values[values.length / 2];
  }
}
