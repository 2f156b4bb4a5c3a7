package io.fovea.tensor.internal;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Duration;
import java.time.Instant;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class AtomicFileTest {
  /** Larger than any number of a process on Linux, macOS or Windows that could run here. */
  private static final String DEAD = "4294967290";

  @TempDir Path folder;

  @Test
  void deletesWhatKilledProcessesLeft() throws IOException {
    Path dead = file(".a.json." + DEAD + "-1.part", Duration.ofHours(1));
    Path recent = file(".a.json." + DEAD + "-2.part", Duration.ZERO);
    Path running =
        file(".a.json." + ProcessHandle.current().pid() + "-1000.part", Duration.ofHours(1));
    Path download = file("net.pth.part", Duration.ofHours(1));
    Path others = file(".a.json.part", Duration.ofHours(1));

    AtomicFile.write(folder.resolve("b.json"), partial -> Files.writeString(partial, "{}"));

    assertThat(dead).doesNotExist();
    assertThat(folder)
        .isDirectoryNotContaining(
            path -> path.getFileName().toString().startsWith(".b.json")); // its own
    assertThat(recent).exists();
    assertThat(running).exists();
    assertThat(download).exists();
    assertThat(others).exists();
    assertThat(folder.resolve("b.json")).hasContent("{}");
  }

  private Path file(String name, Duration age) throws IOException {
    Path file = Files.writeString(folder.resolve(name), "half");
    Files.setLastModifiedTime(file, FileTime.from(Instant.now().minus(age)));
    return file;
  }

  @Test
  void aFailedWriteLeavesTheFileAsItWas() throws IOException {
    Path file = Files.writeString(folder.resolve("a.json"), "before");

    assertThatThrownBy(
            () ->
                AtomicFile.write(
                    file,
                    partial -> {
                      Files.writeString(partial, "half");
                      throw new IOException("no space left on device");
                    }))
        .isInstanceOf(IOException.class);

    assertThat(file).hasContent("before");
    assertThat(folder.toFile().list()).hasSize(1);
  }

  private static void full(Path partial) throws IOException {
    Files.writeString(partial, "half");
    throw new IOException("no space left on device");
  }

  @Test
  void aFailedWriteLeavesNoFolders() throws IOException {
    Path file = folder.resolve("runs/first/deep/a.json");

    assertThatThrownBy(() -> AtomicFile.write(file, AtomicFileTest::full))
        .isInstanceOf(IOException.class);
    assertThat(folder).isEmptyDirectory();

    AtomicFile.write(folder.resolve("runs/b.json"), partial -> Files.writeString(partial, "{}"));
    assertThatThrownBy(() -> AtomicFile.write(file, AtomicFileTest::full))
        .isInstanceOf(IOException.class);
    assertThat(folder.resolve("runs").toFile().list()).containsExactly("b.json");
  }

  @Test
  void foldersInWhichSomethingIsStay() throws IOException {
    Path first = folder.resolve("runs/first");
    try (NewFolders made = NewFolders.of(first.resolve("deep"))) {
      Files.writeString(first.resolve("others.txt"), "");
      made.add(first.resolve("deep/deeper"));
    }
    assertThat(first.toFile().list()).containsExactly("others.txt");
    try (NewFolders made = NewFolders.of(folder.resolve("kept/inside"))) {
      made.keep();
    }
    assertThat(folder.resolve("kept/inside")).isEmptyDirectory();
    Path file = Files.writeString(folder.resolve("file"), "");
    assertThatThrownBy(() -> NewFolders.of(file.resolve("no/folder")))
        .isInstanceOf(IOException.class);
  }
}
