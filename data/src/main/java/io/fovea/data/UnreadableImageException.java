package io.fovea.data;

/**
 * Thrown if an image file cannot be read. The message is only the reason, because the caller knows
 * the file.
 */
public final class UnreadableImageException extends Exception {

  private static final long serialVersionUID = 1L;

  public UnreadableImageException(String reason) {
    super(reason);
  }

  public UnreadableImageException(String reason, Throwable cause) {
    super(reason, cause);
  }
}
