package io.fovea.data;

import com.fasterxml.jackson.annotation.JsonCreator;
import com.fasterxml.jackson.annotation.JsonValue;
import io.fovea.data.ImageOps.Interpolation;
import io.fovea.errors.SpecException;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Random;
import java.util.stream.Collectors;

/**
 * Random changes of training images, in the order in which they are written: {@code
 * crop=0.35,1;flip=0.5;trivial;erase=0.25}. The image keeps its size.
 *
 * <table>
 * <caption>The steps</caption>
 * <tr><td>{@code crop=MIN,MAX[,RATIO,RATIO]}</td><td>random resized crop: a share of the area, with
 * a ratio of width to height from 0.75 to 1.33</td></tr>
 * <tr><td>{@code flip[=P]}, {@code vflip[=P]}</td><td>mirrors left to right, or top to bottom, with
 * probability 0.5</td></tr>
 * <tr><td>{@code rotate=DEGREES}</td><td>rotates by at most this angle</td></tr>
 * <tr><td>{@code jitter=B,C,S,H}</td><td>colour jitter: brightness, contrast, saturation and hue, in
 * random order</td></tr>
 * <tr><td>{@code trivial}</td><td>TrivialAugmentWide (<a
 * href="https://arxiv.org/abs/2103.10158">2103.10158</a>)</td></tr>
 * <tr><td>{@code rand=N,M}</td><td>RandAugment (<a
 * href="https://arxiv.org/abs/1909.13719">1909.13719</a>): N operations of magnitude M of 0 to
 * 30</td></tr>
 * <tr><td>{@code erase=P}</td><td>random erasing (<a
 * href="https://arxiv.org/abs/1708.04896">1708.04896</a>) with the mean colour</td></tr>
 * <tr><td>{@code mixup=ALPHA}, {@code cutmix=ALPHA}</td><td>mixes the image with another one; {@link
 * Mixing}</td></tr>
 * </table>
 *
 * <p>The operations are those of {@link ImageOps}. It is immutable and thread-safe; its text is its
 * JSON form.
 */
public final class AugmentSpec {
  /** No changes. */
  public static final AugmentSpec NONE = new AugmentSpec("", List.of(), null);

  private static final String STEPS =
      "crop, flip, vflip, rotate, jitter, trivial, rand, erase, mixup and cutmix";

  private final String text;
  private final List<Step> steps;
  private final Mixing mixing;

  /** A random change. */
  private interface Step {
    Image apply(Image image, Random random, int[] fill);
  }

  private AugmentSpec(String text, List<Step> steps, Mixing mixing) {
    this.text = text;
    this.steps = steps;
    this.mixing = mixing;
  }

  /**
   * Reads a text.
   *
   * @throws SpecException if a step is unknown or its values are out of range
   */
  @JsonCreator
  public static AugmentSpec parse(String text) {
    List<Step> steps = new ArrayList<>();
    List<String> names = new ArrayList<>();
    Mixing mixing = Mixing.NONE;
    for (String piece : text.split(";", -1)) {
      String step = piece.strip();
      if (step.isEmpty()) {
        continue;
      }
      int equals = step.indexOf('=');
      String name = equals < 0 ? step : step.substring(0, equals).strip();
      double[] values = equals < 0 ? new double[0] : values(step, step.substring(equals + 1));
      if (name.equals("mixup") || name.equals("cutmix")) {
        count(step, values, 1, 1);
        check(values[0] > 0 && values[0] <= 100, step, "a positive ALPHA");
        mixing = name.equals("mixup") ? mixing.withMixup(values[0]) : mixing.withCutmix(values[0]);
      } else {
        steps.add(step(name, step, values));
      }
      if (names.contains(name)) {
        throw new SpecException("augmentation: has " + name + " twice");
      }
      names.add(name);
    }
    String compact =
        List.of(text.split(";", -1)).stream()
            .map(String::strip)
            .filter(step -> !step.isEmpty())
            .collect(Collectors.joining(";"));
    return new AugmentSpec(compact, List.copyOf(steps), mixing.equals(Mixing.NONE) ? null : mixing);
  }

  private static Step step(String name, String step, double[] values) {
    return switch (name) {
      case "crop" -> {
        count(step, values, 2, 4);
        check(
            values[0] > 0 && values[0] <= values[1] && values[1] <= 1, step, "0 < MIN <= MAX <= 1");
        double low = values.length > 2 ? values[2] : 3 / 4.0;
        double high = values.length > 3 ? values[3] : 4 / 3.0;
        check(low > 0 && low <= high, step, "ratios above 0, the smaller one first");
        yield (image, random, fill) -> crop(image, random, values[0], values[1], low, high);
      }
      case "flip", "vflip" -> {
        count(step, values, 0, 1);
        double share = values.length == 0 ? 0.5 : probability(step, values[0]);
        yield (image, random, fill) -> {
          if (random.nextDouble() >= share) {
            return image;
          }
          return name.equals("flip")
              ? ImageOps.horizontalFlip(image)
              : ImageOps.verticalFlip(image);
        };
      }
      case "rotate" -> {
        count(step, values, 1, 1);
        check(values[0] >= 0 && values[0] <= 180, step, "0 to 180 degrees");
        yield (image, random, fill) ->
            ImageOps.rotate(
                image, (2 * random.nextDouble() - 1) * values[0], Interpolation.BILINEAR);
      }
      case "jitter" -> {
        count(step, values, 1, 4);
        for (int i = 0; i < values.length; i++) {
          check(values[i] >= 0 && values[i] <= (i == 3 ? 0.5 : 1), step, "0 to 1, hue 0 to 0.5");
        }
        yield (image, random, fill) -> jitter(image, random, values);
      }
      case "trivial" -> {
        count(step, values, 0, 0);
        yield (image, random, fill) -> Policies.trivialAugmentWide(image, random);
      }
      case "rand" -> {
        count(step, values, 0, 2);
        int number = values.length > 0 ? (int) values[0] : 2;
        int magnitude = values.length > 1 ? (int) values[1] : 9;
        check(number >= 1 && magnitude >= 0 && magnitude <= 30, step, "N >= 1 and M 0 to 30");
        yield (image, random, fill) -> Policies.randAugment(image, random, number, magnitude);
      }
      case "erase" -> {
        count(step, values, 1, 1);
        double share = probability(step, values[0]);
        yield (image, random, fill) ->
            random.nextDouble() < share ? erase(image, random, fill) : image;
      }
      default ->
          throw new SpecException("augmentation: no step \"" + name + "\"; there are " + STEPS);
    };
  }

  private static double[] values(String step, String list) {
    String[] pieces = list.split(",", -1);
    double[] values = new double[pieces.length];
    for (int i = 0; i < pieces.length; i++) {
      try {
        values[i] = Double.parseDouble(pieces[i].strip());
      } catch (NumberFormatException e) {
        throw new SpecException("augmentation: not a number in \"" + step + "\"", e);
      }
    }
    return values;
  }

  private static double probability(String step, double value) {
    check(value >= 0 && value <= 1, step, "a probability from 0 to 1");
    return value;
  }

  private static void count(String step, double[] values, int least, int most) {
    if (values.length < least || values.length > most) {
      throw new SpecException(
          String.format(
              Locale.ROOT,
              "augmentation: \"%s\" has %d values, expected %s",
              step,
              values.length,
              least == most ? "" + least : least + " to " + most));
    }
  }

  private static void check(boolean good, String step, String expected) {
    if (!good) {
      throw new SpecException("augmentation: \"" + step + "\": expected " + expected);
    }
  }

  /** The mixing with other images, or null for none. */
  public Mixing mixing() {
    return mixing;
  }

  /** Whether images stay as they are. */
  public boolean isEmpty() {
    return steps.isEmpty() && mixing == null;
  }

  /**
   * Changes an image; mixing is not part of this.
   *
   * @param image the image, not a clip
   * @param random determines all random choices
   * @param fill the colour of erased rectangles, a value of 0 to 255 for each channel
   * @return an image of the same size
   */
  public Image apply(Image image, Random random, int... fill) {
    Image changed = image;
    for (Step step : steps) {
      changed = step.apply(changed, random, fill);
    }
    return changed;
  }

  /** A crop as torchvision's RandomResizedCrop chooses it, scaled to the size of the image. */
  private static Image crop(
      Image image, Random random, double least, double most, double low, double high) {
    int height = image.height();
    int width = image.width();
    for (int tries = 0; tries < 10; tries++) {
      double area = height * width * (least + random.nextDouble() * (most - least));
      double logarithm = Math.log(low) + random.nextDouble() * (Math.log(high) - Math.log(low));
      double ratio = Math.exp(logarithm);
      int w = (int) Math.rint(Math.sqrt(area * ratio));
      int h = (int) Math.rint(Math.sqrt(area / ratio));
      if (w > 0 && w <= width && h > 0 && h <= height) {
        int top = random.nextInt(height - h + 1);
        int left = random.nextInt(width - w + 1);
        return ImageOps.resizedCrop(image, top, left, h, w, height, Interpolation.BILINEAR);
      }
    }
    return image; // the images of a data set are square, so its centre with ratio 1 is all of it
  }

  private static Image jitter(Image image, Random random, double[] ranges) {
    int[] order = {0, 1, 2, 3};
    for (int left = order.length; left > 1; left--) {
      int chosen = random.nextInt(left);
      int kept = order[chosen];
      order[chosen] = order[left - 1];
      order[left - 1] = kept;
    }
    Image changed = image;
    for (int what : order) {
      if (what >= ranges.length || ranges[what] == 0) {
        continue;
      }
      double shift = (2 * random.nextDouble() - 1) * ranges[what];
      changed =
          switch (what) {
            case 0 -> ImageOps.brightness(changed, 1 + shift);
            case 1 -> ImageOps.contrast(changed, 1 + shift);
            case 2 -> ImageOps.saturation(changed, 1 + shift);
            default -> ImageOps.hue(changed, shift);
          };
    }
    return changed;
  }

  /** A rectangle as torchvision's RandomErasing chooses it. */
  private static Image erase(Image image, Random random, int[] fill) {
    int height = image.height();
    int width = image.width();
    for (int tries = 0; tries < 10; tries++) {
      double area = height * width * (0.02 + random.nextDouble() * (0.33 - 0.02));
      double logarithm = Math.log(0.3) + random.nextDouble() * (Math.log(3.3) - Math.log(0.3));
      double ratio = Math.exp(logarithm);
      int h = (int) Math.rint(Math.sqrt(area * ratio));
      int w = (int) Math.rint(Math.sqrt(area / ratio));
      if (h < height && w < width) {
        int top = random.nextInt(height - h + 1);
        int left = random.nextInt(width - w + 1);
        return ImageOps.erase(image, top, left, h, w, fill);
      }
    }
    return image;
  }

  /** The text, without spaces around the steps. */
  @JsonValue
  @Override
  public String toString() {
    return text;
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof AugmentSpec spec && spec.text.equals(text);
  }

  @Override
  public int hashCode() {
    return text.hashCode();
  }
}
