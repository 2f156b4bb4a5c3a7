package io.fovea.data.bundled;

import io.fovea.data.Image;
import io.fovea.data.ImageDataset;
import io.fovea.data.MaskedImage;
import io.fovea.data.PixelSums;
import io.fovea.data.Seeds;
import io.fovea.data.SegmentationDataset;
import io.fovea.data.TrainingData;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;

/**
 * Small synthetic scenes for trying out segmentation, generated from the real photographs of
 * clothes in the bundled sample of {@link FashionMnist}: 96 x 96 pixels with three to five pieces
 * of clothing and a red or a blue shoe, which overlap on a random texture. Each pixel is labelled.
 * They are not a benchmark.
 *
 * <p>Context decides the labels: all clothes in a scene with a red shoe have one class, and all
 * clothes in a scene with a blue shoe have another. Nothing about a garment itself tells its class;
 * a network has to find the shoe.
 *
 * <p>The same seed gives the same scenes, bit for bit. Test scenes are made of test images.
 */
public final class Scenes {
  /** The side of a scene in pixels. */
  public static final int SIDE = 96;

  private static final List<String> CLASSES =
      List.of("background", "shoe", "clothes by a red shoe", "clothes by a blue shoe");

  private static final int TRAIN = 1600;
  private static final int TEST = 200;
  private static final long SEED = 1;

  /** Pixels of Fashion-MNIST below this value are background. */
  private static final int VISIBLE = 24;

  /** Classes of Fashion-MNIST: T-shirt, trousers, pullover, dress, coat, shirt. */
  private static final int[] CLOTHES = {0, 1, 2, 3, 4, 6};

  /** Sandals, sneakers and ankle boots. */
  private static final int[] SHOES = {5, 7, 9};

  /** The shares of red, green and blue in a colour. */
  private static final int[][] CLOTHES_COLOURS = {{0, 1, 0}, {1, 1, 0}, {1, 1, 1}};

  private static final int[] RED = {1, 0, 0};
  private static final int[] BLUE = {0, 0, 1};

  private static final double SHOE_SCALE = 0.9;
  private static final double CLOTHES_SCALE = 1.1;

  private final ImageDataset garments;
  private final int[][] byClass;

  private Scenes(ImageDataset garments) {
    this.garments = garments;
    byClass = new int[garments.classes().size()][];
    Arrays.setAll(
        byClass,
        label ->
            IntStream.range(0, garments.size()).filter(i -> garments.label(i) == label).toArray());
  }

  /** The scenes of {@code --data scenes}: 1,600 for training and 200 for testing. */
  public static TrainingData<SegmentationDataset> data() {
    return data(TRAIN, TEST, SEED);
  }

  /**
   * Generates scenes.
   *
   * @param train the number of training scenes, at least 1
   * @param test the number of test scenes, at least 1
   * @param seed the seed, on which alone the scenes depend
   */
  public static TrainingData<SegmentationDataset> data(int train, int test, long seed) {
    TrainingData<ImageDataset> sample = FashionMnist.sample();
    SegmentationDataset training = new Scenes(sample.train()).make("train", train, seed);
    SegmentationDataset testing = new Scenes(sample.test()).make("test", test, ~seed);
    PixelSums sums = new PixelSums(3);
    IntStream.range(0, train).forEach(i -> sums.add(training.sample(i).image().pixels()));
    return new TrainingData<>(
        "scenes",
        String.format(
            "scenes made of Fashion-MNIST (bundled): %d training and %d test images, %d x %d, RGB, %d"
                + " classes",
            train, test, SIDE, SIDE, CLASSES.size()),
        training,
        testing,
        sums.normalization(),
        List.of());
  }

  private SegmentationDataset make(String part, int count, long seed) {
    MaskedImage[] scenes = new MaskedImage[count];
    Arrays.setAll(scenes, i -> scene(new Random(Seeds.mix(seed, i))));
    List<String> ids = IntStream.range(0, count).mapToObj(i -> part + "/" + i).toList();
    return new SegmentationDataset(CLASSES, 3, ids, i -> scenes[i]);
  }

  private MaskedImage scene(Random random) {
    byte[] labels = new byte[SIDE * SIDE];
    byte[] pixels = texture(random);
    boolean blue = random.nextBoolean();
    int clothes = 3 + random.nextInt(3);
    for (int i = 0; i < clothes; i++) {
      int[] hue = CLOTHES_COLOURS[random.nextInt(CLOTHES_COLOURS.length)];
      draw(CLOTHES, CLOTHES_SCALE, blue ? 3 : 2, hue, random, pixels, labels);
    }
    // on top of everything, because it decides the classes
    draw(SHOES, SHOE_SCALE, 1, blue ? BLUE : RED, random, pixels, labels);
    return new MaskedImage(new Image(3, SIDE, SIDE, pixels), labels);
  }

  /** A random shade of a hue in red, green and blue. */
  private static double[] colour(int[] hue, Random random) {
    double saturation = 0.6 + 0.3 * random.nextDouble();
    double value = 0.8 + 0.2 * random.nextDouble();
    double[] colour = new double[3];
    Arrays.setAll(colour, channel -> value * (hue[channel] == 1 ? 1 : 1 - saturation));
    return colour;
  }

  /** Draws waves of two colours with noise. */
  private static byte[] texture(Random random) {
    double[] one = dark(random);
    double[] other = dark(random);
    double down = (random.nextDouble() - 0.5) * 1.2;
    double right = (random.nextDouble() - 0.5) * 1.2;
    double phase = random.nextDouble() * 2 * Math.PI;
    byte[] pixels = new byte[3 * SIDE * SIDE];
    for (int y = 0; y < SIDE; y++) {
      for (int x = 0; x < SIDE; x++) {
        double share = 0.5 + 0.5 * StrictMath.sin(down * y + right * x + phase);
        double noise = (random.nextDouble() - 0.5) * 0.12;
        for (int channel = 0; channel < 3; channel++) {
          double value = one[channel] * share + other[channel] * (1 - share) + noise;
          pixels[(channel * SIDE + y) * SIDE + x] = unsigned(value);
        }
      }
    }
    return pixels;
  }

  private static double[] dark(Random random) {
    double[] colour = new double[3];
    Arrays.setAll(colour, channel -> 0.05 + 0.35 * random.nextDouble());
    return colour;
  }

  private static byte unsigned(double value) {
    return (byte) Math.round(255 * Math.max(0, Math.min(1, value)));
  }

  /**
   * Draws a random garment at a random place, mirrored at random, and up to a quarter larger than
   * the given size.
   */
  private void draw(
      int[] kinds,
      double scale,
      int label,
      int[] hue,
      Random random,
      byte[] pixels,
      byte[] labels) {
    int[] choice = byClass[kinds[random.nextInt(kinds.length)]];
    byte[] picture = garments.pixels(choice[random.nextInt(choice.length)]);
    int source = garments.height();
    int side = (int) Math.round(source * scale * (1 + 0.25 * random.nextDouble()));
    int top = random.nextInt(SIDE - side + 1);
    int left = random.nextInt(SIDE - side + 1);
    boolean flip = random.nextBoolean();
    double[] colour = colour(hue, random);
    for (int y = 0; y < side; y++) {
      for (int x = 0; x < side; x++) {
        int column = (flip ? side - 1 - x : x) * source / side;
        int value = Byte.toUnsignedInt(picture[y * source / side * source + column]);
        if (value >= VISIBLE) {
          int at = (top + y) * SIDE + left + x;
          labels[at] = (byte) label;
          for (int channel = 0; channel < 3; channel++) {
            pixels[channel * SIDE * SIDE + at] = unsigned(value / 255.0 * colour[channel]);
          }
        }
      }
    }
  }
}
