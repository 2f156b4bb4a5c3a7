package io.fovea.training;

import io.fovea.data.EvaluationData;
import io.fovea.data.ImageDataset;
import io.fovea.data.Normalization;
import io.fovea.data.Progress;
import io.fovea.data.TrainingData;
import io.fovea.data.source.DataSpec;
import io.fovea.data.source.Preprocessing;
import io.fovea.data.video.Sampling;
import io.fovea.data.video.VideoSource;
import io.fovea.errors.SpecException;
import io.fovea.models.Classifier;
import io.fovea.models.ModelSpec;
import io.fovea.models.NetworkSpec;
import io.fovea.models.placement.PlacedAttention;
import io.fovea.models.transfer.Inflation;
import io.fovea.training.evaluate.ClipPrediction;
import io.fovea.training.evaluate.Predictions;
import io.fovea.training.evaluate.TestTimeAugmentation;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;
import org.bytedeco.pytorch.Tensor;

/** Predicts the class of a video, averaged over its clips. */
final class VideoTask extends ClassTask {
  private static final int LATENCY_BATCH = 8; // the same number of frames as 64 images
  private static final int EPOCHS = 15;
  private static final double LEARNING_RATE = 0.05;

  VideoTask() {
    super("video");
  }

  @Override
  public String units() {
    return "clips";
  }

  @Override
  public DataSpec data() {
    return DataSpec.of(DataSpec.GARMENTS).withSampling(Sampling.DEFAULT);
  }

  @Override
  public String backbone() {
    return "c2d-resnet8";
  }

  @Override
  public ModelSpec network(String backbone, Sampling sampling) {
    if (!Classifier.builder(backbone).isVideo()) {
      throw new SpecException(
          backbone + " is for images; --task video needs c2d-" + backbone + " or i3d-" + backbone);
    }
    return new ModelSpec(backbone, 2, 3, 1, sampling.frames(), PlacedAttention.NONE);
  }

  /** Nothing is cropped, because the important movement of a video may be near the border. */
  @Override
  public TrainingSpec training() {
    return TrainingSpec.CLASSIFICATION
        .withEpochs(EPOCHS)
        .withLearningRate(LEARNING_RATE)
        .withExtras(ClassificationExtras.DEFAULT.withCropPadding(0));
  }

  @Override
  public int epochsOfMany() {
    return EPOCHS;
  }

  @Override
  public String attention(NetworkSpec<Classifier> network) {
    return "nonlocal";
  }

  /** The pairwise functions of the non-local paper, table 2a. */
  @Override
  public List<String> attentions(NetworkSpec<Classifier> network) {
    return List.of(
        PlacedAttention.NONE,
        "nonlocal:mode=gaussian",
        "nonlocal",
        "nonlocal:mode=dot_product",
        "nonlocal:mode=concatenation");
  }

  @Override
  public int latencyBatch() {
    return LATENCY_BATCH;
  }

  @Override
  public EvaluationData<ImageDataset> openAll(
      DataSpec spec, List<String> classes, Progress progress) {
    return spec.evaluationVideos(classes, progress);
  }

  @Override
  public TrainingData<ImageDataset> open(DataSpec spec, Progress progress) {
    return spec.videos(progress);
  }

  @Override
  public Preprocessing preprocessing(
      Classifier network, List<String> classes, int size, Normalization normalization) {
    Sampling sampling = new Sampling(network.frames(), 1, 1, 1);
    return new Preprocessing(classes, network.channels(), size, normalization, sampling, 0);
  }

  /** Inflates the kernels of an image network. */
  @Override
  Map<String, Tensor> adapted(
      Classifier network, Map<String, Tensor> weights, boolean backboneOnly) {
    return Inflation.AVERAGE.inflate(weights, network);
  }

  @Override
  public boolean predictsImages() {
    return false;
  }

  /** Predicts the video clip by clip. */
  @Override
  public Predictions predict(
      UnaryOperator<Tensor> scores,
      Path file,
      Preprocessing preprocessing,
      TestTimeAugmentation inference) {
    VideoSource video = VideoSource.open(file);
    return Predictions.over(
        ClipPrediction.over(
            video, preprocessing, clip -> predict(scores, clip, preprocessing, inference).ranked()),
        preprocessing.classes());
  }
}
