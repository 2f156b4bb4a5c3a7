package io.fovea.errors;

/**
 * A spec or a setting that cannot be: an unknown mechanism or backbone, a value out of range, attention in
 * a place that a network does not have.
 */
public class SpecException extends FoveaException {
  private static final long serialVersionUID = 1L;

  /**
   * An exception with its message.
   *
   * @param message one line that names what was given
   */
  public SpecException(String message) {
    super(message);
  }

  /**
   * An exception with its message and its cause.
   *
   * @param message one line that names what was given
   * @param cause what went wrong below
   */
  public SpecException(String message, Throwable cause) {
    super(message, cause);
  }

  /**
   * Fails unless a condition holds.
   *
   * @param message what was expected and what was given
   * @throws SpecException if it does not hold
   */
  public static void check(boolean holds, String message) {
    if (!holds) {
      throw new SpecException(message);
    }
  }
}
