package io.fovea.app.cli;

import io.fovea.errors.FoveaException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collection;
import picocli.CommandLine.Option;

/** The option to replace files. Commands check their output files before they compute. */
final class OverwriteOption {
  static final String DESCRIPTION = "Replace output files that exist. Default: that is an error.";

  @Option(names = "--overwrite", description = DESCRIPTION)
  private boolean overwrite;

  /** Whether files may be replaced. */
  boolean isGiven() {
    return overwrite;
  }

  /**
   * Refuses an output file that exists.
   *
   * @param file the file, or null if it is not asked for
   * @throws FoveaException if it exists and may not be replaced
   */
  void check(Path file) {
    if (file != null && !overwrite && Files.isRegularFile(file)) {
      throw new FoveaException(
          file + ": exists already; choose another name, or replace it with --overwrite");
    }
  }

  /**
   * Refuses output files that exist.
   *
   * @throws FoveaException if one exists; the message has their number
   */
  static void requireFree(Collection<Path> files) {
    var there = files.stream().filter(Files::isRegularFile).toList();
    if (!there.isEmpty()) {
      throw new FoveaException(
          there.get(0)
              + ": exists already"
              + (there.size() == 1 ? "" : ", as " + (there.size() - 1) + " more")
              + "; choose another --out, or replace them with --overwrite");
    }
  }
}
