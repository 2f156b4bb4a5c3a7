package io.fovea.app.console;

/** What the process ends with. */
public final class ExitStatus {
  /** A user's mistake: one line, no stack trace. */
  public static final int MISTAKE = 2;

  private ExitStatus() {}
}
