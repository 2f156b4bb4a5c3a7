package io.fovea.training;

import io.fovea.attention.Mechanism;
import io.fovea.data.EvaluationData;
import io.fovea.data.Image;
import io.fovea.data.MaskedImage;
import io.fovea.data.Normalization;
import io.fovea.data.Progress;
import io.fovea.data.SampleSource;
import io.fovea.data.SegmentationDataset;
import io.fovea.data.TrainingData;
import io.fovea.data.source.DataSpec;
import io.fovea.data.source.Preprocessing;
import io.fovea.data.video.Sampling;
import io.fovea.errors.SpecException;
import io.fovea.models.FusedNetwork;
import io.fovea.models.NetworkSpec;
import io.fovea.models.SegmentationHeads;
import io.fovea.models.Segmenter;
import io.fovea.models.SegmenterSpec;
import io.fovea.models.placement.PlacedAttention;
import io.fovea.models.weights.StateDict;
import io.fovea.training.evaluate.BoundaryF1;
import io.fovea.training.evaluate.Evaluation;
import io.fovea.training.evaluate.Metric;
import io.fovea.training.evaluate.PixelResult;
import io.fovea.training.evaluate.Prediction;
import io.fovea.training.evaluate.Predictions;
import io.fovea.training.evaluate.SampleResult;
import io.fovea.training.evaluate.TestTimeAugmentation;
import java.nio.FloatBuffer;
import java.nio.LongBuffer;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Consumer;
import java.util.function.UnaryOperator;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.LongOptional;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.global.torch;

/** Predicts the class of each pixel of an image; training and test are those of DANet's paper. */
final class SegmentationTask extends Task<Segmenter, SegmentationDataset> {
  private static final long MEAN_REDUCTION = 1;
  private static final int OUTPUT_STRIDE = 8;
  private static final int LATENCY_BATCH = 8;
  private static final int EXAMPLES = 8;
  private static final String HEAD = "head.";

  /** The number of pixels in a batch of small images. */
  private static final int PIXELS = 1 << 18;

  SegmentationTask() {
    super("segmentation", List.of(Metric.MIOU, Metric.PIXEL_ACCURACY));
  }

  @Override
  public String units() {
    return "images";
  }

  @Override
  public boolean namesPixels() {
    return true;
  }

  /** The first samples. */
  @Override
  public List<Integer> examples(SegmentationDataset test) {
    return IntStream.range(0, Math.min(EXAMPLES, test.size())).boxed().toList();
  }

  @Override
  public DataSpec data() {
    return DataSpec.of(DataSpec.SCENES);
  }

  @Override
  public String backbone() {
    return "small";
  }

  @Override
  public SegmenterSpec network(String backbone, Sampling sampling) {
    return new SegmenterSpec(backbone, 2, 3, PlacedAttention.NONE, OUTPUT_STRIDE, false);
  }

  @Override
  public TrainingSpec training() {
    return TrainingSpec.SEGMENTATION;
  }

  @Override
  public int epochsOfMany() {
    return 10;
  }

  @Override
  public String attention(NetworkSpec<Segmenter> network) {
    return "dual";
  }

  @Override
  public List<String> attentions(NetworkSpec<Segmenter> network) {
    return List.of(PlacedAttention.NONE, "pam", "cam", "dual", "nonlocal");
  }

  @Override
  public List<String> candidates(NetworkSpec<Segmenter> network) {
    return Stream.concat(
            Mechanism.all().stream().map(Mechanism::name), SegmentationHeads.names().stream())
        .toList();
  }

  /** Attention stands in the head. */
  @Override
  public List<String> placements() {
    return List.of();
  }

  @Override
  public int latencyBatch() {
    return LATENCY_BATCH;
  }

  @Override
  public EvaluationData<SegmentationDataset> openAll(
      DataSpec spec, List<String> classes, Progress progress) {
    return spec.evaluationMasks(classes, progress);
  }

  @Override
  public TrainingData<SegmentationDataset> open(DataSpec spec, Progress progress) {
    return spec.masks(progress);
  }

  @Override
  public Preprocessing preprocessing(TrainingData<SegmentationDataset> data, DataSpec spec) {
    return new Preprocessing(data.classes(), data.train().channels(), 0, data.normalization());
  }

  @Override
  public Preprocessing preprocessing(
      Segmenter network, List<String> classes, int size, Normalization normalization) {
    return new Preprocessing(classes, network.channels(), 0, normalization);
  }

  @Override
  public Class<SegmenterSpec> networkType() {
    return SegmenterSpec.class;
  }

  private static SegmentationExtras extras(TrainingSpec spec) {
    if (spec.extras() instanceof SegmentationExtras extras) {
      return extras;
    }
    throw new SpecException("these settings are for training another task");
  }

  @Override
  TrainingSpec completed(TrainingSpec spec, TrainingData<SegmentationDataset> data) {
    SegmentationExtras extras = extras(spec);
    return extras.classWeights() == null
        ? spec
        : spec.withExtras(
            extras.withClassWeights(
                extras
                    .classWeights()
                    .resolved(data.classes(), () -> SegmentationExtras.balanced(data.train()))));
  }

  @Override
  SampleSource samples(SegmentationDataset data, Normalization normalization, TrainingSpec spec) {
    return new SegmentationSamples(data, normalization, extras(spec), spec.flip());
  }

  @Override
  void toTrainingMode(Segmenter network, TrainingSpec spec) {
    if (extras(spec).keepStatistics()) {
      network.trainWithFrozenBatchNorm();
    } else {
      network.train(true);
    }
  }

  @Override
  Loop.Objective objective(Segmenter network, TrainingSpec spec) {
    double auxiliary = extras(spec).auxiliaryWeight() * network.auxiliaryWeight();
    TensorOptional weights = ClassWeights.tensor(extras(spec).classWeights());
    return batch -> {
      Segmenter.Scores scores = network.forward(batch.images());
      Tensor labels = batch.labels();
      long counted = labels.ne(new Scalar(MaskedImage.IGNORED)).sum().item_long();
      long right = scores.main().argmax(new LongOptional(1), false).eq(labels).sum().item_long();
      Tensor valid = labels.masked_select(labels.ne(new Scalar(MaskedImage.IGNORED)));
      double weight =
          extras(spec).classWeights() == null ? counted : ClassWeights.sum(weights, valid);
      return new Loop.Step(loss(scores, labels, auxiliary, weights), right, counted, weight);
    };
  }

  /**
   * The mean cross entropy over the pixels that are not ignored, plus the weighted one of each of
   * the auxiliary scores.
   *
   * @param scores the scores {@code [B, classes, H, W]}
   * @param labels the labels, int64 {@code [B, H, W]}
   * @param auxiliary the weight of the losses of the auxiliary scores
   * @param weights the class weights, or an undefined tensor
   * @return a single value; 0 if all pixels are ignored or belong to classes with weight 0
   */
  static Tensor loss(
      Segmenter.Scores scores, Tensor labels, double auxiliary, TensorOptional weights) {
    Tensor loss = entropy(scores.main(), labels, weights);
    if (auxiliary > 0) {
      for (Tensor branch : scores.auxiliary()) {
        loss = loss.add(entropy(branch, labels, weights).mul(new Scalar(auxiliary)));
      }
    }
    return loss;
  }

  private static Tensor entropy(Tensor scores, Tensor labels, TensorOptional weights) {
    Tensor mean =
        torch.cross_entropy_loss(scores, labels, weights, MEAN_REDUCTION, MaskedImage.IGNORED, 0);
    boolean nothing = // libtorch would divide by zero
        !torch.isfinite(mean).item_bool() && torch.isfinite(scores).all().item_bool();
    return nothing ? scores.sum().mul(new Scalar(0)) : mean;
  }

  /**
   * The weights of a residual network become those of the backbone. A head of another kind is left
   * out as a whole.
   */
  @Override
  Map<String, Tensor> adapted(
      Segmenter network, Map<String, Tensor> weights, boolean backboneOnly) {
    Map<String, Tensor> adapted = new LinkedHashMap<>();
    String prefix = Segmenter.BACKBONE + ".";
    if (weights.keySet().stream().noneMatch(name -> name.startsWith(prefix))) {
      weights.forEach(
          (name, tensor) -> {
            if (!name.startsWith("fc.")) { // the classifier of images
              adapted.put(prefix + name, tensor);
            }
          });
      return adapted;
    }
    adapted.putAll(weights);
    if (backboneOnly || !names(adapted.keySet()).equals(names(StateDict.of(network).keySet()))) {
      adapted.keySet().removeIf(name -> name.startsWith(HEAD));
    }
    return adapted;
  }

  private static Set<String> names(Set<String> all) {
    return all.stream()
        .filter(name -> name.startsWith(HEAD) && !name.endsWith(".num_batches_tracked"))
        .collect(Collectors.toSet());
  }

  @Override
  boolean startsFresh(String name, Set<String> weights) {
    return name.startsWith(HEAD) && weights.stream().noneMatch(other -> other.startsWith(HEAD));
  }

  @Override
  boolean isHead(String parameter) {
    return parameter.startsWith(HEAD);
  }

  @Override
  public Evaluation evaluate(
      Segmenter network,
      SegmentationDataset data,
      Normalization normalization,
      TestTimeAugmentation inference,
      Progress progress,
      Consumer<SampleResult> each) {
    return network.inEvaluationMode(
        () -> {
          try (FusedNetwork frozen = network.fuse()) {
            return evaluate(frozen, network, data, normalization, inference, progress, each);
          }
        });
  }

  private static Evaluation evaluate(
      FusedNetwork frozen,
      Segmenter network,
      SegmentationDataset data,
      Normalization normalization,
      TestTimeAugmentation inference,
      Progress progress,
      Consumer<SampleResult> each) {
    int classes = data.classes().size();
    Sums sums = new Sums(new long[classes][classes], each);
    List<MaskedImage> alike = new ArrayList<>();
    for (int i = 0; i < data.size(); i++) {
      MaskedImage image = data.sample(i);
      if (!alike.isEmpty() && !fits(alike, image)) {
        sums.add(frozen, network, alike, normalization, inference);
        alike.clear();
      }
      alike.add(image);
      progress.step(1);
    }
    sums.add(frozen, network, alike, normalization, inference);
    return new Evaluation(sums.loss / Math.max(1, sums.pixels), sums.confusion);
  }

  private static boolean fits(List<MaskedImage> alike, MaskedImage image) {
    MaskedImage first = alike.get(0);
    return first.height() == image.height()
        && first.width() == image.width()
        && (alike.size() + 1L) * image.labels().length <= PIXELS;
  }

  /** The most probable class of each pixel, and the share of pixels of each class. */
  @Override
  public List<Predictions> predict(
      UnaryOperator<Tensor> scores,
      List<Image> images,
      Preprocessing preprocessing,
      TestTimeAugmentation inference) {
    // one by one, because the scores of a large image alone fill much memory
    return images.stream().map(image -> one(scores, image, preprocessing, inference)).toList();
  }

  private static Predictions one(
      UnaryOperator<Tensor> scores,
      Image image,
      Preprocessing preprocessing,
      TestTimeAugmentation inference) {
    try (PointerScope scope = new PointerScope()) {
      Normalization normalization = preprocessing.normalization();
      byte[] labels =
          inference.isTiled(image.height(), image.width())
              ? inference.labels(
                  scores,
                  image.height(),
                  image.width(),
                  (top, left, height, width) ->
                      tensor(List.of(image.cropped(top, left, height, width)), normalization))
              : labels(
                  inference.probabilities(scores, tensor(List.of(image), normalization)),
                  image.height() * image.width());
      double[] shares = new double[preprocessing.classes().size()];
      for (byte label : labels) {
        shares[Byte.toUnsignedInt(label)] += 1.0 / labels.length;
      }
      List<Prediction> ranked =
          Prediction.ranked(preprocessing.classes(), shares).stream()
              .filter(prediction -> prediction.probability() > 0)
              .toList();
      return Predictions.masked(ranked, new MaskedImage(image, labels));
    }
  }

  private static byte[] labels(Tensor probabilities, int pixels) {
    LongBuffer best = best(probabilities);
    byte[] labels = new byte[pixels];
    for (int i = 0; i < pixels; i++) {
      labels[i] = (byte) best.get(i);
    }
    return labels;
  }

  private static LongBuffer best(Tensor probabilities) {
    return probabilities.argmax(new LongOptional(1), false).contiguous().createBuffer();
  }

  private static Tensor tensor(List<Image> images, Normalization normalization) {
    Image first = images.get(0);
    int channels = normalization.mean().size();
    Tensor tensor = torch.empty(images.size(), channels, first.height(), first.width());
    FloatBuffer values = tensor.createBuffer();
    images.forEach(image -> values.put(normalization.apply(image.pixels())));
    return tensor;
  }

  private static final class Sums {
    private final long[][] confusion;
    private final Consumer<SampleResult> each;
    private int done;
    private double loss;
    private long pixels;

    Sums(long[][] confusion, Consumer<SampleResult> each) {
      this.confusion = confusion;
      this.each = each;
    }

    void add(
        FusedNetwork frozen,
        Segmenter network,
        List<MaskedImage> samples,
        Normalization normalization,
        TestTimeAugmentation inference) {
      try (PointerScope scope = new PointerScope()) {
        List<Image> images = samples.stream().map(MaskedImage::image).toList();
        Tensor probabilities =
            frozen
                .infer(
                    () -> inference.probabilities(network::scores, tensor(images, normalization)))
                .contiguous();
        LongBuffer best = best(probabilities);
        FloatBuffer all = probabilities.createBuffer();
        int plane = samples.get(0).labels().length;
        for (int i = 0; i < samples.size(); i++) {
          byte[] labels = samples.get(i).labels();
          byte[] predicted = new byte[plane];
          long[][] own = new long[confusion.length][confusion.length];
          for (int at = 0; at < plane; at++) {
            int label = Byte.toUnsignedInt(labels[at]);
            predicted[at] = (byte) best.get(i * plane + at);
            if (label != MaskedImage.IGNORED) {
              own[label][(int) best.get(i * plane + at)]++;
              float probability = all.get((i * confusion.length + label) * plane + at);
              loss -= Math.log(Math.max(probability, Float.MIN_NORMAL));
              pixels++;
            }
          }
          for (int label = 0; label < own.length; label++) {
            for (int other = 0; other < own.length; other++) {
              confusion[label][other] += own[label][other];
            }
          }
          Evaluation one = new Evaluation(Double.NaN, own);
          double[] boundaries =
              BoundaryF1.of(
                  samples.get(i).height(),
                  samples.get(i).width(),
                  labels,
                  predicted,
                  confusion.length);
          each.accept(new PixelResult(done++, one.labels(), one.top1(), one.miou(), boundaries));
        }
      }
    }
  }
}
