package io.fovea.training.evaluate;

import io.fovea.models.FusedNetwork;
import io.fovea.models.Network;
import java.util.Arrays;
import java.util.stream.IntStream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/** Measures the time of a network from images in memory to scores. */
public final class Latency {
  private static final long BUDGET_NANOS = 150_000_000;
  private static final int WARM_UP = 3;
  private static final int FEWEST = 5;
  private static final int MOST = 100;

  private Latency() {}

  /**
   * Measures with fused batch norms, as in evaluation and prediction: the {@link #median} in
   * evaluation mode.
   *
   * @param batch the number of images in a batch
   * @param size the height and width of an image, for a clip with the frames before them
   * @return milliseconds for the whole batch
   */
  public static double milliseconds(Network network, int batch, int[] size) {
    network.eval();
    try (PointerScope scope = new PointerScope();
        FusedNetwork fused = network.fuse();
        NoGradGuard guard = new NoGradGuard()) {
      long[] shape =
          IntStream.concat(IntStream.of(batch, network.channels()), IntStream.of(size))
              .asLongStream()
              .toArray();
      Tensor images = torch.randn(shape);
      return median(
          () ->
              fused.infer(
                  () -> {
                    network.forwardOnly(images);
                    return null;
                  }));
    }
  }

  /**
   * The median time of up to a hundred passes after a warm-up, fewer if a pass takes long.
   *
   * @return milliseconds
   */
  public static double median(Runnable pass) {
    for (int i = 0; i < WARM_UP; i++) {
      pass.run();
    }
    long[] nanos = new long[MOST];
    int passes = 0;
    for (long spent = 0; passes < MOST && (passes < FEWEST || spent < BUDGET_NANOS); passes++) {
      long start = System.nanoTime();
      pass.run();
      nanos[passes] = System.nanoTime() - start;
      spent += nanos[passes];
    }
    Arrays.sort(nanos, 0, passes);
    return nanos[passes / 2] / 1e6;
  }
}
