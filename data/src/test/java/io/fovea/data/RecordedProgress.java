package io.fovea.data;

import java.util.ArrayList;
import java.util.List;

/** Writes down what it is told: one line for each task. */
public final class RecordedProgress implements Progress {

  private final List<String> tasks = new ArrayList<>();
  private String task;
  private long total;
  private long done;

  public List<String> tasks() {
    return tasks;
  }

  @Override
  public void begin(String newTask, long newTotal) {
    task = newTask;
    total = newTotal;
    done = 0;
  }

  @Override
  public void step(long count) {
    done += count;
  }

  @Override
  public void end() {
    tasks.add(task + ": " + done + " of " + total + ", ended");
  }
}
