package io.fovea.app.study;

import io.fovea.models.FusedNetwork;
import io.fovea.models.Network;
import java.util.Arrays;
import java.util.stream.IntStream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/** How long a network takes, images in memory to scores. */
final class Latency {
  private static final long BUDGET_NANOS = 150_000_000;
  private static final int WARM_UP = 3;
  private static final int FEWEST = 5;
  private static final int MOST = 100;

  private Latency() {}

  /**
   * As evaluation and prediction compute it, fused. The median of up to a hundred passes in evaluation mode after a warm-up, fewer where a pass is long.
   *
   * @param batch how many images at once
   * @param size of an image: height and width
   * @return milliseconds for the whole batch
   */
  static double milliseconds(Network network, int batch, int[] size) {
    network.eval();
    try (PointerScope scope = new PointerScope();
        FusedNetwork fused = network.fuse();
        NoGradGuard guard = new NoGradGuard()) {
      long[] shape =
          IntStream.concat(IntStream.of(batch, network.channels()), IntStream.of(size))
              .asLongStream()
              .toArray();
      Tensor images = torch.randn(shape);
      for (int i = 0; i < WARM_UP; i++) {
        pass(fused, network, images);
      }
      long[] nanos = new long[MOST];
      int passes = 0;
      for (long spent = 0; passes < MOST && (passes < FEWEST || spent < BUDGET_NANOS); passes++) {
        nanos[passes] = pass(fused, network, images);
        spent += nanos[passes];
      }
      Arrays.sort(nanos, 0, passes);
      return nanos[passes / 2] / 1e6;
    }
  }

  private static long pass(FusedNetwork fused, Network network, Tensor images) {
    long start = System.nanoTime();
    fused.infer(
        () -> {
          network.forwardOnly(images);
          return null;
        });
    return System.nanoTime() - start;
  }
}
