package io.fovea.app;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** What the documents point to exists: files, headings, commands and their options. */
class DocumentsTest {
  static final Path ROOT = Path.of("..").toAbsolutePath().normalize();
  private static final Pattern LINK = Pattern.compile("\\]\\(([^)\\s]+)\\)");
  private static final Pattern COMMAND =
      Pattern.compile("(?m)^ *\\./fovea(?: --plugins \\S+)? ([a-z]+)([^#|>\n]*)");
  private static final Pattern OPTION = Pattern.compile("(?<= )--[a-z][a-z-]*");

  static Stream<Path> documents() throws IOException {
    try (Stream<Path> top = Files.list(ROOT);
        Stream<Path> docs = Files.walk(ROOT.resolve("docs"));
        Stream<Path> examples = Files.walk(ROOT.resolve("examples"), 2)) {
      return Stream.of(top, docs, examples)
          .flatMap(files -> files)
          .filter(file -> file.toString().endsWith(".md"))
          .map(ROOT::relativize)
          .sorted()
          .toList()
          .stream();
    }
  }

  @ParameterizedTest
  @MethodSource("documents")
  void linksLeadSomewhere(Path document) throws IOException {
    Matcher link = LINK.matcher(withoutCode(Files.readString(ROOT.resolve(document))));
    while (link.find()) {
      String target = link.group(1);
      if (target.matches("[a-z]+:.*")) {
        continue;
      }
      String[] parts = target.split("#", 2);
      Path file =
          parts[0].isEmpty()
              ? ROOT.resolve(document)
              : ROOT.resolve(document).resolveSibling(parts[0]).normalize();
      assertThat(file).as("%s links to %s", document, target).exists();
      if (parts.length > 1 && file.toString().endsWith(".md")) {
        assertThat(anchors(Files.readString(file)))
            .as("%s links to %s", document, target)
            .contains(parts[1]);
      }
    }
  }

  /** The names by which headings can be linked to, as GitHub makes them. */
  private static Set<String> anchors(String text) {
    Set<String> anchors = new HashSet<>();
    withoutCode(text)
        .lines()
        .filter(line -> line.matches("#+ .*"))
        .map(
            line ->
                line.replaceFirst("#+ ", "")
                    .toLowerCase(Locale.ROOT)
                    .replaceAll("[^\\p{L}\\p{N} _-]", "")
                    .replace(' ', '-'))
        .forEach(
            name -> {
              String free = name;
              for (int i = 1; !anchors.add(free); i++) {
                free = name + "-" + i;
              }
            });
    return anchors;
  }

  private static String withoutCode(String text) {
    return text.replaceAll("(?s)```.*?```", "");
  }

  @Test
  void commandsAndOptionsExist() throws IOException {
    Map<String, String> help = new TreeMap<>();
    for (Path document : documents().toList()) {
      Matcher command = COMMAND.matcher(Files.readString(ROOT.resolve(document)));
      while (command.find()) {
        String name = command.group(1);
        String text =
            help.computeIfAbsent(
                name,
                known -> {
                  Outcome outcome = Outcome.of(known, "--help");
                  assertThat(outcome.status()).as("%s: fovea %s", document, known).isZero();
                  return outcome.out();
                });
        Set<String> options =
            OPTION.matcher(text).results().map(found -> found.group()).collect(Collectors.toSet());
        assertThat(options)
            .as("%s: fovea %s%s", document, name, command.group(2))
            .containsAll(OPTION.matcher(command.group(2)).results().map(r -> r.group()).toList());
      }
    }
    assertThat(help).containsKeys("compare", "train", "evaluate", "predict", "explain", "export");
  }
}
