package io.fovea.app.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.fovea.app.console.BuildInfo;
import io.fovea.app.console.ConsoleProgress;
import io.fovea.app.console.ExitStatus;
import io.fovea.app.console.TextTable;
import io.fovea.app.serve.LoadedRun;
import io.fovea.data.DataException;
import io.fovea.data.Image;
import io.fovea.data.ImageDataset;
import io.fovea.data.TrainingData;
import io.fovea.data.image.Images;
import io.fovea.data.source.Preprocessing;
import io.fovea.errors.FoveaException;
import io.fovea.explain.DatasetExplanation;
import io.fovea.explain.ExplainPage;
import io.fovea.explain.Explanation;
import io.fovea.explain.ExplanationJson;
import io.fovea.explain.GradCam;
import io.fovea.explain.Pictures;
import io.fovea.explain.Statistics;
import io.fovea.models.Classifier;
import io.fovea.training.Capability;
import io.fovea.training.Task;
import io.fovea.training.Tasks;
import io.fovea.training.run.Json;
import io.fovea.training.run.Run;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.stream.IntStream;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code fovea explain}: what a network's attention looks at. */
@Command(
    name = "explain",
    description = {
      "Show what a network's attention looks at, in images, over a data set, or in videos.",
      "",
      "Writes PNGs and explain.html, one file that needs no network: the gates of the channels, the maps"
          + " over the image, what positions draw from, and Grad-CAM of a class beside them, each with"
          + " numbers that say how much there is to see. Of videos: what positions draw from, across the"
          + " frames."
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
  private static final int PREVIEW = 512;
  private static final int GRID_VALUES = 700_000;
  private static final int DRAWN_CLASSES = 5;

  @Spec private CommandSpec spec;
  @Mixin private RunOptions runOptions;
  @Mixin private ThreadOptions threads;

  @Parameters(
      paramLabel = "RUN",
      index = "0",
      description = "The folder that fovea train or fovea import wrote.")
  private Path run;

  @Parameters(
      paramLabel = "IMAGE",
      index = "1..*",
      arity = "0..*",
      description =
          "JPEG, PNG, BMP or WebP files of any size; for a network for video, files of video (MP4, MKV,"
              + " WebM, MOV, AVI, ...) or folders of frames.")
  private List<Path> images = List.of();

  @ForTask("classification")
  @Option(
      names = "--data",
      paramLabel = "DATA",
      description =
          "Look at a data set instead of images: fashion-mnist-sample, fashion-mnist or a folder of"
              + " class folders. Its test images are taken.")
  private String source;

  @ForTask("classification")
  @Option(
      names = "--per-class",
      paramLabel = "N",
      description = "With --data: how many images of each class. Default: 50, as in the SE paper.")
  private Integer perClass;

  @ForTask("classification")
  @Option(
      names = "--target",
      paramLabel = "CLASS",
      description =
          "The class that Grad-CAM looks for, by name or number. Default: the one that scores highest.")
  private String target;

  @Option(
      names = "--layer",
      paramLabel = "NAME",
      description =
          "An attention module to show alone, or a block or stage for Grad-CAM. Default: every module,"
              + " and Grad-CAM of every stage.")
  private String layer;

  @Option(
      names = "--point",
      paramLabel = "X,Y",
      description =
          "A pixel of the image, or of the video's frame: what does it draw from? May be repeated."
              + " Default: the positions that draw least like the average.")
  private List<String> points = List.of();

  @ForTask("video")
  @Option(
      names = "--frame",
      paramLabel = "N",
      description =
          "Of videos: the frame that --point is in, counted from 0; the clip is taken around it."
              + " Default: the video's middle.")
  private Integer frame;

  @Option(
      names = "--out",
      paramLabel = "DIR",
      description = "Where to write. Default: explain/ in the run's folder.")
  private Path out;

  @Override
  public Integer call() throws IOException {
    threads.apply();
    check();
    Task<?, ?> task = Run.task(run);
    TaskOptions.requireOptionsOf(task, spec);
    task.require(Capability.EXPLANATION);
    if (task == Tasks.VIDEO) {
      return explainVideos();
    }
    try (ConsoleProgress progress = ConsoleProgress.standard()) {
      LoadedRun loaded = LoadedRun.of(Run.open(run), runOptions.weights());
      Path folder = out != null ? out : run.resolve("explain");
      int status = source == null ? explain(loaded, folder, progress) : survey(loaded, folder);
      spec.commandLine().getOut().flush();
      return status;
    }
  }

  private int explainVideos() throws IOException {
    try (ConsoleProgress progress = ConsoleProgress.standard()) {
      Run<Classifier, ImageDataset> trained = Run.open(run, Tasks.VIDEO);
      VideoExplanations videos =
          new VideoExplanations(
              trained,
              trained.load(runOptions.weights()),
              layer,
              frame,
              points.stream().map(ExplainCommand::point).toList(),
              out != null ? out : run.resolve("explain"));
      ObjectNode data = page(run.toAbsolutePath().normalize().getFileName().toString(), trained);
      ArrayNode list = data.putArray("videos");
      int status = 0;
      Set<String> names = new HashSet<>();
      progress.begin("explaining", images.size());
      for (Path path : images) {
        try {
          list.add(videos.explain(path, folderName(path, names), spec.commandLine().getOut()));
        } catch (DataException e) { // the other videos are still wanted
          spec.commandLine().getOut().flush();
          spec.commandLine().getErr().println("fovea: " + e.getMessage());
          status = ExitStatus.MISTAKE;
        }
        progress.step(1);
      }
      progress.end();
      if (!list.isEmpty()) {
        Path html = videos.folder().resolve("explain.html");
        ExplainPage.write(html, data);
        spec.commandLine().getOut().println(html);
      }
      spec.commandLine().getOut().flush();
      return status;
    }
  }

  private void check() {
    if (source == null && images.isEmpty()) {
      throw new FoveaException("expected images or videos, or a data set with --data");
    }
    if (source != null) {
      if (!images.isEmpty()) {
        throw new FoveaException("--data is in place of images; give one of the two");
      }
      if (target != null || layer != null || !points.isEmpty()) {
        throw new FoveaException("--target, --layer and --point are for images, not for --data");
      }
    } else if (perClass != null) {
      throw new FoveaException("--per-class is for --data");
    }
    if (perClass != null && perClass < 1) {
      throw new FoveaException("--per-class must be at least 1, got " + perClass);
    }
  }

  private int explain(LoadedRun loaded, Path folder, ConsoleProgress progress) throws IOException {
    if (target != null) {
      loaded.label(target); // a mistake before any work
    }
    List<double[]> pixels = points.stream().map(ExplainCommand::point).toList();
    ObjectNode data = page(loaded.name(), loaded.folder());
    ArrayNode list = data.putArray("images");
    int status = 0;
    Set<String> names = new HashSet<>();
    progress.begin("explaining", images.size());
    for (Path file : images) {
      try {
        list.add(explain(loaded, file, pixels, folder, folderName(file, names)));
      } catch (DataException e) { // the other images are still wanted
        spec.commandLine().getOut().flush();
        spec.commandLine().getErr().println("fovea: " + e.getMessage());
        status = ExitStatus.MISTAKE;
      }
      progress.step(1);
    }
    progress.end();
    if (!list.isEmpty()) {
      Path html = folder.resolve("explain.html");
      ExplainPage.write(html, data);
      spec.commandLine().getOut().println(html);
    }
    return status;
  }

  private static ObjectNode page(String name, Run<?, ?> folder) {
    ObjectNode data = Json.MAPPER.createObjectNode();
    data.put("version", BuildInfo.version());
    data.set("run", ExplanationJson.run(name, folder));
    return data;
  }

  /** The folder of an image's pictures; a second image of the same name gets a number. */
  private static String folderName(Path file, Set<String> taken) {
    String name = file.getFileName().toString();
    String unique = name;
    for (int i = 2; !taken.add(unique); i++) {
      unique = name + "-" + i;
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

  private ObjectNode explain(
      LoadedRun loaded, Path file, List<double[]> pixels, Path folder, String name)
      throws IOException {
    int size = loaded.folder().preprocessing().size();
    Images.Viewed viewed = Images.view(file, loaded.network().channels(), size);
    Image picture = viewed.whole();
    for (double[] pixel : pixels) {
      requireInside(file, picture, pixel);
    }
    Explanation explanation =
        loaded.explain(
            viewed.square(),
            target,
            layer,
            LoadedRun.Stages.ALL,
            builder -> {
              builder.grid(GRID_VALUES);
              for (double[] pixel : pixels) {
                builder.point(
                    (pixel[0] - picture.left() + 0.5) / picture.side(),
                    (pixel[1] - picture.top() + 0.5) / picture.side());
              }
            });
    List<Explanation.Module> modules = shown(explanation);
    if (!pixels.isEmpty() && modules.stream().allMatch(module -> module.affinity().isEmpty())) {
      throw new FoveaException(
          "--point: no position draws from others in "
              + (layer == null ? loaded.name() : layer)
              + "; pam, dual and nonlocal have that");
    }
    print(file, explanation, modules, loaded);
    pictures(folder.resolve(name), picture, explanation, modules, loaded);

    ObjectNode json = ExplanationJson.of(explanation.with(modules), loaded.classes());
    ObjectNode image = json.putObject("image");
    image.put("name", file.getFileName().toString());
    image.put("width", picture.width());
    image.put("height", picture.height());
    image.put(
        "source",
        "data:image/png;base64,"
            + Base64.getEncoder().encodeToString(Pictures.preview(picture, PREVIEW)));
    return json;
  }

  private List<Explanation.Module> shown(Explanation explanation) {
    boolean one = explanation.modules().stream().anyMatch(module -> module.name().equals(layer));
    return explanation.modules().stream()
        .filter(module -> !one || module.name().equals(layer))
        .toList();
  }

  private static void requireInside(Path file, Image picture, double[] pixel) {
    double x = pixel[0] - picture.left();
    double y = pixel[1] - picture.top();
    if (x < 0 || y < 0 || x >= picture.side() || y >= picture.side()) {
      throw new FoveaException(
          String.format(
              Locale.ROOT,
              "--point %.0f,%.0f is not in what the network sees of %s: columns %d to %d, rows %d to %d",
              pixel[0],
              pixel[1],
              file,
              picture.left(),
              picture.left() + picture.side() - 1,
              picture.top(),
              picture.top() + picture.side() - 1));
    }
  }

  private void print(
      Path file, Explanation explanation, List<Explanation.Module> modules, LoadedRun loaded) {
    var console = spec.commandLine().getOut();
    int best = explanation.predicted();
    console.printf(
        Locale.ROOT,
        "%s: %s, %.1f %%%n",
        file,
        loaded.classes().get(best),
        100 * explanation.probabilities()[best]);
    TextTable table =
        new TextTable("module", "what", "least", "most", "entropy", "< 0.1", "> 0.9", "change");
    table.left("what");
    List<String> verdicts = new ArrayList<>();
    for (Explanation.Module module : modules) {
      String change = TextTable.percent(module.change()) + " %";
      module
          .channel()
          .ifPresent(gates -> row(table, module, "channels", gates.statistics(), change));
      module.spatial().ifPresent(map -> row(table, module, "positions", map.statistics(), change));
      module
          .affinity()
          .ifPresent(
              affinity -> row(table, module, "received", affinity.received().statistics(), change));
      module
          .channelAffinity()
          .ifPresent(matrix -> row(table, module, "channel matrix", matrix.statistics(), change));
      ExplanationJson.verdicts(module)
          .forEach(verdict -> verdicts.add("  " + module.name() + ": " + verdict));
    }
    if (modules.isEmpty()) {
      console.println("  no attention in this network; Grad-CAM alone");
    } else {
      table.toString().lines().forEach(line -> console.println("  " + line));
    }
    verdicts.forEach(console::println);
  }

  private static void row(
      TextTable table, Explanation.Module module, String what, Statistics s, String change) {
    boolean gates = what.equals("channels") || what.equals("positions");
    table.add(
        module.name(),
        what,
        Pictures.number(s.minimum()),
        Pictures.number(s.maximum()),
        Double.isNaN(s.entropy()) ? "" : String.format(Locale.ROOT, "%.3f", s.entropy()),
        gates ? TextTable.percent(s.under()) + " %" : "",
        gates ? TextTable.percent(s.over()) + " %" : "",
        change);
  }

  private void pictures(
      Path folder,
      Image picture,
      Explanation explanation,
      List<Explanation.Module> modules,
      LoadedRun loaded)
      throws IOException {
    for (Explanation.Module module : modules) {
      String name = module.name();
      String idle = module.doesNothing() ? "\ndoes nothing here\n" : "\n";
      if (module.channel().isPresent()) {
        write(
            folder.resolve(name + ".channels.png"),
            Pictures.gates(
                module.channel().get(),
                name
                    + ": channel gates"
                    + idle
                    + Pictures.numbers(module.channel().get().statistics(), true)));
      }
      if (module.spatial().isPresent()) {
        Explanation.Plane map = module.spatial().get();
        write(
            folder.resolve(name + ".positions.png"),
            Pictures.overlay(
                picture,
                map.height(),
                map.width(),
                map.values(),
                null,
                name + ": gates" + idle + Pictures.numbers(map.statistics(), true)));
      }
      if (module.affinity().isPresent()) {
        affinity(folder, picture, name, idle, module.affinity().get());
      }
      if (module.channelAffinity().isPresent()) {
        Explanation.ChannelMatrix matrix = module.channelAffinity().get();
        write(
            folder.resolve(name + ".channel-matrix.png"),
            Pictures.matrix(
                matrix.channels(),
                matrix.channels(),
                matrix.values(),
                name
                    + ": what each channel (row) draws from"
                    + idle
                    + Pictures.numbers(matrix.statistics(), false)));
      }
    }
    for (GradCam cam : explanation.gradCams()) {
      String of = cam.layer() + ", " + loaded.classes().get(cam.label()) + "\n";
      write(
          folder.resolve("grad-cam." + cam.layer() + ".png"),
          Pictures.overlay(
              picture,
              cam.height(),
              cam.width(),
              cam.gradCam(),
              null,
              "Grad-CAM: " + of + Pictures.numbers(Statistics.of(cam.gradCam()), false)));
      write(
          folder.resolve("grad-cam++." + cam.layer() + ".png"),
          Pictures.overlay(
              picture,
              cam.height(),
              cam.width(),
              cam.plusPlus(),
              null,
              "Grad-CAM++: " + of + Pictures.numbers(Statistics.of(cam.plusPlus()), false)));
    }
  }

  private static void affinity(
      Path folder, Image picture, String name, String idle, Explanation.Affinity affinity)
      throws IOException {
    Explanation.Plane received = affinity.received();
    write(
        folder.resolve(name + ".received.png"),
        Pictures.overlay(
            picture,
            received.height(),
            received.width(),
            received.values(),
            null,
            name + ": received" + idle + Pictures.numbers(received.statistics(), false)));
    for (Explanation.Row row : affinity.rows()) {
      double[] centre = {
        picture.left() + (row.x() + 0.5) / affinity.width() * picture.side(),
        picture.top() + (row.y() + 0.5) / affinity.height() * picture.side()
      };
      write(
          folder.resolve(name + ".from-" + row.x() + "-" + row.y() + ".png"),
          Pictures.overlay(
              picture,
              row.from().height(),
              row.from().width(),
              row.from().values(),
              centre,
              name
                  + ": drawn by "
                  + row.x()
                  + ", "
                  + row.y()
                  + idle
                  + Pictures.numbers(row.from().statistics(), false)));
    }
  }

  private int survey(LoadedRun loaded, Path folder) throws IOException {
    try (ConsoleProgress progress = ConsoleProgress.standard()) {
      Preprocessing trained = loaded.folder().preprocessing();
      if (loaded.network().attentions().isEmpty()) {
        throw new DataException(run + ": this network has no attention to look at");
      }
      TrainingData<ImageDataset> data =
          Tasks.CLASSIFICATION.open(loaded.folder().data(source), progress);
      if (!trained.classes().equals(data.test().classes())) {
        throw new DataException(
            "the network was trained on other classes: "
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
      ObjectNode page = page(loaded.name(), loaded.folder());
      ObjectNode json = ExplanationJson.of(survey, trained.classes());
      json.put("data", data.name());
      page.set("survey", json);
      print(survey, images.size(), data.name());
      pictures(folder.resolve("data"), survey, trained.classes());
      Path html = folder.resolve("explain-data.html");
      ExplainPage.write(html, page);
      spec.commandLine().getOut().println(html);
      return 0;
    }
  }

  private void print(DatasetExplanation survey, int images, String name) {
    var console = spec.commandLine().getOut();
    console.println(images + " test images of " + name);
    TextTable table =
        new TextTable("module", "gates", "least", "most", "between classes", "map: least", "most");
    for (DatasetExplanation.Module module : survey.modules()) {
      Statistics gates = module.gates().isPresent() ? Statistics.of(module.meanGates()) : null;
      Statistics map = module.map().map(DatasetExplanation.AverageMap::statistics).orElse(null);
      table.add(
          module.name(),
          gates == null ? "" : Pictures.number(gates.mean()),
          gates == null ? "" : Pictures.number(gates.minimum()),
          gates == null ? "" : Pictures.number(gates.maximum()),
          gates == null ? "" : Pictures.number(module.betweenClasses()),
          map == null ? "" : Pictures.number(map.minimum()),
          map == null ? "" : Pictures.number(map.maximum()));
    }
    console.print(table);
  }

  private static void pictures(Path folder, DatasetExplanation survey, List<String> classes)
      throws IOException {
    for (DatasetExplanation.Module module : survey.modules()) {
      if (module.gates().isPresent()) {
        float[][] all = module.gates().get();
        float[] mean = module.meanGates();
        List<Integer> apart = furthest(all, mean);
        write(
            folder.resolve(module.name() + ".classes.png"),
            Pictures.lines(
                apart.stream().map(label -> all[label]).toList(),
                apart.stream().map(classes::get).toList(),
                mean,
                module.name() + ": mean gate of each channel by class"));
      }
      if (module.map().isPresent()) {
        DatasetExplanation.AverageMap map = module.map().get();
        write(
            folder.resolve(module.name() + ".average.png"),
            Pictures.matrix(
                map.height(),
                map.width(),
                map.values(),
                module.name() + (map.received() ? ": received, on average" : ": gates, average")));
      }
    }
  }

  /** The classes whose gates are furthest from the mean: at most five can be told apart in a picture. */
  private static List<Integer> furthest(float[][] all, float[] mean) {
    return IntStream.range(0, all.length)
        .filter(label -> all[label].length > 0)
        .boxed()
        .sorted(Comparator.comparing((Integer label) -> -distance(all[label], mean)))
        .limit(DRAWN_CLASSES)
        .toList();
  }

  private static double distance(float[] a, float[] b) {
    double sum = 0;
    for (int i = 0; i < a.length; i++) {
      sum += Math.abs(a[i] - b[i]);
    }
    return sum;
  }

  /** A file that appears whole or not at all. */
  static void write(Path file, byte[] content) throws IOException {
    Files.createDirectories(file.getParent());
    Path partial = file.resolveSibling("." + file.getFileName() + ".part");
    try {
      Files.write(partial, content);
      Files.move(
          partial, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    } finally {
      Files.deleteIfExists(partial);
    }
  }
}
