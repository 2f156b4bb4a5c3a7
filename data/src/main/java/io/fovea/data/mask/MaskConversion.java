package io.fovea.data.mask;

import io.fovea.data.DataException;
import io.fovea.data.Progress;
import io.fovea.data.SkippedImage;
import io.fovea.data.UnreadableImageException;
import io.fovea.data.folder.SplitPart;
import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import javax.imageio.ImageIO;

/**
 * Writes data sets for segmentation that are recognised, but not read as they stand, as images and masks,
 * which {@link SegmentationFolder} reads: COCO's panoptic and stuff annotations and its objects, and ADE20K.
 */
public final class MaskConversion {
  /** The largest number of classes that a mask with a byte for each pixel can name. */
  static final int MOST_CLASSES = 255;

  /** A data set in one of the forms. */
  interface Source {
    /** The name of the form. */
    String title();

    /** The names of the classes, in the order of the labels. */
    List<String> classes();

    /** The number of images, for the progress. */
    int size();

    /** Passes each image to a receiver, one after the other. */
    void each(Receiver receiver) throws IOException;
  }

  /** Receives the images of a data set. */
  interface Receiver {
    /**
     * Takes an image.
     *
     * @param part its part, or null if the data set has no parts
     * @param image the file of the image
     * @param mask gives its mask
     */
    void take(SplitPart part, Path image, MaskOf mask) throws IOException;
  }

  /** Computes the mask of an image. */
  interface MaskOf {
    /** The mask, whose values are the labels, 255 for pixels that are ignored. */
    Labels get() throws UnreadableImageException;
  }

  /**
   * The labels of the pixels of an image.
   *
   * @param values {@code [height * width]}, unsigned bytes
   */
  record Labels(byte[] values, int height, int width) {}

  /**
   * What was written.
   *
   * @param classes the names of the classes, in the order of the labels
   * @param images the number of images
   * @param skipped the images that could not be used, with the reasons
   */
  public record Result(List<String> classes, int images, List<SkippedImage> skipped) {}

  private final Path root;
  private final Source source;

  private MaskConversion(Path root, Source source) {
    this.root = root;
    this.source = source;
  }

  /**
   * Looks for a data set that can be converted.
   *
   * @param root the folder of the data set
   * @return empty if the folder is none of those that are not read as they stand
   * @throws DataException if it is one, but damaged
   */
  public static Optional<MaskConversion> of(Path root) {
    return AdeMasks.of(root)
        .or(() -> CocoMasks.of(root))
        .map(source -> new MaskConversion(root, source));
  }

  /** The name of the form, such as {@code COCO's panoptic annotations}. */
  public String title() {
    return source.title();
  }

  /**
   * Writes {@code images/}, {@code masks/} (in {@code train/} and {@code val/} if the data set has both
   * parts) and {@code classes.txt}. The images are hard links where the file system has them, otherwise
   * copies. The folder is complete or absent.
   *
   * @param out the folder to write, which must not exist
   * @param progress receives the progress in images
   * @throws DataException if the folder exists or cannot be written, or no image can be used
   */
  public Result convert(Path out, Progress progress) {
    if (Files.exists(out)) {
      throw new DataException(out + ": is there already; give a new folder");
    }
    Path made = out.resolveSibling("." + out.getFileName() + ".part");
    progress.begin("Converting " + root.getFileName(), source.size());
    try {
      delete(made);
      Files.createDirectories(made);
      Writer writer = new Writer(made, progress);
      source.each(writer);
      if (writer.written == 0) {
        throw new DataException(
            root
                + ": no image can be used"
                + (writer.skipped.isEmpty()
                    ? ""
                    : "; the first reason: "
                        + writer.skipped.get(0).file()
                        + ": "
                        + writer.skipped.get(0).reason()));
      }
      if (writer.parts.size() < 2) {
        flatten(made);
      }
      Files.write(made.resolve("classes.txt"), source.classes());
      Files.move(made, out);
      return new Result(source.classes(), writer.written, List.copyOf(writer.skipped));
    } catch (IOException e) {
      throw new DataException(out + ": cannot be written: " + e.getMessage(), e);
    } finally {
      progress.end();
      deleteQuietly(made);
    }
  }

  /** With one part alone, the seed splits the images. */
  private static void flatten(Path made) throws IOException {
    for (String kind : List.of("images", "masks")) {
      for (SplitPart part : SplitPart.values()) {
        Path folder = made.resolve(kind).resolve(part.toString());
        if (Files.isDirectory(folder)) {
          Path aside = made.resolve(kind + ".flat");
          Files.move(folder, aside);
          Files.delete(made.resolve(kind));
          Files.move(aside, made.resolve(kind));
          break;
        }
      }
    }
  }

  private static void delete(Path folder) throws IOException {
    if (!Files.exists(folder)) {
      return;
    }
    Files.walkFileTree(
        folder,
        new SimpleFileVisitor<>() {
          @Override
          public FileVisitResult visitFile(Path file, BasicFileAttributes attributes)
              throws IOException {
            Files.delete(file);
            return FileVisitResult.CONTINUE;
          }

          @Override
          public FileVisitResult postVisitDirectory(Path visited, IOException fault)
              throws IOException {
            Files.delete(visited);
            return FileVisitResult.CONTINUE;
          }
        });
  }

  private static void deleteQuietly(Path folder) {
    try {
      delete(folder);
    } catch (IOException e) {
      // what is left begins with a dot, and the next conversion removes it
    }
  }

  /** Writes the files of each image. */
  private static final class Writer implements Receiver {
    private final Path folder;
    private final Progress progress;
    private final List<SkippedImage> skipped = new ArrayList<>();
    private final Set<SplitPart> parts = EnumSet.noneOf(SplitPart.class);
    private int written;

    Writer(Path folder, Progress progress) {
      this.folder = folder;
      this.progress = progress;
    }

    @Override
    public void take(SplitPart part, Path image, MaskOf mask) throws IOException {
      progress.step(1);
      String name = image.getFileName().toString();
      if (!Files.isRegularFile(image)) {
        skipped.add(new SkippedImage(name, "no such file: " + image));
        return;
      }
      Labels labels;
      try {
        labels = mask.get();
      } catch (UnreadableImageException e) {
        skipped.add(new SkippedImage(name, e.getMessage()));
        return;
      }
      Path target = place("images", part).resolve(name);
      try {
        Files.createLink(target, image.toAbsolutePath());
      } catch (FileAlreadyExistsException e) {
        skipped.add(new SkippedImage(name, "another image has the same name"));
        return;
      } catch (IOException | UnsupportedOperationException e) {
        Files.copy(image, target); // another file system
      }
      Path png = place("masks", part).resolve(name.replaceFirst("\\.[^.]*$", "") + ".png");
      ImageIO.write(
          Masks.image(labels.values(), labels.height(), labels.width()), "png", png.toFile());
      if (part != null) {
        parts.add(part);
      }
      written++;
    }

    private Path place(String kind, SplitPart part) throws IOException {
      Path place = folder.resolve(kind);
      return Files.createDirectories(part == null ? place : place.resolve(part.toString()));
    }
  }
}
