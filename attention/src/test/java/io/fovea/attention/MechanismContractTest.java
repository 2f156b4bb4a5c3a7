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

  /** NAM's weights are also in a factor that its authors take no gradient of. */
  @Override
  protected boolean isConstant(AttentionSpec spec, String parameter) {
    return spec.mechanism().name().equals("nam") && parameter.equals("Channel_Att.bn2.weight");
  }
}
