package io.fovea.app.cli;

import io.fovea.app.study.TaskSetup;
import io.fovea.training.Task;
import java.lang.reflect.AnnotatedElement;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** The option that says what networks are trained for. */
final class TaskOptions {
  private static final int EPOCHS = 10;
  private static final int SEGMENTATION_EPOCHS = 20;
  private static final int SEGMENTATION_STUDY_EPOCHS = 10;

  /** Of {@code compare} and {@code ablate}. */
  static final int STUDY_EPOCHS = 3;

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

  @Mixin private SegmentationOptions segmentation;

  /**
   * The task with its options.
   *
   * @param study whether it is trained often, so that its epochs are fewer where none are given
   */
  TaskSetup<?> problem(
      DataOptions data,
      NetworkOptions network,
      PlacementOptions placement,
      TrainingOptions training,
      boolean study) {
    requireOptionsOf(task, spec);
    return switch (task) {
      case CLASSIFICATION -> {
        network.defaults("resnet8", 1);
        yield new ClassificationSetup(
            data, network, placement, training, study ? STUDY_EPOCHS : EPOCHS);
      }
      case SEGMENTATION -> {
        network.defaults("small", 1);
        yield new SegmentationSetup(
            data,
            network,
            training,
            segmentation,
            study ? SEGMENTATION_STUDY_EPOCHS : SEGMENTATION_EPOCHS);
      }
      case VIDEO -> {
        network.videoDefaults(data.sampling().frames());
        yield ClassificationSetup.ofVideos(data, network, placement, training);
      }
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
