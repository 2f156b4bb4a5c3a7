package io.fovea.training;

/**
 * Why an image file cannot be read; the message is the reason alone, since the caller knows the
 * file.
 */
final class UnreadableImageException extends Exception {

  private static final long serialVersionUID = 1L;

  UnreadableImageException(String reason) {
    super(reason);
  }

  UnreadableImageException(String reason, Throwable cause) {
    super(reason, cause);
  }
}
