package io.fovea.app.cli;

import io.fovea.data.DataException;
import io.fovea.data.Image;
import io.fovea.data.ImageDataset;
import io.fovea.data.MaskedImage;
import io.fovea.data.SegmentationDataset;
import io.fovea.data.TrainingData;
import io.fovea.data.bundled.FashionMnist;
import io.fovea.data.bundled.MovingGarments;
import io.fovea.data.bundled.Scenes;
import io.fovea.data.mask.Masks;
import io.fovea.errors.FoveaException;
import io.fovea.explain.Png;
import io.fovea.explain.Strip;
import io.fovea.tensor.internal.NewFolders;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import javax.imageio.ImageIO;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code fovea sample}: writes files to try the other commands with. */
@Command(
    name = "sample",
    description = {
      "Write small images, a scene and a video to try the other commands with. They are made from"
          + " the bundled sample of Fashion-MNIST (MIT licence).",
      "",
      "  boot.png, shirt.jpg   for fovea predict, explain and serve",
      "  street.png            a scene, for a segmentation network, and its mask",
      "  clip                  a video as a folder of frames, for a video network",
      "  garments              400 images in ten class folders, in train and val",
      "  scenes                40 scenes with masks: images, masks, classes.txt",
      "  videos                40 videos in two class folders, in train and val"
    },
    footer = {
      "",
      "Examples:",
      "  fovea sample",
      "  fovea predict samples/boot.png samples/shirt.jpg",
      "  fovea train --data samples/garments --backbone resnet8 --epochs 2",
      "  fovea train --task segmentation --data samples/scenes --epochs 2",
      "  fovea train --task video --data samples/videos --epochs 2"
    })
public final class SampleCommand implements Callable<Integer> {
  private static final int BOOT = 9;
  private static final int SHIRT = 6;
  private static final int TRAIN = 30; // images of each class
  private static final int VAL = 10;
  private static final int SCENES = 40;
  private static final int TRAIN_VIDEOS = 15;
  private static final int VAL_VIDEOS = 5;
  private static final long SEED = 7; // other scenes than those of --data scenes

  @Spec private CommandSpec spec;

  @Parameters(
      paramLabel = "DIR",
      arity = "0..1",
      defaultValue = "samples",
      description = "The folder to write; it must not exist yet. Default: ${DEFAULT-VALUE}.")
  private Path folder;

  @Override
  public Integer call() {
    Path target = folder.toAbsolutePath().normalize();
    if (Files.exists(target)) {
      throw new FoveaException(folder + " exists; choose another folder, or delete it");
    }
    Path unfinished = target.resolveSibling(target.getFileName() + ".part");
    try (NewFolders parents = NewFolders.of(target.getParent())) {
      delete(unfinished); // of a command that was interrupted
      try {
        write(unfinished);
        Files.move(unfinished, target);
        parents.keep();
      } finally {
        delete(unfinished);
      }
    } catch (IOException e) {
      throw new DataException(folder + ": cannot be written: " + e.getMessage(), e);
    }
    spec.commandLine()
        .getOut()
        .println(
            folder + ": boot.png, shirt.jpg, street.png, clip; data sets garments, scenes, videos");
    return 0;
  }

  private static void write(Path folder) throws IOException {
    TrainingData<ImageDataset> garments = FashionMnist.sample();
    ImageDataset test = garments.test();
    save(image(test, indices(test, BOOT, 1)[0]), folder.resolve("boot.png"));
    ImageIO.write(
        Strip.of(image(test, indices(test, SHIRT, 1)[0])),
        "jpg",
        folder.resolve("shirt.jpg").toFile());
    classes(garments.train(), TRAIN, folder.resolve("garments/train"));
    classes(test, VAL, folder.resolve("garments/val"));

    TrainingData<SegmentationDataset> scenes = Scenes.data(SCENES, 1, SEED);
    for (int i = 0; i < SCENES; i++) {
      String name = String.format(Locale.ROOT, "%02d.png", i);
      scene(
          scenes.train().sample(i),
          folder.resolve("scenes/images").resolve(name),
          folder.resolve("scenes/masks").resolve(name));
    }
    Files.write(folder.resolve("scenes/classes.txt"), scenes.train().classes());
    scene(
        scenes.test().sample(0), folder.resolve("street.png"), folder.resolve("street-labels.png"));

    TrainingData<ImageDataset> videos = MovingGarments.of(MovingGarments.Relation.RETURN);
    videos(videos.train(), TRAIN_VIDEOS, folder.resolve("videos/train"));
    videos(videos.test(), VAL_VIDEOS, folder.resolve("videos/val"));
    frames(videos.test(), videos.test().size() - 1, folder.resolve("clip"));
  }

  /** The first images of each class, in folders. */
  private static void classes(ImageDataset data, int each, Path folder) throws IOException {
    for (int label = 0; label < data.classes().size(); label++) {
      Path of = folder.resolve(data.classes().get(label).replace('/', '-'));
      for (int index : indices(data, label, each)) {
        save(image(data, index), of.resolve(index + ".png"));
      }
    }
  }

  private static void videos(ImageDataset data, int each, Path folder) throws IOException {
    List<String> names = data.classes();
    for (int label = 0; label < names.size(); label++) {
      for (int index : indices(data, label, each)) {
        frames(data, index, folder.resolve(names.get(label)).resolve("" + index));
      }
    }
  }

  private static void frames(ImageDataset data, int index, Path folder) throws IOException {
    byte[] pixels = data.pixels(index); // [1, T, H, W]
    int side = MovingGarments.SIDE;
    int area = side * side;
    for (int t = 0; t < MovingGarments.FRAMES; t++) {
      byte[] frame = Arrays.copyOfRange(pixels, t * area, (t + 1) * area);
      save(
          new Image(1, side, side, frame),
          folder.resolve(String.format(Locale.ROOT, "%02d.png", t)));
    }
  }

  private static void scene(MaskedImage scene, Path image, Path mask) throws IOException {
    save(scene.image(), image);
    Png.write(mask, Masks.image(scene.labels(), scene.image().height(), scene.image().width()));
  }

  private static void save(Image image, Path file) throws IOException {
    Png.write(file, Strip.of(image));
  }

  private static int[] indices(ImageDataset data, int label, int most) {
    return IntStream.range(0, data.size())
        .filter(index -> data.label(index) == label)
        .limit(most)
        .toArray();
  }

  private static Image image(ImageDataset data, int index) {
    return new Image(data.channels(), data.height(), data.width(), data.pixels(index));
  }

  private static void delete(Path folder) throws IOException {
    if (Files.exists(folder)) {
      try (Stream<Path> files = Files.walk(folder)) {
        for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
          Files.delete(file);
        }
      }
    }
  }
}
