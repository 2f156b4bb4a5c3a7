package io.fovea.data;

/** Thrown if an image has more pixels than allowed. Nothing was decoded. */
public final class TooManyPixelsException extends DataException {
  private static final long serialVersionUID = 1L;

  /**
   * An exception with its message.
   *
   * @param message one line with the number of pixels and the limit
   */
  public TooManyPixelsException(String message) {
    super(message);
  }
}
