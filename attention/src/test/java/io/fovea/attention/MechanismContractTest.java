package io.fovea.attention;

import io.fovea.testing.Numeric;
import java.util.List;

/** All mechanisms keep the contract. */
@Numeric
class MechanismContractTest extends MechanismContract {
  @Override
  protected List<Mechanism> mechanisms() {
    return Mechanism.all();
  }

  /**
   * GC's context, GRN's shift and CBAM's residual are added, shuffle attention shuffles the channels, CPCA gates a
   * projection of its input, and the last two are convolutions.
   */
  @Override
  protected boolean isInputTimesGates(AttentionSpec spec) {
    return !List.of("gc", "grn", "shuffle", "cpca", "sk", "splat").contains(spec.mechanism().name())
        && !spec.effective("residual").orElse("false").equals("true");
  }

  /** NAM's weights are also in a factor that its authors take no gradient of. */
  @Override
  protected boolean isConstant(AttentionSpec spec, String parameter) {
    return spec.mechanism().name().equals("nam") && parameter.equals("Channel_Att.bn2.weight");
  }
}
