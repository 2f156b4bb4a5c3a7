package io.fovea.training.processes;

import io.fovea.errors.FoveaException;

/** Another process of a training ended, or cannot be reached (any more). */
public final class LostProcessException extends FoveaException {
  private static final long serialVersionUID = 1;

  LostProcessException(String message, Throwable cause) {
    super(message, cause);
  }
}
