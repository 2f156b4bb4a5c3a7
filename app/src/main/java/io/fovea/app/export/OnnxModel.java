package io.fovea.app.export;

import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtSession;
import io.fovea.data.DataException;
import io.fovea.data.Image;
import io.fovea.data.source.Preprocessing;
import io.fovea.models.onnx.Onnx;
import io.fovea.tensor.Threads;
import io.fovea.training.evaluate.Prediction;
import io.fovea.training.run.ModelCard;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.IntStream;

/** Runs a file that {@code fovea export} wrote in ONNX Runtime. */
public final class OnnxModel implements AutoCloseable {
  private final Path file;
  private final OrtEnvironment environment = OrtEnvironment.getEnvironment();
  private final OrtSession session;
  private final Preprocessing card;

  /**
   * Loads a file.
   *
   * @throws DataException if the file does not exist, is not an ONNX file, or lacks the metadata of
   *     its images
   */
  public OnnxModel(Path file) {
    if (!Files.isRegularFile(file)) {
      throw new DataException(file + ": no such file");
    }
    this.file = file;
    try (OrtSession.SessionOptions options = new OrtSession.SessionOptions()) {
      options.setIntraOpNumThreads(Threads.count());
      session = environment.createSession(file.toString(), options);
    } catch (OrtException e) {
      throw new DataException(file + ": cannot be loaded: " + e.getMessage(), e);
    }
    try {
      card = ModelCard.of(session.getMetadata().getCustomMetadata(), file.toString());
      if (!session.getInputNames().equals(Set.of(Onnx.INPUT))
          || !session.getOutputNames().equals(Set.of(Onnx.OUTPUT))) {
        throw new DataException(
            file
                + ": takes "
                + session.getInputNames()
                + " and returns "
                + session.getOutputNames()
                + ", expected a file that fovea export wrote");
      }
    } catch (OrtException | DataException e) {
      close();
      throw e instanceof DataException known
          ? known
          : new DataException(file + ": cannot be loaded: " + e.getMessage(), e);
    }
  }

  /** The names of the classes, in the order of the scores. */
  public List<String> classes() {
    return card.classes();
  }

  /**
   * Classifies an image file of any size.
   *
   * @return all classes, the most probable first
   * @throws DataException if the image cannot be read
   */
  public List<Prediction> predict(Path image) {
    Image pixels = card.read(image);
    float[] scores = scores(card.normalization().apply(pixels.pixels()), card.size());
    double[] same = IntStream.range(0, scores.length).mapToDouble(i -> scores[i]).toArray();
    return Prediction.ranked(card.classes(), softmax(scores), same);
  }

  private float[] scores(float[] values, int size) {
    long[] shape = {1, card.channels(), size, size};
    try (OnnxTensor in = OnnxTensor.createTensor(environment, FloatBuffer.wrap(values), shape);
        OrtSession.Result result = session.run(Map.of(Onnx.INPUT, in))) {
      float[] scores = ((float[][]) result.get(Onnx.OUTPUT).orElseThrow().getValue())[0];
      if (scores.length != card.classes().size()) {
        throw new DataException(
            file
                + ": returns "
                + scores.length
                + " scores for "
                + card.classes().size()
                + " classes");
      }
      return scores;
    } catch (OrtException e) {
      throw new DataException(file + ": cannot be run: " + e.getMessage(), e);
    }
  }

  private static double[] softmax(float[] scores) {
    double largest = IntStream.range(0, scores.length).mapToDouble(i -> scores[i]).max().orElse(0);
    double[] exponentials =
        IntStream.range(0, scores.length).mapToDouble(i -> Math.exp(scores[i] - largest)).toArray();
    double sum = IntStream.range(0, scores.length).mapToDouble(i -> exponentials[i]).sum();
    return IntStream.range(0, scores.length).mapToDouble(i -> exponentials[i] / sum).toArray();
  }

  @Override
  public void close() {
    try {
      session.close();
    } catch (OrtException e) {
      throw new IllegalStateException(e);
    }
  }
}
