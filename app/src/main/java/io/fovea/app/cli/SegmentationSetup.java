package io.fovea.app.cli;

import com.fasterxml.jackson.annotation.JsonUnwrapped;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.fovea.app.study.Report;
import io.fovea.app.study.Results;
import io.fovea.app.study.TaskSetup;
import io.fovea.attention.AttentionSpec;
import io.fovea.data.Progress;
import io.fovea.data.bundled.Scenes;
import io.fovea.data.mask.LabelledImage;
import io.fovea.data.mask.Masks;
import io.fovea.data.mask.SegmentationData;
import io.fovea.data.source.SegmentationSource;
import io.fovea.explain.Overlay;
import io.fovea.explain.ReportExamples;
import io.fovea.models.Segmenter;
import io.fovea.models.SegmenterSpec;
import io.fovea.models.placement.PlacedAttention;
import io.fovea.training.SegmentationMetrics;
import io.fovea.training.SegmentationSpec;
import io.fovea.training.SegmentationTrainer;
import io.fovea.training.Task;
import io.fovea.training.TrainingListener;
import io.fovea.training.evaluate.SegmentationEvaluation;
import io.fovea.training.evaluate.TestTimeAugmentation;
import io.fovea.training.run.Json;
import io.fovea.training.run.SegmentationRun;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;

/** To name the class of each pixel of an image. */
final class SegmentationSetup implements TaskSetup<Segmenter> {
  /** The backbone whose steps are too short to be divided between threads. */
  private static final String SMALL = "small";

  private static final List<String> HEADS =
      List.of(PlacedAttention.NONE, "pam", "cam", "dual", "nonlocal");

  private final String backbone;
  private final SegmentationOptions options;
  private final SegmentationSource data;
  private final SegmentationSpec training;

  /**
   * Takes what was asked for.
   *
   * @param network with its defaults set
   * @param epochs where none are given
   */
  SegmentationSetup(
      DataOptions data,
      NetworkOptions network,
      TrainingOptions training,
      SegmentationOptions options,
      int epochs) {
    this.backbone = network.name();
    this.options = options;
    this.data = data.segmentation(options.classes());
    this.training = options.spec(training, epochs, this.data.isFolder() ? null : Scenes.SIDE);
  }

  /** As {@code study.json} and {@code results.json} have it. */
  private record Settings(
      @JsonUnwrapped SegmentationSpec training, @JsonUnwrapped SegmentationOptions.More more) {}

  @Override
  public Task task() {
    return Task.SEGMENTATION;
  }

  @Override
  public String backbone() {
    return backbone;
  }

  @Override
  public double width() {
    return 1;
  }

  @Override
  public Object data() {
    return data;
  }

  @Override
  public Object training() {
    return new Settings(training, options.more());
  }

  @Override
  public List<String> modules() {
    return HEADS;
  }

  @Override
  public String module(String given) {
    return head(given);
  }

  /** What stands in the head, written as every other of its kind. */
  static String head(String given) {
    if (given.strip().equals(PlacedAttention.NONE)) {
      return PlacedAttention.NONE;
    }
    if (given.contains("@") || given.contains(";")) {
      throw new IllegalArgumentException(
          "the head of a segmentation network has one attention in one place, got \""
              + given
              + "\"");
    }
    return AttentionSpec.parse(given).toString();
  }

  @Override
  public String attentionOrDefault(String given) {
    return given == null ? "dual" : module(given);
  }

  @Override
  public void check(String module) {
    try (Segmenter network = options.model(backbone, 2, module).create()) {
      options.initialize(network);
    }
  }

  @Override
  public TaskSetup.LoadedTask<Segmenter> open(Progress progress) {
    return new LoadedTask(data.open(progress));
  }

  private final class LoadedTask implements TaskSetup.LoadedTask<Segmenter> {
    private static final int LATENCY_BATCH = 8;
    private static final int EXAMPLES = 8;

    private final SegmentationData images;
    private final SegmentationSpec spec;

    LoadedTask(SegmentationData images) {
      this.images = images;
      spec =
          options.isBalanced()
              ? training.withClassWeights(SegmentationSpec.balanced(images.train()))
              : training;
      int weights = spec.classWeights() == null ? 0 : spec.classWeights().size();
      int classes = images.train().classes().size();
      if (weights > 0 && weights != classes) {
        throw new IllegalArgumentException(
            "--class-weights has " + weights + " weights for " + classes + " classes");
      }
    }

    @Override
    public Task task() {
      return Task.SEGMENTATION;
    }

    @Override
    public Results.Data data() {
      int[] size = images.size();
      return new Results.Data(
          images.name(),
          images.description(),
          images.train().classes(),
          images.train().size(),
          images.test().size(),
          new int[] {images.train().channels(), size[0], size[1]},
          images.skipped());
    }

    @Override
    public int epochs() {
      return spec.epochs();
    }

    @Override
    public int batchSize() {
      return spec.batchSize();
    }

    @Override
    public int[] size() {
      return images.size();
    }

    @Override
    public int latencyBatch() {
      return LATENCY_BATCH;
    }

    private SegmenterSpec model(String module) {
      return options.model(backbone, images.train().classes().size(), module);
    }

    @Override
    public boolean sideBySide() {
      return backbone.equals(SMALL);
    }

    @Override
    public Segmenter create(String module) {
      Segmenter network = model(module).create();
      options.initialize(network);
      return network;
    }

    @Override
    public List<SegmentationMetrics> train(
        Segmenter network, long seed, TrainingListener listener) {
      return SegmentationTrainer.train(network, images, spec.withSeed(seed), listener);
    }

    @Override
    public void trainInto(
        Path folder, String module, Segmenter network, long seed, TrainingListener listener) {
      SegmentationRun.train(
          folder, network, model(module), data, images, spec.withSeed(seed), listener);
    }

    @Override
    public List<ReportExamples.Example> examples(Segmenter network) {
      network.eval();
      return IntStream.range(0, Math.min(EXAMPLES, images.test().size()))
          .mapToObj(index -> example(network, index))
          .toList();
    }

    private ReportExamples.Example example(Segmenter network, int index) {
      LabelledImage image = images.test().read(index);
      List<ReportExamples.AttentionMap> maps = new ArrayList<>();
      byte[] predicted =
          ReportExamples.observing(
              network,
              maps,
              () ->
                  SegmentationEvaluation.predict(
                      network, image, images.normalization(), TestTimeAugmentation.WHOLE));
      String mask = Report.png(Masks.image(predicted, image.height(), image.width()));
      return new ReportExamples.Example(index, null, null, mask, maps);
    }

    @Override
    public ObjectNode picture(int index) {
      LabelledImage image = images.test().read(index);
      ObjectNode picture = Json.MAPPER.createObjectNode();
      int channels = images.test().channels();
      picture.put(
          "image",
          Report.png(Overlay.image(image.pixels(), channels, image.height(), image.width())));
      picture.put("truth", Report.png(Masks.image(image.labels(), image.height(), image.width())));
      picture.put("label", images.test().ids().get(index));
      picture.put("width", image.width());
      picture.put("height", image.height());
      return picture;
    }
  }
}
