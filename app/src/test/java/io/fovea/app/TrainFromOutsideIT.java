package io.fovea.app;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;

/** The program in examples/train is built against the jars of this build, and run on some pictures. */
class TrainFromOutsideIT {
  @Test
  void trainsPredictsExplainsAndExports() throws IOException, InterruptedException {
    Map<String, String> modules = new TreeMap<>();
    modules.put("fovea", "api");
    for (String module : List.of("attention", "data", "explain", "models", "training")) {
      modules.put("fovea-" + module, module);
    }
    if (Runtime.version().feature() >= 25) {
      modules.put("fovea-kernels", "kernels");
    }
    OutsideProject outside = OutsideProject.build("train", modules);
    Path images = outside.folder().resolve("images");
    for (int i = 0; i < 20; i++) {
      write(images.resolve("small").resolve(i + ".png"), 20 + i);
      write(images.resolve("large").resolve(i + ".png"), 60 + i);
    }
    Path out = outside.folder().resolve("out");
    Path target = outside.project().resolve("target");
    String classes =
        target.resolve("classes")
            + File.pathSeparator
            + Files.readString(target.resolve("classpath")).strip();

    Outcome outcome =
        outside.process(
            List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-cp",
                classes,
                "com.example.TrainOnAFolder",
                images.toString(),
                images.resolve("small/3.png").toString(),
                out.toString()),
            Map.of());

    assertThat(outcome.status()).as(outcome.out()).isZero();
    assertThat(outcome.outLines())
        .anyMatch(line -> line.startsWith("epoch 5   loss "))
        .anyMatch(line -> line.matches("top-1 \\d+\\.\\d % of 8 images"))
        .anyMatch(line -> line.matches("(small|large), \\d+\\.\\d %"));
    assertThat(out.resolve("run/best.safetensors")).isNotEmptyFile();
    assertThat(out.resolve("explain/explain.html")).isNotEmptyFile();
    assertThat(out.resolve("network.onnx")).isNotEmptyFile();
  }

  private static void write(Path file, int side) throws IOException {
    Files.createDirectories(file.getParent());
    Files.write(file, TestRuns.png(side, side));
  }
}
