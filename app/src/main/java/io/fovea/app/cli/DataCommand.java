package io.fovea.app.cli;

import io.fovea.app.console.ConsoleProgress;
import io.fovea.app.console.TextTable;
import io.fovea.data.AugmentSpec;
import io.fovea.data.Dataset;
import io.fovea.data.ImageDataset;
import io.fovea.data.TrainingData;
import io.fovea.data.folder.FolderLayout;
import io.fovea.data.mask.MaskConversion;
import io.fovea.data.source.DataSpec;
import io.fovea.data.source.DataSurvey;
import io.fovea.errors.FoveaException;
import io.fovea.models.Network;
import io.fovea.training.Capability;
import io.fovea.training.Task;
import io.fovea.training.Tasks;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code fovea data}: shows how a folder is read, before a network is trained on it. */
@Command(
    name = "data",
    description =
        "Show how a folder is read: its parts and classes, the sizes of the images, which files are"
            + " skipped and why, and which are there more than once.",
    footer = {
      "",
      "Examples:",
      "  fovea data my-images",
      "  fovea data my-masks --task segmentation",
      "  fovea data coco --convert coco-masks",
      "  fovea data my-images --augment 'crop=0.35,1;trivial;cutmix=1' --page samples.html"
    })
public final class DataCommand implements Callable<Integer> {
  private static final int EXAMPLES = 3;

  /** Small, because the images are only looked at. */
  private static final int SIDE = 32;

  private static final int PAGE_SIDE = 128;

  @Spec private CommandSpec spec;
  @Mixin private OverwriteOption overwriteOption;

  @Parameters(paramLabel = "DIR", description = "A folder, as for --data of fovea train.")
  private Path folder;

  @Option(
      names = "--task",
      paramLabel = "TASK",
      converter = TaskConverter.class,
      completionCandidates = TaskConverter.Names.class,
      description =
          "Read the folder as for this task: ${COMPLETION-CANDIDATES}. Default: classification.")
  private Task<?, ?> task = Tasks.CLASSIFICATION;

  @Option(
      names = "--split-seed",
      paramLabel = "SEED",
      description = "Seed of the split of a folder without parts. Default: 1.")
  private long splitSeed = 1;

  @Option(
      names = "--augment",
      paramLabel = "STEPS",
      description =
          "Show training images after these random changes, as for fovea train; needs --page.")
  private String augment;

  @Option(
      names = "--page",
      paramLabel = "FILE",
      description = "Write a page with training images of each class, augmented ones beside them.")
  private Path page;

  @Option(
      names = "--image-size",
      paramLabel = "PIXELS",
      description = "Side of the images of the page. Default: 128.")
  private Integer imageSize;

  @Option(
      names = "--convert",
      paramLabel = "OUT",
      description =
          "Write a data set for segmentation that is recognised but not read as it stands (COCO's"
              + " panoptic and stuff annotations and objects, ADE20K) to a new folder with images and"
              + " masks.")
  private Path convert;

  @Override
  public Integer call() {
    if (convert != null) {
      return converted();
    }
    if (page == null && (augment != null || imageSize != null)) {
      throw new FoveaException("--augment and --image-size are for --page");
    }
    overwriteOption.check(page);
    DataOptions.atLeastOne("--image-size", imageSize);
    if (page != null) {
      task.require(Capability.SAMPLES_PAGE);
    }

    try (ConsoleProgress progress = ConsoleProgress.standard()) {
      show(task, progress);
      return 0;
    }
  }

  private int converted() {
    if (page != null || augment != null || imageSize != null) {
      throw new FoveaException("--convert cannot be combined with --page");
    }
    MaskConversion conversion =
        MaskConversion.of(folder)
            .orElseThrow(
                () ->
                    new FoveaException(
                        folder
                            + ": is none of the data sets that have to be converted (COCO's panoptic"
                            + " and stuff annotations and objects, ADE20K); fovea data "
                            + folder
                            + " --task segmentation shows how it is read as it stands"));
    try (ConsoleProgress progress = ConsoleProgress.standard()) {
      MaskConversion.Result result = conversion.convert(convert, progress);
      PrintWriter out = spec.commandLine().getOut();
      out.println(
          conversion.title()
              + ": "
              + result.images()
              + " images, "
              + result.classes().size()
              + " classes: "
              + FolderLayout.some(result.classes()));
      Map<String, List<String>> skipped = new LinkedHashMap<>();
      result
          .skipped()
          .forEach(
              one ->
                  skipped.computeIfAbsent(one.reason(), any -> new ArrayList<>()).add(one.file()));
      skipped.forEach(
          (reason, files) ->
              out.println(count(files) + " skipped: " + reason + ": " + some(files)));
      out.println("into " + convert);
      out.flush();
      return 0;
    }
  }

  private <N extends Network, D extends Dataset<?>> void show(
      Task<N, D> chosen, ConsoleProgress progress) {
    DataSpec source =
        DataSpec.of(folder.toString())
            .withImageSize(side())
            .withSplitSeed(splitSeed)
            .withSampling(chosen.data().sampling());
    if (!source.fromFolder()) {
      throw new FoveaException(folder + ": expected a folder, not the name of bundled samples");
    }
    TrainingData<D> data = chosen.open(source, progress);
    DataSurvey survey = DataSurvey.of(data, progress);
    PrintWriter out = spec.commandLine().getOut();
    out.println(data.description().replace(", " + side() + " x " + side(), ""));
    out.println();
    if (!survey.counts().isEmpty()) {
      TextTable table = new TextTable("class", "training", "test");
      survey
          .counts()
          .forEach(
              count ->
                  table.add(
                      count.name(),
                      Integer.toString(count.train()),
                      Integer.toString(count.test())));
      out.println(table);
    }
    int test = data.test().size();
    chosen
        .shareOfOne(test)
        .ifPresent(one -> out.println("of " + test + " test " + chosen.units() + ", " + one));
    sizes(out, survey.sizes());
    survey
        .skipped()
        .forEach(
            (reason, files) ->
                out.println(count(files) + " skipped: " + reason + ": " + some(files)));
    if (!survey.damaged().isEmpty()) {
      out.println(
          count(survey.damaged())
              + " perhaps damaged inside, with a part of the picture in grey or wrong colours; used"
              + " as it is: "
              + some(survey.damaged()));
    }
    groups(out, survey.betweenParts(), "in training and test; the test result is too good");
    groups(out, survey.betweenClasses(), "under two classes; one of them is wrong");
    groups(out, survey.repeated(), "more than once in one class");
    if (!survey.naturalOrder().isEmpty()) {
      out.println(
          "The order of the classes is that of torchvision, character by character. timm sorts them"
              + " by the numbers in their names: "
              + FolderLayout.some(survey.naturalOrder())
              + ". Weights that were trained there have the scores in that order.");
    }
    if (page != null && data.train() instanceof ImageDataset images) {
      AugmentSpec steps = augment == null ? AugmentSpec.NONE : AugmentSpec.parse(augment);
      AugmentedPage.write(page, images, data.normalization(), steps);
      progress.line("wrote " + page);
    }
    out.flush();
  }

  private int side() {
    return page == null ? SIDE : imageSize == null ? PAGE_SIDE : imageSize;
  }

  private static void sizes(PrintWriter out, List<DataSurvey.Size> sizes) {
    if (!sizes.isEmpty()) {
      DataSurvey.Size first = sizes.get(0);
      DataSurvey.Size last = sizes.get(sizes.size() - 1);
      out.println(
          first.equals(last)
              ? "sizes: all " + first + " pixels"
              : "sizes: "
                  + first
                  + " to "
                  + last
                  + " pixels, median "
                  + sizes.get(sizes.size() / 2));
    }
  }

  private static String count(List<String> files) {
    return files.size() == 1 ? "1 file" : files.size() + " files";
  }

  private static String some(List<String> files) {
    String text = String.join(", ", files.subList(0, Math.min(EXAMPLES, files.size())));
    return files.size() <= EXAMPLES ? text : text + " and " + (files.size() - EXAMPLES) + " more";
  }

  private static void groups(PrintWriter out, List<List<String>> groups, String what) {
    if (!groups.isEmpty()) {
      out.println(
          (groups.size() == 1 ? "1 image is " : groups.size() + " images are ")
              + what
              + ": "
              + some(groups.stream().map(group -> String.join(" = ", group)).toList()));
    }
  }
}
