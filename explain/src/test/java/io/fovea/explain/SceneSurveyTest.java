package io.fovea.explain;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.fovea.data.BatchLoader;
import io.fovea.data.Image;
import io.fovea.data.MaskedImage;
import io.fovea.data.Normalization;
import io.fovea.data.Progress;
import io.fovea.data.SegmentationDataset;
import io.fovea.models.Segmenter;
import io.fovea.models.SegmenterSpec;
import io.fovea.testing.Numeric;
import java.util.List;
import java.util.Random;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What a network says about pixels, and which classes attend to which, beside plain loops. */
@Numeric
class SceneSurveyTest {
  private static final Normalization NORMALIZATION = Normalization.IMAGENET;
  private static final int CLASSES = 3;
  private static final int IGNORED = MaskedImage.IGNORED;

  /** Two images of 4 x 4 and 2 x 3 cells of 8 pixels, one class each; one cell is ignored. */
  private static final int[][][] CELLS = {
    {{0, 0, 1, 1}, {0, 0, 1, 1}, {0, 0, 0, 1}, {IGNORED, 0, 0, 0}}, {{1, 1, 1}, {1, 0, 1}}
  };

  private static SegmentationDataset scenes() {
    return new SegmentationDataset(
        List.of("ground", "block", "sky"), 3, List.of("one", "two"), SceneSurveyTest::scene);
  }

  private static MaskedImage scene(int index) {
    int[][] cells = CELLS[index];
    int height = 8 * cells.length;
    int width = 8 * cells[0].length;
    byte[] pixels = new byte[3 * height * width];
    new Random(index).nextBytes(pixels);
    byte[] labels = new byte[height * width];
    for (int i = 0; i < labels.length; i++) {
      labels[i] = (byte) cells[i / width / 8][i % width / 8];
    }
    return new MaskedImage(new Image(3, height, width, pixels), labels);
  }

  private static Segmenter network(String head) {
    Segmenter network = new SegmenterSpec("small", CLASSES, 3, head, 8, false).create(5);
    network.eval();
    return network;
  }

  @ParameterizedTest
  @ValueSource(strings = {"pam", "nonlocal:subsample=false,mode=dot_product", "ocr"})
  void classesAttendToClassesAsTheSumsOfTheirPositionsSay(String head) {
    SegmentationDataset scenes = scenes();
    try (PointerScope scope = new PointerScope()) {
      Segmenter network = network(head);

      SceneSurvey survey =
          SceneSurvey.of(network, scenes, Integer.MAX_VALUE, NORMALIZATION, Progress.NONE);

      assertThat(survey.images()).isEqualTo(2);
      assertThat(survey.modules()).hasSize(1);
      SceneSurvey.Module module = survey.modules().get(0);
      assertThat(module.positions()).containsExactly(11, 10, 0);
      SceneSurvey.ClassAffinity found = module.affinity().orElseThrow();
      double[][] weights = new double[CLASSES][CLASSES];
      double[][] even = new double[CLASSES][CLASSES];
      for (int i = 0; i < scenes.size(); i++) {
        addAttention(network, scenes.sample(i), CELLS[i], weights, even);
      }
      for (int from = 0; from < 2; from++) {
        for (int to = 0; to < CLASSES; to++) {
          double positions = module.positions()[from];
          assertThat(found.weights()[from][to])
              .isCloseTo(weights[from][to] / positions, within(1e-5));
          assertThat(found.even()[from][to]).isCloseTo(even[from][to] / positions, within(1e-12));
        }
      }
      assertThat(found.weights()[2]).containsOnly(Double.NaN);
      assertThat(found.lift(0, 1)).isEqualTo(found.weights()[0][1] / found.even()[0][1]);
    }
  }

  /** Adds what every position of an image attends to, one after the other. */
  private static void addAttention(
      Segmenter network, MaskedImage image, int[][] cells, double[][] weights, double[][] even) {
    Explanation.Builder builder = Explanation.builder(network);
    int height = cells.length;
    int width = cells[0].length;
    for (int i = 0; i < height * width; i++) {
      int row = i / width;
      builder.point((i % width + 0.5) / width, (row + 0.5) / height);
    }
    Explanation explanation = builder.of(BatchLoader.toTensor(image.image(), NORMALIZATION));
    for (Row row : explanation.modules().get(0).affinity().orElseThrow().rows()) {
      int from = cells[row.y()][row.x()];
      for (int j = 0; from != IGNORED && j < height * width; j++) {
        int to = cells[j / width][j % width];
        if (to != IGNORED) {
          weights[from][to] += row.values()[j];
          even[from][to] += 1.0 / (height * width);
        }
      }
    }
  }

  @Test
  void gatesAreAveragedByClassAndChannelsHaveNone() {
    try (PointerScope scope = new PointerScope()) {
      SceneSurvey survey =
          SceneSurvey.of(network("cbam:reduction=4"), scenes(), 1, NORMALIZATION, Progress.NONE);
      assertThat(survey.images()).isEqualTo(1);
      double[] gates = survey.modules().get(0).gates().orElseThrow();
      assertThat(gates[0]).isBetween(0.0, 1.0);
      assertThat(gates[2]).isNaN();
      assertThat(survey.modules().get(0).affinity()).isEmpty();
      assertThat(
              SceneSurvey.of(network("se:reduction=4"), scenes(), 1, NORMALIZATION, Progress.NONE)
                  .modules())
          .isEmpty();
    }
  }

  @Test
  void aCellHasTheClassOfMostOfItsLabelledPixels() {
    byte[] labels = {1, 1, 0, (byte) IGNORED, 1, 0, 1, 0, 0, 0, (byte) IGNORED, (byte) IGNORED};
    MaskedImage image = new MaskedImage(new Image(1, 2, 6, new byte[12]), labels);
    assertThat(SceneSurvey.cells(image, new Grid(1, 1, 3), 2)).containsExactly(1, 0, 0);
    assertThat(SceneSurvey.cells(image, new Grid(1, 2, 6), 2))
        .containsExactly(1, 1, 0, -1, 1, 0, 1, 0, 0, 0, -1, -1);
    assertThat(SceneSurvey.cells(image, new Grid(1, 4, 1), 2)).containsExactly(1, 1, 0, 0);
  }

  @Test
  void aSceneSaysTheClassOfEachPixelAndHowUncertainItIs() {
    try (PointerScope scope = new PointerScope()) {
      float third = (float) Math.log(0.5);
      float[] scores = {0, 5, 0, third, 0, -100, 0, third, 0, -100, 0, 0}; // [1, 3, 2, 2]
      Scene scene = Scene.of(Tensor.create(scores, 1, 3, 2, 2));
      assertThat(scene.labels()[1]).isZero();
      assertThat(scene.labels()[3]).isEqualTo((byte) 2);
      double[] p = {0.25, 0.25, 0.5};
      double entropy = 0;
      for (double one : p) {
        entropy -= one * Math.log(one) / Math.log(3);
      }
      assertThat(scene.entropy()[0]).isCloseTo(1, within(1e-6F));
      assertThat(scene.entropy()[1]).isCloseTo(0, within(1e-6F));
      assertThat((double) scene.entropy()[3]).isCloseTo(entropy, within(1e-6));
      assertThat(scene.shares(3)[2]).isEqualTo(0.25F);
    }
  }

  @Test
  void anImageIsExplainedWhole() {
    try (PointerScope scope = new PointerScope()) {
      Segmenter network = network("dual");
      Tensor x = torch.randn(1, 3, 24, 40);
      Explanation explanation = Explanation.builder(network).gradCam(List.of("layer3")).of(x);
      assertThat(explanation.modules())
          .extracting(Explanation.Module::name)
          .containsExactly("head.sa", "head.sc");
      Scene scene = explanation.scene().orElseThrow();
      assertThat(List.of(scene.height(), scene.width())).containsExactly(24, 40);
      assertThat(explanation.probabilities()).isEqualTo(scene.shares(CLASSES));
      assertThat(explanation.gradCams().get(0).label()).isEqualTo(explanation.predicted());
    }
  }
}
