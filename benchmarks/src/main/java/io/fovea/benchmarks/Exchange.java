package io.fovea.benchmarks;

import io.fovea.tensor.Threads;
import io.fovea.training.processes.Group;
import io.fovea.training.processes.Launch;
import java.time.Duration;
import java.util.Arrays;
import java.util.Locale;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/**
 * Measures how long processes need to add up tensors of several sizes. It is started once for each
 * process, with the variables of a launcher ({@code RANK}, {@code WORLD_SIZE}, {@code MASTER_ADDR});
 * {@code scripts/scale.py} does so. The first one prints a line for each size: the bytes, and the
 * median time in seconds.
 */
public final class Exchange {
  private static final int[] VALUES = {1, 25_000, 250_000, 2_500_000, 10_000_000};
  private static final int ROUNDS = 15;

  private Exchange() {}

  /** Measures. */
  public static void main(String[] arguments) {
    Launch launch =
        Launch.of(System.getenv())
            .orElseThrow(() -> new IllegalArgumentException("RANK and WORLD_SIZE are not set"));
    Threads.set(1);
    Group group = Group.join(launch, Duration.ofMinutes(1));
    for (int values : VALUES) {
      double[] seconds = new double[ROUNDS];
      try (PointerScope scope = new PointerScope()) {
        Tensor tensor = torch.zeros(values);
        group.sum(tensor); // the first sum of a size allocates
        for (int round = 0; round < ROUNDS; round++) {
          group.sum(torch.zeros(1)); // all begin at once
          long start = System.nanoTime();
          group.sum(tensor);
          seconds[round] = (System.nanoTime() - start) / 1e9;
        }
      }
      if (group.isFirst()) {
        Arrays.sort(seconds);
        System.out.printf(Locale.ROOT, "%d %.7f%n", 4L * values, seconds[ROUNDS / 2]);
      }
    }
    System.exit(0);
  }
}
