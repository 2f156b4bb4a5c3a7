package io.fovea.tensor.internal;

import java.util.function.Supplier;

/**
 * Something that a thread has while it runs a part of a program, such as an observer of what it
 * computes. Other threads do not see it.
 *
 * @param <T> the type of the value
 */
public final class ThreadValue<T> {
  @SuppressWarnings("ThreadLocalUsage") // those who have one hold it in a static field
  private final ThreadLocal<T> values = new ThreadLocal<>();

  /** The value of this thread, or null if it has none. */
  public T get() {
    return values.get();
  }

  /**
   * Runs {@code body} with a value. Afterwards the thread has the value that it had before.
   *
   * @param value the value, or null for none
   * @return what the body returned
   */
  public <R> R during(T value, Supplier<R> body) {
    T outer = values.get();
    set(value);
    try {
      return body.get();
    } finally {
      set(outer);
    }
  }

  private void set(T value) {
    if (value == null) {
      values.remove();
    } else {
      values.set(value);
    }
  }
}
