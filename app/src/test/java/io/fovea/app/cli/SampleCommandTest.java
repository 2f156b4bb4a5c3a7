package io.fovea.app.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.fovea.app.Outcome;
import io.fovea.data.bundled.FashionMnist;
import io.fovea.data.image.Images;
import java.io.IOException;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The files of {@code fovea sample} are what the other commands take. */
class SampleCommandTest {
  @TempDir Path folder;

  @Test
  void theOtherCommandsTakeWhatItWrites() throws IOException {
    Path samples = folder.resolve("samples");
    assertThat(Outcome.of("sample", samples.toString()).status()).isZero();

    assertThat(Images.readWhole(samples.resolve("boot.png"), 1).pixels())
        .as("the first ankle boot of the test images")
        .isEqualTo(FashionMnist.sample().test().pixels(0));
    assertThat(Images.readWhole(samples.resolve("shirt.jpg"), 1).width()).isEqualTo(28);
    assertThat(Outcome.of("data", samples.resolve("garments").toString()).out())
        .contains("300 training and 100 test images")
        .contains("Ankle boot", "T-shirt-top")
        .doesNotContain("skipped");
    assertThat(
            Outcome.of("data", samples.resolve("scenes").toString(), "--task", "segmentation")
                .out())
        .contains("32 training and 8 test images")
        .contains("clothes by a blue shoe")
        .doesNotContain("skipped")
        .doesNotContain("timm"); // the order is that of classes.txt
    assertThat(Outcome.of("data", samples.resolve("videos").toString(), "--task", "video").out())
        .contains("30 training and 10 test")
        .contains("same", "other");
    assertThat(samples.resolve("clip")).isDirectoryContaining("glob:**/07.png");
  }

  /** As in {@code --out=~/run}, which shells leave as it is; the same holds for every path. */
  @Test
  void aTildeIsTheHomeFolder() {
    String home = System.getProperty("user.home");
    System.setProperty("user.home", folder.toString());
    try {
      assertThat(Outcome.of("sample", "~/mine").status()).isZero();
    } finally {
      System.setProperty("user.home", home);
    }
    assertThat(folder.resolve("mine/boot.png")).isRegularFile();
  }

  @Test
  void aFolderThatExistsIsLeftAlone() {
    Outcome outcome = Outcome.of("sample", folder.toString());
    assertThat(outcome.status()).isEqualTo(2);
    assertThat(outcome.err().strip())
        .isEqualTo("fovea: " + folder + " exists; choose another folder, or delete it");
  }
}
