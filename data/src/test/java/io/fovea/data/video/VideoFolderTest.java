package io.fovea.data.video;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.fovea.data.DataException;
import io.fovea.data.ImageDataset;
import io.fovea.data.Progress;
import io.fovea.data.SkippedImage;
import io.fovea.data.TrainingData;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class VideoFolderTest {
  private static final Sampling SAMPLING = new Sampling(4, 2, 3, 2);

  @TempDir Path root;

  private TrainingData<ImageDataset> open(boolean strict) {
    return VideoFolder.open(
        root, new VideoFolder.Options(6, 1, SAMPLING, 1, strict), Progress.NONE);
  }

  private void make(int videos) throws IOException {
    for (int i = 0; i < videos; i++) {
      Videos.avi(root.resolve("down/" + i + ".avi"), 20, 24, 16, t -> 200 - 10 * t);
      Videos.folder(root.resolve("up/" + i), 20, 24, 16, t -> 10 * t);
    }
  }

  @Test
  void readsFilesAndFoldersOfFrames() throws IOException {
    make(5);
    TrainingData<ImageDataset> data = open(true);
    assertThat(data.train().classes()).containsExactly("down", "up");
    assertThat(data.train().size()).isEqualTo(8);
    assertThat(data.test().size()).isEqualTo(2);
    assertThat(data.description()).contains("8 training and 2 test videos", "clips of 4 frames");
    ImageDataset test = data.test();
    assertThat(test.frames()).isEqualTo(4);
    assertThat(test.views()).isEqualTo(6);
    int up = test.label(0) == 1 ? 0 : 1;
    assertThat(new int[] {at(test.view(up, 0), 0), at(test.view(up, 0), 3)}).containsExactly(0, 60);
    assertThat(new int[] {at(test.view(up, 5), 0), at(test.view(up, 5), 3)})
        .containsExactly(130, 190);
    byte[] training = data.train().pixels(7, new Random(3));
    assertThat(at(training, 1) - at(training, 0)).isEqualTo(20);
    assertThat(training).isEqualTo(data.train().pixels(7, new Random(3)));
  }

  /** The first pixel of frame t. */
  private static int at(byte[] clip, int t) {
    return Byte.toUnsignedInt(clip[t * 36]);
  }

  @Test
  void skipsDamagedVideosOrStopsAtThem() throws IOException {
    make(3);
    Path damaged = Files.writeString(root.resolve("down/damaged.avi"), "not a video");
    Path empty = Files.createDirectory(root.resolve("up/empty"));
    TrainingData<ImageDataset> data = open(false);
    assertThat(data.skipped())
        .extracting(SkippedImage::file)
        .containsExactly("down/damaged.avi", "up/empty");
    assertThat(data.train().size() + data.test().size()).isEqualTo(6);
    assertThatThrownBy(() -> open(true))
        .isInstanceOf(DataException.class)
        .hasMessageStartingWith(damaged + ": cannot be opened as a video");
    Files.delete(damaged);
    assertThatThrownBy(() -> open(true)).hasMessageStartingWith(empty + ": no frames");
  }

  @Test
  void saysWhatIsWrongWithAFolder() throws IOException {
    assertThatThrownBy(() -> open(false))
        .hasMessage(root + ": expected at least two class folders with videos; found none");
    Files.createDirectories(root.resolve("a"));
    Files.createDirectories(root.resolve("b"));
    assertThatThrownBy(() -> open(false))
        .hasMessageStartingWith(root.resolve("a") + ": no videos in this class folder");
    for (String part : List.of("train/a", "train/b", "val/a", "val/c")) {
      Videos.folder(root.resolve(part + "/1"), 2, 8, 8, t -> t);
    }
    assertThatThrownBy(() -> open(false))
        .hasMessage(
            root.resolve("train")
                + " and "
                + root.resolve("val")
                + " have different classes: [b] only in the first, [c] only in the second");
  }
}
