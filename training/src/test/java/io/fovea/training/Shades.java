package io.fovea.training;

import io.fovea.data.ArrayDataset;
import io.fovea.data.BatchLoader;
import io.fovea.data.ImageDataset;
import io.fovea.data.Normalization;
import io.fovea.data.Progress;
import io.fovea.data.TrainingData;
import io.fovea.data.source.DataSpec;
import io.fovea.data.source.Preprocessing;
import io.fovea.models.Classifier;
import io.fovea.models.ModelSpec;
import io.fovea.models.placement.PlacedAttention;
import io.fovea.models.weights.StateDict;
import io.fovea.training.evaluate.Evaluation;
import io.fovea.training.evaluate.TestTimeAugmentation;
import io.fovea.training.run.Run;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.bytedeco.javacpp.DoublePointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/** Two classes that any network tells apart, dark and bright images with noise, and a small network. */
public final class Shades {
  public static final int SIDE = 8;
  public static final ModelSpec MODEL = new ModelSpec("resnet8", 2, 1, 0.25, PlacedAttention.NONE);
  public static final DataSpec SPEC = DataSpec.of("shades").withImageSize(SIDE).withChannels(1);
  public static final TrainingSpec TRAINING =
      new TrainingSpec(3, 8, 0.05, 0.9, 5e-4, false, 1, new ClassificationExtras(0, 0));

  private Shades() {}

  /** Classes in turn. */
  public static ImageDataset images(int count) {
    int[] labels = new int[count];
    Arrays.setAll(labels, i -> i % 2);
    return images(labels);
  }

  public static ImageDataset images(int... labels) {
    return named(List.of("dark", "bright"), labels);
  }

  /** Classes in turn, with other names. */
  public static ImageDataset named(List<String> classes, int count) {
    int[] labels = new int[count];
    Arrays.setAll(labels, i -> i % 2);
    return named(classes, labels);
  }

  private static ImageDataset named(List<String> classes, int[] labels) {
    return new ArrayDataset(
        classes,
        1,
        SIDE,
        SIDE,
        labels,
        index -> "shade/" + index,
        index -> {
          byte[] pixels = new byte[SIDE * SIDE];
          Random random = new Random(index);
          for (int i = 0; i < pixels.length; i++) {
            pixels[i] = (byte) ((labels[index] == 0 ? 40 : 170) + random.nextInt(40));
          }
          return pixels;
        });
  }

  public static TrainingData<ImageDataset> data() {
    ImageDataset train = images(40);
    return new TrainingData<>(
        "shades", "40 shades", train, images(20), Normalization.of(train), List.of());
  }

  public static Preprocessing preprocessing() {
    return Tasks.CLASSIFICATION.preprocessing(data(), SPEC);
  }

  /** Makes a network from the seed of its settings, and trains it into a folder. */
  public static Run<Classifier, ImageDataset> train(Path path, TrainingSpec spec) {
    return Run.train(path, training(spec), SPEC, TrainingListener.NONE);
  }

  /** A training with the network of its seed. */
  public static Training<Classifier, ImageDataset> training(TrainingSpec spec) {
    return Training.of(Tasks.CLASSIFICATION, MODEL, data(), spec);
  }

  public static Evaluation evaluate(
      Classifier network, ImageDataset images, Normalization normalization) {
    return Tasks.CLASSIFICATION.evaluate(
        network, images, normalization, TestTimeAugmentation.WHOLE, Progress.NONE);
  }

  public static Classifier network(long seed) {
    return MODEL.create(seed);
  }

  /** All parameters and buffers as they are now. */
  public static Map<String, double[]> values(Classifier network) {
    Map<String, double[]> values = new LinkedHashMap<>();
    try (PointerScope scope = new PointerScope()) {
      StateDict.of(network).forEach((name, tensor) -> values.put(name, doubles(tensor)));
    }
    return values;
  }

  /** The network's scores on images of the data set, in evaluation mode and its parameters' type. */
  public static double[] scores(Classifier network, TrainingData<ImageDataset> data) {
    network.eval();
    try (PointerScope scope = new PointerScope();
        NoGradGuard guard = new NoGradGuard()) {
      double[] scores = new double[2 * data.test().size()];
      for (int i = 0; i < data.test().size(); i++) {
        Tensor image = BatchLoader.toTensor(data.test().sample(i).image(), data.normalization());
        Tensor typed = image.to(network.parameters().get(0).scalar_type());
        System.arraycopy(doubles(network.forward(typed)), 0, scores, 2 * i, 2);
      }
      return scores;
    }
  }

  /** A network that gives every image the same scores. */
  public static Classifier constant(float... scores) {
    Classifier network = network(1);
    try (PointerScope scope = new PointerScope();
        NoGradGuard guard = new NoGradGuard()) {
      Map<String, Tensor> parameters = StateDict.parameters(network);
      String weight =
          parameters.keySet().stream()
              .filter(name -> parameters.get(name).dim() == 2)
              .findFirst()
              .orElseThrow();
      parameters.get(weight).zero_();
      Tensor bias = parameters.get(weight.replace("weight", "bias"));
      bias.copy_(torch.tensor(scores));
    }
    return network;
  }

  private static double[] doubles(Tensor tensor) {
    Tensor wide = tensor.detach().to(torch.ScalarType.Double).contiguous();
    double[] values = new double[(int) wide.numel()];
    new DoublePointer(wide.data_ptr()).get(values);
    return values;
  }
}
