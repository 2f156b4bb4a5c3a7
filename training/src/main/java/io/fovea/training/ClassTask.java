package io.fovea.training;

import io.fovea.attention.Mechanism;
import io.fovea.data.Batch;
import io.fovea.data.BatchLoader;
import io.fovea.data.DatasetView;
import io.fovea.data.Image;
import io.fovea.data.ImageDataset;
import io.fovea.data.MixedLabels;
import io.fovea.data.Normalization;
import io.fovea.data.Progress;
import io.fovea.data.SampleSource;
import io.fovea.data.TrainingData;
import io.fovea.data.source.DataSpec;
import io.fovea.data.source.Preprocessing;
import io.fovea.errors.SpecException;
import io.fovea.models.Classifier;
import io.fovea.models.FusedNetwork;
import io.fovea.models.ModelSpec;
import io.fovea.models.NetworkSpec;
import io.fovea.models.placement.Placement;
import io.fovea.training.evaluate.ClassResult;
import io.fovea.training.evaluate.Evaluation;
import io.fovea.training.evaluate.Metric;
import io.fovea.training.evaluate.Prediction;
import io.fovea.training.evaluate.Predictions;
import io.fovea.training.evaluate.SampleResult;
import io.fovea.training.evaluate.TestTimeAugmentation;
import java.nio.FloatBuffer;
import java.nio.LongBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.function.Consumer;
import java.util.function.UnaryOperator;
import java.util.stream.IntStream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.LongOptional;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;

/** The common base of tasks that predict one class, for an image or for a clip. */
abstract class ClassTask extends Task<Classifier, ImageDataset> {
  private static final int BATCH = 200;
  private static final int EXAMPLES = 10;
  private static final long NO_REDUCTION = 0;
  private static final long MEAN_REDUCTION = 1;
  private static final long NO_IGNORED_LABEL = -100;

  ClassTask(String name, Capability... capabilities) {
    super(name, List.of(Metric.TOP1), capabilities);
  }

  @Override
  public final List<String> candidates(NetworkSpec<Classifier> network) {
    List<String> all = new ArrayList<>();
    Classifier.builder(network.backbone()).ownAttention().ifPresent(own -> all.add(own.toString()));
    Mechanism.all().stream()
        .map(Mechanism::name)
        .filter(name -> !all.contains(name))
        .forEach(all::add);
    return all;
  }

  /** The place in the paper, and once at the end of each stage but the last. */
  @Override
  public final List<String> placements() {
    return List.of(Placement.paper().toString(), Placement.stage().toString());
  }

  @Override
  public Preprocessing preprocessing(TrainingData<ImageDataset> data, DataSpec spec) {
    ImageDataset train = data.train();
    return new Preprocessing(
        train.classes(),
        train.channels(),
        train.height(),
        data.normalization(),
        spec.sampling(),
        spec.fromFolder() ? spec.resize() : 0);
  }

  @Override
  public final Class<ModelSpec> networkType() {
    return ModelSpec.class;
  }

  @Override
  final SampleSource samples(ImageDataset data, Normalization normalization, TrainingSpec spec) {
    return BatchLoader.samples(data, normalization, extras(spec).augmentation(spec.flip()));
  }

  /** The first sample of each class, for the first ten classes. */
  @Override
  public final List<Integer> examples(ImageDataset test) {
    List<Integer> indices = new ArrayList<>();
    boolean[] seen = new boolean[test.classes().size()];
    for (int i = 0; i < test.size() && indices.size() < EXAMPLES; i++) {
      if (!seen[test.label(i)]) {
        seen[test.label(i)] = true;
        indices.add(i);
      }
    }
    return indices;
  }

  private static ClassificationExtras extras(TrainingSpec spec) {
    if (spec.extras() instanceof ClassificationExtras extras) {
      return extras;
    }
    throw new SpecException("these settings are for training another task");
  }

  @Override
  final TrainingSpec completed(TrainingSpec spec, TrainingData<ImageDataset> data) {
    ClassificationExtras extras = extras(spec);
    if (extras.classWeights() == null) {
      return spec;
    }
    int classes = data.classes().size();
    return spec.withExtras(
        extras.withClassWeights(
            extras
                .classWeights()
                .resolved(
                    data.classes(), () -> ClassWeights.balanced(labels(data.train()), classes))));
  }

  private static int[] labels(ImageDataset data) {
    return IntStream.range(0, data.size()).map(data::label).toArray();
  }

  @Override
  final int[] balanced(ImageDataset data, TrainingSpec spec) {
    return extras(spec).balance() ? labels(data) : null;
  }

  @Override
  final void toTrainingMode(Classifier network, TrainingSpec spec) {
    network.train(true);
  }

  @Override
  final Loop.Objective objective(Classifier network, TrainingSpec spec) {
    double smoothing = extras(spec).labelSmoothing();
    TensorOptional weights = ClassWeights.tensor(extras(spec).classWeights());
    return batch -> {
      Tensor scores = network.forward(batch.images());
      Tensor labels = batch.labels();
      boolean mixed = labels.dim() == 2;
      Tensor own = mixed ? labels.select(1, 0) : labels;
      Tensor loss =
          mixed
              ? mixedEntropy(scores, labels, smoothing, weights)
              : entropy(scores, own, smoothing, weights);
      long right = scores.argmax(new LongOptional(1), false).eq(own).sum().item_long();
      int count = batch.indices().length;
      return mixed || extras(spec).classWeights() == null
          ? new Loop.Step(loss, right, count)
          : new Loop.Step(loss, right, count, ClassWeights.sum(weights, own));
    };
  }

  static Tensor entropy(Tensor scores, Tensor labels, double smoothing, TensorOptional weights) {
    return torch.cross_entropy_loss(
        scores, labels, weights, MEAN_REDUCTION, NO_IGNORED_LABEL, smoothing);
  }

  /**
   * The mean cross entropy with soft targets of two classes each. It is linear in the targets, so it
   * is the mean of those of both classes, weighted by their shares.
   *
   * @param labels as {@link MixedLabels}, {@code [B, 3]}
   * @param weights the class weights, or nothing
   */
  static Tensor mixedEntropy(
      Tensor scores, Tensor labels, double smoothing, TensorOptional weights) {
    Tensor share =
        labels.select(1, 2).to(scores.scalar_type()).mul(new Scalar(1.0 / MixedLabels.WHOLE));
    Tensor own = each(scores, labels.select(1, 0), smoothing, weights);
    Tensor other = each(scores, labels.select(1, 1), smoothing, weights);
    return other.add(own.sub(other).mul(share)).mean();
  }

  private static Tensor each(
      Tensor scores, Tensor labels, double smoothing, TensorOptional weights) {
    return torch.cross_entropy_loss(
        scores, labels, weights, NO_REDUCTION, NO_IGNORED_LABEL, smoothing);
  }

  @Override
  public final Evaluation evaluate(
      Classifier network,
      ImageDataset images,
      Normalization normalization,
      TestTimeAugmentation inference,
      Progress progress,
      Consumer<SampleResult> each) {
    return network.inEvaluationMode(() -> evaluate(network, images, normalization, progress, each));
  }

  private static Evaluation evaluate(
      Classifier network,
      ImageDataset images,
      Normalization normalization,
      Progress progress,
      Consumer<SampleResult> each) {
    int classes = images.classes().size();
    int views = images.views();
    long[][] confusion = new long[classes][classes];
    double loss = 0;
    try (NoGradGuard guard = new NoGradGuard();
        FusedNetwork frozen = network.fuse();
        BatchLoader loader =
            BatchLoader.builder(new Views(images), normalization)
                .batchSize(Math.max(1, BATCH / views / Math.max(1, images.frames())) * views)
                .build()) {
      for (Batch batch : loader.epoch(0)) {
        try (batch;
            PointerScope scope = new PointerScope()) {
          long[] predicted = new long[batch.indices().length / views];
          Tensor scores = frozen.infer(() -> network.forward(batch.images()));
          Tensor labels = batch.labels();
          float[] ofViews =
              views > 1 ? values(scores.softmax(1), views * predicted.length * classes) : null;
          if (views > 1) { // the mean of the probabilities of all views
            Tensor single = scores.softmax(1).view(predicted.length, views, classes);
            scores = single.mean(1).log();
            labels = labels.view(predicted.length, views).select(1, 0);
          }
          loss += torch.cross_entropy_loss(scores, labels).item_double() * predicted.length;
          Tensor best = scores.argmax(new LongOptional(1), false);
          best.<LongBuffer>createBuffer().get(predicted);
          for (int i = 0; i < predicted.length; i++) {
            confusion[images.label(batch.indices()[i * views] / views)][(int) predicted[i]]++;
          }
          float[] probabilities = new float[predicted.length * classes];
          scores.softmax(1).<FloatBuffer>createBuffer().get(probabilities);
          for (int i = 0; i < predicted.length; i++) {
            int index = batch.indices()[i * views] / views;
            float[] own = Arrays.copyOfRange(probabilities, i * classes, (i + 1) * classes);
            ClassResult result =
                ClassResult.of(index, images.label(index), (int) predicted[i], own);
            each.accept(views > 1 ? result.withViews(views(ofViews, i, views, classes)) : result);
          }
          progress.step(predicted.length);
        }
      }
    }
    return new Evaluation(loss / images.size(), confusion);
  }

  /** The probabilities of the views of one sample, {@code [views][classes]}. */
  private static float[][] views(float[] all, int sample, int views, int classes) {
    float[][] own = new float[views][];
    for (int view = 0; view < views; view++) {
      int from = (sample * views + view) * classes;
      own[view] = Arrays.copyOfRange(all, from, from + classes);
    }
    return own;
  }

  /** All views of all samples; the views of a sample follow each other. */
  private static final class Views extends DatasetView {
    Views(ImageDataset source) {
      super(source);
    }

    @Override
    protected int in(int index) {
      return index / source.views();
    }

    @Override
    public int size() {
      return Math.multiplyExact(source.size(), source.views());
    }

    @Override
    public int views() {
      return 1;
    }

    @Override
    public byte[] pixels(int index) {
      return source.view(in(index), index % source.views());
    }

    @Override
    public byte[] pixels(int index, Random random) {
      // a view at a fixed place and not a random clip, as the wrapped data set would cut
      return pixels(index);
    }
  }

  @Override
  public final List<Predictions> predict(
      UnaryOperator<Tensor> scores,
      List<Image> images,
      Preprocessing preprocessing,
      TestTimeAugmentation inference) {
    List<String> classes = preprocessing.classes();
    try (PointerScope scope = new PointerScope();
        NoGradGuard guard = new NoGradGuard()) {
      TensorVector inputs = new TensorVector();
      images.forEach(
          image -> inputs.push_back(BatchLoader.toTensor(image, preprocessing.normalization())));
      Tensor found = scores.apply(images.size() == 1 ? inputs.get(0) : torch.cat(inputs, 0));
      float[] values = values(found, images.size() * classes.size());
      float[] probabilities = values(found.softmax(1), images.size() * classes.size());
      return IntStream.range(0, images.size())
          .mapToObj(
              i ->
                  Predictions.of(
                      Prediction.ranked(
                          classes,
                          part(probabilities, i, classes.size()),
                          part(values, i, classes.size()))))
          .toList();
    }
  }

  private static float[] values(Tensor tensor, int count) {
    float[] values = new float[count];
    tensor.contiguous().<FloatBuffer>createBuffer().get(values);
    return values;
  }

  private static double[] part(float[] values, int index, int length) {
    return IntStream.range(index * length, (index + 1) * length)
        .mapToDouble(i -> values[i])
        .toArray();
  }
}
