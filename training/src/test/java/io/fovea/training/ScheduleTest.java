package io.fovea.training;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.fovea.errors.SpecException;
import io.fovea.training.run.Json;
import java.io.IOException;
import java.io.InputStream;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

class ScheduleTest {
  private static JsonNode golden() throws IOException {
    try (InputStream in = ScheduleTest.class.getResourceAsStream("/golden/schedules.json")) {
      return new ObjectMapper().readTree(in);
    }
  }

  static Stream<Arguments> cases() throws IOException {
    return golden().path("cases").properties().stream()
        .map(one -> Arguments.of(one.getKey(), one.getValue()));
  }

  /** The numbers of torch.optim.lr_scheduler, step by step. */
  @ParameterizedTest
  @MethodSource("cases")
  void ratesAreThoseOfPyTorch(String text, JsonNode expected) throws IOException {
    JsonNode golden = golden();
    int batches = golden.path("batches").asInt();
    Schedule schedule = Schedule.parse(text);
    List<Double> scores = new ArrayList<>();
    assertThat(expected).hasSize(40);
    for (int step = 0; step < expected.size(); step++) {
      if (step > 0 && step % batches == 0) {
        scores.add(golden.path("scores").get(step / batches - 1).asDouble());
      }
      Schedule.Position at =
          new Schedule.Position(step, expected.size(), step / batches, List.copyOf(scores));
      assertThat(schedule.rate(golden.path("peak").asDouble(), at))
          .as("%s, step %d", text, step)
          .isCloseTo(expected.get(step).asDouble(), within(1e-12));
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "cosine",
        "cosine:warmup=0.2",
        "multistep:milestones=30,60,gamma=0.2,warmup=0.05",
        "plateau:patience=3"
      })
  void isItsText(String text) throws IOException {
    assertThat(Schedule.parse(text)).hasToString(text);
    assertThat(Json.MAPPER.readValue("\"" + text + "\"", Schedule.class))
        .isEqualTo(Schedule.parse(text));
  }

  @Test
  void whatIsTheDefaultIsLeftOut() {
    assertThat(Schedule.parse("poly: power=0.9, warmup=0")).hasToString("poly");
    assertThat(Schedule.parse("poly:power=0.9")).isEqualTo(Schedule.POLY);
    assertThat(Schedule.COSINE.withWarmup(0)).hasToString("cosine");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "linear | unknown schedule: \"linear\"; there are cosine, poly, step, multistep, plateau and"
            + " constant",
        "cosine:power=2 | schedule cosine: has no \"power\"; it has lowest, warmup",
        "step:size=1,size=2 | schedule step: has size twice",
        "step:size=1,2 | schedule step: expected NAME=VALUE, got \"2\"",
        "step:size | schedule step: expected NAME=VALUE, got \"size\"",
        "step:size=x | schedule step: expected a number, got \"x\"",
        "step:size=1.5 | schedule step: size must be a whole number of at least 1, got 1.5",
        "step:gamma=0 | schedule step: gamma must be above 0 and at most 1, got 0.0",
        "cosine:lowest=NaN | schedule cosine: lowest must be from 0 to 1, got NaN",
        "multistep | schedule multistep: needs milestones=A,B,... in whole epochs, the first one"
            + " first",
        "multistep:milestones=6,3 | schedule multistep: needs milestones=A,B,... in whole epochs, the"
            + " first one first",
        "constant:warmup=2 | warm-up must be from 0 to 1, got 2.0",
      })
  void mistakesAreNamed(String text, String message) {
    assertThatThrownBy(() -> Schedule.parse(text))
        .isInstanceOf(SpecException.class)
        .hasMessage(message);
  }
}
