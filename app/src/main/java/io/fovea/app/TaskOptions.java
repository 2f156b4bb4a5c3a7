package io.fovea.app;

import io.fovea.training.Task;
import java.lang.reflect.AnnotatedElement;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** The option that says what networks are trained for. */
final class TaskOptions {
  @Spec(Spec.Target.MIXEE)
  private CommandSpec spec;

  @Option(
      names = "--task",
      paramLabel = "TASK",
      defaultValue = "classification",
      description =
          "${COMPLETION-CANDIDATES}: a class for each image, for each pixel, or for each video. Default:"
              + " ${DEFAULT-VALUE}.")
  private Task task;

  /**
   * The task with its options.
   *
   * @param epochs by task, where none are given
   */
  Problem<?> problem(
      DataOptions data,
      NetworkOptions network,
      PlacementOptions placement,
      TrainingOptions training,
      int epochs) {
    requireOptionsOf(task, spec);
    return switch (task) {
      case CLASSIFICATION -> {
        network.defaults("resnet8", 1);
        yield new ClassificationProblem(data, network, placement, training, epochs);
      }
      case VIDEO -> {
        network.videoDefaults(data.sampling().frames());
        yield ClassificationProblem.ofVideos(data, network, placement, training);
      }
      case SEGMENTATION -> throw new IllegalArgumentException("--task segmentation: not yet");
    };
  }

  /**
   * Refuses options that the task does not know.
   *
   * @param spec of the command that was called
   * @throws IllegalArgumentException if one was given, with the tasks that it is for
   */
  static void requireOptionsOf(Task task, CommandSpec spec) {
    for (OptionSpec option : spec.commandLine().getParseResult().matchedOptions()) {
      List<Task> tasks = tasks(option);
      if (!tasks.contains(task)) {
        throw new IllegalArgumentException(
            option.longestName()
                + " is for "
                + tasks.stream().map(Task::toString).collect(Collectors.joining(" and "))
                + ", not for "
                + task);
      }
    }
  }

  private static List<Task> tasks(OptionSpec option) {
    ForTask only =
        option.userObject() instanceof AnnotatedElement field
            ? field.getAnnotation(ForTask.class)
            : null;
    return Arrays.asList(only == null ? Task.values() : only.value());
  }
}
