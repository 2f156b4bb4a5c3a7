package io.fovea.explain;

import static org.assertj.core.api.Assertions.assertThat;

import io.fovea.data.Image;
import io.fovea.models.Classifier;
import io.fovea.models.ModelSpec;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import javax.imageio.ImageIO;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What a program without a command line saves. */
class ExplainedImageTest {
  private static final List<String> CLASSES = List.of("собака", "猫", "قط", "</script>");

  @Test
  void savesEveryPictureAndThePage(@TempDir Path folder) throws IOException {
    String attention =
        "cbam:reduction=4@standard:2; bam:reduction=4@stage:2; dual:reduction=2@head";
    ExplainedImage image;
    try (PointerScope scope = new PointerScope()) {
      torch.manual_seed(1);
      Classifier network = new ModelSpec("resnet8", 4, 1, 0.5, attention).create();
      Explanation explanation =
          Explanation.builder(network)
              .gradCam(List.of("layer3"))
              .target(1)
              .of(torch.randn(1, 1, 28, 28));
      image =
          new ExplainedImage(
              "my cat.png",
              new Image(3, 60, 40, new byte[3 * 60 * 40]),
              new NetworkFacts("mine", "resnet8", attention, 1, 28, 28, CLASSES, ""),
              explanation);
    }

    Path page = image.save(folder.resolve("explain"));

    Path pictures = folder.resolve("explain/my cat");
    try (Stream<Path> files = Files.list(pictures)) {
      assertThat(files.map(file -> file.getFileName().toString().replace(".png", "")))
          .containsExactlyInAnyOrderElementsOf(image.pictures().keySet())
          .contains(
              "layer2.0.cbam.channels",
              "layer2.0.cbam.positions",
              "bam2.positions",
              "dual_head.received",
              "dual_head.channel-matrix",
              "grad-cam.layer3",
              "grad-cam++.layer3");
    }
    BufferedImage cam = ImageIO.read(pictures.resolve("grad-cam.layer3.png").toFile());
    assertThat(cam.getWidth()).isEqualTo(40 * 6);
    String html = Files.readString(page);
    assertThat(page).isEqualTo(folder.resolve("explain/explain.html"));
    assertThat(html).contains("собака", "猫", "قط", "\\u003c/script>").doesNotContain("FOVEA-");
  }
}
