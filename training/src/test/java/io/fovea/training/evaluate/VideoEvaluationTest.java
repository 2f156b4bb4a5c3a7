package io.fovea.training.evaluate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.fovea.data.BatchLoader;
import io.fovea.data.Image;
import io.fovea.data.ImageDataset;
import io.fovea.data.Progress;
import io.fovea.data.TrainingData;
import io.fovea.data.video.Sampling;
import io.fovea.data.video.VideoFolder;
import io.fovea.data.video.Videos;
import io.fovea.models.Classifier;
import io.fovea.models.ModelSpec;
import io.fovea.testing.Numeric;
import io.fovea.testing.Rounding;
import io.fovea.training.Tasks;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

@Numeric
class VideoEvaluationTest {
  @TempDir Path root;

  @Test
  void averagesTheProbabilitiesOfAllViews() throws IOException {
    for (int i = 0; i < 5; i++) {
      Videos.avi(root.resolve("down/" + i + ".avi"), 20, 24, 16, t -> 200 - 10 * t);
      Videos.folder(root.resolve("up/" + i), 20, 24, 16, t -> 10 * t);
    }
    TrainingData<ImageDataset> data =
        VideoFolder.open(
            root, new VideoFolder.Options(6, 1, new Sampling(4, 2, 3, 2), 1, true), Progress.NONE);
    try (PointerScope scope = new PointerScope();
        NoGradGuard guard = new NoGradGuard()) {
      torch.manual_seed(1);
      Classifier network = new ModelSpec("i3d-resnet8", 2, 1, 1, "none").create();
      network.eval();
      ImageDataset test = data.test();
      double loss = 0;
      List<Integer> ranks = new ArrayList<>();
      for (int i = 0; i < test.size(); i++) {
        double probability = 0;
        for (int view = 0; view < test.views(); view++) {
          Tensor clip =
              BatchLoader.toTensor(
                  new Image(test.channels(), 4, 6, 6, test.view(i, view)), data.normalization());
          Tensor probabilities = network.forward(clip).softmax(1);
          float own = probabilities.select(1, test.label(i)).item_float();
          probability += own / test.views();
          ranks.add(own > 0.5 ? 1 : 2);
        }
        loss -= Math.log(probability) / test.size();
      }
      List<SampleResult> results = new ArrayList<>();
      Evaluation evaluation =
          Tasks.VIDEO.evaluate(
              network,
              test,
              data.normalization(),
              TestTimeAugmentation.WHOLE,
              Progress.NONE,
              results::add);
      List<Integer> found = new ArrayList<>();
      results.forEach(result -> found.addAll(((ClassResult) result).viewRanks()));
      assertThat(found).isEqualTo(ranks);
      // Of a network in float32, for clips by themselves and in batches
      assertThat(evaluation.loss()).isCloseTo(loss, within(Rounding.byReference(0, loss + 1)));
    }
  }
}
