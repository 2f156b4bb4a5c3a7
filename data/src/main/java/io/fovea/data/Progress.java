package io.fovea.data;

/**
 * Receives the progress of a long operation. The tasks of an operation follow each other, and all
 * calls come from the thread that called the operation.
 */
public interface Progress {

  /** Shows nothing. */
  Progress NONE =
      new Progress() {
        @Override
        public void begin(String task, long total) {}

        @Override
        public void step(long count) {}

        @Override
        public void end() {}
      };

  /**
   * A task begins.
   *
   * @param task a description for the user
   * @param total the number of steps, such as images or bytes
   */
  void begin(String task, long total);

  /**
   * Some steps of the task were done.
   *
   * @param count the number of further steps
   */
  void step(long count);

  /** The task ended or failed. */
  void end();
}
