package io.fovea.training.run;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.Properties;

/** Properties that the build wrote. */
public final class BuildInfo {
  private BuildInfo() {}

  /** The version of Fovea. */
  public static String version() {
    return property("version");
  }

  /**
   * A property of the build.
   *
   * @param name {@code version}, {@code libtorch} or {@code openblas}
   */
  public static String property(String name) {
    Properties properties = new Properties();
    try (InputStream in = BuildInfo.class.getResourceAsStream("fovea.properties")) {
      properties.load(in);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return properties.getProperty(name);
  }
}
