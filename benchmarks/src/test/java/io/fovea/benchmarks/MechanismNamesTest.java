package io.fovea.benchmarks;

import static org.assertj.core.api.Assertions.assertThat;

import io.fovea.attention.AttentionSpec;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/**
 * A mechanism says everything about itself: no other code asks for one by its name. Names are constants
 * that the compiler copies into the class that compares, so the sources are searched.
 */
class MechanismNamesTest {
  /** The mechanisms themselves, and the reference implementations, which are written for some of them. */
  private static final List<String> MAY = List.of("io/fovea/attention/", "io/fovea/reference/");

  private static final String NAME =
      "\"("
          + AttentionSpec.mechanisms().stream().map(Pattern::quote).collect(Collectors.joining("|"))
          + ")\"";

  /** {@code "bam".equals(..)}, {@code ..equals("bam")}, and a case of a switch, alone or among others. */
  private static final Pattern COMPARISON =
      Pattern.compile(
          NAME
              + "\\s*\\.\\s*equals\\s*\\(|equals\\s*\\(\\s*"
              + NAME
              + "\\s*\\)|case\\s+(\"[^\"]*\"\\s*,\\s*)*"
              + NAME);

  @Test
  void nobodyComparesWithAMechanismsName() throws IOException {
    try (Stream<Path> files = Files.walk(Path.of(".."))) {
      assertThat(
              files.filter(MechanismNamesTest::isSearched).flatMap(MechanismNamesTest::comparisons))
          .isEmpty();
    }
  }

  private static boolean isSearched(Path file) {
    String path = file.toString().replace('\\', '/');
    return path.endsWith(".java")
        && path.contains("/src/main/java/")
        && MAY.stream().noneMatch(path::contains);
  }

  private static Stream<String> comparisons(Path file) {
    try {
      return COMPARISON
          .matcher(Files.readString(file))
          .results()
          .map(found -> file + ": " + found.group());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
