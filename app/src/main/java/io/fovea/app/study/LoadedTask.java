package io.fovea.app.study;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.fovea.data.Dataset;
import io.fovea.data.Image;
import io.fovea.data.LabelledImage;
import io.fovea.data.MaskedImage;
import io.fovea.data.Sample;
import io.fovea.data.TrainingData;
import io.fovea.data.mask.Masks;
import io.fovea.explain.Png;
import io.fovea.explain.ReportExamples;
import io.fovea.explain.Strip;
import io.fovea.models.Network;
import io.fovea.models.NetworkSpec;
import io.fovea.training.EpochResult;
import io.fovea.training.Task;
import io.fovea.training.Trainer;
import io.fovea.training.TrainingListener;
import io.fovea.training.run.Json;
import java.util.List;

/**
 * A task with its data.
 *
 * @param <N> the networks
 * @param <D> the data sets
 */
public record LoadedTask<N extends Network, D extends Dataset<?>>(
    TaskSetup<N, D> setup, TrainingData<D> data) {
  /** What the networks do. */
  public Task<N, D> task() {
    return setup.task();
  }

  /** The network with a module in it, for these data. */
  public NetworkSpec<N> network(String module) {
    return setup
        .network()
        .withAttention(module)
        .withData(data.classes().size(), data.train().channels());
  }

  /** What multiply-accumulates and latencies are those of: height and width, of a clip frames first. */
  int[] size() {
    return task().size(data);
  }

  /** How many runs are trained side by side, a thread each, on so many threads. */
  int sideBySide(int threads) {
    return setup.network().hasShortSteps() ? threads : 1;
  }

  /** Makes a network with the weights of a seed, or with those that all start from. */
  N create(String module, long seed) {
    N network = network(module).create(seed);
    if (setup.initial() != null) {
      task().initialise(network, setup.initial());
    }
    return network;
  }

  /** Trains a network and tests it after each epoch. */
  List<EpochResult> train(N network, long seed, TrainingListener listener) {
    return Trainer.train(task(), network, data, setup.training().withSeed(seed), listener);
  }

  /** What a network makes of a few test samples. */
  List<ReportExamples.Example> examples(N network) {
    return ReportExamples.of(task(), network, data, setup.data());
  }

  /** A test sample for a report: {@code image} (a data URI), {@code width}, {@code height}, the truth. */
  ObjectNode picture(int index) {
    Sample sample = data.test().sample(index);
    Image image = sample.image();
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
}
