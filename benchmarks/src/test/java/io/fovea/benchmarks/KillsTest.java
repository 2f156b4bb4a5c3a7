package io.fovea.benchmarks;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The short form of the table of {@link Kills}: the moments differ, the outcome must not. */
class KillsTest {
  @TempDir Path folder;

  @Test
  void killedCommandsDamageNothingAndGoOn() throws Exception {
    Kills kills =
        new Kills(
            List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-cp",
                System.getProperty("java.class.path"),
                "io.fovea.app.Fovea"),
            folder,
            1);
    for (Kills.Operation operation : List.of(Kills.Operation.TRAIN, Kills.Operation.EXPORT)) {
      Kills.Row row = kills.kill(operation, 1);
      assertThat(row.isClean()).as(row.toString()).isTrue();
    }
  }
}
