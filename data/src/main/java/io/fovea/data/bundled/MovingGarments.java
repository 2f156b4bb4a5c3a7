package io.fovea.data.bundled;

import io.fovea.data.ArrayDataset;
import io.fovea.data.DatasetView;
import io.fovea.data.ImageDataset;
import io.fovea.data.Normalization;
import io.fovea.data.Seeds;
import io.fovea.data.TrainingData;
import io.fovea.data.video.Sampling;
import io.fovea.errors.SpecException;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.function.IntFunction;
import java.util.stream.IntStream;

/**
 * Synthetic clips of the bundled sample of Fashion-MNIST. A garment moves over a background and
 * leaves; two frames show only the background; then another garment moves through. Each garment is
 * a trouser or a bag. The garments, their paths and the background are chosen at random for each
 * clip.
 *
 * <p>A single frame at a given place of the clip has the same distribution in all classes, so
 * neither it nor any sum over single frames tells the class. Test clips are made of test garments.
 */
public final class MovingGarments {
  /** The meaning of a clip's class. */
  public enum Relation {
    /**
     * Whether the second garment is of the kind of the first: {@code same} or {@code other}. This
     * needs both ends of the clip, but not their order.
     */
    RETURN("garments-return", "same", "other"),
    /**
     * Whether the trouser or the bag comes first. This needs the order, to which non-local blocks
     * alone are blind.
     */
    ORDER("garments-order", "trouser-first", "bag-first");

    private final String source;
    private final String first;
    private final String second;

    Relation(String source, String first, String second) {
      this.source = source;
      this.first = first;
      this.second = second;
    }

    private List<String> classes() {
      return List.of(first, second);
    }

    /** The name for {@code --data}. */
    public String source() {
      return source;
    }
  }

  /** The number of frames of a clip. */
  public static final int FRAMES = 8;

  /** Height and width of a frame. */
  public static final int SIDE = 24;

  private static final int TRAIN = 1_000;
  private static final int TEST = 400;
  private static final int SHOWN = 3; // number of frames with a garment at each end
  private static final int GARMENT = 10; // side of a garment in pixels
  private static final int GARMENT_PIXELS = 28;
  private static final int FASTEST = 4; // pixels per frame
  private static final int BRIGHTEST_BACKGROUND = 100;
  private static final int[] KINDS = {1, 8}; // trouser, bag
  private static final long SEED = 1711_07971;

  private MovingGarments() {}

  /**
   * Generates the clips, which are the same in every call.
   *
   * @return 1,000 training and 400 test clips {@code [1, 8, 24, 24]}
   */
  public static TrainingData<ImageDataset> of(Relation relation) {
    return of(relation, Sampling.DEFAULT);
  }

  /**
   * Generates the same clips, of which a network sees some frames only.
   *
   * @param sampling the sampling: training takes T frames from a random time of a clip, testing
   *     takes the frames that it defines
   * @return clips {@code [1, T, 24, 24]}
   * @throws IllegalArgumentException if there is more than one crop, because frames are square
   */
  public static TrainingData<ImageDataset> of(Relation relation, Sampling sampling) {
    if (sampling.crops() > 1) {
      throw new SpecException(
          "frames of " + relation.source + " are square, so only one crop is possible");
    }
    TrainingData<ImageDataset> garments = FashionMnist.sample();
    ImageDataset train = part(relation, garments.train(), "train", TRAIN, SEED);
    ImageDataset test = part(relation, garments.test(), "test", TEST, SEED + 1);
    String description =
        String.format(
            "%s (bundled): %,d training and %d test clips of %d frames, %d x %d, greyscale,"
                + " %d classes",
            relation.source, TRAIN, TEST, FRAMES, SIDE, SIDE, relation.classes().size());
    Normalization normalization = Normalization.of(train);
    if (!sampling.equals(Sampling.DEFAULT)) {
      description +=
          String.format(
              ", sampled as %d frames with stride %d, %d times in tests",
              sampling.frames(), sampling.stride(), sampling.clips());
      train = new Part(train, sampling, 1);
      test = new Part(test, sampling, sampling.clips());
    }
    return new TrainingData<>(relation.source, description, train, test, normalization, List.of());
  }

  /** Some frames of each clip. */
  private static final class Part extends DatasetView {
    private final Sampling sampling;
    private final int views;

    Part(ImageDataset whole, Sampling sampling, int views) {
      super(whole);
      this.sampling = sampling;
      this.views = views;
    }

    @Override
    public int views() {
      return views;
    }

    @Override
    public int frames() {
      return sampling.frames();
    }

    @Override
    public byte[] pixels(int index) {
      return view(index, views / 2);
    }

    @Override
    public byte[] view(int index, int view) {
      return frames(index, sampling.start(view, FRAMES));
    }

    @Override
    public byte[] pixels(int index, Random random) {
      return frames(index, random.nextInt(Math.max(0, FRAMES - sampling.span()) + 1));
    }

    private byte[] frames(int index, int start) {
      byte[] clip = source.pixels(index);
      int[] indices = sampling.indices(start, FRAMES);
      byte[] frames = new byte[indices.length * SIDE * SIDE];
      for (int t = 0; t < indices.length; t++) {
        System.arraycopy(clip, indices[t] * SIDE * SIDE, frames, t * SIDE * SIDE, SIDE * SIDE);
      }
      return frames;
    }
  }

  private static ImageDataset part(
      Relation relation, ImageDataset garments, String id, int count, long seed) {
    List<List<byte[]>> kinds = new ArrayList<>();
    for (int kind : KINDS) {
      kinds.add(
          IntStream.range(0, garments.size())
              .filter(i -> garments.label(i) == kind)
              .mapToObj(i -> small(garments.pixels(i)))
              .toList());
    }
    byte[][] clips = new byte[count][];
    int[] labels = new int[count];
    for (int i = 0; i < count; i++) {
      Random random = new Random(Seeds.mix(seed, i));
      labels[i] = i % 2;
      int first = relation == Relation.RETURN ? i / 2 % 2 : labels[i];
      int second = relation == Relation.RETURN ? first ^ labels[i] : 1 - first;
      clips[i] = clip(pick(kinds.get(first), random), pick(kinds.get(second), random), random);
    }
    IntFunction<byte[]> pixels = i -> clips[i].clone();
    return new ArrayDataset(
        relation.classes(), 1, FRAMES, SIDE, SIDE, labels, i -> id + "/" + i, pixels);
  }

  private static byte[] pick(List<byte[]> garments, Random random) {
    return garments.get(random.nextInt(garments.size()));
  }

  /**
   * Scales a garment of 28 x 28 pixels to 10 x 10; each pixel is the mean of those that it covers.
   */
  private static byte[] small(byte[] garment) {
    byte[] small = new byte[GARMENT * GARMENT];
    for (int i = 0; i < small.length; i++) {
      int top = i / GARMENT * GARMENT_PIXELS / GARMENT;
      int left = i % GARMENT * GARMENT_PIXELS / GARMENT;
      int bottom = ((i / GARMENT + 1) * GARMENT_PIXELS + GARMENT - 1) / GARMENT;
      int right = ((i % GARMENT + 1) * GARMENT_PIXELS + GARMENT - 1) / GARMENT;
      int sum = 0;
      for (int y = top; y < bottom; y++) {
        for (int x = left; x < right; x++) {
          sum += Byte.toUnsignedInt(garment[y * GARMENT_PIXELS + x]);
        }
      }
      small[i] = (byte) (sum / ((bottom - top) * (right - left)));
    }
    return small;
  }

  private static byte[] clip(byte[] first, byte[] second, Random random) {
    int area = SIDE * SIDE;
    byte[] background = background(random);
    byte[] clip = new byte[FRAMES * area];
    for (int t = 0; t < FRAMES; t++) {
      System.arraycopy(background, 0, clip, t * area, area);
    }
    move(first, 0, clip, random);
    move(second, FRAMES - SHOWN, clip, random);
    return clip;
  }

  /** Noise in which each pixel is the mean of the 25 pixels around it. */
  private static byte[] background(Random random) {
    int wide = SIDE + 4;
    int[] noise = random.ints((long) wide * wide, 0, BRIGHTEST_BACKGROUND).toArray();
    byte[] background = new byte[SIDE * SIDE];
    for (int y = 0; y < SIDE; y++) {
      for (int x = 0; x < SIDE; x++) {
        int sum = 0;
        for (int i = 0; i < 25; i++) {
          sum += noise[(y + i / 5) * wide + x + i % 5];
        }
        background[y * SIDE + x] = (byte) (sum / 25);
      }
    }
    return background;
  }

  /**
   * Moves a garment along a straight line inside the frame; each pixel is the brighter one of
   * garment and background.
   */
  private static void move(byte[] garment, int from, byte[] clip, Random random) {
    int room = SIDE - GARMENT;
    int startX = random.nextInt(room + 1);
    int startY = random.nextInt(room + 1);
    int speedX = speed(startX, room, random);
    int speedY = speed(startY, room, random);
    for (int t = 0; t < SHOWN; t++) {
      for (int i = 0; i < garment.length; i++) {
        int y = startY + t * speedY + i / GARMENT;
        int x = startX + t * speedX + i % GARMENT;
        int at = ((from + t) * SIDE + y) * SIDE + x;
        clip[at] = (byte) Math.max(Byte.toUnsignedInt(clip[at]), Byte.toUnsignedInt(garment[i]));
      }
    }
  }

  private static int speed(int start, int room, Random random) {
    int slowest = Math.max(-FASTEST, -(start / (SHOWN - 1)));
    int fastest = Math.min(FASTEST, (room - start) / (SHOWN - 1));
    return slowest + random.nextInt(fastest - slowest + 1);
  }
}
