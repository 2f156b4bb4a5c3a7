package io.fovea.app.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.fovea.app.study.Report;
import io.fovea.app.study.Results;
import io.fovea.app.study.TaskSetup;
import io.fovea.attention.AttentionSpec;
import io.fovea.data.ImageData;
import io.fovea.data.ImageDataset;
import io.fovea.data.Progress;
import io.fovea.data.source.DataSpec;
import io.fovea.explain.ReportExamples;
import io.fovea.explain.Strip;
import io.fovea.models.Classifier;
import io.fovea.models.ModelSpec;
import io.fovea.models.placement.PlacedAttention;
import io.fovea.training.EpochMetrics;
import io.fovea.training.Task;
import io.fovea.training.Trainer;
import io.fovea.training.TrainingListener;
import io.fovea.training.TrainingSpec;
import io.fovea.training.run.Json;
import io.fovea.training.run.RunFolder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;

/** To name the class of an image, or of a video. */
final class ClassificationSetup implements TaskSetup<Classifier> {
  /** The pairwise functions of the non-local paper, table 2a. */
  private static final List<String> PAIRWISE =
      List.of(
          "nonlocal:mode=gaussian",
          "nonlocal",
          "nonlocal:mode=dot_product",
          "nonlocal:mode=concatenation");

  private final NetworkOptions network;
  private final PlacementOptions placement;
  private final DataSpec data;
  private final TrainingSpec training;
  private final Task task;

  /** Videos: takes what was asked for, {@code network} with its defaults set. */
  static ClassificationSetup ofVideos(
      DataOptions data,
      NetworkOptions network,
      PlacementOptions placement,
      TrainingOptions training) {
    return new ClassificationSetup(
        network,
        placement,
        data.videos(network.backbone().imageSize()),
        training.videos(0),
        Task.VIDEO);
  }

  private ClassificationSetup(
      NetworkOptions network,
      PlacementOptions placement,
      DataSpec data,
      TrainingSpec training,
      Task task) {
    this.network = network;
    this.placement = placement;
    this.data = data;
    this.training = training;
    this.task = task;
  }

  /**
   * Images: takes what was asked for.
   *
   * @param network with its defaults set
   * @param epochs where none are given
   */
  ClassificationSetup(
      DataOptions data,
      NetworkOptions network,
      PlacementOptions placement,
      TrainingOptions training,
      int epochs) {
    this(
        network,
        placement,
        data.spec(network.backbone().imageSize()),
        training.spec(0, epochs),
        Task.CLASSIFICATION);
  }

  @Override
  public Task task() {
    return task;
  }

  @Override
  public String backbone() {
    return network.backbone().backbone();
  }

  @Override
  public double width() {
    return network.width();
  }

  @Override
  public Object data() {
    return data;
  }

  @Override
  public Object training() {
    return training;
  }

  @Override
  public List<String> modules() {
    List<String> all = new ArrayList<>(List.of(PlacedAttention.NONE));
    if (task == Task.VIDEO) {
      all.addAll(PAIRWISE);
      return all;
    }
    network.backbone().ownAttention().ifPresent(own -> all.add(own.toString()));
    all.addAll(AttentionSpec.mechanisms());
    return all;
  }

  @Override
  public String module(String given) {
    return placement.apply(given);
  }

  @Override
  public String attentionOrDefault(String given) {
    return placement.apply(
        given == null && task == Task.VIDEO ? "nonlocal" : given, network.backbone());
  }

  @Override
  public void check(String module) {
    network.check(module);
  }

  @Override
  public TaskSetup.LoadedTask<Classifier> open(Progress progress) {
    return new LoadedTask(data.open(progress));
  }

  private final class LoadedTask implements TaskSetup.LoadedTask<Classifier> {
    private static final int LATENCY_BATCH = 64;
    private static final int LATENCY_CLIPS = 8; // as many frames

    /** The side of the images that the small backbones, which have no dropout, are made for. */
    private static final int SMALL_IMAGE = 32;

    private final ImageData images;

    LoadedTask(ImageData images) {
      this.images = images;
    }

    @Override
    public Task task() {
      return task;
    }

    @Override
    public Results.Data data() {
      return Results.Data.of(images);
    }

    @Override
    public int epochs() {
      return training.epochs();
    }

    @Override
    public int batchSize() {
      return training.batchSize();
    }

    @Override
    public int[] size() {
      return IntStream.of(images.train().frames(), images.train().height(), images.train().width())
          .filter(side -> side > 0)
          .toArray();
    }

    @Override
    public int latencyBatch() {
      return task == Task.VIDEO ? LATENCY_CLIPS : LATENCY_BATCH;
    }

    @Override
    public boolean sideBySide() {
      return network.backbone().imageSize() <= SMALL_IMAGE;
    }

    private ModelSpec model(String module) {
      return network.model(images, module);
    }

    @Override
    public Classifier create(String module) {
      return model(module).create();
    }

    @Override
    public List<EpochMetrics> train(Classifier network, long seed, TrainingListener listener) {
      return Trainer.train(network, images, training.withSeed(seed), listener);
    }

    @Override
    public void trainInto(
        Path folder, String module, Classifier network, long seed, TrainingListener listener) {
      RunFolder.train(
          folder, network, model(module), data, images, training.withSeed(seed), listener);
    }

    @Override
    public List<ReportExamples.Example> examples(Classifier network) {
      return ReportExamples.of(network, images);
    }

    @Override
    public ObjectNode picture(int index) {
      ImageDataset test = images.test();
      ObjectNode picture = Json.MAPPER.createObjectNode();
      picture.put(
          "image",
          Report.png(
              Strip.of(
                  test.pixels(index),
                  test.channels(),
                  Math.max(1, test.frames()),
                  test.height(),
                  test.width())));
      picture.put("label", test.classes().get(test.label(index)));
      picture.put("width", test.width() * Math.max(1, test.frames()));
      picture.put("height", test.height());
      return picture;
    }
  }
}
