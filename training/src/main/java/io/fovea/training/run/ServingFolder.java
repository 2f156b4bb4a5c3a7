package io.fovea.training.run;

import io.fovea.data.DataException;
import io.fovea.data.source.Preprocessing;
import io.fovea.models.Network;
import io.fovea.models.onnx.Onnx;
import io.fovea.models.onnx.RawImage;
import io.fovea.tensor.internal.AtomicFile;
import io.fovea.training.Capability;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;

/**
 * The folders from which other servers and libraries load a trained network without code for it. The
 * file that makes a folder loadable is written last, and every file atomically.
 */
public enum ServingFolder {
  /**
   * A model folder of DJL, for {@code Criteria<Image, Classifications>}: {@code model.onnx}, {@code
   * synset.txt} and {@code serving.properties}. The network takes images as they are decoded, so that
   * DJL needs no engine beside ONNX Runtime.
   */
  DJL {
    @Override
    public List<Path> files(Path folder, String name) {
      return List.of(
          folder.resolve("model.onnx"),
          folder.resolve("synset.txt"),
          folder.resolve("serving.properties"));
    }

    @Override
    void write(List<Path> files, Network network, Preprocessing input, Map<String, String> metadata)
        throws IOException {
      RawImage image =
          new RawImage(
              input.channels(),
              input.size(),
              input.crop().resize(),
              input.normalization().mean(),
              input.normalization().std());
      Onnx.write(files.get(0), network, image, BuildInfo.version(), metadata);
      text(files.get(1), lines(input.classes()));
      text(
          files.get(2),
          """
          # The network crops, scales and normalises images itself, and returns probabilities.
          engine=OnnxRuntime
          option.modelName=model
          translatorFactory=ai.djl.modality.cv.translator.ImageClassificationTranslatorFactory
          flag=%s
          toTensor=false
          batchifier=none
          synsetFileName=synset.txt
          topK=%d
          """
              .formatted(
                  input.channels() == 1 ? "GRAYSCALE" : "COLOR",
                  Math.min(5, input.classes().size())));
    }
  },

  /**
   * A model repository of NVIDIA Triton Inference Server with one network: {@code
   * NAME/1/model.onnx}, {@code NAME/labels.txt} and {@code NAME/config.pbtxt}. Its clients send
   * normalised images.
   */
  TRITON {
    private static final int LARGEST_BATCH = 32;

    @Override
    public List<Path> files(Path folder, String name) {
      Path model = folder.resolve(name);
      return List.of(
          model.resolve("1").resolve("model.onnx"),
          model.resolve("labels.txt"),
          model.resolve("config.pbtxt"));
    }

    @Override
    void write(List<Path> files, Network network, Preprocessing input, Map<String, String> metadata)
        throws IOException {
      Onnx.write(files.get(0), network, BuildInfo.version(), metadata);
      text(files.get(1), lines(input.classes()));
      List<Integer> pixels = new ArrayList<>();
      if (network.frames() > 0) {
        pixels.add(network.frames());
      }
      int side = input.size() == 0 ? -1 : input.size(); // -1: of any size
      pixels.add(side);
      pixels.add(side);
      List<Integer> images = new ArrayList<>(pixels);
      images.add(0, input.channels());
      List<Integer> scores = new ArrayList<>(network.scoresPixels() ? pixels : List.of());
      scores.add(0, input.classes().size());
      text(
          files.get(2),
          """
          name: "%s"
          platform: "onnxruntime_onnx"
          max_batch_size: %d
          input [ { name: "%s" data_type: TYPE_FP32 dims: %s } ]
          output [ { name: "%s" data_type: TYPE_FP32 dims: %s label_filename: "labels.txt" } ]
          dynamic_batching { }
          """
              .formatted(
                  files.get(2).getParent().getFileName(),
                  LARGEST_BATCH,
                  Onnx.INPUT,
                  images,
                  Onnx.OUTPUT,
                  scores));
    }
  };

  /**
   * Returns the files that {@link #write(Path, Run, Network, Run.Weights)} writes, the largest first.
   *
   * @param folder the folder
   * @param name the name of the network, which is that of its run
   */
  public abstract List<Path> files(Path folder, String name);

  abstract void write(
      List<Path> files, Network network, Preprocessing input, Map<String, String> metadata)
      throws IOException;

  /**
   * Writes the folder of a trained network. Files that exist are replaced.
   *
   * @param folder the folder, which may exist
   * @param run the run of the network
   * @param network the network with its weights
   * @param weights the weights that it has
   * @throws io.fovea.errors.FoveaException if the server has no place for networks of this task, or
   *     the network has a mechanism that cannot be exported
   * @throws DataException if a file cannot be written
   */
  public void write(Path folder, Run<?, ?> run, Network network, Run.Weights weights) {
    require(run);
    List<Path> files = files(folder, run.name());
    try {
      // without this file, what is there is not a network for the server
      Files.deleteIfExists(files.get(files.size() - 1));
      write(files, network, run.preprocessing(), ModelCard.metadata(run, weights));
    } catch (IOException e) {
      throw new DataException(folder + ": cannot be written: " + e.getMessage(), e);
    }
  }

  /**
   * Refuses runs that the server has no place for.
   *
   * @throws io.fovea.errors.SpecException if the task of the run is not supported
   */
  public void require(Run<?, ?> run) {
    if (this == DJL) {
      run.task().require(Capability.RAW_IMAGES);
    }
  }

  /** The name as it is given on the command line. */
  @Override
  public String toString() {
    return name().toLowerCase(Locale.ROOT);
  }

  private static String lines(List<String> names) {
    return names.stream().map(name -> name + "\n").collect(Collectors.joining());
  }

  private static void text(Path file, String text) throws IOException {
    AtomicFile.write(file, partial -> Files.writeString(partial, text));
  }
}
