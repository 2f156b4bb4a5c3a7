package io.fovea.app.cli;

import io.fovea.training.Task;
import io.fovea.training.Tasks;
import io.fovea.training.run.Run;
import java.util.Map;
import java.util.function.BiFunction;

/** The explainers of the tasks. */
final class Explainers {
  private static final Map<Task<?, ?>, BiFunction<Run<?, ?>, Explainer.Question, Explainer<?>>>
      BY_TASK =
          Map.of(
              Tasks.CLASSIFICATION,
              (run, question) ->
                  new ClassificationExplainer(run.as(Tasks.CLASSIFICATION), question),
              Tasks.SEGMENTATION,
              (run, question) -> new SegmentationExplainer(run.as(Tasks.SEGMENTATION), question),
              Tasks.VIDEO,
              (run, question) -> new VideoExplainer(run.as(Tasks.VIDEO), question));

  private Explainers() {}

  /**
   * Loads the network of a run, and checks the question.
   *
   * @throws io.fovea.errors.FoveaException if the network does not have what was asked for
   */
  static Explainer<?> of(Run<?, ?> run, Explainer.Question question) {
    return BY_TASK.get(run.task()).apply(run, question);
  }
}
