package io.fovea.app.cli;

import io.fovea.app.console.ConsoleProgress;
import io.fovea.app.study.Origin;
import io.fovea.app.study.TaskSetup;
import io.fovea.data.Dataset;
import io.fovea.data.source.DataSpec;
import io.fovea.errors.FoveaException;
import io.fovea.models.Network;
import io.fovea.models.NetworkSpec;
import io.fovea.models.Precision;
import io.fovea.models.placement.PlacedAttention;
import io.fovea.training.PublishedWeights;
import io.fovea.training.Task;
import java.lang.reflect.Field;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.Spec;

/**
 * The options of commands that train for the setup of a task. This
 * class has the options of all tasks and those of classification; {@link All} has those of the
 * other tasks, too.
 */
class TaskOptions {
  /** The options of all tasks, and for the place of attention. */
  static final class All extends WithoutPlace {
    @ArgGroup(validate = false, order = 4, heading = PlacementOptions.HEADING)
    private PlacementOptions placement = new PlacementOptions();

    @Override
    PlacementOptions placement() {
      return placement;
    }
  }

  /** The options of all tasks. */
  static class WithoutPlace extends TaskOptions {
    @ArgGroup(validate = false, order = 6, heading = SegmentationOptions.HEADING)
    private SegmentationOptions masks = new SegmentationOptions();

    @ArgGroup(validate = false, order = 7, heading = VideoOptions.HEADING)
    private VideoOptions videos = new VideoOptions();

    @Override
    SegmentationOptions masks() {
      return masks;
    }

    @Override
    VideoOptions videos() {
      return videos;
    }
  }

  /** From this median side on, images are photographs, of which 32 x 32 keeps too little. */
  private static final int PHOTOGRAPH = 96;

  /** Up to this side, a photograph is hardly recognisable. */
  private static final int SMALL = 64;

  /** Below this number, photographs are too few for a network with new weights. */
  private static final int FEW = 5000;

  private final List<String> notes = new ArrayList<>();

  @Spec(Spec.Target.MIXEE)
  private CommandSpec spec;

  @Mixin private DataOptions data;
  @Mixin private NetworkOptions network;
  @Mixin private TrainingOptions training;

  @ArgGroup(validate = false, order = 3, heading = StartOptions.HEADING)
  private StartOptions start = new StartOptions();

  @ArgGroup(validate = false, order = 5, heading = ClassOptions.HEADING)
  private ClassOptions images = new ClassOptions();

  /** The placement; the default is none. */
  PlacementOptions placement() {
    return new PlacementOptions();
  }

  /** The options of segmentation; the default is none. */
  SegmentationOptions masks() {
    return new SegmentationOptions();
  }

  /** The options of video; the default is none. */
  VideoOptions videos() {
    return new VideoOptions();
  }

  /**
   * Defaults that differ from those of the task.
   *
   * @param widthOfSmall the width of backbones for small images, whose stages are narrow; ImageNet's
   *     have width 1
   * @param epochsOfMany the number of epochs if many networks are trained
   */
  record Defaults(String backbone, double widthOfSmall, int epochsOfMany) {}

  /**
   * The task with its options.
   *
   * @param many whether many networks are trained, so that the default number of epochs is smaller
   */
  <N extends Network, D extends Dataset<?>> TaskSetup<N, D> setup(Task<N, D> task, boolean many) {
    return setup(task, many, new Defaults(task.backbone(), 1, task.epochsOfMany()));
  }

  /** Returns the setup with other defaults. */
  <N extends Network, D extends Dataset<?>> TaskSetup<N, D> setup(
      Task<N, D> task, boolean many, Defaults defaults) {
    requireOptionsOf(task, spec);
    Optional<Photographs> photographs = photographs(task);
    boolean follow = !many && photographs.isPresent();
    NetworkSpec<N> plain =
        task.network(
            network.backbone(
                follow ? task.backboneOfPhotographs().orElseThrow() : defaults.backbone()),
            videos().sampling(task.data().sampling()));
    double width =
        images.width != null ? images.width : plain.ofImageNet() ? 1 : defaults.widthOfSmall();
    NetworkSpec<N> chosen = masks().applied(width == 1 ? plain : plain.withWidth(width));
    if (follow && !network.isGiven()) {
      notes.add(
          "the images are "
              + photographs.get()
              + ": trains "
              + chosen.backbone()
              + " at "
              + side(images.imageSize != null ? images.imageSize : chosen.imageSize())
              + "; --backbone "
              + defaults.backbone()
              + " is faster and sees less, at 32 x 32");
    }
    photographs.ifPresent(found -> chooseWeights(task, chosen, found, many));
    Origin origin = start.origin(chosen);
    DataSpec given = data.spec(task.data(), chosen.imageSize(), images, videos(), masks());
    DataSpec source = origin == null || task.namesPixels() ? given : origin.cropped(given);
    if (photographs.isPresent() && source.imageSize() <= SMALL) {
      notes.add(
          "note: "
              + photographs.get()
              + " are scaled to "
              + side(source.imageSize())
              + ", so that details are lost; --backbone "
              + task.backboneOfPhotographs().orElseThrow()
              + " sees 224 x 224");
    }
    return new TaskSetup<>(
        task,
        source,
        chosen,
        training.spec(
            task,
            many ? defaults.epochsOfMany() : null,
            !source.fromFolder(),
            images,
            masks(),
            start),
        origin);
  }

  /** The median size of the images of a folder, and their number. */
  private record Photographs(int images, int width, int height) {
    @Override
    public String toString() {
      return images + " photographs (median " + width + " x " + height + " pixels)";
    }
  }

  private Optional<Photographs> photographs(Task<?, ?> task) {
    if (task.backboneOfPhotographs().isEmpty()) {
      return Optional.empty();
    }
    return task.data()
        .withSource(data.source(task.data().source()))
        .glance()
        .filter(found -> Math.min(found.width(), found.height()) >= PHOTOGRAPH)
        .map(found -> new Photographs(found.images(), found.width(), found.height()));
  }

  /** Few photographs start from published weights if those have been downloaded before. */
  private void chooseWeights(
      Task<?, ?> task, NetworkSpec<?> chosen, Photographs photographs, boolean many) {
    if (photographs.images() >= FEW
        || !start.isOpen()
        || training.isFromScratch()
        || images.grey
        || chosen.width() != 1
        || !PublishedWeights.exist(chosen.backbone())) {
      return;
    }
    PublishedWeights weights = PublishedWeights.of(chosen.backbone(), null);
    boolean there = weights.isIn(PublishedWeights.cache());
    if (!many && there && !hasOwnAttention(task, chosen)) {
      start.choose(weights);
      notes.add(
          "few photographs: starts from the downloaded weights, as with --pretrained; --pretrained"
              + " none trains new ones");
    } else {
      notes.add(
          "note: "
              + photographs.images()
              + " photographs are few for new weights; --pretrained starts from "
              + weights.title()
              + (there ? "" : ", which is downloaded once"));
    }
  }

  /** Published weights contain the backbone's own attention, which may be replaced by another. */
  private static <N extends Network> boolean hasOwnAttention(
      Task<N, ?> task, NetworkSpec<?> network) {
    return !task.attention(task.network(network.backbone(), null)).equals(PlacedAttention.NONE);
  }

  private static String side(int pixels) {
    return pixels + " x " + pixels;
  }

  /** Says what was decided because of the images. */
  void tell(ConsoleProgress progress) {
    notes.forEach(progress::line);
  }

  /**
   * The name of an attention in results: the shortest form of its spec, with its place.
   *
   * @param given the attention, or null for the default of the task
   */
  <N extends Network> String attention(TaskSetup<N, ?> setup, String given) {
    return placement()
        .placed(given != null ? given : setup.task().attention(setup.network()), setup.network());
  }

  /** The name of an attention in a comparison, where none is possible with any placement. */
  <N extends Network> String compared(TaskSetup<N, ?> setup, String given) {
    return setup.network().named(placement().apply(given));
  }

  /** Sets the number of threads for the whole process. */
  void applyThreads() {
    network.applyThreads();
  }

  /** Sets the number of threads for the whole process, with another default. */
  void applyThreads(int usual) {
    network.applyThreads(usual);
  }

  /** What convolutions compute in. */
  Precision precision() {
    return network.precision();
  }

  /**
   * Refuses options that the task does not have.
   *
   * @param spec the command that was called
   * @throws FoveaException if such an option was given; the message names its tasks
   */
  static void requireOptionsOf(Task<?, ?> task, CommandSpec spec) {
    for (OptionSpec option : spec.commandLine().getParseResult().matchedOptions()) {
      List<String> tasks = tasks(option);
      if (!tasks.isEmpty() && !tasks.contains(task.toString())) {
        throw new FoveaException(
            option.longestName() + " is for " + String.join(" and ", tasks) + ", not for " + task);
      }
    }
  }

  private static List<String> tasks(OptionSpec option) {
    if (!(option.userObject() instanceof Field field)) {
      return List.of();
    }
    ForTask only = field.getAnnotation(ForTask.class);
    ForTask all = only != null ? only : field.getDeclaringClass().getAnnotation(ForTask.class);
    return all == null ? List.of() : List.of(all.value());
  }
}
