package io.fovea.app.console;

import io.fovea.data.Progress;
import java.io.PrintStream;
import me.tongfei.progressbar.ConsoleProgressBarConsumer;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressBarStyle;

/** Bars with the time left on a terminal; elsewhere nothing moves, and only lines are printed. */
public final class ConsoleProgress implements Progress, AutoCloseable {
  private final PrintStream out;
  private final boolean terminal;
  private ProgressBar bar;

  /** The launcher says whether the error stream is a terminal; Java cannot tell of one stream alone. */
  public static ConsoleProgress standard() {
    return new ConsoleProgress(System.err, Boolean.getBoolean("fovea.terminal"));
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
              .setConsumer(new ConsoleProgressBarConsumer(out)) // else Java's own error stream
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

  /** Names what is done at the moment. */
  public void detail(String text) {
    if (bar != null) {
      bar.setExtraMessage(" " + text);
    }
  }

  /** Prints a line that stays; a bar goes on below it. */
  public void line(String text) {
    out.println(bar == null ? text : "\r\033[K" + text);
  }

  @Override
  public void close() {
    end();
  }
}
