package io.fovea.training;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.fovea.data.Image;
import io.fovea.data.MaskedImage;
import io.fovea.data.Normalization;
import io.fovea.data.SegmentationDataset;
import java.util.List;
import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.DoubleRange;
import net.jqwik.api.constraints.IntRange;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.DoubleOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.Test;

/** Crops of scaled images: pixels as libtorch scales them, labels beside them. */
class SegmentationSamplesTest {
  private static final Normalization PLAIN = new Normalization(List.of(0.0), List.of(1.0));

  private static SegmentationExtras spec(int crop, double min, double max) {
    return SegmentationExtras.DEFAULT.withCropSize(crop).withScales(min, max);
  }

  private static MaskedImage image(int height, int width) {
    byte[] pixels = new byte[height * width];
    new Random(height * 1000L + width).nextBytes(pixels);
    byte[] labels = new byte[height * width];
    for (int i = 0; i < labels.length; i++) {
      labels[i] = (byte) (i % 7);
    }
    return new MaskedImage(new Image(1, height, width, pixels), labels);
  }

  private static SegmentationSamples samples(MaskedImage image, SegmentationExtras spec) {
    List<String> names = List.of("0", "1", "2", "3", "4", "5", "6");
    return new SegmentationSamples(
        new SegmentationDataset(names, 1, List.of("one"), i -> image), PLAIN, spec, true);
  }

  @Property(tries = 60)
  void pixelsAreWhatLibtorchScales(
      @ForAll @IntRange(min = 1, max = 20) int height,
      @ForAll @IntRange(min = 1, max = 20) int width,
      @ForAll @IntRange(min = 1, max = 40) int tall,
      @ForAll @IntRange(min = 1, max = 40) int wide,
      @ForAll boolean flip,
      @ForAll @DoubleRange(min = 0, max = 0.99) double where) {
    int side = 16;
    MaskedImage image = image(height, width);
    int top = (int) (where * (Math.max(0, tall - side) + 1));
    int left = (int) (where * (Math.max(0, wide - side) + 1));
    float[] input = new float[side * side];
    long[] label = new long[side * side];
    samples(image, spec(side, 1, 1)).crop(image, tall, wide, top, left, flip, input, label);
    try (PointerScope scope = new PointerScope()) {
      float[] values = new float[height * width];
      for (int i = 0; i < values.length; i++) {
        values[i] = Byte.toUnsignedInt(image.image().pixels()[i]) / 255f;
      }
      Tensor scaled =
          torch.upsample_bilinear2d(
              Tensor.create(values, 1, 1, height, width),
              new long[] {tall, wide},
              false,
              new DoubleOptional(),
              new DoubleOptional());
      float[] expected = new float[tall * wide];
      scaled.data_ptr_float().get(expected);
      for (int y = 0; y < side; y++) {
        for (int x = 0; x < side; x++) {
          int at = y * side + (flip ? side - 1 - x : x);
          if (top + y < tall && left + x < wide) {
            assertThat(input[at]).isCloseTo(expected[(top + y) * wide + left + x], within(1e-5f));
            int row = (2 * (top + y) + 1) * height / (2 * tall);
            int column = (2 * (left + x) + 1) * width / (2 * wide);
            assertThat(label[at]).isEqualTo(image.label(row, column));
          } else {
            assertThat(input[at]).isZero();
            assertThat(label[at]).isEqualTo(MaskedImage.IGNORED);
          }
        }
      }
    }
  }

  /** Values of an image that only grows to the right do so in every crop, mirrored or not. */
  @Test
  void pixelsAndLabelsMoveTogether() {
    byte[] pixels = new byte[24 * 24];
    byte[] labels = new byte[24 * 24];
    for (int i = 0; i < pixels.length; i++) {
      labels[i] = (byte) (i % 24 / 4);
      pixels[i] = (byte) (40 * labels[i]);
    }
    SegmentationSamples samples =
        samples(new MaskedImage(new Image(1, 24, 24, pixels), labels), spec(16, 0.5, 2));
    float[] input = new float[256];
    long[] label = new long[256];
    boolean[] seen = new boolean[2];
    for (int seed = 0; seed < 20; seed++) {
      samples.read(0, new Random(seed), input, label);
      for (int i = 0; i < 256; i++) {
        if (label[i] != MaskedImage.IGNORED) {
          assertThat(input[i] * 255).isCloseTo(40f * label[i], within(41f));
        }
      }
      seen[label[0] <= label[11] ? 0 : 1] = true;
    }
    assertThat(seen).containsExactly(true, true);
  }
}
