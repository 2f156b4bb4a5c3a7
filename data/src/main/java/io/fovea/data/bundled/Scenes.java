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
 * Small scenes to try segmentation on, made of real pictures of clothes (the bundled sample of {@link
 * FashionMnist}) when they are asked for: 96 x 96 pixels, three to five pieces of clothing and a red
 * or a blue shoe that overlap on a random texture, each pixel labelled. They are made up, and no
 * benchmark.
 *
 * <p>Context decides: all clothes beside a red shoe are one class and all clothes beside a blue one
 * another. Nothing about a garment tells which; who wants to know has to find the shoe, wherever it is.
 *
 * <p>The same seed makes the same scenes, bit for bit. Test scenes are made of test pictures.
 */
public final class Scenes {
  /** The side of a scene in pixels. */
  public static final int SIDE = 96;

  private static final List<String> CLASSES =
      List.of("background", "shoe", "clothes by a red shoe", "clothes by a blue shoe");

  private static final int TRAIN = 1600;
  private static final int TEST = 200;
  private static final long SEED = 1;

  /** Below this a pixel of Fashion-MNIST is background. */
  private static final int VISIBLE = 24;

  /** Classes of Fashion-MNIST: T-shirt, trousers, pullover, dress, coat, shirt. */
  private static final int[] CLOTHES = {0, 1, 2, 3, 4, 6};

  /** Sandals, sneakers and ankle boots. */
  private static final int[] SHOES = {5, 7, 9};

  /** Of red, green and blue, the share that a colour has. */
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

  /** The scenes that {@code --data scenes} stands for: 1,600 to train on and 200 to test on. */
  public static TrainingData<SegmentationDataset> data() {
    return data(TRAIN, TEST, SEED);
  }

  /**
   * Makes scenes.
   *
   * @param train how many to train on, at least 1
   * @param test how many to test on, at least 1
   * @param seed what they depend on, and on nothing else
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
    // on top of all, since it decides
    draw(SHOES, SHOE_SCALE, 1, blue ? BLUE : RED, random, pixels, labels);
    return new MaskedImage(new Image(3, SIDE, SIDE, pixels), labels);
  }

  /** A hue, more or less pale and bright, in red, green and blue. */
  private static double[] colour(int[] hue, Random random) {
    double saturation = 0.6 + 0.3 * random.nextDouble();
    double value = 0.8 + 0.2 * random.nextDouble();
    double[] colour = new double[3];
    Arrays.setAll(colour, channel -> value * (hue[channel] == 1 ? 1 : 1 - saturation));
    return colour;
  }

  /** Waves of two colours with noise. */
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

  /** Draws a random garment at a random place, mirrored or not, up to a quarter larger than told. */
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
