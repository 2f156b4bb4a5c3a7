package io.fovea.explain;

import io.fovea.attention.Attention;
import io.fovea.attention.AttentionMaps;
import io.fovea.models.HeadAttention;
import io.fovea.models.Network;
import java.util.IdentityHashMap;
import java.util.Map;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;

/**
 * Observes the attention modules of a network while it computes. All explanations are based on this
 * class.
 *
 * <pre>{@code
 * Tensor scores = AttentionTrace.of(network,
 *     look -> System.out.println(look.name() + " " + look.effect()), () -> network.forward(images));
 * }</pre>
 */
public final class AttentionTrace {
  private AttentionTrace() {}

  /**
   * Computes in evaluation mode without gradients, and shows each attention module of the network
   * to the observer, in their order of computation. Parts of other modules are not shown. The mode
   * of every part of the network is restored.
   *
   * @param network the network, which computes in {@code body} on this thread
   * @param observer receives each module; it may read the native tensors but not keep them
   * @return the result of {@code body}
   */
  public static <T> T of(Network network, Consumer<Look> observer, Supplier<T> body) {
    IdentityHashMap<Attention, String> names = new IdentityHashMap<>();
    network.attentions().forEach((name, attention) -> names.put(attention, name));
    Map<String, String> heads = network.attending();
    return network.inEvaluationMode(
        () -> {
          try (NoGradGuard guard = new NoGradGuard()) {
            return HeadAttention.observing(
                (name, x, y, maps) -> observer.accept(new Look(name, heads.get(name), x, y, maps)),
                () ->
                    Attention.observing(
                        (attention, x, y) -> {
                          String name = names.get(attention);
                          if (name != null) {
                            show(name, attention, x, y, observer);
                          }
                        },
                        body));
          }
        });
  }

  private static void show(
      String name, Attention attention, Tensor x, Tensor y, Consumer<Look> observer) {
    try (PointerScope scope = new PointerScope();
        NoGradGuard guard = new NoGradGuard(); // the body may turn on gradients, as Grad-CAM does
        AttentionMaps maps = attention.explain(x)) {
      observer.accept(new Look(name, attention.spec().toString(), x, y, maps));
    }
  }

  /**
   * What one attention module does.
   *
   * @param name the place it stands in, as in {@link Network#attentions}
   * @param attention the spec of the module, or the name of the head that it is a part of
   * @param x the input, {@code [B, C, spatial...]}
   * @param y the output, with the same shape
   * @param maps the gates and maps
   */
  public record Look(String name, String attention, Tensor x, Tensor y, AttentionMaps maps) {
    /** The effect of the module on its input. */
    public Effect effect() {
      return Effect.of(x, y);
    }
  }
}
