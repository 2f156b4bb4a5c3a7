package io.fovea.errors;

/**
 * Something that the user of a program can mend: a folder that is not there, an option that does not
 * exist, weights that do not fit. The message is one line for that user and names what they gave.
 *
 * <p>Its kinds say what was wrong: {@link SpecException} for specs and settings, {@code DataException}
 * for data, {@code WeightsException} for weights. What a programmer has to mend is an {@link
 * IllegalArgumentException} and not one of these.
 */
public class FoveaException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  /**
   * An exception with its message.
   *
   * @param message one line that names what was given
   */
  public FoveaException(String message) {
    super(message);
  }

  /**
   * An exception with its message and its cause.
   *
   * @param message one line that names what was given
   * @param cause what went wrong below
   */
  public FoveaException(String message, Throwable cause) {
    super(message, cause);
  }
}
