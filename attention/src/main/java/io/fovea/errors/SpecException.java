package io.fovea.errors;

/**
 * Thrown for an invalid spec or setting: an unknown mechanism or backbone, a value out of range,
 * attention at a place that a network does not have.
 */
public class SpecException extends FoveaException {
  private static final long serialVersionUID = 1L;

  /**
   * An exception with its message.
   *
   * @param message one line that names the input
   */
  public SpecException(String message) {
    super(message);
  }

  /**
   * An exception with its message and its cause.
   *
   * @param message one line that names the input
   * @param cause what went wrong below
   */
  public SpecException(String message, Throwable cause) {
    super(message, cause);
  }

  /**
   * Throws an exception unless a condition holds.
   *
   * @param message the expected and the given value
   * @throws SpecException if the condition does not hold
   */
  public static void check(boolean holds, String message) {
    if (!holds) {
      throw new SpecException(message);
    }
  }
}
