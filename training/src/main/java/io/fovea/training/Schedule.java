package io.fovea.training;

import static io.fovea.errors.SpecException.check;

import com.fasterxml.jackson.annotation.JsonCreator;
import com.fasterxml.jackson.annotation.JsonValue;
import io.fovea.errors.SpecException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;

/**
 * How the learning rate changes during a training: {@code cosine:warmup=0.2}, {@code
 * multistep:milestones=30,60,gamma=0.1}. The values are those of {@code torch.optim.lr_scheduler}.
 *
 * <table>
 * <caption>The schedules, with their defaults</caption>
 * <tr><td>{@code cosine:lowest=0}</td><td>half a cosine down to a share of the peak, which the last
 * step has ({@code CosineAnnealingLR}; Loshchilov, Hutter: <a
 * href="https://arxiv.org/abs/1608.03983">SGDR</a>, without restarts)</td></tr>
 * <tr><td>{@code poly:power=0.9}</td><td>{@code (1 - step / steps) ^ power} ({@code
 * PolynomialLR})</td></tr>
 * <tr><td>{@code step:size=30,gamma=0.1}</td><td>multiplied by gamma every {@code size} epochs
 * ({@code StepLR})</td></tr>
 * <tr><td>{@code multistep:milestones=A,B,gamma=0.1}</td><td>multiplied by gamma after A and after B
 * epochs ({@code MultiStepLR})</td></tr>
 * <tr><td>{@code plateau:gamma=0.1,patience=10,threshold=0.0001,cooldown=0,lowest=0}</td><td>
 * multiplied by gamma if the score on the test samples has not become better, by this share of it,
 * for more than {@code patience} epochs ({@code ReduceLROnPlateau} with {@code mode="max"})</td></tr>
 * <tr><td>{@code constant}</td><td>the peak</td></tr>
 * </table>
 *
 * <p>Each takes {@code warmup=SHARE}, the share of all steps in which the learning rate rises in a
 * line ({@code LinearLR}); 0 by default. {@code cosine} and {@code poly} begin after it; the others
 * count from the first epoch and are multiplied by it.
 *
 * <p>Immutable and thread-safe; its text is its JSON form.
 */
public final class Schedule {
  private static final double EPSILON = 1e-8; // smaller changes are none, as in ReduceLROnPlateau

  /** The schedules. */
  private enum Kind {
    COSINE("lowest,warmup"),
    POLY("power,warmup"),
    STEP("size,gamma,warmup"),
    MULTISTEP("milestones,gamma,warmup"),
    PLATEAU("gamma,patience,threshold,cooldown,lowest,warmup"),
    CONSTANT("warmup");

    private final String parameters;

    Kind(String parameters) {
      this.parameters = parameters;
    }

    /** The names of its parameters. */
    List<String> parameters() {
      return List.of(parameters.split(",", -1));
    }

    static Kind of(String name) {
      for (Kind kind : values()) {
        if (kind.toString().equals(name)) {
          return kind;
        }
      }
      throw new SpecException(
          "unknown schedule: \""
              + name
              + "\"; there are cosine, poly, step, multistep, plateau and constant");
    }

    @Override
    public String toString() {
      return name().toLowerCase(Locale.ROOT);
    }
  }

  private static final String WARMUP = "warmup";
  private static final Map<String, Double> DEFAULTS =
      Map.of(
          "lowest",
          0.0,
          "power",
          0.9,
          "size",
          30.0,
          "gamma",
          0.1,
          "patience",
          10.0,
          "threshold",
          1e-4,
          "cooldown",
          0.0,
          WARMUP,
          0.0);

  /** A linear warm-up in a fifth of the steps, then half a cosine down to zero. */
  public static final Schedule COSINE = parse("cosine:warmup=0.2");

  /** The "poly" schedule with an exponent of 0.9. */
  public static final Schedule POLY = parse("poly");

  private final Kind kind;
  private final Map<String, List<Double>> given;

  private Schedule(Kind kind, Map<String, List<Double>> given) {
    this.kind = kind;
    this.given = given;
    range("lowest", value("lowest") >= 0 && value("lowest") <= 1, "from 0 to 1");
    range("power", value("power") >= 0, "at least 0");
    range("size", isCount(value("size")) && value("size") >= 1, "a whole number of at least 1");
    range("gamma", value("gamma") > 0 && value("gamma") <= 1, "above 0 and at most 1");
    range("patience", isCount(value("patience")), "a whole number of at least 0");
    range("threshold", value("threshold") >= 0, "at least 0");
    range("cooldown", isCount(value("cooldown")), "a whole number of at least 0");
    double warmup = value(WARMUP);
    check(warmup >= 0 && warmup <= 1, "warm-up must be from 0 to 1, got " + warmup);
    if (kind == Kind.MULTISTEP) {
      List<Double> milestones = given.getOrDefault("milestones", List.of());
      check(
          !milestones.isEmpty()
              && milestones.stream().allMatch(m -> isCount(m) && m >= 1)
              && milestones.stream().sorted().toList().equals(milestones),
          "schedule multistep: needs milestones=A,B,... in whole epochs, the first one first");
    }
  }

  /**
   * Reads a text.
   *
   * @throws SpecException if there is no such schedule or parameter, or a value is out of range
   */
  @JsonCreator
  public static Schedule parse(String text) {
    int colon = text.indexOf(':');
    Kind kind = Kind.of((colon < 0 ? text : text.substring(0, colon)).strip());
    Map<String, List<Double>> given = new LinkedHashMap<>();
    String name = null;
    for (String piece : colon < 0 ? new String[0] : text.substring(colon + 1).split(",", -1)) {
      int equals = piece.indexOf('=');
      if (equals >= 0) {
        name = piece.substring(0, equals).strip();
        check(
            kind.parameters().contains(name),
            String.format(
                "schedule %s: has no \"%s\"; it has %s",
                kind, name, String.join(", ", kind.parameters())));
        check(!given.containsKey(name), "schedule " + kind + ": has " + name + " twice");
        given.put(name, new ArrayList<>());
      }
      check(
          name != null && (equals >= 0 || name.equals("milestones")),
          "schedule " + kind + ": expected NAME=VALUE, got \"" + piece + "\"");
      given.get(name).add(number(kind, piece.substring(equals + 1).strip()));
    }
    return new Schedule(kind, given);
  }

  private static double number(Kind kind, String text) {
    try {
      return Double.parseDouble(text);
    } catch (NumberFormatException e) {
      throw new SpecException("schedule " + kind + ": expected a number, got \"" + text + "\"", e);
    }
  }

  private void range(String name, boolean holds, String expected) {
    check(
        holds && Double.isFinite(value(name)),
        "schedule " + kind + ": " + name + " must be " + expected + ", got " + value(name));
  }

  private static boolean isCount(double value) {
    return value >= 0 && value == Math.rint(value);
  }

  private double value(String name) {
    return given.containsKey(name) ? given.get(name).get(0) : DEFAULTS.get(name);
  }

  /**
   * Returns the same schedule with another warm-up.
   *
   * @param share the share of all steps, from 0 to 1
   * @throws SpecException if it is out of range
   */
  public Schedule withWarmup(double share) {
    Map<String, List<Double>> changed = new LinkedHashMap<>(given);
    changed.put(WARMUP, List.of(share));
    return new Schedule(kind, changed);
  }

  /** Whether it depends on the scores on the test samples. */
  public boolean followsScores() {
    return kind == Kind.PLATEAU;
  }

  /** The share of all steps in which the learning rate rises, from 0 to 1. */
  public double warmup() {
    return value(WARMUP);
  }

  /**
   * A position in a training.
   *
   * @param step the step, from 0
   * @param steps the number of steps of the training
   * @param epoch the epoch, from 0
   * @param scores the scores on the test samples after each epoch before this one
   */
  record Position(long step, long steps, int epoch, List<Double> scores) {}

  /** The learning rate of a step. */
  double rate(double peak, Position at) {
    double warm = warmup() * at.steps();
    double next = at.step() + 1.0;
    boolean warming = next < warm;
    return switch (kind) {
      case COSINE -> {
        if (warming) {
          yield peak * next / warm;
        }
        double progress = Math.min(1, (next - warm) / Math.max(1, at.steps() - warm));
        double lowest = peak * value("lowest");
        yield lowest + (peak - lowest) * (1 + Math.cos(Math.PI * progress)) / 2;
      }
      case POLY -> {
        if (warming) {
          yield peak * next / warm;
        }
        double before = Math.max(0, warm - 1); // steps below the peak
        double share = Math.min(1, (at.step() - before) / (at.steps() - before));
        yield peak * Math.pow(1 - share, value("power"));
      }
      default -> (warming ? peak * next / warm : peak) * factor(at);
    };
  }

  /** What the peak is multiplied by in an epoch. */
  private double factor(Position at) {
    return switch (kind) {
      case STEP -> {
        int drops = at.epoch() / (int) value("size");
        yield Math.pow(value("gamma"), drops);
      }
      case MULTISTEP -> {
        long drops = given.get("milestones").stream().filter(after -> after <= at.epoch()).count();
        yield Math.pow(value("gamma"), (double) drops);
      }
      case PLATEAU -> plateau(at.scores());
      default -> 1;
    };
  }

  /** The factor after some epochs. It depends on their scores alone, so it needs no state. */
  private double plateau(List<Double> scores) {
    double factor = 1;
    double best = Double.NEGATIVE_INFINITY;
    int bad = 0;
    int cooling = 0;
    for (double score : scores) {
      boolean better = score > best * (1 + value("threshold"));
      best = better ? score : best;
      bad = better ? 0 : bad + 1;
      if (cooling > 0) {
        cooling--;
        bad = 0;
      }
      if (bad > value("patience")) {
        double reduced = Math.max(factor * value("gamma"), value("lowest"));
        factor = factor - reduced > EPSILON ? reduced : factor;
        cooling = (int) value("cooldown");
        bad = 0;
      }
    }
    return factor;
  }

  /** The text with the parameters that differ from their defaults. */
  @JsonValue
  @Override
  public String toString() {
    String parameters =
        kind.parameters().stream()
            .filter(name -> given.containsKey(name))
            .filter(name -> !given.get(name).equals(List.of(DEFAULTS.getOrDefault(name, -1.0))))
            .map(
                name ->
                    name
                        + "="
                        + given.get(name).stream()
                            .map(Schedule::text)
                            .collect(Collectors.joining(",")))
            .collect(Collectors.joining(","));
    return parameters.isEmpty() ? kind.toString() : kind + ":" + parameters;
  }

  private static String text(double value) {
    return value == Math.rint(value) && Math.abs(value) < 1e9
        ? Long.toString((long) value)
        : Double.toString(value);
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof Schedule schedule && schedule.toString().equals(toString());
  }

  @Override
  public int hashCode() {
    return toString().hashCode();
  }
}
