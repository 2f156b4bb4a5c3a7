package io.fovea.data.video;

import static java.util.Comparator.comparing;
import static java.util.Comparator.comparingLong;

import io.fovea.data.DataException;
import io.fovea.data.EvaluationData;
import io.fovea.data.ImageDataset;
import io.fovea.data.PixelSums;
import io.fovea.data.Progress;
import io.fovea.data.Seeds;
import io.fovea.data.SkippedImage;
import io.fovea.data.TrainingData;
import io.fovea.data.UnreadableImageException;
import io.fovea.data.folder.ClassMatch;
import io.fovea.data.folder.FileKinds;
import io.fovea.data.folder.FolderLayout;
import io.fovea.data.image.Images;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A folder of class folders of videos: {@code root/opening/1.avi} (a file) or {@code
 * root/opening/2/0001.jpg} (a folder of frames). If the root has the folders of a split, such as
 * {@code train} and {@code val}, they contain the class folders; {@link FolderLayout} recognises
 * them. Otherwise every class is split by the seed. Names that begin with a dot are ignored.
 */
public final class VideoFolder {
  private static final Logger LOGGER = LoggerFactory.getLogger(VideoFolder.class);
  private static final double TEST_FRACTION = 0.2;
  private static final int LEAST_CLASSES = 2;

  private final Path root;
  private final Options options;
  private final Progress progress;
  private final List<SkippedImage> skipped = new ArrayList<>();

  private VideoFolder(Path root, Options options, Progress progress) {
    this.root = root;
    this.options = options;
    this.progress = progress;
  }

  /**
   * The options for reading a folder.
   *
   * @param size the height and width to which a square of every frame is scaled
   * @param channels 3 for red, green and blue, 1 for greyscale
   * @param sampling the sampling of clips
   * @param seed the seed for the split of a folder without {@code train/} and {@code val/}
   * @param strict whether a damaged video is an error
   */
  public record Options(int size, int channels, Sampling sampling, long seed, boolean strict) {
    /**
     * Checks the numbers.
     *
     * @throws IllegalArgumentException if the size is less than 1, or the number of channels is
     *     neither 1 nor 3
     */
    public Options {
      Images.requireShape(channels, size);
    }
  }

  private record Candidate(Path path, String id, int label) {}

  private record Part(Path folder, List<String> classes, List<Candidate> candidates) {}

  private record Video(VideoSource source, Path path, String id, int label) {}

  /**
   * Opens a folder. Every video is decoded once, to find damaged ones, to determine the lengths and
   * to measure the training videos. Clips are decoded at every access.
   *
   * @param progress receives the progress in videos
   * @return the clips {@code [C, T, size, size]} and the list of skipped videos
   * @throws DataException if the folder does not exist, has fewer than two class folders, a class
   *     without readable videos, a split whose parts have different classes, or, if strict, a
   *     damaged video; the message names the file and the fault
   */
  public static TrainingData<ImageDataset> open(Path root, Options options, Progress progress) {
    return new VideoFolder(root, options, progress).open();
  }

  private TrainingData<ImageDataset> open() {
    FolderLayout layout = FolderLayout.of(root);
    if (layout.isSplit()) {
      Part train = part(layout.train(), LEAST_CLASSES);
      Part test = part(layout.testing(), LEAST_CLASSES);
      if (!train.classes().equals(test.classes())) {
        throw new DataException(
            train.folder()
                + " and "
                + test.folder()
                + " have different classes: "
                + without(train.classes(), test.classes())
                + " only in the first, "
                + without(test.classes(), train.classes())
                + " only in the second");
      }
      return data(train.classes(), readable(train), readable(test), layout.splitText());
    }
    Part whole = part(root, LEAST_CLASSES);
    List<Video> videos = readable(whole);
    Set<Video> test = chooseTest(whole, videos);
    return data(
        whole.classes(),
        videos.stream().filter(video -> !test.contains(video)).toList(),
        videos.stream().filter(test::contains).toList(),
        "split by seed " + options.seed());
  }

  /**
   * Opens a folder to evaluate a network that was trained on other videos: all videos of a folder
   * of class folders, or the {@code val} (or {@code test}) part of a split folder.
   *
   * @param classes the classes of the network, in the order of its scores; the folder may lack some
   *     of them, and videos of classes that the network does not know are left out
   * @param progress receives the progress in videos
   * @throws DataException if the folder has none of the classes, or, if strict, a damaged video
   */
  public static EvaluationData<ImageDataset> openAll(
      Path root, Options options, List<String> classes, Progress progress) {
    return new VideoFolder(root, options, progress).openAll(classes);
  }

  private EvaluationData<ImageDataset> openAll(List<String> classes) {
    FolderLayout layout = FolderLayout.of(root);
    Part part = part(layout.isSplit() ? layout.testing() : root, 1);
    ClassMatch match = ClassMatch.of(part.folder(), part.classes(), classes);
    Map<String, Integer> unknown = new LinkedHashMap<>();
    List<Candidate> known = new ArrayList<>();
    for (Candidate candidate : part.candidates()) {
      int label = match.label(candidate.label());
      if (label < 0) {
        unknown.merge(part.classes().get(candidate.label()), 1, Integer::sum);
      } else {
        known.add(new Candidate(candidate.path(), candidate.id(), label));
      }
    }
    List<Video> videos = decoded(new Part(part.folder(), classes, known));
    if (videos.isEmpty()) {
      throw new DataException(part.folder() + ": none of its videos can be read");
    }
    return new EvaluationData<>(
        root.toAbsolutePath().normalize().getFileName().toString(),
        layout.isSplit() ? FolderLayout.name(layout.testing()) : EvaluationData.ALL,
        new Clips(classes, videos, options, options.sampling().views()),
        unknown,
        skipped);
  }

  private static List<String> without(List<String> names, List<String> others) {
    return names.stream().filter(name -> !others.contains(name)).toList();
  }

  private Part part(Path folder, int least) {
    List<Path> classFolders = FolderLayout.subfolders(folder);
    if (classFolders.size() < least) {
      throw new DataException(
          folder
              + (least == 1
                  ? ": expected a class folder with videos; found "
                  : ": expected at least two class folders with videos; found ")
              + (classFolders.isEmpty() ? "none" : "only " + classFolders.get(0).getFileName()));
    }
    List<Candidate> candidates = new ArrayList<>();
    for (int label = 0; label < classFolders.size(); label++) {
      int before = candidates.size();
      for (Path entry : list(classFolders.get(label))) {
        // A folder without frames is a mistake of the user, so it is opened and reported as empty.
        if (Files.isDirectory(entry) || FileKinds.isVideo(entry)) {
          String id = root.relativize(entry).toString().replace('\\', '/');
          candidates.add(new Candidate(entry, id, label));
        }
      }
      if (candidates.size() == before) {
        throw new DataException(
            classFolders.get(label)
                + ": no videos in this class folder; expected video files, or a folder of frames for"
                + " each video");
      }
    }
    List<String> classes = classFolders.stream().map(FolderLayout::name).toList();
    return new Part(folder, classes, candidates);
  }

  private static List<Path> list(Path folder) {
    try (Stream<Path> entries = Files.list(folder)) {
      return entries
          .filter(entry -> !entry.getFileName().toString().startsWith("."))
          .sorted(comparing(entry -> entry.getFileName().toString()))
          .toList();
    } catch (IOException e) {
      throw new DataException(folder + ": cannot be listed: " + e.getMessage(), e);
    }
  }

  private List<Video> readable(Part part) {
    List<Video> videos = decoded(part);
    for (int label = 0; label < part.classes().size(); label++) {
      int wanted = label;
      if (videos.stream().noneMatch(video -> video.label() == wanted)) {
        throw new DataException(
            part.folder().resolve(part.classes().get(label))
                + ": no video in this class folder can be read");
      }
    }
    return videos;
  }

  private List<Video> decoded(Part part) {
    progress.begin("reading " + part.folder().getFileName(), part.candidates().size());
    List<Video> videos = new ArrayList<>();
    for (Candidate candidate : part.candidates()) {
      try {
        VideoSource source = VideoSource.scan(candidate.path());
        videos.add(new Video(source, candidate.path(), candidate.id(), candidate.label()));
      } catch (UnreadableImageException e) {
        if (options.strict()) {
          throw new DataException(candidate.path() + ": " + e.getMessage(), e);
        }
        LOGGER.warn("{}: skipped: {}", candidate.path(), e.getMessage());
        skipped.add(new SkippedImage(candidate.id(), e.getMessage()));
      }
      progress.step(1);
    }
    progress.end();
    return videos;
  }

  /**
   * The test videos of each class are the first ones in the order of a hash of seed and name, as
   * for images.
   */
  private Set<Video> chooseTest(Part whole, List<Video> videos) {
    Set<Video> test = new HashSet<>();
    for (int i = 0; i < whole.classes().size(); i++) {
      int label = i;
      List<Video> members = videos.stream().filter(video -> video.label() == label).toList();
      if (members.size() < 2) {
        throw new DataException(
            whole.folder().resolve(whole.classes().get(label))
                + ": only one readable video; training and testing need at least one each");
      }
      long count = Math.round(TEST_FRACTION * members.size());
      members.stream()
          .sorted(comparingLong(video -> Seeds.mix(options.seed(), video.id().hashCode())))
          .limit(Math.max(1, Math.min(members.size() - 1, count)))
          .forEach(test::add);
    }
    return test;
  }

  private TrainingData<ImageDataset> data(
      List<String> classes, List<Video> train, List<Video> test, String split) {
    Sampling sampling = options.sampling();
    PixelSums sums = new PixelSums(options.channels());
    ImageDataset training = new Clips(classes, train, options, 1);
    IntStream.range(0, train.size()).forEach(i -> sums.add(training.pixels(i)));
    String name = root.toAbsolutePath().normalize().getFileName().toString();
    String description =
        String.format(
            "%s: %d training and %d test videos (%s), clips of %d frames with stride %d, %d x %d, %s,"
                + " %d classes: %s",
            name,
            train.size(),
            test.size(),
            split,
            sampling.frames(),
            sampling.stride(),
            options.size(),
            options.size(),
            options.channels() == 1 ? "grey" : "RGB",
            classes.size(),
            FolderLayout.some(classes));
    return new TrainingData<>(
        name,
        description,
        training,
        new Clips(classes, test, options, sampling.views()),
        sums.normalization(),
        skipped);
  }

  /** Clips of videos: random ones in training, evenly spaced ones in evaluation. */
  private record Clips(List<String> classes, List<Video> videos, Options options, int views)
      implements ImageDataset {
    @Override
    public int size() {
      return videos.size();
    }

    @Override
    public int channels() {
      return options.channels();
    }

    @Override
    public int frames() {
      return options.sampling().frames();
    }

    @Override
    public int height() {
      return options.size();
    }

    @Override
    public int width() {
      return options.size();
    }

    @Override
    public int label(int index) {
      return videos.get(index).label();
    }

    @Override
    public String id(int index) {
      return videos.get(index).id();
    }

    @Override
    public List<Path> files(int index) {
      Path path = videos.get(index).path();
      return Files.isDirectory(path) ? list(path) : List.of(path);
    }

    @Override
    public byte[] pixels(int index) {
      return view(index, views / 2);
    }

    @Override
    public byte[] view(int index, int view) {
      Sampling sampling = options.sampling();
      int clip = views == 1 ? 0 : view / sampling.crops();
      int crop = views == 1 ? 0 : view % sampling.crops();
      VideoSource source = videos.get(index).source();
      int start =
          views == 1
              ? Math.max(0, source.length() - sampling.span()) / 2
              : sampling.start(clip, source.length());
      return read(source, start, views == 1 ? 0.5 : sampling.position(crop));
    }

    @Override
    public byte[] pixels(int index, Random random) {
      VideoSource source = videos.get(index).source();
      int last = Math.max(0, source.length() - options.sampling().span());
      return read(source, random.nextInt(last + 1), random.nextDouble());
    }

    private byte[] read(VideoSource source, int start, double position) {
      int[] indices = options.sampling().indices(start, source.length());
      return source.clip(indices, options.channels(), options.size(), position).pixels();
    }
  }
}
