package io.fovea.app.cli;

import io.fovea.app.console.ConsoleProgress;
import io.fovea.app.console.ExitStatus;
import io.fovea.data.DataException;
import io.fovea.errors.FoveaException;
import io.fovea.explain.ExplainPage;
import io.fovea.explain.Explained;
import io.fovea.explain.Region;
import io.fovea.training.run.FolderLock;
import io.fovea.training.run.Run;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Callable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code fovea explain}: shows what a network's attention looks at. */
@Command(
    name = "explain",
    description = {
      "Show what a network's attention looks at in images, over a data set, or in videos.",
      "",
      "Writes PNGs and explain.html, one file that works offline. They show the gates of the channels,"
          + " the maps over the image, what positions attend to, and Grad-CAM of a class, each with"
          + " numbers. For videos they show what positions attend to across the frames."
    },
    footer = {
      "",
      "Examples:",
      "  fovea explain runs/resnet8-cbam-1 boot.png shirt.jpg",
      "  fovea explain runs/resnet8-pam-1 boot.png --layer pam_head --point 120,80",
      "  fovea explain runs/resnet8-cbam-1 boot.png --target Sandal --layer layer2",
      "  fovea explain runs/resnet8-se-1 --data my-images",
      "  fovea explain runs/segmentation-small-1 street.jpg --point 40,60 --target car",
      "  fovea explain runs/segmentation-small-1 --data my-scenes",
      "  fovea explain runs/video-c2d-resnet8-1 clip.mp4 --frame 40 --point 320,180"
    })
public final class ExplainCommand implements Callable<Integer> {
  @Spec private CommandSpec spec;
  @Mixin private RunOptions runOptions;
  @Mixin private ThreadOptions threads;
  @Mixin private OverwriteOption overwriteOption;

  @Parameters(
      paramLabel = "[RUN] IMAGE",
      arity = "0..*",
      description =
          "The folder that fovea train or fovea import wrote (default: the newest in runs/), then JPEG,"
              + " PNG, BMP or WebP files of any size; for a video network, video files (MP4, MKV, WebM,"
              + " MOV, AVI, ...) or folders of frames.")
  private List<Path> arguments = List.of();

  private List<Path> images;

  @ForTask({"classification", "segmentation"})
  @Option(
      names = "--data",
      paramLabel = "DATA",
      description =
          "Look at the test images of a data set instead of single images: fashion-mnist-sample,"
              + " fashion-mnist or a folder of class folders; for segmentation, scenes or a folder"
              + " of images and masks.")
  private String source;

  @ForTask("classification")
  @Option(
      names = "--per-class",
      paramLabel = "N",
      description = "With --data: number of images of each class. Default: 50, as in the SE paper.")
  private Integer perClass;

  @ForTask({"classification", "segmentation"})
  @Option(
      names = "--target",
      paramLabel = "CLASS",
      description =
          "Compute Grad-CAM for this class, given by name or number. Default: the class with the highest"
              + " score, or with most pixels.")
  private String target;

  @Option(
      names = "--layer",
      paramLabel = "NAME",
      description =
          "Show only this attention module, or the modules and Grad-CAM of this block or"
              + " stage. Default: all modules, and Grad-CAM of all stages.")
  private String layer;

  @Option(
      names = "--point",
      paramLabel = "X,Y",
      description =
          "Show what the position at this pixel of the image, or of the video's frame, attends to. May"
              + " be repeated. Default: the positions whose attention differs most from the average.")
  private List<String> points = List.of();

  @ArgGroup(validate = false, heading = "%nFor segmentation:%n")
  private SceneOptions scenes = new SceneOptions();

  /** The options for networks that predict the class of each pixel. */
  @ForTask("segmentation")
  private static final class SceneOptions {
    @Option(
        names = "--region",
        paramLabel = "X,Y,WIDTH,HEIGHT",
        description =
            "Compute Grad-CAM for the scores of the pixels in this rectangle of the image. Default:"
                + " the pixels that get the class.")
    private String region;

    @Option(
        names = "--limit",
        paramLabel = "N",
        description = "With --data: look at the first N images only. Default: all.")
    private Integer limit;
  }

  @ForTask("video")
  @Option(
      names = "--frame",
      paramLabel = "N",
      description =
          "Videos only: the frame that --point refers to, counted from 0; the clip is taken around it."
              + " Default: the middle of the video.")
  private Integer frame;

  @Option(
      names = "--out",
      paramLabel = "DIR",
      description =
          "Output folder. Default: explain/ in the folder of the run, or explain-2/ and so on if"
              + " that has a page.")
  private Path out;

  @Override
  public Integer call() {
    threads.apply();
    images = runOptions.take(arguments);
    check();
    try (ConsoleProgress progress = ConsoleProgress.standard()) {
      Run<?, ?> run = runOptions.find(null, null, progress);
      TaskOptions.requireOptionsOf(run.task(), spec);
      Path folder = folder(run, source == null ? "explain.html" : "explain-data.html");
      runOptions.tell(run, progress);
      Explainer<?> explainer =
          Explainers.of(
              run,
              new Explainer.Question(
                  runOptions.weights(run),
                  target,
                  layer,
                  points.stream().map(ExplainCommand::point).toList(),
                  region(scenes.region),
                  frame));
      try {
        return source == null
            ? explain(explainer, folder, progress)
            : survey(explainer, folder, progress);
      } catch (IOException e) { // of the output alone; what cannot be read is a DataException
        throw new DataException(folder + ": cannot be written: " + FolderLock.reason(e), e);
      }
    }
  }

  /** The output folder, in which the page does not exist unless it may be replaced. */
  private Path folder(Run<?, ?> run, String page) {
    if (out != null) {
      overwriteOption.check(out.resolve(page));
      return out;
    }
    for (int i = 1; ; i++) {
      Path folder = run.path().resolve(i == 1 ? "explain" : "explain-" + i);
      if (overwriteOption.isGiven() || !Files.exists(folder.resolve(page))) {
        return folder;
      }
    }
  }

  private void check() {
    if (source == null && images.isEmpty()) {
      throw new FoveaException("give image or video files, or a data set with --data");
    }
    if (source != null) {
      if (!images.isEmpty()) {
        throw new FoveaException("--data cannot be combined with image files");
      }
      if (target != null || layer != null || !points.isEmpty() || scenes.region != null) {
        throw new FoveaException(
            "--target, --layer, --point and --region cannot be combined with --data");
      }
    } else if (perClass != null) {
      throw new FoveaException("--per-class needs --data");
    } else if (scenes.limit != null) {
      throw new FoveaException("--limit needs --data");
    }
    DataOptions.atLeastOne("--per-class", perClass);
    DataOptions.atLeastOne("--limit", scenes.limit);
  }

  private <E extends Explained> int explain(
      Explainer<E> explainer, Path folder, ConsoleProgress progress) throws IOException {
    PrintWriter console = spec.commandLine().getOut();
    ExplainPage page = new ExplainPage(explainer.facts());
    int status = 0;
    Set<String> names = new HashSet<>();
    progress.begin("explaining", images.size());
    for (Path file : images) {
      try {
        String name = folderName(file, names);
        E explained = explainer.explain(file);
        explainer.print(file, explained, console);
        explained.savePictures(folder.resolve(name));
        explained.addTo(page);
      } catch (DataException e) { // continue with the other files
        console.flush();
        spec.commandLine().getErr().println("fovea: " + e.getMessage());
        status = ExitStatus.MISTAKE;
      }
      progress.step(1);
    }
    progress.end();
    if (!page.isEmpty()) {
      console.println(page.write(folder.resolve("explain.html")));
    }
    console.flush();
    return status;
  }

  private int survey(Explainer<?> explainer, Path folder, ConsoleProgress progress)
      throws IOException {
    PrintWriter console = spec.commandLine().getOut();
    Explainer.Survey wanted = new Explainer.Survey(source, perClass, scenes.limit);
    console.println(explainer.survey(wanted, folder, progress, console));
    console.flush();
    return 0;
  }

  /**
   * The output folder for a file: its name without the extension. A number is appended for a second
   * file of the same name.
   */
  private static String folderName(Path file, Set<String> taken) {
    String name = file.getFileName().toString();
    int dot = Files.isDirectory(file) ? -1 : name.lastIndexOf('.');
    String stem = dot > 0 ? name.substring(0, dot) : name;
    String unique = stem;
    for (int i = 2; !taken.add(unique); i++) {
      unique = stem + "-" + i;
    }
    return unique;
  }

  private static double[] point(String text) {
    if (!text.matches("[0-9]{1,6},[0-9]{1,6}")) {
      throw new FoveaException(
          "--point: expected a pixel's column and row, such as 120,80, got \"" + text + "\"");
    }
    String[] parts = text.split(",");
    return new double[] {Integer.parseInt(parts[0]), Integer.parseInt(parts[1])};
  }

  private static Region region(String text) {
    if (text == null) {
      return null;
    }
    if (!text.matches("[0-9]{1,6}(,[0-9]{1,6}){3}")) {
      throw new FoveaException(
          "--region: expected the left column, the top row, a width and a height, such as"
              + " 120,80,40,30, got \""
              + text
              + "\"");
    }
    int[] sides = Arrays.stream(text.split(",")).mapToInt(Integer::parseInt).toArray();
    return new Region(sides[0], sides[1], sides[2], sides[3]);
  }
}
