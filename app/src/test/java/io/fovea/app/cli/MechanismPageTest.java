package io.fovea.app.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.fovea.app.Outcome;
import io.fovea.attention.AttentionSpec;
import io.fovea.attention.Mechanism;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The pages of docs/mechanisms are what the mechanisms say of themselves. */
class MechanismPageTest {
  private static final Path DOCS = Path.of("..", "docs", "mechanisms");

  @Test
  void thePagesInDocsAreThoseThatAreWritten(@TempDir Path folder) throws IOException {
    assertThat(Outcome.of("mechanisms", "--docs", folder.toString()).status()).isZero();
    try (Stream<Path> written = Files.list(folder);
        Stream<Path> there = Files.list(DOCS)) {
      assertThat(there.map(Path::getFileName))
          .containsExactlyInAnyOrderElementsOf(written.map(Path::getFileName).toList());
    }
    try (Stream<Path> written = Files.list(folder)) {
      assertThat(written)
          .allSatisfy(
              page -> assertThat(DOCS.resolve(page.getFileName())).hasSameTextualContentAs(page));
    }
  }

  @Test
  void theChineseListHasAllOfThem() throws IOException {
    String list = Files.readString(Path.of("../docs/zh/mechanisms.md"));
    for (Mechanism mechanism : Mechanism.all()) {
      String name = mechanism.name();
      assertThat(list).contains("| [`" + name + "`](../mechanisms/" + name + ".md) | ");
    }
  }

  @Test
  void everyMechanismSaysAllOfItself() {
    for (Mechanism mechanism : Mechanism.all()) {
      assertThat(mechanism.equation()).as(mechanism.name()).isNotEmpty();
      assertThat(mechanism.cost()).as(mechanism.name()).isPresent();
      assertThat(mechanism.code()).as(mechanism.name()).isNotEmpty();
      for (String variant : mechanism.variants().keySet()) {
        assertThat(AttentionSpec.parse(variant).mechanism()).isSameAs(mechanism);
      }
    }
  }

  @Test
  void theCommandPrintsTheSame() {
    Outcome outcome = Outcome.of("mechanisms", "gc");

    assertThat(outcome.status()).isZero();
    assertThat(outcome.outLines())
        .contains(
            "  c = Σ_j softmax_j(w x_j + b) x_j",
            "formulas        parameters: 2·C·d + 3·d + 2·C + 1; d = max(1, C / reduction)",
            "code            authors and reference: xvjiarui/GCNet 029db54,"
                + " mmdet/ops/gcb/context_block.py")
        .anyMatch(line -> line.startsWith("  changzy00 8ce59da: makes a softmax"))
        .anyMatch(line -> line.matches(" *1 +0 +conv 1 × 1 +conv_mask +\\[B, 1, H, W].*"));
  }
}
