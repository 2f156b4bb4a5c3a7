package io.fovea.attention;

import java.util.List;

/** All mechanisms keep the contract. */
class MechanismContractTest extends MechanismContract {
  @Override
  protected List<Mechanism> mechanisms() {
    return Mechanism.all();
  }
}
