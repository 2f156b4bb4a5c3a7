package io.fovea.app;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.jar.JarOutputStream;
import java.util.zip.ZipEntry;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What is no jar of mechanisms is refused by name; MechanismFromOutsideIT has those that are. */
class PluginsTest {
  @TempDir static Path folder;
  private static String text;
  private static String empty;

  @BeforeAll
  static void write() throws IOException {
    text = Files.writeString(folder.resolve("text.jar"), "no jar").toString();
    empty = folder.resolve("empty.jar").toString();
    try (JarOutputStream jar = new JarOutputStream(Files.newOutputStream(Path.of(empty)))) {
      jar.putNextEntry(new ZipEntry("com/example/"));
    }
  }

  private static void assertRefused(String message, String... arguments) {
    Outcome outcome = Outcome.of(arguments);

    assertThat(outcome.status()).isEqualTo(2);
    assertThat(outcome.errLines()).hasSize(1);
    assertThat(outcome.err()).startsWith("fovea: " + message);
    assertThat(outcome.out()).isEmpty();
  }

  @Test
  void aFileThatIsNotThereIsNamed() {
    assertRefused("no.jar: no such file", "--plugins", "no.jar", "models");
    assertRefused("no.jar: no such file", "models", "--plugins=no.jar");
    assertRefused("no.jar: no such file", "--plugins", "no.jar" + File.pathSeparator + text);
    assertRefused(folder + ": no such file", "--plugins", folder.toString(), "models");
  }

  @Test
  void aFileThatIsNoJarIsNamed() {
    assertRefused(text + ": this is not a jar: ", "--plugins", text, "models");
  }

  @Test
  void aJarWithoutAMechanismSaysWhatItLacks() {
    assertRefused(
        empty
            + ": this jar has no mechanism, because it lacks the file"
            + " META-INF/services/io.fovea.attention.Mechanism$Provider",
        "--plugins",
        empty,
        "models");
  }

  @ParameterizedTest
  @ValueSource(strings = {"--plugins", "models --plugins"})
  void theJarsAreNotToBeLeftOut(String arguments) {
    Outcome outcome = Outcome.of(arguments.split(" ", -1));

    assertThat(outcome.status()).isEqualTo(2);
    assertThat(outcome.errLines().get(0)).contains("Missing", "--plugins");
  }

  @Test
  void debugPrintsTheStackTrace() {
    Outcome outcome = Outcome.of("--debug", "--plugins", text, "models");

    assertThat(outcome.status()).isEqualTo(2);
    assertThat(outcome.err()).contains("FoveaException", "at io.fovea.app.", "Caused by");
  }
}
