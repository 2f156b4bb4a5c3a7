package io.fovea.models.weights;

import io.fovea.errors.FoveaException;

/**
 * Thrown if weights do not fit: names or shapes that a network does not have, a layout that cannot
 * be applied, a sample of another network.
 */
public class WeightsException extends FoveaException {
  private static final long serialVersionUID = 1L;

  /**
   * An exception with its message.
   *
   * @param message one line that names what does not fit
   */
  public WeightsException(String message) {
    super(message);
  }

  /**
   * An exception with its message and its cause.
   *
   * @param message one line that names what does not fit
   * @param cause what went wrong below
   */
  public WeightsException(String message, Throwable cause) {
    super(message, cause);
  }
}
