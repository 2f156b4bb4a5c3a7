package io.fovea.data;

/**
 * Why an image file cannot be read; the message is the reason alone, since the caller knows the
 * file.
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
