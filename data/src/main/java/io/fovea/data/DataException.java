package io.fovea.data;

import io.fovea.errors.FoveaException;

/**
 * Thrown if data cannot be used: a missing folder, a damaged image, classes that do not match. The
 * message is one line for the user and names the file or folder.
 */
public class DataException extends FoveaException {

  private static final long serialVersionUID = 1L;

  /**
   * Creates an exception with a message.
   *
   * @param message one line that names the file or folder
   */
  public DataException(String message) {
    super(message);
  }

  /**
   * Creates an exception with a message and a cause.
   *
   * @param message one line that names the file or folder
   * @param cause the cause
   */
  public DataException(String message, Throwable cause) {
    super(message, cause);
  }
}
