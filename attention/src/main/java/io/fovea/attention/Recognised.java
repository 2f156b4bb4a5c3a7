package io.fovea.attention;

import io.fovea.errors.FoveaException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/**
 * A mechanism that weights in a file may belong to, with the options that their names and shapes
 * tell.
 *
 * <p>Immutable and thread-safe.
 *
 * @param spec the mechanism with its options; with its defaults if the form is refused
 * @param form the form in which the weights are written
 */
public record Recognised(AttentionSpec spec, Written form) {
  /** The side of the maps on which two variants are compared; that of the tables of positions. */
  private static final long SIDE = 14;

  private static final double SAME = 1e-5; // float32, relative to the largest value

  /**
   * Finds the mechanisms that may have such weights. Modules are created and freed meanwhile, with
   * libtorch's random generator.
   *
   * @param modules the states of some modules of a file, which must have one spec in common
   * @return the candidates: for each mechanism and form the likeliest options, in the order of the
   *     documentation; copies with another equation ({@link Written#refusal}) only if there is nothing
   *     else
   */
  public static List<Recognised> of(Collection<ModuleState> modules) {
    List<ModuleState> distinct = modules.stream().distinct().toList();
    ModuleState widest =
        distinct.stream().reduce((a, b) -> b.channels() > a.channels() ? b : a).orElseThrow();
    List<Recognised> found =
        candidates()
            .flatMap(
                candidate ->
                    candidate
                        .form
                        .specs(candidate.spec.mechanism(), widest, distinct)
                        .limit(1)
                        .map(spec -> new Recognised(spec, candidate.form)))
            .toList();
    return found.isEmpty()
        ? candidates()
            .filter(candidate -> distinct.stream().allMatch(candidate.form::refuses))
            .toList()
        : found;
  }

  private static Stream<Recognised> candidates() {
    return Mechanism.all().stream()
        .flatMap(
            mechanism ->
                mechanism.forms().stream().map(form -> new Recognised(mechanism.spec(), form)));
  }

  /** Whether these weights may be those of a spec: the spec of a user is then right or wrong. */
  public static Optional<Recognised> as(AttentionSpec spec, Collection<ModuleState> modules) {
    return spec.mechanism().forms().stream()
        .filter(form -> modules.stream().allMatch(state -> form.fits(spec, form.renamed(state))))
        .map(form -> new Recognised(spec, form))
        .findFirst();
  }

  /** The shapes of the spec's module by name, without trailing ones. */
  public Map<String, List<Long>> shapes(long channels) {
    return AttentionSpec.state(spec, channels).map(ModuleState::shapes).orElse(Map.of());
  }

  /**
   * What names and shapes do not tell, as sentences: options that another value of would leave the
   * state as it is but not the results, found by trying them, and what the form leaves open.
   *
   * @param channels the number of channels of one of the modules
   */
  public List<String> untold(long channels) {
    List<String> sentences = new ArrayList<>();
    for (Option<?> option : spec.mechanism().options()) {
      List<String> others = others(option, channels);
      if (!others.isEmpty()) {
        sentences.add(
            spec.mechanism()
                + ": "
                + option.name()
                + "="
                + spec.options().get(option.name())
                + " is taken, it may be "
                + String.join(" or ", others)
                + ": "
                + option.description());
      }
    }
    sentences.addAll(form.doubts());
    return sentences;
  }

  private List<String> others(Option<?> option, long channels) {
    List<String> others = new ArrayList<>();
    boolean number = spec.settings(1, 1).get(option) instanceof Double;
    Stream<String> values =
        number
            ? Stream.of(Double.toString(2 * Double.parseDouble(spec.options().get(option.name()))))
            : option.samples().stream();
    values
        .filter(value -> differs(option, value, channels))
        .forEach(value -> others.add(number ? "another number" : value));
    return others;
  }

  private boolean differs(Option<?> option, String value, long channels) {
    try (PointerScope scope = new PointerScope();
        NoGradGuard guard = new NoGradGuard()) {
      Attention taken = spec.create(channels, 2);
      Attention other = spec.with(option.name(), value).create(channels, 2);
      if (!ModuleState.of(taken).equals(ModuleState.of(other))) {
        return false;
      }
      Map<String, Tensor> values = values(taken);
      values.forEach(Recognised::fill);
      values(other).forEach((name, tensor) -> tensor.copy_(values.get(name)));
      taken.eval();
      other.eval();
      Tensor x = // not around 0, where activations are alike
          waves(channels * SIDE * SIDE).add(new Scalar(0.7)).reshape(1, channels, SIDE, SIDE);
      Tensor one = taken.forward(x);
      double scale = Math.max(1, one.abs().max().item_double());
      return !(one.sub(other.forward(x)).abs().max().item_double() <= SAME * scale);
    } catch (IllegalArgumentException | FoveaException e) {
      return false; // a value that these channels or other options do not allow
    }
  }

  private static Map<String, Tensor> values(Attention module) {
    Map<String, Tensor> values = new LinkedHashMap<>();
    for (var dict : List.of(module.named_parameters(), module.named_buffers())) {
      try (dict) {
        for (long i = 0; i < dict.size(); i++) {
          values.put(dict.get(i).key().getString(), new Tensor(dict.get(i).access()));
        }
      }
    }
    return values;
  }

  /** Fills weights with values that let each of them have an effect. */
  private static void fill(String name, Tensor tensor) {
    if (!tensor.is_floating_point()) {
      return;
    }
    long inputs = tensor.dim() < 2 ? 1 : tensor.numel() / tensor.size(0);
    Tensor values =
        waves(tensor.numel()).div(new Scalar(Math.sqrt((double) inputs))).reshape(tensor.shape());
    tensor.copy_(name.endsWith("running_var") ? values.add(new Scalar(1.5)) : values);
  }

  /** Numbers between -1 and 1 that do not repeat. */
  private static Tensor waves(long count) {
    return torch.arange(new Scalar((double) count)).mul(new Scalar(1.7)).add(new Scalar(0.6)).sin();
  }
}
