package io.fovea.app;

import io.fovea.attention.Mechanism;
import io.fovea.errors.FoveaException;
import io.fovea.tensor.Libtorch;
import java.io.File;
import java.io.IOException;
import java.net.MalformedURLException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.jar.JarFile;
import picocli.CommandLine;
import picocli.CommandLine.MissingParameterException;
import picocli.CommandLine.Option;
import picocli.CommandLine.ScopeType;

/** Loads mechanisms from the jars that {@code --plugins} or {@code FOVEA_PLUGINS} names. */
final class Plugins {
  private static final String SERVICE = "META-INF/services/" + Mechanism.Provider.class.getName();

  @Option(
      names = "--plugins",
      paramLabel = "JAR[:JAR...]",
      defaultValue = "${env:FOVEA_PLUGINS}",
      description =
          "Jars with your own mechanisms. Default: the environment variable FOVEA_PLUGINS.",
      scope = ScopeType.INHERIT)
  private String jars;

  /**
   * Loads the mechanisms that a command line names. It is called before the command line is parsed,
   * because parsing may need the mechanisms.
   *
   * @throws FoveaException if a file is not a jar with a mechanism, or a mechanism cannot be loaded
   */
  static void load(String... arguments) {
    Plugins plugins = new Plugins();
    try {
      new CommandLine(plugins).setUnmatchedArgumentsAllowed(true).parseArgs(arguments);
    } catch (MissingParameterException e) {
      return; // the parser of the command line reports this error
    }
    if (plugins.jars != null && !plugins.jars.isEmpty()) {
      plugins.load();
    }
  }

  private void load() {
    List<URL> urls = new ArrayList<>();
    for (String jar : jars.split(File.pathSeparator, 0)) {
      urls.add(checked(jar));
    }
    ClassLoader own = Plugins.class.getClassLoader();
    // stays open until the process ends, because classes are loaded at their first use
    URLClassLoader loader = new URLClassLoader("plugins", urls.toArray(new URL[0]), own);
    Thread.currentThread().setContextClassLoader(loader);
    Libtorch.load(); // needed because mechanisms are libtorch modules
    try {
      Mechanism.all();
    } catch (FoveaException e) {
      throw new FoveaException(jars + ": " + e.getMessage(), e);
    }
  }

  private static URL checked(String jar) {
    Path file = Path.of(jar);
    if (!Files.isRegularFile(file)) {
      throw new FoveaException(jar + ": no such file");
    }
    try (JarFile opened = new JarFile(file.toFile())) {
      if (opened.getEntry(SERVICE) == null) {
        throw new FoveaException(
            jar + ": this jar has no mechanism, because it lacks the file " + SERVICE);
      }
      return file.toUri().toURL();
    } catch (MalformedURLException e) {
      throw new FoveaException(jar + ": " + e.getMessage(), e);
    } catch (IOException e) {
      throw new FoveaException(jar + ": this is not a jar: " + e.getMessage(), e);
    }
  }
}
