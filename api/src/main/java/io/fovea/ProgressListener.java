package io.fovea;

/**
 * Is told how far a long operation is, on the thread that called the operation. It need not be
 * thread-safe, unless several threads call with the same listener.
 */
@FunctionalInterface
public interface ProgressListener {
  /** Ignores everything. */
  ProgressListener NONE = (task, done, total) -> {};

  /**
   * Some of an operation is done.
   *
   * @param task what is being done, in words
   * @param done the steps that are done, such as images or bytes
   * @param total the number of steps
   */
  void progress(String task, long done, long total);
}
