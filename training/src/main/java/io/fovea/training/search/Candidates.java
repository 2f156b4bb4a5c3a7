package io.fovea.training.search;

import io.fovea.data.Progress;
import io.fovea.errors.FoveaException;
import io.fovea.models.Network;
import io.fovea.models.NetworkSpec;
import io.fovea.models.placement.PlacedAttention;
import io.fovea.models.weights.StateDict;
import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.function.DoubleSupplier;
import java.util.function.Function;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/**
 * The networks of a search with their costs, which are known before anything is trained.
 *
 * @param baseline the network without attention, which takes part in any case
 * @param entrants the networks with attention that take part
 * @param excluded those that do not
 */
public record Candidates(Candidate baseline, List<Candidate> entrants, List<Excluded> excluded) {
  /** The largest deviation from 1 of values that stand in for equal ones. */
  private static final double SPREAD = 0.5;

  /**
   * A network with its cost.
   *
   * @param module the attention as text
   * @param parameters the number of trained values
   * @param macs the multiply-accumulates for one image
   * @param latencyMs the time for one image on this machine in milliseconds
   */
  public record Candidate(String module, long parameters, long macs, double latencyMs) {}

  /**
   * An attention that does not take part.
   *
   * @param module the attention as text
   * @param reason why, in words
   */
  public record Excluded(String module, String reason) {}

  /** Copies the lists. */
  public Candidates {
    entrants = List.copyOf(entrants);
    excluded = List.copyOf(excluded);
  }

  /** All networks, the one without attention first. */
  public List<Candidate> all() {
    List<Candidate> all = new ArrayList<>(List.of(baseline));
    all.addAll(entrants);
    return all;
  }

  /**
   * The names of all that take part; empty if one of them, read from a file, has none, if one is there
   * twice, or if the baseline is another one.
   */
  Set<String> names() {
    Set<String> names = new LinkedHashSet<>();
    for (Candidate candidate : entrants) {
      if (candidate.module() == null || !names.add(candidate.module())) {
        return Set.of();
      }
    }
    boolean plain = baseline != null && PlacedAttention.NONE.equals(baseline.module());
    return plain && names.add(PlacedAttention.NONE) ? names : Set.of();
  }

  /**
   * Creates each network once, and measures it. An attention is left out if the backbone cannot have
   * it, if the meter cannot run it, if it costs more than the limits, or if it computes the same
   * function as one before it: with the same seed both have weights of the same shapes and give the
   * same scores.
   *
   * @param modules the attentions as texts; {@code none} among them counts as the baseline
   * @param network gives the spec of the network with an attention
   * @param size the size of the input, as for {@link Network#macs}
   * @param meter measures the time for one image
   * @param progress receives the progress in networks
   */
  public static Candidates of(
      List<String> modules,
      Function<String, ? extends NetworkSpec<?>> network,
      int[] size,
      SearchSpec.Limits limits,
      LatencyMeter meter,
      Progress progress) {
    List<Candidate> entrants = new ArrayList<>();
    List<Excluded> excluded = new ArrayList<>();
    Map<String, String> known = new HashMap<>();
    progress.begin("costs", modules.size());
    Look plain = Look.of(network.apply(PlacedAttention.NONE), size);
    known.put(plain.function, PlacedAttention.NONE);
    for (String module : modules) {
      if (module.equals(PlacedAttention.NONE)) {
        continue;
      }
      try {
        NetworkSpec<?> spec = network.apply(module);
        Look look = Look.of(spec, size);
        String twin = known.putIfAbsent(look.function, module);
        String reason = twin != null ? "the same function as " + twin : look.tooLarge(limits);
        if (reason == null) {
          reason = timed(entrants, module, look, limits, () -> latency(meter, spec, size));
        }
        if (reason != null) {
          excluded.add(new Excluded(module, reason));
        }
      } catch (FoveaException | IllegalArgumentException e) {
        excluded.add(new Excluded(module, "does not fit: " + e.getMessage()));
      }
      progress.step(1);
    }
    double latency = latency(meter, network.apply(PlacedAttention.NONE), size);
    progress.end();
    return new Candidates(
        new Candidate(PlacedAttention.NONE, plain.parameters, plain.macs, latency),
        entrants,
        excluded);
  }

  /** Adds a candidate unless it takes too long or cannot be timed; then the result is the reason. */
  private static String timed(
      List<Candidate> entrants,
      String module,
      Look look,
      SearchSpec.Limits limits,
      DoubleSupplier latency) {
    double milliseconds;
    try {
      milliseconds = latency.getAsDouble();
    } catch (FoveaException e) {
      return e.getMessage();
    }
    String reason = over(milliseconds, limits.latencyMs(), "%.2f ms for one image");
    if (reason == null) {
      entrants.add(new Candidate(module, look.parameters, look.macs, milliseconds));
    }
    return reason;
  }

  private static double latency(LatencyMeter meter, NetworkSpec<?> spec, int... size) {
    return NetworkSpec.aside(() -> meter.milliseconds(spec.create(), 1, size));
  }

  private static String over(double value, double limit, String format) {
    return limit > 0 && value > limit
        ? String.format(Locale.ROOT, format + ", more than the limit of %s", value, plain(limit))
        : null;
  }

  private static String plain(double limit) {
    return limit == Math.rint(limit)
        ? String.format(Locale.ROOT, "%,d", (long) limit)
        : Double.toString(limit);
  }

  /** What a network looks like without being timed: its costs and a text of its function. */
  private record Look(long parameters, long macs, String function) {
    static Look of(NetworkSpec<?> spec, int... size) {
      return NetworkSpec.aside(
          () -> {
            torch.manual_seed(1);
            Network network = spec.create();
            long macs = network.macs(size); // before weights are changed
            return new Look(network.parameterCount(), macs, function(network, size));
          });
    }

    String tooLarge(SearchSpec.Limits limits) {
      String reason = over((double) parameters, limits.parameters(), "%,.0f parameters");
      return reason != null
          ? reason
          : over((double) macs, limits.macs(), "%,.0f multiply-accumulates for one image");
    }

    /**
     * The shapes of the weights and the scores for one input. Weights that start with equal values,
     * such as a gamma of 0 that hides the rest, get others first.
     */
    private static String function(Network network, int... size) {
      try (NoGradGuard guard = new NoGradGuard()) {
        StringBuilder text = new StringBuilder();
        for (Tensor weight : StateDict.parameters(network).values()) {
          text.append(Arrays.toString(weight.shape()));
          if (weight.numel() > 0 && weight.max().item_double() == weight.min().item_double()) {
            weight.uniform_(1 - SPREAD, 1 + SPREAD, null);
            weight.mul_(new Scalar(SPREAD));
          }
        }
        network.eval();
        long[] shape =
            LongStream.concat(
                    LongStream.of(1, network.channels()), IntStream.of(size).asLongStream())
                .toArray();
        Tensor scores = network.scores(torch.randn(shape)).contiguous();
        float[] values = new float[(int) scores.numel()];
        scores.<FloatBuffer>createBuffer().get(values);
        return text.append(Arrays.hashCode(values))
            .append(Arrays.toString(first(values)))
            .toString();
      }
    }

    private static float[] first(float... values) {
      return Arrays.copyOf(values, Math.min(values.length, 8));
    }
  }
}
