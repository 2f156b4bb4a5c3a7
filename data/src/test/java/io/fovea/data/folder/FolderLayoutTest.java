package io.fovea.data.folder;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.fovea.data.DataException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class FolderLayoutTest {
  @TempDir Path root;

  private FolderLayout layout(String... folders) throws IOException {
    for (String folder : folders) {
      Files.createDirectories(root.resolve(folder));
    }
    return FolderLayout.of(root);
  }

  @ParameterizedTest
  @CsvSource({
    "train,val,train and val",
    "train,valid,train and valid",
    "train,validation,train and validation",
    "Train,Val,Train and Val",
    "training,testing,training and testing",
    "TRAIN,TEST,TRAIN and TEST",
    "train,dev,train and dev",
    "tr,eval,tr and eval"
  })
  void recognisesTheNamesOfParts(String train, String test, String text) throws IOException {
    FolderLayout layout = layout(train + "/cat", test + "/cat");

    assertThat(layout.isSplit()).isTrue();
    assertThat(layout.train()).isEqualTo(root.resolve(train));
    assertThat(layout.testing()).isEqualTo(root.resolve(test));
    assertThat(layout.splitText()).isEqualTo(text);
  }

  @Test
  void namesWhatIsNotUsed() throws IOException {
    FolderLayout layout = layout("train/a", "valid/a", "test/a", "notes");

    assertThat(layout.testing()).isEqualTo(root.resolve("valid"));
    assertThat(layout.splitText()).isEqualTo("train and valid; not used: test, notes");
  }

  @Test
  void aTrainIsAVehicleBesideOthers() throws IOException {
    assertThat(layout("bus", "train", "tram").isSplit()).isFalse();
  }

  @Test
  void aPartIsNeverAClass() throws IOException {
    assertRefused("val/ looks like the part of a split, but stands beside", "cat", "dog", "val");
  }

  @Test
  void aTrainFolderAloneIsRefused() throws IOException {
    assertRefused("train/ looks like the part of a split, but there is no val/ or test/", "train");
  }

  @Test
  void partsWithoutATrainFolderAreRefused() throws IOException {
    assertRefused("valid/ looks like the part of a split, but there is no train/", "valid", "test");
  }

  @Test
  void twoFoldersForOnePartAreRefused() throws IOException {
    assertRefused("dev/ and val/ could both be the val part", "train", "dev", "val");
  }

  @ParameterizedTest
  @CsvSource({
    "images,masks",
    "images,labels",
    "JPEGImages,SegmentationClass",
    "leftImg8bit,gtFine"
  })
  void imagesAndMasksAreNotClasses(String images, String masks) throws IOException {
    assertRefused("did you mean --task segmentation?", images, masks);
  }

  @Test
  void imagesAndMasksInTheTrainFolderAreNotClasses() throws IOException {
    assertRefused("did you mean --task segmentation?", "train/images", "train/masks", "val/images");
  }

  private void assertRefused(String message, String... folders) {
    assertThatThrownBy(() -> layout(folders))
        .isInstanceOf(DataException.class)
        .hasMessageStartingWith(root.toString())
        .hasMessageContaining(message);
  }

  @Test
  void foldersOfToolsAndHiddenOnesAreLeftOut() throws IOException {
    layout("b", "a", ".git", "__MACOSX", "@eaDir", "lost+found");

    assertThat(FolderLayout.subfolders(root)).containsExactly(root.resolve("a"), root.resolve("b"));
  }

  @Test
  void namesAreInComposedForm() {
    assertThat(FolderLayout.name(Path.of("cafe\u0301"))).isEqualTo("caf\u00e9");
  }

  @Test
  void listsTenNames() {
    List<String> names = List.of("a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l");

    assertThat(FolderLayout.some(names)).isEqualTo("a, b, c, d, e, f, g, h, i, j and 2 more");
    assertThat(FolderLayout.some(names.subList(0, 2))).isEqualTo("a, b");
  }
}
