package io.fovea.training.search;

import io.fovea.models.Network;
import io.fovea.training.evaluate.Latency;

/** Measures the time that networks take where they will be used. */
public interface LatencyMeter {
  /** Fovea in this process, as in evaluation and prediction. */
  LatencyMeter FOVEA =
      new LatencyMeter() {
        @Override
        public double milliseconds(Network network, int batch, int... size) {
          return Latency.milliseconds(network, batch, size);
        }

        @Override
        public String toString() {
          return "fovea";
        }
      };

  /**
   * Measures with as many threads as this thread has.
   *
   * @param batch the number of images in a batch
   * @param size the height and width of an image, for a clip with the frames before them
   * @return milliseconds for the whole batch
   * @throws io.fovea.errors.FoveaException if this network cannot run there
   */
  double milliseconds(Network network, int batch, int... size);
}
