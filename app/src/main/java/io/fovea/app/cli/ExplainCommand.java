package io.fovea.app.cli;

import io.fovea.app.console.ConsoleProgress;
import io.fovea.app.console.ExitStatus;
import io.fovea.app.console.TextTable;
import io.fovea.data.DataException;
import io.fovea.data.Image;
import io.fovea.data.ImageDataset;
import io.fovea.data.SquareCrop;
import io.fovea.data.TrainingData;
import io.fovea.data.image.Images;
import io.fovea.data.source.Preprocessing;
import io.fovea.errors.FoveaException;
import io.fovea.explain.Affinity;
import io.fovea.explain.DatasetExplanation;
import io.fovea.explain.Drawing;
import io.fovea.explain.ExplainPage;
import io.fovea.explain.ExplainedDataset;
import io.fovea.explain.ExplainedImage;
import io.fovea.explain.ExplainedVideo;
import io.fovea.explain.Explanation;
import io.fovea.explain.LoadedRun;
import io.fovea.explain.NetworkFacts;
import io.fovea.explain.Statistics;
import io.fovea.models.Classifier;
import io.fovea.training.Capability;
import io.fovea.training.Task;
import io.fovea.training.Tasks;
import io.fovea.training.run.Run;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.concurrent.Callable;
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

  private Path run;
  private List<Path> images;

  @ForTask("classification")
  @Option(
      names = "--data",
      paramLabel = "DATA",
      description =
          "Look at the test images of a data set instead of single images: fashion-mnist-sample,"
              + " fashion-mnist or a folder of class folders.")
  private String source;

  @ForTask("classification")
  @Option(
      names = "--per-class",
      paramLabel = "N",
      description = "With --data: number of images of each class. Default: 50, as in the SE paper.")
  private Integer perClass;

  @ForTask("classification")
  @Option(
      names = "--target",
      paramLabel = "CLASS",
      description =
          "Compute Grad-CAM for this class, given by name or number. Default: the class with the highest"
              + " score.")
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
  public Integer call() throws IOException {
    threads.apply();
    images = runOptions.take(arguments);
    check();
    run = runOptions.find(null, null, ConsoleProgress.standard()).path();
    Task<?, ?> task = Run.task(run);
    TaskOptions.requireOptionsOf(task, spec);
    task.require(Capability.EXPLANATION);
    if (task == Tasks.VIDEO) {
      return explainVideos();
    }
    try (ConsoleProgress progress = ConsoleProgress.standard()) {
      Path folder = folder(source == null ? "explain.html" : "explain-data.html");
      Run<?, ?> opened = Run.open(run);
      runOptions.tell(opened, progress);
      LoadedRun loaded = LoadedRun.of(opened, runOptions.weights(opened));
      int status = source == null ? explain(loaded, folder, progress) : survey(loaded, folder);
      spec.commandLine().getOut().flush();
      return status;
    }
  }

  /** The output folder, in which the page does not exist unless it may be replaced. */
  private Path folder(String page) {
    if (out != null) {
      overwriteOption.check(out.resolve(page));
      return out;
    }
    for (int i = 1; ; i++) {
      Path folder = run.resolve(i == 1 ? "explain" : "explain-" + i);
      if (overwriteOption.isGiven() || !Files.exists(folder.resolve(page))) {
        return folder;
      }
    }
  }

  private int explainVideos() throws IOException {
    try (ConsoleProgress progress = ConsoleProgress.standard()) {
      Run<Classifier, ImageDataset> trained = Run.open(run, Tasks.VIDEO);
      runOptions.tell(trained, progress);
      VideoExplanations videos =
          new VideoExplanations(
              trained,
              trained.load(runOptions.weights(trained)),
              layer,
              frame,
              points.stream().map(ExplainCommand::point).toList());
      Path folder = folder("explain.html");
      ExplainPage page = new ExplainPage(NetworkFacts.of(trained));
      int status = 0;
      Set<String> names = new HashSet<>();
      progress.begin("explaining", images.size());
      for (Path path : images) {
        try {
          String name = folderName(path, names);
          ExplainedVideo video = videos.explain(path);
          VideoExplanations.print(path, video, spec.commandLine().getOut());
          video.savePictures(folder.resolve(name));
          page.add(video);
        } catch (DataException e) { // continue with the other videos
          spec.commandLine().getOut().flush();
          spec.commandLine().getErr().println("fovea: " + e.getMessage());
          status = ExitStatus.MISTAKE;
        }
        progress.step(1);
      }
      progress.end();
      finish(page, folder);
      spec.commandLine().getOut().flush();
      return status;
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
      if (target != null || layer != null || !points.isEmpty()) {
        throw new FoveaException("--target, --layer and --point cannot be combined with --data");
      }
    } else if (perClass != null) {
      throw new FoveaException("--per-class needs --data");
    }
    if (perClass != null && perClass < 1) {
      throw new FoveaException("--per-class must be at least 1, got " + perClass);
    }
  }

  private int explain(LoadedRun loaded, Path folder, ConsoleProgress progress) throws IOException {
    if (target != null) {
      loaded.label(target); // report mistakes before any work is done
    }
    List<double[]> pixels = points.stream().map(ExplainCommand::point).toList();
    ExplainPage page = new ExplainPage(loaded.facts());
    int status = 0;
    Set<String> names = new HashSet<>();
    progress.begin("explaining", images.size());
    for (Path file : images) {
      try {
        String name = folderName(file, names);
        ExplainedImage image = explain(loaded, file, pixels);
        print(file, image);
        image.savePictures(folder.resolve(name));
        page.add(image);
      } catch (DataException e) { // continue with the other images
        spec.commandLine().getOut().flush();
        spec.commandLine().getErr().println("fovea: " + e.getMessage());
        status = ExitStatus.MISTAKE;
      }
      progress.step(1);
    }
    progress.end();
    finish(page, folder);
    return status;
  }

  private void finish(ExplainPage page, Path folder) throws IOException {
    if (!page.isEmpty()) {
      spec.commandLine().getOut().println(page.write(folder.resolve("explain.html")));
    }
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

  private ExplainedImage explain(LoadedRun loaded, Path file, List<double[]> pixels) {
    Preprocessing preprocessing = loaded.folder().preprocessing();
    Images.Viewed viewed = preprocessing.view(file);
    Image picture = viewed.whole();
    SquareCrop.Square seen = preprocessing.crop().in(picture.width(), picture.height());
    for (double[] pixel : pixels) {
      requireInside(file, seen, pixel);
    }
    Explanation whole =
        loaded.explain(
            viewed.square(),
            target,
            layer,
            LoadedRun.Stages.ALL,
            builder -> {
              builder.grid(ExplainPage.GRID_VALUES);
              for (double[] pixel : pixels) {
                builder.point(
                    (pixel[0] - seen.left() + 0.5) / seen.side(),
                    (pixel[1] - seen.top() + 0.5) / seen.side());
              }
            });
    Explanation explanation = layer == null ? whole : whole.with(whole.modulesIn(layer));
    if (!pixels.isEmpty()
        && explanation.modules().stream().allMatch(module -> module.affinity().isEmpty())) {
      throw new FoveaException(
          "--point: in "
              + (layer == null ? loaded.name() : layer)
              + " no position attends to others; this needs one of "
              + String.join(", ", Affinity.mechanisms()));
    }
    return new ExplainedImage(file.getFileName().toString(), picture, loaded.facts(), explanation);
  }

  private static void requireInside(Path file, SquareCrop.Square seen, double[] pixel) {
    double x = pixel[0] - seen.left();
    double y = pixel[1] - seen.top();
    if (x < 0 || y < 0 || x >= seen.side() || y >= seen.side()) {
      throw new FoveaException(
          String.format(
              Locale.ROOT,
              "--point %.0f,%.0f is outside the square of %s that the network sees: columns"
                  + " %d to %d, rows %d to %d",
              pixel[0],
              pixel[1],
              file,
              seen.left(),
              seen.left() + seen.side() - 1,
              seen.top(),
              seen.top() + seen.side() - 1));
    }
  }

  private void print(Path file, ExplainedImage image) {
    var console = spec.commandLine().getOut();
    Explanation explanation = image.explanation();
    int best = explanation.predicted();
    console.printf(
        Locale.ROOT,
        "%s: %s, %.1f %%%n",
        file,
        image.network().classes().get(best),
        100 * explanation.probabilities()[best]);
    TextTable table =
        new TextTable("module", "values", "min", "max", "entropy", "< 0.1", "> 0.9", "change");
    table.left("values");
    for (Explanation.Module module : explanation.modules()) {
      String change = TextTable.percent(module.effect().change()) + " %";
      module
          .channel()
          .ifPresent(gates -> row(table, module, "channels", gates.statistics(), change));
      module.spatial().ifPresent(map -> row(table, module, "positions", map.statistics(), change));
      module
          .affinity()
          .ifPresent(
              affinity ->
                  row(table, module, "received", Statistics.of(affinity.received()), change));
      module
          .channelAffinity()
          .ifPresent(matrix -> row(table, module, "channel matrix", matrix.statistics(), change));
    }
    if (explanation.modules().isEmpty()) {
      console.println(
          "  no attention "
              + (layer == null ? "in this network" : "in " + layer)
              + "; Grad-CAM only");
    } else {
      table.toString().lines().forEach(line -> console.println("  " + line));
    }
    explanation.remarks().forEach(remark -> console.println("  " + remark));
  }

  private static void row(
      TextTable table, Explanation.Module module, String what, Statistics s, String change) {
    boolean gates = what.equals("channels") || what.equals("positions");
    table.add(
        module.name(),
        what,
        Drawing.number(s.minimum()),
        Drawing.number(s.maximum()),
        Double.isNaN(s.entropy()) ? "" : String.format(Locale.ROOT, "%.3f", s.entropy()),
        gates ? TextTable.percent(s.under()) + " %" : "",
        gates ? TextTable.percent(s.over()) + " %" : "",
        change);
  }

  private int survey(LoadedRun loaded, Path folder) throws IOException {
    try (ConsoleProgress progress = ConsoleProgress.standard()) {
      Preprocessing trained = loaded.folder().preprocessing();
      if (loaded.network().attentions().isEmpty()) {
        throw new DataException(run + ": this network has no attention");
      }
      TrainingData<ImageDataset> data =
          Tasks.CLASSIFICATION.open(loaded.folder().data(source), progress);
      if (!trained.classes().equals(data.test().classes())) {
        throw new DataException(
            "the network was trained with other classes: "
                + trained.classes()
                + ", the images have "
                + data.test().classes());
      }
      int each = perClass == null ? 50 : perClass;
      ImageDataset images = data.test().limit(Math.multiplyExact(each, trained.classes().size()));
      progress.begin("looking", images.size());
      DatasetExplanation survey =
          DatasetExplanation.of(loaded.network(), images, trained.normalization(), progress);
      progress.end();
      ExplainedDataset explained = new ExplainedDataset(data.name(), loaded.facts(), survey);
      print(survey, images.size(), data.name());
      spec.commandLine().getOut().println(explained.save(folder));
      return 0;
    }
  }

  private void print(DatasetExplanation survey, int images, String name) {
    var console = spec.commandLine().getOut();
    console.println(images + " test images of " + name);
    TextTable table =
        new TextTable("module", "gates", "min", "max", "between classes", "map: min", "max");
    for (DatasetExplanation.Module module : survey.modules()) {
      Statistics gates = module.gates().isPresent() ? Statistics.of(module.meanGates()) : null;
      Statistics average = module.map().map(map -> map.plane().statistics()).orElse(null);
      table.add(
          module.name(),
          gates == null ? "" : Drawing.number(gates.mean()),
          gates == null ? "" : Drawing.number(gates.minimum()),
          gates == null ? "" : Drawing.number(gates.maximum()),
          gates == null ? "" : Drawing.number(module.betweenClasses()),
          average == null ? "" : Drawing.number(average.minimum()),
          average == null ? "" : Drawing.number(average.maximum()));
    }
    console.print(table);
  }
}
