package io.fovea.app.console;

/**
 * Ends the process at once on Ctrl-C, while threads compute ({@code Libtorch} sees to it that they do
 * not crash). Fovea's files are complete at any moment, because they are written atomically.
 */
public final class Interruption {
  private static final int STATUS = 130; // the exit status of shells for SIGINT

  private static volatile String message = "Interrupted.";
  private static volatile boolean done;
  private static volatile Runnable stop;
  private static volatile Runnable first = () -> {};

  private Interruption() {}

  public static void install() {
    Runtime.getRuntime()
        .addShutdownHook(
            new Thread(
                () -> {
                  first.run();
                  Runnable orderly = stop;
                  if (orderly != null) {
                    orderly.run();
                    System.err.println("\n" + message);
                    Runtime.getRuntime().halt(0);
                  } else if (!done) {
                    System.err.println("\n" + message);
                    Runtime.getRuntime().halt(STATUS);
                  }
                }));
  }

  /** Sets the message for an interruption from now on. */
  public static void onInterrupt(String text) {
    message = text;
  }

  /**
   * Makes an interruption the normal end of this command: it runs {@code last} and exits with
   * status 0.
   */
  public static void exitOnInterrupt(String text, Runnable last) {
    onInterrupt(text);
    stop = last;
  }

  /** Sets what is done first whenever the process ends, such as to end others. */
  public static void beforeTheEnd(Runnable action) {
    first = action;
  }

  /** Restores the orderly exit of the process. */
  public static void done() {
    done = true;
  }
}
