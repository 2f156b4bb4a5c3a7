package io.fovea.training;

import com.fasterxml.jackson.annotation.JsonInclude;
import io.fovea.errors.SpecException;
import io.fovea.models.Network;

/**
 * The treatment of a network that starts from trained weights.
 *
 * @param freeze what keeps its trained weights, and the running statistics of its batch norms: null
 *     for nothing, {@link #BACKBONE}, or the number of the last of the backbone's stages, counted
 *     from 1, that does so with all before it and the stem (0: the stem alone). What starts fresh
 *     is trained in any case.
 * @param headRate the factor of the learning rate for what starts fresh, and for the head of a
 *     segmentation network, above 0
 */
public record Transfer(@JsonInclude(JsonInclude.Include.NON_NULL) String freeze, double headRate) {
  /** The whole backbone, for {@link #freeze}. */
  public static final String BACKBONE = "backbone";

  /** Everything is trained with the same learning rate. */
  public static final Transfer NONE = new Transfer(null, 1);

  /**
   * Checks the values.
   *
   * @throws io.fovea.errors.SpecException if one is out of range
   */
  public Transfer {
    SpecException.check(
        freeze == null || freeze.equals(BACKBONE) || freeze.matches("[0-9]{1,2}"),
        "freeze takes backbone or the number of a stage, got \"" + freeze + "\"");
    SpecException.check(
        headRate > 0 && headRate < Double.POSITIVE_INFINITY,
        "the head's factor of the learning rate must be above 0, got " + headRate);
  }

  /** Returns settings with other frozen parts. */
  public Transfer withFreeze(String other) {
    return new Transfer(other, headRate);
  }

  /** Returns settings with another factor of the learning rate. */
  public Transfer withHeadRate(double other) {
    return new Transfer(freeze, other);
  }

  /** Whether a parameter that has trained weights keeps them. */
  boolean freezes(Network network, String parameter) {
    if (freeze == null) {
      return false;
    }
    int stage = network.stageOf(parameter);
    return freeze.equals(BACKBONE) ? stage < Network.HEAD : stage <= Integer.parseInt(freeze);
  }

  /**
   * Refuses a stage that a network does not have.
   *
   * @throws SpecException if the network has fewer stages
   */
  public void check(Network network) {
    boolean tooFar =
        freeze != null && !freeze.equals(BACKBONE) && Integer.parseInt(freeze) > network.stages();
    SpecException.check(
        !tooFar,
        "the backbone has " + network.stages() + " stages, so stage " + freeze + " is not there");
  }
}
