package io.fovea;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.within;

import io.fovea.errors.FoveaException;
import io.fovea.errors.SpecException;
import java.awt.Color;
import java.awt.Graphics2D;
import java.awt.image.BufferedImage;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What a program does with photographs of classes, it does with scenes and with videos. */
class ScenesAndVideosTest {
  private static final Training SHORT = Training.defaults().epochs(1).batchSize(4);

  @TempDir Path temporary;

  /** A ball on a ground, and its mask: 0 for the ground, 1 for the ball. */
  private static BufferedImage ball(int x, Color ground, Color ball, int type) {
    BufferedImage image = new BufferedImage(40, 32, type);
    Graphics2D g = image.createGraphics();
    g.setColor(ground);
    g.fillRect(0, 0, 40, 32);
    g.setColor(ball);
    g.fillRect(x, 8, 16, 16);
    g.dispose();
    return image;
  }

  private static void write(Path file, BufferedImage image) throws Exception {
    Files.createDirectories(file.getParent());
    ImageIO.write(image, "png", file.toFile());
  }

  private Path scenes() throws Exception {
    Path folder = temporary.resolve("scenes");
    for (int i = 0; i < 20; i++) {
      int x = i % 24;
      write(
          folder.resolve("images/" + i + ".png"),
          ball(x, new Color(30, 60 + i, 30), Color.WHITE, BufferedImage.TYPE_INT_RGB));
      write(
          folder.resolve("masks/" + i + ".png"),
          ball(x, Color.BLACK, new Color(1, 1, 1), BufferedImage.TYPE_BYTE_GRAY));
    }
    Files.writeString(folder.resolve("classes.txt"), "ground\nball\n");
    return folder;
  }

  @Test
  void aSegmentationNetworkIsTrainedTestedUsedAndExplained() throws Exception {
    Path folder = scenes();
    ImageData data = ImageData.masks(folder).seed(2).load();
    assertThat(data.classes()).containsExactly("ground", "ball");
    assertThat(data.train().size()).isEqualTo(16);
    assertThat(data.train()).hasToString("16 images of scenes");
    assertThatIllegalStateException()
        .isThrownBy(() -> data.train().classOf(0))
        .withMessage("images with masks have a class for each pixel");

    Model model = Model.segmenter("small").build();
    assertThat(model.attention()).isEqualTo("dual");
    List<Epoch> seen = new ArrayList<>();
    Training training =
        Training.defaults().epochs(3).batchSize(8).cropSize(32).scales(1, 1).onEpoch(seen::add);
    assertThat(model.recipe(training)).contains("--crop-size 32", "--schedule poly");
    Path picture = folder.resolve("images/3.png");
    try (Run run = model.train(data, training, temporary.resolve("run"))) {
      assertThat(run.task()).isEqualTo("segmentation");
      assertThat(seen).hasSize(3).isEqualTo(run.epochs());
      double best = seen.stream().mapToDouble(Epoch::testMeanIou).max().orElseThrow();
      Evaluation evaluation = run.evaluate(data.test());
      assertThat(evaluation.images()).isEqualTo(4);
      assertThat(evaluation.meanIou()).isEqualTo(best);
      assertThat((evaluation.iou("ground") + evaluation.iou("ball")) / 2)
          .isCloseTo(best, within(1e-12));
      assertThat(Arrays.stream(evaluation.confusion()).flatMapToLong(Arrays::stream).sum())
          .isEqualTo(4 * 40 * 32);
      assertThat(evaluation)
          .asString()
          .matches("mIoU \\d+\\.\\d %, pixel accuracy \\d+\\.\\d % of 4 images");
      assertThat(evaluation.json()).startsWith("{\"task\":\"segmentation\",\"images\":4,");

      Prediction prediction = run.predict(picture);
      Mask mask = prediction.mask().orElseThrow();
      assertThat(mask.width()).isEqualTo(40);
      assertThat(mask.height()).isEqualTo(32);
      assertThat(mask.classAt(11, 16)).isEqualTo(data.classes().get(mask.label(11, 16)));
      assertThat(mask.share("ground") + mask.share("ball")).isCloseTo(1, within(1e-12));
      assertThat(prediction.best().probability())
          .isCloseTo(mask.share(prediction.best().name()), within(1e-12));
      assertThat(mask.picture().getRaster().getSample(11, 16, 0)).isEqualTo(mask.label(11, 16));
      assertThat(mask.overlay(0).getRGB(11, 16)).isEqualTo(Color.WHITE.getRGB());
      assertThatExceptionOfType(IndexOutOfBoundsException.class)
          .isThrownBy(() -> mask.label(40, 0))
          .withMessage("pixel 40,0 of an image of 40 x 32");
      assertThat(run.predict(Files.readAllBytes(picture)).ranked()).isEqualTo(prediction.ranked());
      mask.save(temporary.resolve("mask.png"));
      assertThat(
              ImageIO.read(temporary.resolve("mask.png").toFile()).getRaster().getSample(11, 16, 0))
          .isEqualTo(mask.label(11, 16));

      Explanation explanation = run.explain(picture);
      assertThat(explanation.pictures()).containsKeys("mask", "uncertainty", "head.sa.received");
      assertThat(explanation.save(temporary.resolve("explain"))).isNotEmptyFile();
      run.exportOnnx(temporary.resolve("scenes.onnx"));
      assertThat(temporary.resolve("scenes.onnx")).isNotEmptyFile();
      assertThatExceptionOfType(FoveaException.class)
          .isThrownBy(() -> run.exportDjl(temporary.resolve("djl")))
          .withMessageContaining("segmentation");
    }
    try (Run again = Run.open(temporary.resolve("run"))) {
      assertThat(again.classes()).containsExactly("ground", "ball");
      assertThat(again.predict(picture).best().name()).isIn("ground", "ball");
    }
  }

  @Test
  void aVideoNetworkIsTrainedTestedUsedAndExplained() throws Exception {
    ImageData data = ImageData.bundledClips().frames(4).limit(16).load();
    Model model = Model.video("c2d-resnet8").width(0.5).attention("nonlocal").build();
    Path clip = temporary.resolve("clip");
    for (int i = 0; i < 10; i++) {
      write(
          clip.resolve(i + ".png"),
          ball(2 * i, Color.GRAY, Color.WHITE, BufferedImage.TYPE_INT_RGB));
    }
    try (Run run = model.train(data, SHORT, temporary.resolve("run"))) {
      assertThat(run.task()).isEqualTo("video");
      Prediction prediction = run.predict(clip);
      assertThat(prediction.ranked()).hasSameSizeAs(data.classes());
      assertThat(prediction.moments()).hasSize(3); // frames 0 to 3, 4 to 7, 6 to 9
      assertThat(prediction.moments().get(1).firstFrame()).isEqualTo(4);
      assertThat(prediction.moments().get(2).lastFrame()).isEqualTo(9);
      String name = prediction.best().name();
      double mean =
          prediction.moments().stream()
              .flatMap(moment -> moment.ranked().stream())
              .filter(one -> one.name().equals(name))
              .mapToDouble(Prediction.Scored::probability)
              .average()
              .orElseThrow();
      assertThat(prediction.best().probability()).isCloseTo(mean, within(1e-6));
      assertThat(prediction.json()).contains("\"moments\":[{\"first_frame\":0,");
      assertThat(prediction.mask()).isEmpty();

      Explanation explanation = run.explain(clip);
      assertThat(explanation.pictures().keySet()).anyMatch(name2 -> name2.endsWith(".received"));
      assertThat(explanation.gates()).isEmpty();
      assertThat(explanation).hasToString("clip: 1 attention modules");
      assertThat(explanation.save(temporary.resolve("explain"))).isNotEmptyFile();
      byte[] image = Files.readAllBytes(clip.resolve("0.png"));
      assertThatExceptionOfType(FoveaException.class)
          .isThrownBy(() -> run.predict(image))
          .withMessageEndingWith("is for clips, not for images");
    }
  }

  @Test
  void samplesAndSettingsOfAnotherTaskAreRefused() throws Exception {
    ImageData data = ImageData.masks(scenes()).load();
    Path folder = temporary.resolve("run");
    assertThatExceptionOfType(SpecException.class)
        .isThrownBy(() -> Model.classifier("resnet8").build().train(data, SHORT, folder))
        .withMessage("the model is for classification, but these are samples for segmentation");
    assertThatExceptionOfType(SpecException.class)
        .isThrownBy(() -> Training.defaults().cropSize(32).labelSmoothing(0.1))
        .withMessageContaining("label smoothing is for samples with one class, not for masks");
    assertThatExceptionOfType(SpecException.class)
        .isThrownBy(
            () -> Model.segmenter("small").build().train(data, SHORT.labelSmoothing(0.1), folder))
        .withMessage("label smoothing is for samples with one class, not for masks");
    assertThatExceptionOfType(SpecException.class)
        .isThrownBy(() -> ImageData.masks(folder).size(64))
        .withMessageContaining("keep their size");
    assertThatExceptionOfType(SpecException.class)
        .isThrownBy(() -> ImageData.folder(folder).frames(4))
        .withMessage("only videos have clips of frames; these are images");
    assertThat(folder).doesNotExist();
  }
}
