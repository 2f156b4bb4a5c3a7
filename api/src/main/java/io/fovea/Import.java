package io.fovea;

import io.fovea.data.DataException;
import io.fovea.data.ImageDataset;
import io.fovea.data.Normalization;
import io.fovea.errors.FoveaException;
import io.fovea.errors.SpecException;
import io.fovea.models.Classifier;
import io.fovea.models.ModelSpec;
import io.fovea.models.placement.PlacedAttention;
import io.fovea.models.transfer.Recognition;
import io.fovea.models.transfer.WeightsFile;
import io.fovea.training.Tasks;
import io.fovea.training.run.Importer;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import java.util.function.Consumer;
import org.bytedeco.javacpp.PointerScope;
import org.jspecify.annotations.Nullable;

/**
 * Makes a run of the weights of a classifier that PyTorch trained. Nothing in the file is executed.
 * Not thread-safe.
 *
 * <pre>{@code
 * try (Run run = Import.of(Path.of("resnet18.pth")).to(Path.of("runs/resnet18"))) {
 *   System.out.println(run.predict(Path.of("boot.jpg")).best());
 * }
 * }</pre>
 *
 * <p>Backbone and attention are recognised from the names and shapes of the weights. What a file
 * cannot tell has to be given; the message of the exception names it.
 */
public final class Import {
  private static final double TOLERANCE = 1e-4;

  private final Path file;
  private @Nullable String backbone;
  private @Nullable String attention;
  private @Nullable List<String> classes;
  private @Nullable Integer imageSize;
  private @Nullable Integer resize;
  private @Nullable Normalization normalization;
  private boolean newClassifier;
  private @Nullable Path sample;
  private Consumer<String> listener = line -> {};

  private Import(Path file) {
    this.file = file;
  }

  /**
   * The weights of a file.
   *
   * @param file a {@code .safetensors}, {@code .pt} or {@code .pth} file with a state dict in the
   *     layout of torchvision, timm, MMPretrain or the authors of a mechanism
   */
  public static Import of(Path file) {
    return new Import(file);
  }

  /** The backbone, such as {@code resnet18}. Default: it is recognised. */
  public Import backbone(String name) {
    backbone = name;
    return this;
  }

  /**
   * The attention with its options and places, as for {@link Model.Builder#attention}. Default: it
   * is recognised.
   */
  public Import attention(String text) {
    attention = text;
    return this;
  }

  /** The names of the classes, in the order of the scores. Default: their numbers. */
  public Import classes(List<String> names) {
    classes = List.copyOf(names);
    return this;
  }

  /** Starts the classifier fresh if {@link #classes} has another number than the file. */
  public Import newClassifier() {
    newClassifier = true;
    return this;
  }

  /**
   * The height and width of the training images in pixels. Default: those that are usual for the
   * backbone.
   *
   * @throws SpecException if it is less than 1
   */
  public Import imageSize(int pixels) {
    if (pixels < 1) {
      throw new SpecException("the image size must be at least 1, got " + pixels);
    }
    imageSize = pixels;
    return this;
  }

  /**
   * The length to which the shorter side of an image is scaled before the centred square is cut out,
   * such as 256. Default: the largest square.
   */
  public Import resize(int pixels) {
    resize = pixels;
    return this;
  }

  /**
   * The normalisation of the training: a pixel becomes {@code (value / 255 - mean) / std}. Default:
   * ImageNet's, for backbones of ImageNet.
   *
   * @param mean the mean of each channel, of values from 0 to 1
   * @param std the standard deviation of each channel
   * @throws SpecException if they have different lengths, or a deviation is not above 0
   */
  public Import normalization(double[] mean, double[] std) {
    normalization =
        new Normalization(
            Arrays.stream(mean).boxed().toList(), Arrays.stream(std).boxed().toList());
    return this;
  }

  /**
   * Compares the network with results of PyTorch before anything is written.
   *
   * @param safetensors a file with the tensors {@code input}, {@code output} and optionally {@code
   *     layer/NAME}, as docs/import.md describes. The largest difference is 0.0001 of the largest
   *     value.
   */
  public Import check(Path safetensors) {
    sample = safetensors;
    return this;
  }

  /** Is told in lines what was recognised, and why. */
  public Import onFinding(Consumer<String> lines) {
    listener = lines;
    return this;
  }

  /**
   * Reads the file and writes a run.
   *
   * @param folder the folder of the run, which must not contain one
   * @return the run, to be closed
   * @throws FoveaException if the file is damaged, its network is not recognised, the weights do not
   *     fit, or the results differ from those of PyTorch
   * @throws DataException if the file cannot be read, or the folder not be written
   */
  public Run to(Path folder) {
    return Run.of(imported(folder)); // its network lives longer than the scope of the import
  }

  private io.fovea.training.run.Run<Classifier, ImageDataset> imported(Path folder) {
    try (PointerScope scope = new PointerScope()) {
      WeightsFile weights =
          WeightsFile.read(file, null, null, new Recognition.Known(backbone, placed(), null));
      if (!(weights.recognition().orElseThrow().spec() instanceof ModelSpec network)) {
        throw new FoveaException(
            file
                + ": holds a network for segmentation, which the command line imports: fovea import "
                + file);
      }
      if (network.frames() > 0) {
        throw new FoveaException(
            file + ": holds a video network, which the command line imports: fovea import " + file);
      }
      var importer =
          Importer.of(Tasks.CLASSIFICATION, network)
              .newClassifier(newClassifier)
              .listener(new Told(listener));
      if (classes != null) {
        importer.classes(classes);
      }
      if (imageSize != null) {
        importer.imageSize(imageSize);
      }
      if (resize != null) {
        importer.resize(resize);
      }
      if (normalization != null) {
        importer.normalization(normalization);
      }
      if (sample != null) {
        importer.check(sample, TOLERANCE);
      }
      return importer.read(weights, folder);
    } catch (IOException e) {
      throw new DataException(file + ": cannot be read: " + e.getMessage(), e);
    }
  }

  private @Nullable String placed() {
    return attention == null ? null : PlacedAttention.text(PlacedAttention.parseAll(attention));
  }

  /** Passes findings on as lines. */
  private record Told(Consumer<String> lines) implements Importer.Listener {
    @Override
    public void line(String line) {
      lines.accept(line);
    }

    @Override
    public void names(String what, Collection<String> names) {
      lines.accept(what + ": " + names.size());
    }
  }
}
