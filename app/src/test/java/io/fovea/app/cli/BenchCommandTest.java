package io.fovea.app.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import io.fovea.app.Outcome;
import io.fovea.training.run.Json;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class BenchCommandTest {
  @TempDir private Path folder;

  @Test
  void measuresWhatIsAskedFor() throws IOException {
    Path file = folder.resolve("bench.json");
    Outcome outcome =
        Outcome.of(
            "bench",
            "--modules",
            "se+block,nonlocal:mode=dot_product,bn=true,cbam",
            "--shape",
            "2x16x6x6",
            "--seconds",
            "0.01",
            "--threads",
            "1",
            "--json",
            file.toString());

    assertThat(outcome.err()).as("errors").doesNotContain("fovea:");
    assertThat(outcome.status()).isZero();
    assertThat(outcome.outLines().get(0)).startsWith("module ").contains("ratio");
    assertThat(outcome.outLines().get(1)).matches("se \\+ block +2x16x6x6 .*ms.*");
    assertThat(outcome.outLines().get(2)).startsWith("nonlocal:mode=dot_product ");
    assertThat(outcome.outLines().get(3)).startsWith("cbam ");
    JsonNode measured = Json.MAPPER.readTree(Files.readString(file)).get("measurements");
    assertThat(measured).hasSize(3);
    for (JsonNode one : measured) {
      for (String mode : new String[] {"inference", "training"}) {
        assertThat(one.get(mode).get("fovea_millis").asDouble()).isPositive();
        assertThat(one.get(mode).get("reference_millis").asDouble()).isPositive();
      }
      assertThat(one.get("copy_millis").asDouble()).isPositive();
      assertThat(one.get("product_millis").asDouble()).isPositive();
    }
  }

  @Test
  void measuresNetworksFromEndToEnd() throws IOException {
    Path file = folder.resolve("bench.json");
    Outcome outcome =
        Outcome.of(
            "bench",
            "--networks",
            "se-resnet8",
            "--shape",
            "4x3x16x16",
            "--seconds",
            "0.01",
            "--threads",
            "1",
            "--json",
            file.toString());

    assertThat(outcome.err()).as("errors").doesNotContain("fovea:");
    assertThat(outcome.status()).isZero();
    assertThat(outcome.outLines().get(0)).startsWith("network ").contains("images/s");
    assertThat(outcome.outLines().get(1)).matches("se-resnet8 +4x3x16x16 +float32 .*ms.*");
    JsonNode results = Json.MAPPER.readTree(Files.readString(file));
    assertThat(results.get("measurements")).isEmpty();
    assertThat(results.get("command").asText()).startsWith("./fovea bench --networks se-resnet8 ");
    JsonNode one = results.get("networks").get(0);
    assertThat(one.get("network").asText()).isEqualTo("se-resnet8");
    for (String mode : new String[] {"inference", "training"}) {
      assertThat(one.get(mode).get("fovea_millis").asDouble()).isPositive();
      assertThat(one.get(mode).get("reference_millis").asDouble()).isPositive();
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          --shape   | 2x16x6     | fovea: --shape must be four whole numbers like 32x64x32x32
          --shape   | 0x16x6x6   | fovea: --shape must be four whole numbers like 32x64x32x32
          --seconds | 0          | fovea: --seconds must be greater than 0, got 0.0
          --modules | dual       | fovea: no reference implementation for dual
          --networks | resnet50  | fovea: expected a network like se-resnet50
          --networks | se-resnet9 | fovea: unknown backbone: "resnet9"
          --precision | bf17     | fovea: Invalid value for option '--precision'
          """)
  void refuses(String option, String value, String message) {
    Outcome outcome = Outcome.of("bench", option, value);

    assertThat(outcome.status()).isEqualTo(2);
    assertThat(outcome.err()).contains(message);
  }

  /** Before minutes of measuring. */
  @Test
  void namesAMistakeBeforeItMeasures() {
    Outcome outcome = Outcome.of("bench", "--modules", "se", "--networks", "none");

    assertThat(outcome.status()).isEqualTo(2);
    assertThat(outcome.errLines())
        .singleElement()
        .asString()
        .startsWith("fovea: expected a network like se-resnet50");
  }

  /**
   * A program that answers as the script does on a PyTorch that compiles CBAM, but not PAM. It ends
   * when it should measure SimAM, as if somebody had stopped it, if there is a file "stop".
   */
  private Path python() throws IOException {
    Path python = folder.resolve("python");
    Files.writeString(
        python,
        """
        #!/bin/sh
        echo '{"torch": "9.9", "blas": "MKL", "further": ["eca", "simam"], "shape": [1, 16, 4, 4]}'
        while read -r line; do
          echo "$line" >>"$(dirname "$0")/requests"
          case $line in
            *fca*) echo '{"error": "fca is not written in PyTorch here"}' ;;
            *simam*'"seconds":0.01'*) if [ -f "$(dirname "$0")/stop" ]; then exit 1; fi
              echo '{"inference": 3.0, "training": 4.0}' ;;
            *pam*'"compile":true'*) echo '{"error": "no compiler"}' ;;
            *'"compile":true'*) echo '{"inference": 1000.0, "training": 2000.0}' ;;
            *) echo '{"inference": 3000.0, "training": 4000.0}' ;;
          esac
        done
        """);
    assertThat(python.toFile().setExecutable(true)).isTrue();
    return python;
  }

  @Test
  void takesTurnsWithPyTorch() throws IOException {
    Path python = python();
    Path file = folder.resolve("peers.json");
    Outcome outcome =
        Outcome.of(
            "bench",
            "--modules",
            "cbam,pam",
            "--shape",
            "1x16x4x4",
            "--seconds",
            "0.01",
            "--rounds",
            "2",
            "--peers",
            "--python",
            python.toString(),
            "--json",
            file.toString());

    assertThat(outcome.status()).as(outcome.err()).isZero();
    assertThat(outcome.outLines().get(1))
        .matches("cbam +1x16x4x4 .*ms +3000\\.0 ms +1000\\.0 ms .*");
    assertThat(outcome.outLines().get(2)).matches("pam +1x16x4x4 .* +- +\\d+\\.\\d\\d .*");
    assertThat(outcome.out()).contains("PyTorch 9.9, MKL.");
    assertThat(outcome.err()).contains("not compiled: ").contains("no compiler");
    JsonNode written = Json.MAPPER.readTree(Files.readString(file));
    assertThat(written.at("/pytorch").asText()).isEqualTo("9.9, MKL");
    assertThat(written.at("/peers/0/rounds").asInt()).isEqualTo(2);
    assertThat(written.at("/peers/0/training/compiled").asDouble()).isEqualTo(2000);
    assertThat(written.at("/peers/1/training").has("compiled")).isFalse();
  }

  /** Further mechanisms have no reference implementation. */
  @Test
  void goesOnAfterItWasStopped() throws IOException {
    Path file = folder.resolve("peers.json");
    String[] words = {
      "bench",
      "--modules",
      "eca,simam",
      "--shape",
      "1x16x4x4",
      "--seconds",
      "0.01",
      "--rounds",
      "2",
      "--threads",
      "1",
      "--peers",
      "--python",
      python().toString(),
      "--json",
      file.toString()
    };
    Path stop = Files.createFile(folder.resolve("stop"));
    Outcome stopped = Outcome.of(words);
    assertThat(stopped.status()).isEqualTo(2);
    assertThat(stopped.err()).contains("ended; has it PyTorch?");
    JsonNode before = Json.MAPPER.readTree(Files.readString(file)).get("peers");
    assertThat(before).hasSize(1);
    assertThat(before.get(0).get("each")).hasSize(2);

    Files.delete(stop);
    Files.delete(folder.resolve("requests"));
    Outcome outcome = Outcome.of(words);
    assertThat(outcome.status()).as(outcome.err()).isZero();
    assertThat(Files.readAllLines(folder.resolve("requests")))
        .filteredOn(line -> line.contains("\"seconds\":0.01"))
        .hasSize(4) // eager and compiled, twice
        .allMatch(line -> line.contains("simam"));
    assertThat(outcome.outLines().get(1)).startsWith("eca ");
    assertThat(outcome.outLines().get(2)).matches("simam +1x16x4x4 +\\S+ ms +- +3\\.00 ms .*");
    JsonNode written = Json.MAPPER.readTree(Files.readString(file)).get("peers");
    assertThat(written).hasSize(2);
    assertThat(written.get(0)).isEqualTo(before.get(0));
    assertThat(written.get(1).get("rounds").asInt()).isEqualTo(2);

    words[8] = "3";
    assertThat(Outcome.of(words).err()).contains("exists already").contains("--overwrite");
    Files.writeString(file, Files.readString(file).replace("9.9", "9.8"));
    words[8] = "2";
    assertThat(Outcome.of(words).err()).contains("was begun with another Java, PyTorch");
  }

  @Test
  void modulesThatAreNotWrittenInPyTorchAreNamedAtOnce() throws IOException {
    Outcome outcome =
        Outcome.of("bench", "--modules", "se,fca", "--peers", "--python", python().toString());
    assertThat(outcome.status()).isEqualTo(2);
    assertThat(outcome.err()).contains("fca is not written in PyTorch here");
    assertThat(outcome.err()).doesNotContain("measuring");
  }

  @Test
  void aPythonWithoutPyTorchIsNamed() {
    Outcome outcome = Outcome.of("bench", "--modules", "se", "--peers", "--python", "/no/python");
    assertThat(outcome.status()).isEqualTo(2);
    assertThat(outcome.err()).contains("/no/python does not start").contains("--python");
    assertThat(Outcome.of("bench", "--python", "python3").err()).contains("--python needs --peers");
    assertThat(Outcome.of("bench", "--rounds", "3").err()).contains("--rounds needs --peers");
  }
}
