package io.fovea.app.serve;

import io.fovea.data.DataException;
import io.fovea.data.Dataset;
import io.fovea.data.Image;
import io.fovea.data.ImageDataset;
import io.fovea.data.Progress;
import io.fovea.data.TrainingData;
import io.fovea.data.folder.FolderLayout;
import io.fovea.data.image.Images;
import io.fovea.data.source.DataSpec;
import io.fovea.data.video.VideoSource;
import io.fovea.explain.Png;
import io.fovea.explain.Strip;
import io.fovea.training.Tasks;
import io.fovea.training.run.Run;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;

/** Sample images for the explorer: one of each class from the data of a run, if the data exists. */
public final class DemoImages {
  private static final int MOST = 12;
  private static final long MOST_BYTES = 8 << 20;
  private static final int PREVIEW = 160;

  private DemoImages() {}

  /**
   * An image file in memory.
   *
   * @param video the video of which this is a frame, or null
   */
  record Sample(String name, String type, byte[] content, Path video) {
    Sample(String name, String type, byte[] content) {
      this(name, type, content, null);
    }
  }

  /** Returns the samples of a run; empty if its images cannot be found. */
  public static List<Sample> of(Run<?, ?> folder) {
    DataSpec spec = folder.config().data().spec();
    try {
      if (spec == null) {
        return List.of();
      }
      if (folder.task().namesPixels()) {
        return ofScenes(folder, spec);
      }
      if (!folder.task().predictsImages()) {
        return spec.fromFolder()
            ? ofVideos(Path.of(spec.source()), folder.preprocessing().classes())
            : ofClips(folder.task().open(spec, Progress.NONE).test());
      }
      return spec.fromFolder()
          ? ofFolder(Path.of(spec.source()), folder.preprocessing().classes())
          : ofData(DataSpec.of(DataSpec.SAMPLE).images(Progress.NONE));
    } catch (DataException
        | IOException e) { // samples are a convenience; users can choose their own images
      return List.of();
    }
  }

  /** The first test images of a network that names pixels. */
  private static <D extends Dataset<?>> List<Sample> ofScenes(Run<?, D> folder, DataSpec spec)
      throws IOException {
    D test = folder.task().open(spec, Progress.NONE).test();
    List<Sample> samples = new ArrayList<>();
    for (int index : folder.task().examples(test)) {
      Image image = test.sample(index).image();
      samples.add(new Sample("scene " + (index + 1), "image/png", Png.bytes(Strip.of(image))));
    }
    return samples;
  }

  /** The first video of each class folder; from the test videos, if they have a folder of their own. */
  private static List<Sample> ofVideos(Path root, List<String> classes) throws IOException {
    FolderLayout layout = FolderLayout.of(root);
    Path videos = layout.isSplit() ? layout.testing() : root;
    List<Sample> samples = new ArrayList<>();
    for (String name : classes.subList(0, Math.min(MOST, classes.size()))) {
      try (Stream<Path> files = Files.list(videos.resolve(name))) {
        files
            .sorted()
            .limit(5)
            .flatMap(file -> video(name, file).stream())
            .findFirst()
            .ifPresent(samples::add);
      }
    }
    return samples;
  }

  /** One bundled clip of each class, as folders of frames that end with the process. */
  private static List<Sample> ofClips(Dataset<?> clips) throws IOException {
    List<Sample> samples = new ArrayList<>();
    Set<String> shown = new LinkedHashSet<>();
    for (int index = 0; index < clips.size() && shown.size() < clips.classes().size(); index++) {
      Image clip = clips.sample(index).image();
      String name =
          clips instanceof ImageDataset images ? clips.classes().get(images.label(index)) : "clip";
      if (!shown.add(name)) {
        continue;
      }
      Path folder = Files.createTempDirectory("fovea-sample-");
      folder.toFile().deleteOnExit();
      for (int t = 0; t < clip.frames(); t++) {
        Path file = folder.resolve(String.format(Locale.ROOT, "%03d.png", t));
        Png.write(file, Strip.of(frame(clip, t)));
        file.toFile().deleteOnExit();
      }
      video(name, folder).ifPresent(samples::add);
    }
    return samples;
  }

  private static Image frame(Image clip, int t) {
    int area = clip.height() * clip.width();
    byte[] pixels = new byte[clip.channels() * area];
    for (int channel = 0; channel < clip.channels(); channel++) {
      System.arraycopy(
          clip.pixels(), (channel * clip.frames() + t) * area, pixels, channel * area, area);
    }
    return new Image(clip.channels(), clip.height(), clip.width(), pixels);
  }

  /** A video with a frame from its first half, because in the middle the bundled clips are empty. */
  private static Optional<Sample> video(String name, Path file) {
    try {
      if (Files.isRegularFile(file) && Files.size(file) > MOST_BYTES) {
        return Optional.empty();
      }
      VideoSource source = VideoSource.open(file);
      int side = Math.min(PREVIEW, Math.min(source.width(), source.height()));
      Image one = source.clip(new int[] {source.length() / 4}, 3, side, 0.5);
      byte[] picture = Png.bytes(Strip.of(frame(one, 0)));
      return Optional.of(new Sample(name, "image/png", picture, file));
    } catch (DataException | IOException e) {
      return Optional.empty();
    }
  }

  private static List<Sample> ofData(TrainingData<ImageDataset> data) throws IOException {
    ImageDataset test = data.test();
    List<Sample> samples = new ArrayList<>();
    for (int index : Tasks.CLASSIFICATION.examples(test)) {
      samples.add(
          new Sample(
              test.classes().get(test.label(index)),
              "image/png",
              Png.bytes(Strip.of(test.sample(index).image()))));
    }
    return samples;
  }

  /**
   * The first file of each class folder; from the test images, if they have a folder of their own.
   */
  private static List<Sample> ofFolder(Path root, List<String> classes) throws IOException {
    FolderLayout layout = FolderLayout.of(root);
    Path images = layout.isSplit() ? layout.testing() : root;
    List<Sample> samples = new ArrayList<>();
    for (String name : classes.subList(0, Math.min(MOST, classes.size()))) {
      try (Stream<Path> files = Files.walk(images.resolve(name))) {
        files
            .filter(Files::isRegularFile)
            .sorted()
            .limit(20)
            .flatMap(file -> read(name, file).stream())
            .findFirst()
            .ifPresent(samples::add);
      }
    }
    return samples;
  }

  private static Optional<Sample> read(String name, Path file) {
    try {
      if (Files.size(file) > MOST_BYTES) {
        return Optional.empty();
      }
      byte[] content = Files.readAllBytes(file);
      return Images.isKnown(content)
          ? Optional.of(new Sample(name, "application/octet-stream", content))
          : Optional.empty();
    } catch (IOException e) {
      return Optional.empty();
    }
  }
}
