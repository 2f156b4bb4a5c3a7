package io.fovea.app.export;

import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtSession;
import io.fovea.data.DataException;
import io.fovea.data.source.Preprocessing;
import io.fovea.models.onnx.Onnx;
import io.fovea.tensor.Threads;
import io.fovea.training.Task;
import io.fovea.training.run.ModelCard;
import java.nio.FloatBuffer;
import java.nio.LongBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Set;
import java.util.stream.LongStream;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/** Runs a file that {@code fovea export} wrote in ONNX Runtime. */
public final class OnnxModel implements AutoCloseable {
  private final Path file;
  private final OrtEnvironment environment = OrtEnvironment.getEnvironment();
  private final OrtSession session;
  private final Preprocessing card;
  private final Task<?, ?> task;
  private final boolean returnsLabels;

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
      task = ModelCard.task(session.getMetadata().getCustomMetadata(), file.toString());
      Set<String> outputs = session.getOutputNames();
      if (!session.getInputNames().equals(Set.of(Onnx.INPUT))
          || !(outputs.equals(Set.of(Onnx.OUTPUT)) || outputs.equals(Set.of(Onnx.LABELS)))) {
        throw new DataException(
            file
                + ": takes "
                + session.getInputNames()
                + " and returns "
                + outputs
                + ", expected a file that fovea export wrote");
      }
      returnsLabels = outputs.contains(Onnx.LABELS);
    } catch (OrtException | DataException e) {
      close();
      throw e instanceof DataException known
          ? known
          : new DataException(file + ": cannot be loaded: " + e.getMessage(), e);
    }
  }

  /** The task of the network. */
  public Task<?, ?> task() {
    return task;
  }

  /** What files need to become its input, and the names of its classes. */
  public Preprocessing preprocessing() {
    return card;
  }

  /**
   * Computes the scores, as {@code Network.scores} does.
   *
   * @param x images {@code [B, C, H, W]} or clips {@code [B, C, T, H, W]}, float32
   * @return the scores {@code [B, classes]}, or of pixels {@code [B, classes, H, W]}; if the file
   *     returns labels, 0 for them and minus infinity for all other classes
   * @throws DataException if the file cannot be run, or returns other shapes than its metadata says
   */
  public Tensor scores(Tensor x) {
    FloatBuffer values = x.contiguous().createBuffer();
    try (OnnxTensor in = OnnxTensor.createTensor(environment, values, x.shape());
        OrtSession.Result result = session.run(Map.of(Onnx.INPUT, in))) {
      OnnxTensor out = (OnnxTensor) result.get(0);
      return returnsLabels ? fromLabels(out) : fromScores(out);
    } catch (OrtException e) {
      throw new DataException(file + ": cannot be run: " + e.getMessage(), e);
    }
  }

  private Tensor fromScores(OnnxTensor out) {
    long[] shape = out.getInfo().getShape();
    requireClasses(shape[1] == classes(), "returns " + shape[1] + " scores");
    FloatBuffer buffer = out.getFloatBuffer();
    float[] values = new float[buffer.remaining()];
    buffer.get(values);
    return Tensor.create(values, shape);
  }

  private Tensor fromLabels(OnnxTensor out) {
    LongBuffer buffer = out.getLongBuffer();
    long[] labels = new long[buffer.remaining()];
    buffer.get(labels);
    long largest = LongStream.of(labels).max().orElse(0);
    requireClasses(largest < classes(), "returns the label " + largest);
    Tensor all = Tensor.create(labels, out.getInfo().getShape());
    Tensor one = torch.one_hot(all, classes()); // [B, ..., K]
    return one.to(ScalarType.Float).log().movedim(-1, 1);
  }

  private int classes() {
    return card.classes().size();
  }

  private void requireClasses(boolean fits, String returned) {
    if (!fits) {
      throw new DataException(file + ": " + returned + " for " + classes() + " classes");
    }
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
