package io.fovea.training.run;

import io.fovea.data.DataException;
import io.fovea.models.weights.Safetensors;
import io.fovea.training.EpochResult;
import io.fovea.training.TrainingState;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** The file from which a training goes on: all tensors of a {@link TrainingState}, and its results so far. */
public final class StateFile {
  private static final String HISTORY = "history";
  private static final String BATCHES = "batches";

  private StateFile() {}

  /**
   * Writes a state atomically.
   *
   * @throws IOException if the file cannot be written; then it is unchanged
   */
  public static void write(Path file, TrainingState state) throws IOException {
    Map<String, String> metadata = new LinkedHashMap<>(Run.metadata());
    metadata.put(HISTORY, Json.line(state.history()));
    metadata.put(BATCHES, Integer.toString(state.batches()));
    Safetensors.write(file, state.tensors(), metadata);
  }

  /**
   * Reads a state; its tensors belong to the open scope.
   *
   * @throws DataException if the file does not exist or is damaged
   */
  public static TrainingState read(Path file) {
    try {
      return new TrainingState(history(file), Safetensors.read(file));
    } catch (IOException e) {
      throw new DataException(file + ": cannot be read: " + e.getMessage(), e);
    }
  }

  /**
   * The results of the epochs of a state.
   *
   * @throws DataException if the file does not exist or is damaged
   */
  public static List<EpochResult> history(Path file) {
    try {
      EpochResult[] read =
          Json.MAPPER.readValue(
              Safetensors.metadata(file).getOrDefault(HISTORY, ""), EpochResult[].class);
      List<EpochResult> history = read == null ? null : Arrays.asList(read);
      if (!EpochResult.areWhole(history)) {
        throw new DataException(file + ": is damaged: expected the results of epochs 1, 2, ...");
      }
      return List.copyOf(history);
    } catch (IOException e) {
      throw new DataException(file + ": cannot be read: " + Json.firstLine(e), e);
    }
  }

  /** The number of batches of the next epoch that were trained already. */
  static int batches(Path file) {
    try {
      return Integer.parseInt(Safetensors.metadata(file).getOrDefault(BATCHES, "0"));
    } catch (IOException | NumberFormatException e) {
      throw new DataException(file + ": cannot be read: " + e.getMessage(), e);
    }
  }
}
