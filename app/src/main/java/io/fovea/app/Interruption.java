package io.fovea.app;

/**
 * Ctrl-C ends the process at once. An orderly exit would unload libtorch under the threads that compute
 * with it, which crashes now and then; what Fovea writes is whole at any moment anyway.
 */
final class Interruption {
  private static final int STATUS = 130; // as shells have it for SIGINT

  private static volatile String message = "Interrupted.";
  private static volatile boolean done;

  private Interruption() {}

  static void install() {
    Runtime.getRuntime()
        .addShutdownHook(
            new Thread(
                () -> {
                  if (!done) {
                    System.err.println("\n" + message);
                    Runtime.getRuntime().halt(STATUS);
                  }
                }));
  }

  /** What a user is told who interrupts from now on. */
  static void say(String text) {
    message = text;
  }

  /** From now on the process exits in order. */
  static void done() {
    done = true;
  }
}
