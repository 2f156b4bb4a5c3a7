package io.fovea.app;

import static org.assertj.core.api.Assertions.assertThat;

import io.fovea.data.DataException;
import io.fovea.errors.FoveaException;
import io.fovea.errors.SpecException;
import io.fovea.models.weights.WeightsException;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

class FoveaTest {
  @TempDir Path temporary;

  @Test
  void helpNamesTheCommands() {
    Outcome outcome = Outcome.of("--help");

    assertThat(outcome.status()).isZero();
    assertThat(outcome.out()).contains("compare", "train", "evaluate", "predict", "Exit status");
    assertThat(outcome.err()).isEmpty();
  }

  @Test
  void withoutACommandTheHelpIsPrinted() {
    Outcome outcome = Outcome.of();

    assertThat(outcome.status()).isEqualTo(2);
    assertThat(outcome.err()).isEqualTo(Outcome.of("--help").out());
    assertThat(outcome.out()).isEmpty();
  }

  @Test
  void helpIsACommand() {
    assertThat(Outcome.of("help").out()).isEqualTo(Outcome.of("--help").out());
    assertThat(Outcome.of("help", "train").out()).isEqualTo(Outcome.of("train", "--help").out());
  }

  static Stream<String> commands() {
    return Stream.of(
        "ablate",
        "bench",
        "compare",
        "completion",
        "data",
        "evaluate",
        "explain",
        "export",
        "import",
        "mechanisms",
        "models",
        "predict",
        "search",
        "serve",
        "train");
  }

  /** What most users need comes first and fits a screen; the headings below it are for some. */
  @ParameterizedTest
  @MethodSource("commands")
  void helpFitsAScreenBeforeItsFirstHeading(String command) {
    List<String> help = Outcome.of(command, "--help").out().lines().toList();

    assertThat(help.stream().takeWhile(line -> !line.matches("[A-Z].*:")))
        .hasSizeBetween(10, 50)
        .allMatch(line -> line.length() <= 80);
  }

  @ParameterizedTest
  @MethodSource("commands")
  void everyCommandHasHelpWithAnExample(String command) {
    Outcome outcome = Outcome.of(command, "--help");

    assertThat(outcome.status()).isZero();
    assertThat(outcome.out()).contains("Usage: fovea " + command, "  fovea " + command);
    assertThat(outcome.err()).isEmpty();
  }

  @Test
  void versionIsTheBuilds() {
    Outcome outcome = Outcome.of("--version");

    assertThat(outcome.status()).isZero();
    assertThat(outcome.out()).matches("fovea \\d+\\.\\d+\\.\\d+\\S*\\R");
    assertThat(outcome.err()).isEmpty();
  }

  @Test
  void whoAsksForTheVersionAsACommandIsToldTheOption() {
    Outcome outcome = Outcome.of("version");

    assertThat(outcome.status()).isEqualTo(2);
    assertThat(outcome.errLines())
        .containsExactly(
            "fovea: Unmatched argument at index 0: 'version'", "Did you mean: fovea --version?");
  }

  static Stream<Arguments> mistakesInArguments() {
    return Stream.of(
        Arguments.of(List.of("compare", "--nonsense"), "--nonsense"),
        Arguments.of(List.of("compar"), "compar"),
        Arguments.of(List.of("compare", "--seeds", "1,x"), "x"),
        Arguments.of(List.of("train", "--epochs", "many"), "many"),
        Arguments.of(List.of("predict"), "IMAGE"));
  }

  @ParameterizedTest
  @MethodSource("mistakesInArguments")
  void aMistakeInArgumentsIsOneLineAndAHint(List<String> arguments, String named) {
    Outcome outcome = Outcome.of(arguments.toArray(new String[0]));

    assertThat(outcome.status()).isEqualTo(2);
    assertThat(outcome.errLines()).hasSizeBetween(1, 2);
    assertThat(outcome.errLines().get(0)).startsWith("fovea: ").contains(named);
    assertThat(outcome.out()).isEmpty();
  }

  static Stream<Arguments> mistakes() {
    return Stream.of(
        mistake("did you mean \"se\"?", "compare", "--modules", "none,sw"),
        mistake("cbam", "compare", "--modules", "none,cbm"),
        mistake(
            "se:reduction=8 twice", "compare", "--modules", "none,se:reduction=8,se:reduction=8"),
        mistake("none twice", "compare", "--modules", "none,none"),
        mistake("a seed twice: [1, 2, 1]", "compare", "--seeds", "1,2,1"),
        mistake("resnet9", "compare", "--backbone", "resnet9"),
        mistake("vgg", "train", "--backbone", "vgg"),
        mistake("stage 9 does not exist", "compare", "--modules", "se", "--stages", "9"),
        mistake("did you mean \"post\"?", "train", "--attention", "se", "--placement", "pst"),
        mistake("need --attention", "train", "--placement", "pre"),
        mistake(
            "--placement has no effect on \"se@pre\"",
            "compare",
            "--modules",
            "se@pre",
            "--placement",
            "post"),
        mistake("--modules names se@pre twice", "compare", "--modules", "se@pre,se@pre"),
        mistake(
            "no place \"identity\"",
            "compare",
            "--backbone",
            "googlenet",
            "--placement",
            "identity"),
        mistake(
            "reduction=16 exceeds the 8 channels", "train", "--attention", "se", "--width", ".5"),
        mistake("no/such/folder: no such folder", "compare", "--data", "no/such/folder"),
        mistake("no/such/folder: no such folder", "train", "--data", "no/such/folder"),
        mistake("--limit must be at least 1, got 0", "compare", "--limit", "0"),
        mistake("epochs must be at least 1, got 0", "compare", "--epochs", "0"),
        mistake("the batch size must be at least 2, got 1", "train", "--batch-size", "1"),
        mistake("--image-size is for folders", "train", "--image-size", "64"),
        mistake("--data-dir is for --data fashion-mnist", "train", "--data-dir", "x"),
        mistake("unknown mechanism: \"nothing\"", "train", "--attention", "nothing"),
        mistake("such as 30m, 2h, 90s or 200epochs, got \"soon\"", "search", "--budget", "soon"),
        mistake("did you mean \"stage\"?", "search", "--placements", "paper,stag"),
        mistake(
            "exceed those of a whole training, 3", "search", "--min-epochs", "4", "--epochs", "3"),
        mistake("eta must be at least 2, got 1", "search", "--eta", "1"),
        mistake("a budget of 9 epochs is too little", "search", "--budget", "9epochs"),
        mistake("--placements is for", "search", "--task", "segmentation", "--placements", "pre"));
  }

  private static Arguments mistake(String named, String... arguments) {
    return Arguments.of(named, List.of(arguments));
  }

  @ParameterizedTest
  @MethodSource("mistakes")
  void aMistakeIsOneLineAndNothingIsWritten(String named, List<String> arguments) {
    Path out = temporary.resolve("out");
    List<String> all = new ArrayList<>(arguments);
    all.addAll(List.of("--out", out.toString()));

    Outcome outcome = Outcome.of(all.toArray(new String[0]));

    assertThat(outcome.status()).isEqualTo(2);
    assertThat(outcome.errLines()).hasSize(1);
    assertThat(outcome.err()).startsWith("fovea: ").contains(named);
    assertThat(outcome.out()).isEmpty();
    assertThat(out).doesNotExist();
  }

  @ParameterizedTest
  @ValueSource(strings = {"predict", "evaluate"})
  void aFolderThatIsNoRunIsNamed(String command) {
    String none = temporary.resolve("none").toString();

    Outcome outcome =
        command.equals("predict")
            ? Outcome.of("predict", "--run", none, "image.png")
            : Outcome.of("evaluate", none);

    assertThat(outcome.status()).isEqualTo(2);
    assertThat(outcome.errLines())
        .containsExactly("fovea: " + none + ": not a run folder: it has no config.json");
  }

  /** A programming error must not be reported as the user's mistake. */
  @Test
  void whatAUserCanMendIsTold() {
    assertThat(Fovea.isMistake(new FoveaException("--top must be at least 1, got 0"))).isTrue();
    assertThat(Fovea.isMistake(new SpecException("unknown backbone"))).isTrue();
    assertThat(Fovea.isMistake(new DataException("no such folder"))).isTrue();
    assertThat(Fovea.isMistake(new WeightsException("do not fit"))).isTrue();
    assertThat(Fovea.isMistake(new IOException("disk full"))).isTrue();
    assertThat(Fovea.isMistake(new IllegalArgumentException("of ours, or of the JDK"))).isFalse();
    assertThat(Fovea.isMistake(new NumberFormatException("x"))).isFalse();
    assertThat(Fovea.isMistake(new NullPointerException())).isFalse();
  }

  @Test
  void debugPrintsTheStackTrace() {
    Outcome outcome = Outcome.of("compare", "--limit", "0", "--debug");

    assertThat(outcome.status()).isEqualTo(2);
    assertThat(outcome.err()).contains("SpecException", "at io.fovea.app.");
  }
}
