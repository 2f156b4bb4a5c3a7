package com.example;

import io.fovea.Prediction;
import io.fovea.Run;
import io.fovea.errors.FoveaException;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Iterator;
import java.util.Locale;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Stream;

/**
 * Predicts the classes of all images below a folder, and writes them as CSV. One network serves all
 * threads. The lines have the order of the files' names, and a damaged image is a line with the reason.
 */
public final class ScoreImages {
  private static final int AHEAD = 64; // of the file that is written next

  private ScoreImages() {}

  /** Arguments: the run, the folder of images, and the CSV file. */
  public static void main(String[] arguments)
      throws IOException, InterruptedException, ExecutionException {
    Path images = Path.of(arguments[1]);
    ExecutorService threads =
        Executors.newFixedThreadPool(Runtime.getRuntime().availableProcessors());
    try (Run run = Run.open(Path.of(arguments[0]));
        Stream<Path> files = Files.walk(images);
        PrintWriter csv = new PrintWriter(Files.newBufferedWriter(Path.of(arguments[2])))) {
      csv.println("file,class,probability,error");
      Iterator<Path> next = files.filter(Files::isRegularFile).sorted().iterator();
      Deque<Future<String>> lines = new ArrayDeque<>();
      while (next.hasNext() || !lines.isEmpty()) {
        while (next.hasNext() && lines.size() < AHEAD) {
          Path file = next.next();
          lines.add(threads.submit(() -> quoted(images.relativize(file)) + line(run, file)));
        }
        csv.println(lines.remove().get());
      }
    } finally {
      threads.shutdown();
    }
  }

  private static String line(Run run, Path file) {
    try {
      Prediction.Scored best = run.predict(file).best();
      return String.format(Locale.ROOT, ",%s,%.4f,", quoted(best.name()), best.probability());
    } catch (FoveaException e) {
      return ",,," + quoted(e.getMessage());
    }
  }

  private static String quoted(Object text) {
    return '"' + text.toString().replace("\"", "\"\"") + '"';
  }
}
