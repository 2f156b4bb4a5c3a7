package io.fovea.data;

import io.fovea.data.ImageOps.Interpolation;
import java.util.Random;

/** TrivialAugmentWide and RandAugment with the operations and magnitudes of torchvision. */
final class Policies {
  private static final int BINS = 31;

  private Policies() {}

  /** The operations of both. */
  enum Operation {
    IDENTITY,
    SHEAR_X,
    SHEAR_Y,
    TRANSLATE_X,
    TRANSLATE_Y,
    ROTATE,
    BRIGHTNESS,
    COLOR,
    CONTRAST,
    SHARPNESS,
    POSTERIZE,
    SOLARIZE,
    AUTOCONTRAST,
    EQUALIZE;

    /** Whether the magnitude gets a random sign. */
    boolean isSigned() {
      return switch (this) {
        case SHEAR_X,
            SHEAR_Y,
            TRANSLATE_X,
            TRANSLATE_Y,
            ROTATE,
            BRIGHTNESS,
            COLOR,
            CONTRAST,
            SHARPNESS ->
            true;
        case IDENTITY, POSTERIZE, SOLARIZE, AUTOCONTRAST, EQUALIZE -> false;
      };
    }
  }

  /** One random operation with a random magnitude. */
  static Image trivialAugmentWide(Image image, Random random) {
    Operation operation = Operation.values()[random.nextInt(Operation.values().length)];
    int bin = random.nextInt(BINS);
    double magnitude = wide(operation, bin);
    boolean negative = operation.isSigned() && random.nextBoolean();
    return apply(image, operation, negative ? -magnitude : magnitude);
  }

  /** The magnitudes of TrivialAugmentWide. */
  static double wide(Operation operation, int bin) {
    double share = bin / (BINS - 1.0);
    return switch (operation) {
      case SHEAR_X, SHEAR_Y, BRIGHTNESS, COLOR, CONTRAST, SHARPNESS -> 0.99 * share;
      case TRANSLATE_X, TRANSLATE_Y -> 32 * share;
      case ROTATE -> 135 * share;
      case POSTERIZE -> 8 - Math.rint(bin / ((BINS - 1) / 6.0));
      case SOLARIZE -> 1 - share;
      case IDENTITY, AUTOCONTRAST, EQUALIZE -> 0;
    };
  }

  /** Some random operations of one magnitude. */
  static Image randAugment(Image image, Random random, int number, int bin) {
    Image changed = image;
    for (int i = 0; i < number; i++) {
      Operation operation = Operation.values()[random.nextInt(Operation.values().length)];
      double magnitude = rand(operation, bin, image.height(), image.width());
      boolean negative = operation.isSigned() && random.nextBoolean();
      changed = apply(changed, operation, negative ? -magnitude : magnitude);
    }
    return changed;
  }

  /** The magnitudes of RandAugment. */
  static double rand(Operation operation, int bin, int height, int width) {
    double share = bin / (BINS - 1.0);
    return switch (operation) {
      case SHEAR_X, SHEAR_Y -> 0.3 * share;
      case TRANSLATE_X -> 150.0 / 331 * width * share;
      case TRANSLATE_Y -> 150.0 / 331 * height * share;
      case ROTATE -> 30 * share;
      case BRIGHTNESS, COLOR, CONTRAST, SHARPNESS -> 0.9 * share;
      case POSTERIZE -> 8 - Math.rint(bin / ((BINS - 1) / 4.0));
      case SOLARIZE -> 1 - share;
      case IDENTITY, AUTOCONTRAST, EQUALIZE -> 0;
    };
  }

  /** Applies an operation, as torchvision's policies do: nearest neighbours, black outside. */
  static Image apply(Image image, Operation operation, double magnitude) {
    Interpolation nearest = Interpolation.NEAREST;
    return switch (operation) {
      case IDENTITY -> image;
      case SHEAR_X -> ImageOps.shear(image, magnitude, 0, nearest);
      case SHEAR_Y -> ImageOps.shear(image, 0, magnitude, nearest);
      case TRANSLATE_X -> ImageOps.translate(image, (int) magnitude, 0, nearest);
      case TRANSLATE_Y -> ImageOps.translate(image, 0, (int) magnitude, nearest);
      case ROTATE -> ImageOps.rotate(image, magnitude, nearest);
      case BRIGHTNESS -> ImageOps.brightness(image, 1 + magnitude);
      case COLOR -> ImageOps.saturation(image, 1 + magnitude);
      case CONTRAST -> ImageOps.contrast(image, 1 + magnitude);
      case SHARPNESS -> ImageOps.sharpness(image, 1 + magnitude);
      case POSTERIZE -> ImageOps.posterize(image, (int) magnitude);
      case SOLARIZE -> ImageOps.solarize(image, 255 * magnitude);
      case AUTOCONTRAST -> ImageOps.autocontrast(image);
      case EQUALIZE -> ImageOps.equalize(image);
    };
  }
}
