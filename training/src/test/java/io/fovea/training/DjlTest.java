package io.fovea.training;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.djl.MalformedModelException;
import ai.djl.Model;
import ai.djl.inference.Predictor;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.translate.NoopTranslator;
import ai.djl.translate.TranslateException;
import io.fovea.data.ImageDataset;
import io.fovea.data.TrainingData;
import io.fovea.models.Classifier;
import io.fovea.models.onnx.Onnx;
import io.fovea.testing.Numeric;
import io.fovea.testing.Rounding;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Map;
import java.util.stream.IntStream;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** DJL loads an exported network: the example of docs/export.md. */
@Numeric
class DjlTest {
  @TempDir Path folder;

  @Test
  void djlGivesTheSameScores() throws IOException, MalformedModelException, TranslateException {
    Classifier network = Shades.network(1);
    TrainingData<ImageDataset> data = Shades.data();
    double[] here = Shades.scores(network, data);
    Onnx.write(folder.resolve("shades.onnx"), network, "1", Map.of());
    network.to(ScalarType.Double, false);
    double[] exact = Shades.scores(network, data);
    double bound = Rounding.byReference(largestDifference(here, exact), largestDifference(exact));

    try (Model model = Model.newInstance("shades", "OnnxRuntime")) {
      model.load(folder, "shades");
      try (Predictor<NDList, NDList> predictor = model.newPredictor(new NoopTranslator());
          NDManager manager = model.getNDManager().newSubManager()) {
        for (int i = 0; i < data.test().size(); i++) {
          float[] values = data.normalization().apply(data.test().pixels(i));
          NDList images = new NDList(manager.create(values, new Shape(1, 1, 8, 8)));
          float[] scores = predictor.predict(images).singletonOrThrow().toFloatArray();
          assertThat(scores).hasSize(2);
          for (int k = 0; k < 2; k++) {
            assertThat((double) scores[k]).isCloseTo(exact[2 * i + k], within(bound));
          }
        }
      }
    }
  }

  private static double largestDifference(double[] values, double... others) {
    return IntStream.range(0, values.length)
        .mapToDouble(i -> Math.abs(values[i] - (others.length == 0 ? 0 : others[i])))
        .max()
        .orElseThrow();
  }
}
