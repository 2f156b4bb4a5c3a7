package io.fovea.explain;

import io.fovea.attention.Attention;
import io.fovea.attention.AttentionMaps;
import io.fovea.attention.AttentionSpec;
import io.fovea.models.Network;
import java.util.IdentityHashMap;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;

/**
 * Looks into a network while it computes: every explanation is made from this.
 *
 * <pre>{@code
 * Tensor scores = AttentionTrace.of(network,
 *     look -> System.out.println(look.name() + " " + look.effect()), () -> network.forward(images));
 * }</pre>
 */
public final class AttentionTrace {
  private AttentionTrace() {}

  /**
   * Computes in evaluation mode and without gradients, and shows what each attention module of the network
   * does meanwhile, in the order in which they compute. A part of another module is not shown. Every part
   * of the network is left in the mode that it was in.
   *
   * @param network computes in {@code body}, on this thread
   * @param observer is shown each module; what it is shown is native and its to read, not to keep
   * @return what {@code body} gives
   */
  public static <T> T of(Network network, Consumer<Look> observer, Supplier<T> body) {
    IdentityHashMap<Attention, String> names = new IdentityHashMap<>();
    network.attentions().forEach((name, attention) -> names.put(attention, name));
    return network.inEvaluationMode(
        () -> {
          try (NoGradGuard guard = new NoGradGuard()) {
            return Attention.observing(
                (attention, x, y) -> {
                  String name = names.get(attention);
                  if (name != null) {
                    show(name, attention, x, y, observer);
                  }
                },
                body);
          }
        });
  }

  private static void show(
      String name, Attention attention, Tensor x, Tensor y, Consumer<Look> observer) {
    try (PointerScope scope = new PointerScope();
        NoGradGuard guard = new NoGradGuard(); // the body may record gradients, as Grad-CAM does
        AttentionMaps maps = attention.explain(x)) {
      observer.accept(new Look(name, attention.spec(), x, y, maps));
    }
  }

  /**
   * What one attention module does.
   *
   * @param name the place it stands in, as in {@link Network#attentions}
   * @param attention what it is
   * @param x its input, {@code [B, C, spatial...]}
   * @param y its output, of the same shape
   * @param maps what it gates by
   */
  public record Look(String name, AttentionSpec attention, Tensor x, Tensor y, AttentionMaps maps) {
    /** How much it does to its input. */
    public Effect effect() {
      return Effect.of(x, y);
    }
  }
}
