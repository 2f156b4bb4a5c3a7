package io.fovea.spark;

import io.fovea.app.study.Trainings;
import io.fovea.errors.FoveaException;

/** Apache Spark as an engine for studies, found by {@code --on}. */
public final class SparkEngine implements Trainings.Provider {
  /** Creates the provider, which does nothing before {@link #open}. */
  public SparkEngine() {}

  @Override
  public Trainings.Engine open(String on, int threads) {
    try {
      return SparkTrainings.connect(on, threads);
    } catch (NoClassDefFoundError e) {
      throw new FoveaException(
          "--on needs Apache Spark 4 (Scala 2.13): set SPARK_HOME to its folder, or put its jars on"
              + " the class path; not found: "
              + e.getMessage(),
          e);
    }
  }
}
