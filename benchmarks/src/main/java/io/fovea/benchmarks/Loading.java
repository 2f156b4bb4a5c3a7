package io.fovea.benchmarks;

import io.fovea.data.ArrayDataset;
import io.fovea.data.AugmentSpec;
import io.fovea.data.Augmentation;
import io.fovea.data.Batch;
import io.fovea.data.BatchLoader;
import io.fovea.data.ImageDataset;
import io.fovea.data.Normalization;
import io.fovea.data.SquareCrop;
import io.fovea.data.TrainingData;
import io.fovea.data.image.Images;
import io.fovea.models.ModelSpec;
import io.fovea.tensor.Threads;
import io.fovea.training.ClassificationExtras;
import io.fovea.training.Tasks;
import io.fovea.training.Training;
import io.fovea.training.TrainingListener;
import io.fovea.training.TrainingSpec;
import io.fovea.training.run.Json;
import io.fovea.training.run.Machine;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.function.IntFunction;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * Measures how many images a second are loaded from files and augmented, alone and while a network
 * trains on them. {@code scripts/loading.py} starts it and asks by a line each, so that it takes
 * turns with another loader:
 *
 * <pre>  Loading FOLDER SIZE RESIZE AUGMENT</pre>
 *
 * <p>{@code load} reads each image of the folder once. {@code files} trains ResNet-18 for an epoch
 * on the files, {@code memory} on the same images, decoded before and not augmented. The answer is a
 * number of images a second. {@code machine} answers with the machine.
 */
public final class Loading {
  private static final int BATCH = 16;
  private static final int TRAINED = 160;
  private static final Normalization IMAGENET =
      new Normalization(List.of(0.485, 0.456, 0.406), List.of(0.229, 0.224, 0.225));

  private final List<Path> files;
  private final SquareCrop crop;
  private final AugmentSpec augment;
  private final List<byte[]> decoded;
  private int epoch;

  private Loading(List<Path> files, SquareCrop crop, AugmentSpec augment) {
    this.files = files;
    this.crop = crop;
    this.augment = augment;
    decoded = files.stream().limit(TRAINED).map(this::read).toList();
  }

  /** See above. */
  public static void main(String[] arguments) throws IOException {
    Threads.set(Runtime.getRuntime().availableProcessors());
    List<Path> files;
    try (Stream<Path> all = Files.walk(Path.of(arguments[0]))) {
      files = all.filter(Files::isRegularFile).sorted().toList();
    }
    SquareCrop crop =
        new SquareCrop(Integer.parseInt(arguments[1]), Integer.parseInt(arguments[2]));
    Loading loading = new Loading(files, crop, AugmentSpec.parse(arguments[3]));
    BufferedReader in =
        new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      System.out.println(
          switch (line) {
            case "load" -> loading.load();
            case "files" -> loading.train(loading.images(TRAINED, loading::fromFile), true);
            case "memory" -> loading.train(loading.images(TRAINED, loading.decoded::get), false);
            case "machine" -> Json.tree(Machine.current());
            default -> throw new IllegalArgumentException("no measurement " + line);
          });
    }
  }

  private byte[] read(Path file) {
    return Images.read(file, 3, crop).pixels();
  }

  private byte[] fromFile(int index) {
    return read(files.get(index));
  }

  private ImageDataset images(int count, IntFunction<byte[]> pixels) {
    int size = Math.min(count, files.size());
    int[] labels = IntStream.range(0, size).map(index -> index % 2).toArray();
    return new ArrayDataset(
        List.of("a", "b"), 3, crop.size(), crop.size(), labels, Integer::toString, pixels);
  }

  private double load() {
    ImageDataset images = images(files.size(), this::fromFile);
    try (BatchLoader loader =
        BatchLoader.builder(images, IMAGENET)
            .batchSize(BATCH)
            .augmentation(new Augmentation(0, true, augment))
            .shuffle(true)
            .seed(1)
            .build()) {
      long start = System.nanoTime();
      int seen = 0;
      for (Batch batch : loader.epoch(epoch++)) {
        seen += batch.indices().length;
        batch.close();
      }
      return seen / ((System.nanoTime() - start) / 1e9);
    }
  }

  private double train(ImageDataset images, boolean augmented) {
    ImageDataset few = images.limit(2);
    TrainingData<ImageDataset> data =
        new TrainingData<>("benchmark", "benchmark", images, few, IMAGENET, List.of());
    ClassificationExtras extras =
        ClassificationExtras.DEFAULT
            .withCropPadding(0)
            .withAugment(augmented ? augment : AugmentSpec.NONE);
    TrainingSpec spec =
        TrainingSpec.CLASSIFICATION
            .withEpochs(1)
            .withBatchSize(BATCH)
            .withLearningRate(0.001)
            .withFlip(augmented)
            .withExtras(extras);
    return Training.of(Tasks.CLASSIFICATION, new ModelSpec("resnet18", 2, 3, 1, "none"), data, spec)
        .start(TrainingListener.NONE)
        .get(0)
        .imagesPerSecond();
  }
}
