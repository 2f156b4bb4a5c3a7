package io.fovea.app.export;

import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtSession;
import io.fovea.errors.FoveaException;
import io.fovea.models.Network;
import io.fovea.models.onnx.Onnx;
import io.fovea.tensor.Threads;
import io.fovea.training.evaluate.Latency;
import io.fovea.training.search.LatencyMeter;
import java.io.IOException;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.stream.IntStream;

/** Measures the time of networks in ONNX Runtime, on files as {@code fovea export} writes them. */
public final class OnnxLatency implements LatencyMeter {
  @Override
  public double milliseconds(Network network, int batch, int... size) {
    network.eval();
    long[] shape =
        IntStream.concat(IntStream.of(batch, network.channels()), IntStream.of(size))
            .asLongStream()
            .toArray();
    OrtEnvironment environment = OrtEnvironment.getEnvironment();
    Path file = null;
    try (OrtSession.SessionOptions options = new OrtSession.SessionOptions()) {
      file = Files.createTempFile("fovea", ".onnx");
      Onnx.write(file, network, "latency", Map.of());
      options.setIntraOpNumThreads(Threads.count());
      try (OrtSession session = environment.createSession(file.toString(), options);
          OnnxTensor images =
              OnnxTensor.createTensor(environment, FloatBuffer.wrap(values(shape)), shape)) {
        return Latency.median(() -> pass(session, images));
      }
    } catch (OrtException e) {
      throw cannotRun(e);
    } catch (IOException e) {
      throw new FoveaException("a temporary file cannot be written: " + e.getMessage(), e);
    } finally {
      delete(file);
    }
  }

  private static void pass(OrtSession session, OnnxTensor images) {
    try (OrtSession.Result result = session.run(Map.of(Onnx.INPUT, images))) {
      result.get(0);
    } catch (OrtException e) {
      throw cannotRun(e);
    }
  }

  private static FoveaException cannotRun(OrtException e) {
    String reason = e.getMessage().lines().findFirst().orElse("");
    return new FoveaException("ONNX Runtime cannot run it: " + reason, e);
  }

  private static float[] values(long... shape) {
    int count = 1;
    for (long side : shape) {
      count = Math.multiplyExact(count, Math.toIntExact(side));
    }
    float[] values = new float[count];
    for (int i = 0; i < count; i++) {
      values[i] = i % 7 - 3; // the time does not depend on them, as long as they are no denormals
    }
    return values;
  }

  private static void delete(Path file) {
    try {
      if (file != null) {
        Files.deleteIfExists(file);
      }
    } catch (IOException e) {
      throw new FoveaException(file + ": cannot be deleted: " + e.getMessage(), e);
    }
  }

  @Override
  public String toString() {
    return "onnx";
  }
}
