package io.fovea.app.console;

/** The exit statuses of the process. */
public final class ExitStatus {
  /** Exit status for a mistake of the user, which is reported in one line without a stack trace. */
  public static final int MISTAKE = 2;

  private ExitStatus() {}
}
