package io.fovea.app.study;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.fovea.data.DataException;
import io.fovea.data.Dataset;
import io.fovea.data.Image;
import io.fovea.data.LabelledImage;
import io.fovea.data.MaskedImage;
import io.fovea.data.Progress;
import io.fovea.data.Sample;
import io.fovea.data.SquareCrop;
import io.fovea.data.TrainingData;
import io.fovea.data.UnreadableImageException;
import io.fovea.data.image.ImageHeader;
import io.fovea.data.image.Images;
import io.fovea.data.mask.Masks;
import io.fovea.data.source.DataSpec;
import io.fovea.explain.Png;
import io.fovea.explain.ReportExamples;
import io.fovea.explain.Strip;
import io.fovea.models.Network;
import io.fovea.models.NetworkSpec;
import io.fovea.training.Task;
import io.fovea.training.Training;
import io.fovea.training.run.Json;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/**
 * A task with its data.
 *
 * @param <N> the type of the networks
 * @param <D> the type of the data sets
 */
public record LoadedTask<N extends Network, D extends Dataset<?>>(
    TaskSetup<N, D> setup, TrainingData<D> data) {
  /** The task of the networks. */
  public Task<N, D> task() {
    return setup.task();
  }

  /** The spec of the network with a module, for this data. */
  public NetworkSpec<N> network(String module) {
    return setup
        .network()
        .withAttention(module)
        .withData(data.classes().size(), data.train().channels());
  }

  /**
   * The size of the input for which multiply-accumulates and latencies are measured: height and
   * width, for a clip with the frames first.
   */
  public int[] size() {
    return task().size(data);
  }

  /**
   * The number of runs that are trained in parallel, with one thread each, for a number of threads.
   */
  public int sideBySide(int threads) {
    return setup.network().hasShortSteps() ? threads : 1;
  }

  /**
   * Prepares a training whose network has the initial weights of a seed, or those from which all
   * runs start.
   *
   * @param on the data, or a part of it
   */
  public Training<N, D> training(String module, long seed, TrainingData<D> on) {
    Training<N, D> training =
        Training.of(task(), network(module), on, setup.training().withSeed(seed));
    Origin initial = setup.initial();
    return initial == null
        ? training
        : training.startFrom(initial.weights(Progress.NONE), initial.title(), true, line -> {});
  }

  /** The predictions and attention maps for a few test samples. */
  public List<ReportExamples.Example> examples(N network) {
    return ReportExamples.of(task(), network, data, setup.data());
  }

  /**
   * A test sample for a report: {@code image} (a data URI), {@code width}, {@code height} and the
   * truth.
   *
   * @param side how large a photograph is shown, in pixels, if the network sees it smaller
   */
  ObjectNode picture(int index, int side) {
    Sample sample = data.test().sample(index);
    Image image = shown(index, sample, side);
    ObjectNode picture = Json.MAPPER.createObjectNode();
    picture.put("image", Png.uri(Strip.of(image)));
    picture.put("width", image.width() * Math.max(1, image.frames()));
    picture.put("height", image.height());
    if (sample instanceof LabelledImage labelled) {
      picture.put("label", data.classes().get(labelled.label()));
    } else if (sample instanceof MaskedImage masked) {
      picture.put("label", data.test().id(index));
      picture.put("truth", Png.uri(Masks.image(masked.labels(), image.height(), image.width())));
    }
    return picture;
  }

  /**
   * What the network sees of a photograph, as sharp as a page can show it: it may see 32 pixels of
   * thousands. Other samples are shown as they are, and so are photographs that are no longer there.
   */
  private Image shown(int index, Sample sample, int side) {
    DataSpec source = setup.data();
    Path file = Path.of(source.source()).resolve(data.test().id(index));
    int seen = source.imageSize();
    boolean isPhotograph = sample instanceof LabelledImage && sample.image().frames() == 0;
    if (!isPhotograph || seen >= side || !Files.isRegularFile(file)) {
      return sample.image();
    }
    SquareCrop crop = new SquareCrop(seen, Math.max(seen, source.resize()));
    try {
      byte[] content = Files.readAllBytes(file);
      ImageHeader header = ImageHeader.of(content);
      int there = crop.in((int) header.width(), (int) header.height()).side();
      int sharp = Math.min(side, there);
      return sharp <= seen
          ? sample.image()
          : Images.decode(
              content,
              sample.image().channels(),
              new SquareCrop(sharp, Math.round((float) sharp * crop.resize() / seen)),
              Images.MAX_PIXELS);
    } catch (IOException | UnreadableImageException | DataException e) {
      return sample.image(); // changed since it was trained on
    }
  }
}
