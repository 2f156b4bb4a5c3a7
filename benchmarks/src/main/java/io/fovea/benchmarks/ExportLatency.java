package io.fovea.benchmarks;

import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtSession;
import io.fovea.models.Classifier;
import io.fovea.models.ModelSpec;
import io.fovea.models.onnx.Onnx;
import io.fovea.tensor.Threads;
import java.io.IOException;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/**
 * Compares exported networks in ONNX Runtime with Fovea's own inference. Both get the same images
 * and the same number of threads and take turns (A B A B); results are medians.
 *
 * <pre>  ExportLatency [threads [backbone attention side batch]]</pre>
 */
public final class ExportLatency {
  private static final int ROUNDS = 25;
  private static final int WARM_UP = 3;

  private record Case(String backbone, String attention, int side, int batch) {}

  private static final List<Case> CASES =
      List.of(
          new Case("resnet20", "none", 32, 1),
          new Case("resnet20", "cbam:reduction=8", 32, 1),
          new Case("resnet18", "none", 224, 1),
          new Case("resnet18", "se", 224, 1),
          new Case("resnet18", "cbam", 224, 1),
          new Case("resnet18", "bam", 224, 1),
          new Case("resnet18", "pam@stage:2", 224, 1),
          new Case("resnet18", "cam@stage:2", 224, 1),
          new Case("resnet18", "nonlocal@stage:2", 224, 1),
          new Case("resnet18", "nonlocal:mode=dot_product@stage:2", 224, 1),
          new Case("resnet50", "se", 224, 1),
          new Case(
              "mobilenetv3-large",
              "se:reduction=4,bias=true,excitation=hard_sigmoid,divisor=8",
              224,
              1),
          new Case("resnet18", "se", 224, 8));

  private ExportLatency() {}

  /** Measures, and prints a line for each network. */
  public static void main(String[] arguments) throws IOException, OrtException {
    int threads =
        arguments.length > 0
            ? Integer.parseInt(arguments[0])
            : Runtime.getRuntime().availableProcessors();
    List<Case> cases =
        arguments.length == 5
            ? List.of(
                new Case(
                    arguments[1],
                    arguments[2],
                    Integer.parseInt(arguments[3]),
                    Integer.parseInt(arguments[4])))
            : CASES;
    Threads.set(threads);
    System.out.printf("%d threads, medians of %d%n", threads, ROUNDS);
    System.out.println("network                                    batch    Fovea   ONNX Runtime");
    for (Case each : cases) {
      measure(each, threads);
    }
  }

  private static void measure(Case each, int threads) throws IOException, OrtException {
    Path file = Files.createTempFile("fovea", ".onnx");
    OrtEnvironment environment = OrtEnvironment.getEnvironment();
    try (PointerScope scope = new PointerScope();
        NoGradGuard guard = new NoGradGuard();
        OrtSession.SessionOptions options = new OrtSession.SessionOptions()) {
      torch.manual_seed(1);
      Classifier network = new ModelSpec(each.backbone, 1000, 3, 1, each.attention).create();
      network.eval();
      Onnx.write(file, network, "benchmark", Map.of());
      Tensor images = torch.randn(each.batch, 3, each.side, each.side);
      options.setIntraOpNumThreads(threads);
      try (OrtSession session = environment.createSession(file.toString(), options);
          OnnxTensor same =
              OnnxTensor.createTensor(
                  environment, images.<FloatBuffer>createBuffer(), images.shape())) {
        double[] fovea = new double[ROUNDS];
        double[] runtime = new double[ROUNDS];
        for (int i = -WARM_UP; i < ROUNDS; i++) {
          double a = second(() -> network.forward(images).close());
          double b = second(() -> session.run(Map.of(Onnx.INPUT, same)).close());
          if (i >= 0) {
            fovea[i] = a;
            runtime[i] = b;
          }
        }
        System.out.printf(
            Locale.ROOT,
            "%-42.42s %5d %7.2f ms %8.2f ms   %.2f times as fast%n",
            each.backbone + " " + each.attention,
            each.batch,
            median(fovea),
            median(runtime),
            median(fovea) / median(runtime));
      }
    } finally {
      Files.delete(file);
    }
  }

  private interface Pass {
    void run() throws OrtException;
  }

  /**
   * The time of the second pass in milliseconds. During the first pass, threads of the other side
   * still spin.
   */
  private static double second(Pass pass) throws OrtException {
    pass.run();
    long start = System.nanoTime();
    pass.run();
    return (System.nanoTime() - start) / 1e6;
  }

  private static double median(double[] values) {
    Arrays.sort(values);
    return values[values.length / 2];
  }
}
