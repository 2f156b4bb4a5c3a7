package io.fovea.training;

import io.fovea.attention.Mechanism;
import io.fovea.data.EvaluationData;
import io.fovea.data.ImageDataset;
import io.fovea.data.Normalization;
import io.fovea.data.Progress;
import io.fovea.data.TrainingData;
import io.fovea.data.source.DataSpec;
import io.fovea.data.source.Preprocessing;
import io.fovea.data.video.Sampling;
import io.fovea.errors.SpecException;
import io.fovea.models.Classifier;
import io.fovea.models.ModelSpec;
import io.fovea.models.NetworkSpec;
import io.fovea.models.placement.PlacedAttention;
import io.fovea.models.transfer.ExportLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.bytedeco.pytorch.Tensor;

/** Predict the class of an image. */
final class ClassificationTask extends ClassTask {
  private static final int LATENCY_BATCH = 64;

  ClassificationTask() {
    super("classification", Capability.LAYOUTS, Capability.SAMPLES_PAGE, Capability.RAW_IMAGES);
  }

  @Override
  public String units() {
    return "images";
  }

  @Override
  public DataSpec data() {
    return DataSpec.of(DataSpec.SAMPLE);
  }

  @Override
  public String prefix() {
    return "";
  }

  @Override
  public Map<String, Tensor> weights(
      Classifier network, NetworkSpec<Classifier> model, ExportLayout layout) {
    return layout.weights((ModelSpec) model, network);
  }

  @Override
  public String backbone() {
    return "resnet8";
  }

  @Override
  public Optional<String> backboneOfPhotographs() {
    return Optional.of("resnet18");
  }

  @Override
  public ModelSpec network(String backbone, Sampling sampling) {
    if (Classifier.builder(backbone).isVideo()) {
      throw new SpecException(backbone + " is for --task " + Tasks.VIDEO);
    }
    return new ModelSpec(backbone, 2, 3, 1, PlacedAttention.NONE);
  }

  @Override
  public TrainingSpec training() {
    return TrainingSpec.CLASSIFICATION;
  }

  @Override
  public int epochsOfMany() {
    return 3;
  }

  @Override
  public String attention(NetworkSpec<Classifier> network) {
    return Classifier.builder(network.backbone())
        .ownAttention()
        .map(PlacedAttention::toString)
        .orElse(PlacedAttention.NONE);
  }

  @Override
  public List<String> attentions(NetworkSpec<Classifier> network) {
    List<String> all = new ArrayList<>(List.of(PlacedAttention.NONE));
    Classifier.builder(network.backbone()).ownAttention().ifPresent(own -> all.add(own.toString()));
    Mechanism.all().stream()
        .filter(Mechanism::isComparedByDefault)
        .map(Mechanism::name)
        .forEach(all::add);
    return all;
  }

  @Override
  public int latencyBatch() {
    return LATENCY_BATCH;
  }

  @Override
  public EvaluationData<ImageDataset> openAll(
      DataSpec spec, List<String> classes, Progress progress) {
    return spec.evaluationImages(classes, progress);
  }

  @Override
  public TrainingData<ImageDataset> open(DataSpec spec, Progress progress) {
    return spec.images(progress);
  }

  @Override
  public Preprocessing preprocessing(
      Classifier network, List<String> classes, int size, Normalization normalization) {
    return new Preprocessing(classes, network.channels(), size, normalization);
  }
}
