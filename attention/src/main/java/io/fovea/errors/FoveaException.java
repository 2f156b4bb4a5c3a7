package io.fovea.errors;

/**
 * Thrown for mistakes that the user of a program can correct: a folder that does not exist, an
 * unknown option, weights that do not fit. The message is one line for the user and names the
 * input.
 *
 * <p>Its subclasses are {@link SpecException} for specs and settings, {@code DataException} for
 * data, and {@code WeightsException} for weights. Mistakes of a programmer are {@link
 * IllegalArgumentException}s and not one of these.
 */
public class FoveaException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  /**
   * An exception with its message.
   *
   * @param message one line that names the input
   */
  public FoveaException(String message) {
    super(message);
  }

  /**
   * An exception with its message and its cause.
   *
   * @param message one line that names the input
   * @param cause what went wrong below
   */
  public FoveaException(String message, Throwable cause) {
    super(message, cause);
  }
}
