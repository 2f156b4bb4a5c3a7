package io.fovea.app.console;

/**
 * Ctrl-C ends the process at once. An orderly exit would unload libtorch under the threads that compute
 * with it, which crashes now and then; what Fovea writes is whole at any moment anyway.
 */
public final class Interruption {
  private static final int STATUS = 130; // as shells have it for SIGINT

  private static volatile String message = "Interrupted.";
  private static volatile boolean done;
  private static volatile Runnable stop;

  private Interruption() {}

  public static void install() {
    Runtime.getRuntime()
        .addShutdownHook(
            new Thread(
                () -> {
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

  /** What a user is told who interrupts from now on. */
  public static void onInterrupt(String text) {
    message = text;
  }

  /** An interruption is how this command ends: first {@code last} is done, then the status is 0. */
  public static void exitOnInterrupt(String text, Runnable last) {
    onInterrupt(text);
    stop = last;
  }

  /** From now on the process exits in order. */
  public static void done() {
    done = true;
  }
}
