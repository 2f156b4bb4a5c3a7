package io.fovea.training;

import io.fovea.data.DataException;

/** A training whose loss became infinite or NaN. The same training would diverge again. */
public final class DivergedException extends DataException {
  private static final long serialVersionUID = 1;

  DivergedException(String message) {
    super(message);
  }
}
