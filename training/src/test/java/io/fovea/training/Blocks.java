package io.fovea.training;

import io.fovea.data.Normalization;
import io.fovea.data.mask.LabelledImage;
import io.fovea.data.mask.SegmentationData;
import io.fovea.data.mask.SegmentationDataset;
import io.fovea.data.source.SegmentationSource;
import io.fovea.models.Segmenter;
import io.fovea.models.SegmenterSpec;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.bytedeco.pytorch.global.torch;

/** Images that any network learns: a bright block on a dark ground, with an ignored row below. */
final class Blocks {
  static final int SIDE = 32;
  static final SegmenterSpec MODEL = new SegmenterSpec("small", 2, 1, "dual", 8, false);
  static final SegmentationSource SOURCE = new SegmentationSource("blocks", null, 0, 1, false);
  static final SegmentationSpec SPEC =
      new SegmentationSpec(2, 4, 0.05, 1, 0.9, 0.9, 1e-4, 1, SIDE, 1, 1, true, null, false, 1);

  private Blocks() {}

  static LabelledImage image(int index) {
    Random random = new Random(index);
    byte[] pixels = new byte[SIDE * SIDE];
    byte[] labels = new byte[SIDE * SIDE];
    int top = random.nextInt(SIDE / 2);
    int left = random.nextInt(SIDE / 2);
    for (int y = 0; y < SIDE; y++) {
      for (int x = 0; x < SIDE; x++) {
        boolean inside = y >= top && y < top + SIDE / 2 && x >= left && x < left + SIDE / 2;
        pixels[y * SIDE + x] = (byte) ((inside ? 180 : 20) + random.nextInt(40));
        labels[y * SIDE + x] = (byte) (y == SIDE - 1 ? LabelledImage.IGNORED : inside ? 1 : 0);
      }
    }
    return new LabelledImage(SIDE, SIDE, pixels, labels);
  }

  static SegmentationDataset images(int from, int count) {
    List<String> ids = IntStream.range(from, from + count).mapToObj(i -> "block/" + i).toList();
    return new SegmentationDataset(
        List.of("ground", "block"), 1, ids, index -> image(from + index));
  }

  static SegmentationData data() {
    return new SegmentationData(
        "blocks",
        "20 blocks",
        images(0, 16),
        images(100, 4),
        new Normalization(List.of(0.4), List.of(0.3)),
        List.of());
  }

  static Segmenter network() {
    torch.manual_seed(1);
    return MODEL.create();
  }
}
