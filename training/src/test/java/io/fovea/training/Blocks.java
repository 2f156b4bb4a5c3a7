package io.fovea.training;

import io.fovea.data.Image;
import io.fovea.data.MaskedImage;
import io.fovea.data.Normalization;
import io.fovea.data.SegmentationDataset;
import io.fovea.data.TrainingData;
import io.fovea.data.source.DataSpec;
import io.fovea.models.Segmenter;
import io.fovea.models.SegmenterSpec;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;

/** Images that any network learns: a bright block on a dark ground, with an ignored row below. */
public final class Blocks {
  public static final int SIDE = 32;
  public static final SegmenterSpec MODEL = new SegmenterSpec("small", 2, 1, "dual", 8, false);
  public static final DataSpec SOURCE = DataSpec.of("blocks").withChannels(1);
  public static final SegmentationExtras EXTRAS =
      SegmentationExtras.DEFAULT.withCropSize(SIDE).withScales(1, 1);
  public static final TrainingSpec SPEC = new TrainingSpec(2, 4, 0.05, 0.9, 1e-4, true, 1, EXTRAS);

  private Blocks() {}

  public static MaskedImage image(int index) {
    Random random = new Random(index);
    byte[] pixels = new byte[SIDE * SIDE];
    byte[] labels = new byte[SIDE * SIDE];
    int top = random.nextInt(SIDE / 2);
    int left = random.nextInt(SIDE / 2);
    for (int y = 0; y < SIDE; y++) {
      for (int x = 0; x < SIDE; x++) {
        boolean inside = y >= top && y < top + SIDE / 2 && x >= left && x < left + SIDE / 2;
        pixels[y * SIDE + x] = (byte) ((inside ? 180 : 20) + random.nextInt(40));
        labels[y * SIDE + x] = (byte) (y == SIDE - 1 ? MaskedImage.IGNORED : inside ? 1 : 0);
      }
    }
    return new MaskedImage(new Image(1, SIDE, SIDE, pixels), labels);
  }

  public static SegmentationDataset images(int from, int count) {
    List<String> ids = IntStream.range(from, from + count).mapToObj(i -> "block/" + i).toList();
    return new SegmentationDataset(
        List.of("ground", "block"), 1, ids, index -> image(from + index));
  }

  public static TrainingData<SegmentationDataset> data() {
    return new TrainingData<>(
        "blocks",
        "20 blocks",
        images(0, 16),
        images(100, 4),
        new Normalization(List.of(0.4), List.of(0.3)),
        List.of());
  }

  public static Segmenter network() {
    return MODEL.create(1);
  }
}
