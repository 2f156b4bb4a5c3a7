package io.fovea.attention;

import io.fovea.attention.AttentionMaps.Affinity;
import io.fovea.nn.TensorOps;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.LongStream;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/** Computes an equation and keeps its gates and maps. */
final class Look extends TensorOps {
  private final Tensor x;
  private final List<Tensor> gates = new ArrayList<>();
  private boolean inner;
  private Tensor channelAffinity;
  private Affinity affinity;

  Look(Tensor x) {
    this.x = x;
  }

  @Override
  public Tensor innerGate(Tensor y, Tensor gate) {
    inner = true;
    gates.add(gate);
    return super.innerGate(y, gate);
  }

  @Override
  public Tensor gate(Tensor x, Tensor gate) {
    boolean whole = Arrays.equals(x.shape(), this.x.shape());
    // for example a gate of groups
    gates.add(whole ? gate : gate.expand_as(x).reshape(this.x.shape()));
    return super.gate(x, gate);
  }

  @Override
  public Tensor largerGated(Tensor x, Tensor a, Tensor b) {
    Tensor zero = torch.zeros_like(x);
    gates.add(torch.where(x.ge(zero), torch.maximum(a, b), torch.minimum(a, b)));
    return super.largerGated(x, a, b);
  }

  @Override
  public Tensor sharedAffinity(Tensor shared) {
    Tensor weights = own(shared);
    affinity =
        new Affinity(
            sizesOf(x), sizesOf(x), rows -> weights.expand(-1, rows.numel(), -1).clone(), weights);
    return shared;
  }

  @Override
  public Tensor channelAffinity(Tensor affinity) {
    channelAffinity = affinity;
    return affinity;
  }

  @Override
  public Tensor attention(Similarity similarity, Tensor queries, Tensor keys, Tensor values) {
    Tensor q = own(flatten(queries).transpose(1, 2)); // [B, N, E]
    Tensor k = own(flatten(keys)); // [B, E, N']
    affinity =
        new Affinity(
            sizes(queries),
            sizes(keys),
            rows -> {
              Tensor some = q.index_select(1, rows); // [B, P, E]
              return overHeads(
                  switch (similarity) {
                    case SOFTMAX -> some.bmm(k).softmax(2);
                    case PRODUCT -> div(some.bmm(k), (double) k.size(2));
                    case RECTIFIED_SUM -> div(some.add(k).relu(), (double) k.size(2));
                  });
            },
            q,
            k);
    return super.attention(similarity, queries, keys, values);
  }

  /** The mean over the heads, which are {@code [B * heads, P, N']}. */
  private Tensor overHeads(Tensor rows) {
    long images = x.size(0);
    return rows.size(0) == images ? rows : rows.unflatten(0, new long[] {images, -1}).mean(1);
  }

  @Override
  public void affinity(Tensor x, List<Tensor> sources, AffinityRows rows) {
    List<Tensor> kept = sources.stream().map(this::own).toList();
    affinity =
        new Affinity(
            sizes(x), sizes(x), positions -> rows.of(kept, positions), kept.toArray(Tensor[]::new));
  }

  /** A copy, because the input may change before rows are computed. */
  private Tensor own(Tensor tensor) {
    return tensor.is_alias_of(x) ? tensor.clone() : tensor.contiguous();
  }

  /** The spatial sizes of the input, if it was only reshaped. */
  private long[] sizes(Tensor map) {
    long[] own = sizesOf(map);
    long[] ofInput = sizesOf(x);
    return product(own) == product(ofInput) ? ofInput : own;
  }

  private static long product(long[] sizes) {
    return LongStream.of(sizes).reduce(1, Math::multiplyExact);
  }

  /** Whether a gate can differ between channels. */
  boolean gatesChannels() {
    return gates.stream().anyMatch(gate -> gate.size(1) == x.size(1));
  }

  /** Whether a gate can differ between positions. */
  boolean gatesPositions() {
    return product(sizesOf(x)) == 1 || gates.stream().anyMatch(gate -> product(sizesOf(gate)) > 1);
  }

  private static long[] sizesOf(Tensor map) {
    return Arrays.copyOfRange(map.shape(), 2, (int) map.dim());
  }

  List<Tensor> gates() {
    return gates;
  }

  /** Whether a gate scales a feature map inside of the module instead of its input. */
  boolean hasInnerGate() {
    return inner;
  }

  Tensor channelAffinity() {
    return channelAffinity;
  }

  Affinity affinity() {
    return affinity;
  }
}
