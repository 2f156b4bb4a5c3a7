package io.fovea.attention;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

/** The README's table of mechanisms is what the mechanisms say of themselves. */
class ReadmeTest {
  @Test
  void hasARowForEachMechanism() throws IOException {
    String readme = Files.readString(Path.of("..", "README.md"));
    String table = Mechanism.all().stream().map(ReadmeTest::row).collect(Collectors.joining());
    assertThat(readme)
        .contains("| spec, with its defaults | what it does | paper |\n|---|---|---|\n" + table);
  }

  private static String row(Mechanism mechanism) {
    String options =
        mechanism.spec().options().entrySet().stream()
            .map(option -> option.getKey() + "=" + option.getValue())
            .collect(Collectors.joining(","));
    String spec = options.isEmpty() ? mechanism.name() : mechanism.name() + ":" + options;
    String paper = mechanism.paper();
    String link = paper.startsWith("https:") ? paper : "https://arxiv.org/abs/" + paper;
    String name = paper.startsWith("https:") ? "paper" : paper;
    return "| `%s` | %s | [%s](%s) |\n".formatted(spec, mechanism.summary(), name, link);
  }
}
