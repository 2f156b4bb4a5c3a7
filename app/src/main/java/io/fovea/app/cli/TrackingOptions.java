package io.fovea.app.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.fovea.app.tracking.Mlflow;
import io.fovea.app.tracking.TensorBoard;
import io.fovea.data.Dataset;
import io.fovea.data.source.DataSpec;
import io.fovea.models.Network;
import io.fovea.training.EpochResult;
import io.fovea.training.Training;
import io.fovea.training.TrainingListener;
import io.fovea.training.evaluate.Evaluation;
import io.fovea.training.run.Json;
import io.fovea.training.run.Run;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.function.Consumer;
import java.util.function.Supplier;
import java.util.stream.Stream;
import picocli.CommandLine.Option;

/** The options for following a training with other programs. */
final class TrackingOptions {
  static final String HEADING = "%nFollowing the training:%n";

  @Option(
      names = "--no-tensorboard",
      description =
          "Write no event file for TensorBoard. Default: one in the folder of the run; tensorboard"
              + " --logdir runs shows it.")
  private boolean noTensorBoard;

  @Option(
      names = "--mlflow",
      paramLabel = "URI",
      description =
          "Create a run on this MLflow server (such as http://localhost:5000) with the settings, the"
              + " metrics, the configuration and the best weights.")
  private String mlflow;

  /**
   * Begins to follow a training.
   *
   * @param done the number of epochs that were trained before
   * @param lines receives what a user should know
   * @return what follows it, in the order in which it is to be told
   */
  <N extends Network, D extends Dataset<?>> Followers follow(
      Path folder, Training<N, D> training, DataSpec source, int done, Consumer<String> lines) {
    String server = mlflow != null ? mlflow : Mlflow.serverOf(folder);
    Mlflow run = server == null ? null : Mlflow.start(server, folder, System.getenv(), lines);
    if (run != null && done == 0) {
      ObjectNode settings = Json.MAPPER.createObjectNode();
      settings.set("model", Json.tree(training.model()));
      settings.set("training", Json.tree(training.spec()));
      settings.put("data", training.data().description());
      run.parameters(settings);
    }
    boolean board = !noTensorBoard && (done == 0 || TensorBoard.isIn(folder));
    return new Followers(
        run, board ? new TensorBoard<>(folder, training, source, done, lines) : null);
  }

  /** An MLflow run and an event file; null for each that is not wanted. */
  record Followers(Mlflow mlflow, TensorBoard<?, ?> board) {}

  /**
   * Follows a training from its first step on, when the folder is known to be its own. It must be
   * closed; a training that is not finished then is reported as ended.
   */
  static final class Following implements TrainingListener, AutoCloseable {
    private final Path folder;
    private final Supplier<Followers> begin;
    private final TrainingListener shown;
    private Followers followers;
    private int epochs;

    /**
     * Follows nothing yet.
     *
     * @param begin called at the first step
     * @param shown is told as well
     */
    Following(Path folder, Supplier<Followers> begin, TrainingListener shown) {
      this.folder = folder;
      this.begin = begin;
      this.shown = shown;
    }

    @Override
    public void planned(int planned) {
      epochs = planned;
      if (followers != null && followers.board() != null) {
        followers.board().planned(epochs);
      }
      shown.planned(planned);
    }

    @Override
    public void step(int images, double loss) {
      if (followers == null) {
        followers = begin.get();
        if (followers.board() != null) {
          followers.board().planned(epochs);
        }
      }
      if (followers.board() != null) {
        followers.board().step(images, loss);
      }
      shown.step(images, loss);
    }

    @Override
    public void epoch(EpochResult result, Evaluation test) {
      if (followers != null && followers.board() != null) {
        followers.board().epoch(result, test);
      }
      if (followers != null && followers.mlflow() != null) {
        followers.mlflow().epoch(result, test);
      }
      shown.epoch(result, test);
    }

    @Override
    public void close() {
      if (followers != null && followers.board() != null) {
        followers.board().close();
      }
      if (followers != null && followers.mlflow() != null) {
        followers
            .mlflow()
            .end(
                Stream.of("config.json", "metrics.jsonl", "best.safetensors")
                    .map(folder::resolve)
                    .filter(Files::exists)
                    .toList(),
                !Run.isUnfinished(folder));
      }
    }
  }
}
