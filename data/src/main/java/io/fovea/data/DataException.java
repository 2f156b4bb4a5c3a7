package io.fovea.data;

import io.fovea.errors.FoveaException;

/**
 * Data that cannot be used as it is: a missing folder, a damaged image, classes that do not match.
 * The message is one line for the user who gave the data, and names the file or folder.
 */
public class DataException extends FoveaException {

  private static final long serialVersionUID = 1L;

  /**
   * An exception with its message.
   *
   * @param message one line, naming the file or folder
   */
  public DataException(String message) {
    super(message);
  }

  /**
   * An exception with its message and its cause.
   *
   * @param message one line, naming the file or folder
   * @param cause what went wrong below
   */
  public DataException(String message, Throwable cause) {
    super(message, cause);
  }
}
