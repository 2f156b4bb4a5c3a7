package io.fovea.app.console;

import io.fovea.data.Progress;
import java.io.OutputStream;
import java.io.PrintStream;
import me.tongfei.progressbar.ConsoleProgressBarConsumer;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressBarStyle;

/** Shows progress bars with the remaining time on a terminal. Elsewhere it prints only lines. */
public final class ConsoleProgress implements Progress, AutoCloseable {
  private final PrintStream out;
  private final boolean terminal;
  private ProgressBar bar;

  /**
   * The launcher tells whether the error stream is a terminal, because Java cannot ask for one
   * stream alone.
   */
  public static ConsoleProgress standard() {
    return new ConsoleProgress(System.err, Boolean.getBoolean("fovea.terminal"));
  }

  /** Shows nothing, for a process that is not the one that talks to the user. */
  public static ConsoleProgress silent() {
    return new ConsoleProgress(new PrintStream(OutputStream.nullOutputStream()), false);
  }

  ConsoleProgress(PrintStream out, boolean terminal) {
    this.out = out;
    this.terminal = terminal;
  }

  @Override
  public void begin(String task, long total) {
    end();
    if (terminal) {
      bar =
          new ProgressBarBuilder()
              .setTaskName(task)
              .setInitialMax(total)
              .setStyle(ProgressBarStyle.COLORFUL_UNICODE_BLOCK)
              .setUpdateIntervalMillis(200)
              // otherwise the error stream of Java
              .setConsumer(new ConsoleProgressBarConsumer(out))
              .build();
    }
  }

  @Override
  public void step(long count) {
    if (bar != null) {
      bar.stepBy(count);
    }
  }

  @Override
  public void end() {
    if (bar != null) {
      bar.close();
      bar = null;
    }
  }

  /** Shows what is being done at the moment. */
  public void detail(String text) {
    if (bar != null) {
      bar.setExtraMessage(" " + text);
    }
  }

  /** Prints a line above the progress bar. */
  public void line(String text) {
    out.println(bar == null ? text : "\r\033[K" + text);
  }

  @Override
  public void close() {
    end();
  }
}
