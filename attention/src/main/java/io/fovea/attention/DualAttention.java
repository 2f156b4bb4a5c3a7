package io.fovea.attention;

import io.fovea.attention.fast.Context;
import io.fovea.nn.Ops;
import java.util.List;
import java.util.stream.Stream;

/**
 * DANet's two modules in parallel on the same input; both contributions are added to one shortcut.
 *
 * <p>Fu, Liu, Tian, Li, Bao, Fang, Lu: <a href="https://arxiv.org/abs/1809.02983">Dual Attention
 * Network for Scene Segmentation</a>, figure 2. In the paper, convolutions surround each module,
 * and the two results (each with its own shortcut) are added. Here x is added once, so that the
 * untrained module is the identity, like its two parts, and can be inserted into any network.
 *
 * <p>Parameters: {@code pam.*} as {@link PositionAttention}, {@code cam.*} as {@link ChannelAttention}.
 */
final class DualAttention extends Attention {
  static final Mechanism MECHANISM =
      Mechanism.named("dual", "Dual attention")
          .paper("1809.02983")
          .summary("sums PAM and CAM")
          .equation("y = x + PAM'(x) + CAM'(x)      PAM'(x) = PAM(x) - x, CAM'(x) = CAM(x) - x")
          .cost(
              "C² + 2·C·d + C + 2·d + 2; d = max(1, C / reduction)",
              "N·(C² + 2·C·d) + N²·(C + d) + 2·C²·N; d = max(1, C / reduction)")
          .code("authors and reference", "junfu1115/DANet", "b0a0fa0", "encoding/nn/da_att.py")
          .options(PositionAttention.REDUCTION)
          .place(Mechanism.Place.LAST_STAGE_BUT_ONE)
          .parts(DualAttention::parts)
          .shows(Mechanism.Shows.AFFINITY, Mechanism.Shows.CHANNEL_AFFINITY)
          .comparedByDefault()
          .written(Written.here(DualAttention::read))
          .madeBy(DualAttention::new);

  /** The options that names and shapes tell. */
  private static Stream<String> read(ModuleState s) {
    return s.reductions("pam.query_conv.weight").map(reduction -> "reduction=" + reduction);
  }

  private final PositionAttention pam;
  private final ChannelAttention cam;

  private DualAttention(Settings settings) {
    super(settings);
    List<AttentionSpec> parts = parts(settings.spec());
    pam = register_module("pam", new PositionAttention(parts.get(0).settings(channels(), 2)));
    cam = register_module("cam", new ChannelAttention(parts.get(1).settings(channels(), 2)));
    faster(
        new Context.Path(pam.fast(), x -> pam.context(tensors(), x))
            .and(cam.fast(), x -> cam.context(tensors(), x)));
  }

  private static List<AttentionSpec> parts(AttentionSpec spec) {
    String reduction = PositionAttention.REDUCTION.name();
    return List.of(
        PositionAttention.MECHANISM.spec().with(reduction, spec.options().get(reduction)),
        ChannelAttention.MECHANISM.spec());
  }

  @Override
  protected <T> T attend(Ops<T> ops, T x) {
    return ops.residual(x, ops.add(pam.context(ops, x), cam.context(ops, x)));
  }

  @Override
  protected boolean takesAnyDimensions() {
    return true;
  }
}
