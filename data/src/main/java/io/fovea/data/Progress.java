package io.fovea.data;

/**
 * Told how far a long task is. The tasks of one operation follow each other, and all calls come
 * from the thread that called the operation.
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
   * @param task what is done, for a user to read
   * @param total how many steps it has: images, or bytes
   */
  void begin(String task, long total);

  /**
   * Some steps of the task are done.
   *
   * @param count how many steps more than before
   */
  void step(long count);

  /** The task ended, done or failed. */
  void end();
}
