package io.fovea.attention;

import io.fovea.attention.AttentionMaps.Affinity;
import io.fovea.nn.TensorOps;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.LongStream;
import org.bytedeco.pytorch.Tensor;

/** Computes an equation and keeps its gates and maps. */
final class Look extends TensorOps {
  private final Tensor x;
  private final List<Tensor> gates = new ArrayList<>();
  private Tensor channelAffinity;
  private Affinity affinity;

  Look(Tensor x) {
    this.x = x;
  }

  @Override
  public Tensor gate(Tensor x, Tensor gate) {
    boolean whole = Arrays.equals(x.shape(), this.x.shape());
    // for example a gate of groups
    gates.add(whole ? gate : gate.expand_as(x).reshape(this.x.shape()));
    return super.gate(x, gate);
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
              return switch (similarity) {
                case SOFTMAX -> some.bmm(k).softmax(2);
                case PRODUCT -> div(some.bmm(k), (double) k.size(2));
                case RECTIFIED_SUM -> div(some.add(k).relu(), (double) k.size(2));
              };
            },
            q,
            k);
    return super.attention(similarity, queries, keys, values);
  }

  /** A copy, because the input may change before rows are computed. */
  private Tensor own(Tensor tensor) {
    return tensor.is_alias_of(x) ? tensor.clone() : tensor.contiguous();
  }

  /** The spatial sizes of the input, if it was only reshaped. */
  private long[] sizes(Tensor map) {
    long[] own = Arrays.copyOfRange(map.shape(), 2, (int) map.dim());
    long[] ofInput = Arrays.copyOfRange(x.shape(), 2, (int) x.dim());
    return product(own) == product(ofInput) ? ofInput : own;
  }

  private static long product(long[] sizes) {
    return LongStream.of(sizes).reduce(1, Math::multiplyExact);
  }

  List<Tensor> gates() {
    return gates;
  }

  Tensor channelAffinity() {
    return channelAffinity;
  }

  Affinity affinity() {
    return affinity;
  }
}
