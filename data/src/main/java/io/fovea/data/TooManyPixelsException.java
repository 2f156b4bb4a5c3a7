package io.fovea.data;

/** An image that has more pixels than is allowed; nothing of it was decoded. */
public final class TooManyPixelsException extends DataException {
  private static final long serialVersionUID = 1L;

  /**
   * An exception with its message.
   *
   * @param message one line: how many there are, and how many may be
   */
  public TooManyPixelsException(String message) {
    super(message);
  }
}
