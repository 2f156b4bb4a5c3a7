package io.fovea.models;

import static org.assertj.core.api.Assertions.assertThat;

import io.fovea.models.weights.StateDict;
import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The embedding is what the classifier takes, whatever class computes the network. */
class EmbeddingTest {
  @ParameterizedTest
  @CsvSource({"resnet8, fc", "googlenet, fc", "densenet121, classifier"})
  void scoresAreALayerOnTheEmbedding(String backbone, String classifier) {
    try (PointerScope scope = new PointerScope();
        NoGradGuard guard = new NoGradGuard()) {
      Classifier network = Classifier.builder(backbone).width(0.25).classes(5).build();
      network.eval();
      Tensor x = torch.randn(2, 3, 32, 32);
      List<float[]> embeddings = new ArrayList<>();

      Tensor scores = Classifier.embedding(e -> embeddings.add(values(e)), () -> network.scores(x));

      assertThat(scores.equal(network.scores(x))).isTrue();
      assertThat(embeddings).hasSize(1);
      Map<String, Tensor> weights = StateDict.parameters(network);
      Tensor expected =
          torch.linear(
              Tensor.create(embeddings.get(0)).view(2, -1),
              weights.get(classifier + ".weight"),
              new TensorOptional(weights.get(classifier + ".bias")));
      assertThat(scores.equal(expected)).isTrue();
    }
  }

  private static float[] values(Tensor embedding) {
    float[] values = new float[(int) embedding.numel()];
    embedding.contiguous().<FloatBuffer>createBuffer().get(values);
    return values;
  }
}
