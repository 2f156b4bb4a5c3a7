package io.fovea.attention.fast;

import java.util.Iterator;
import java.util.Optional;
import java.util.ServiceConfigurationError;
import java.util.ServiceLoader;

/** Looks up {@link Kernels} once, and describes them to other packages. */
public final class KernelsInUse {
  private static final String PROPERTY = "fovea.kernels";
  private static final int JAVA = 25;

  private static final class Found {
    static final Kernels KERNELS;
    static final String WHY_NOT;
    static final String REFUSAL;

    static {
      Kernels kernels = null;
      String whyNot = null;
      String wanted = System.getProperty(PROPERTY, "auto");
      switch (wanted) {
        case "off" -> whyNot = "switched off by -D" + PROPERTY + "=off";
        case "auto", "require" -> {
          try {
            Iterator<Kernels> providers = ServiceLoader.load(Kernels.class).iterator();
            kernels = providers.hasNext() ? providers.next() : null;
            whyNot = kernels == null ? whyMissing() : null;
            // the Java version is too old, or it has no Vector API
          } catch (ServiceConfigurationError | LinkageError e) {
            whyNot = whyMissing();
          }
        }
        default -> whyNot = "it must be auto, off or require";
      }
      if (kernels == null && wanted.equals("auto")) {
        System.getLogger("io.fovea.kernels")
            .log(
                System.Logger.Level.INFO,
                "Fovea''s vector kernels are not in use, so libtorch''s operators compute"
                    + " instead: {0}",
                whyNot);
      }
      KERNELS = kernels;
      WHY_NOT = whyNot;
      boolean asWanted = kernels != null || wanted.equals("auto") || wanted.equals("off");
      REFUSAL = asWanted ? null : "-D" + PROPERTY + "=" + wanted + ": " + whyNot;
    }
  }

  private KernelsInUse() {}

  /**
   * The provider.
   *
   * @throws IllegalArgumentException if the value of the property is invalid, or requires missing
   *     kernels
   */
  static Optional<Kernels> get() {
    if (Found.REFUSAL != null) {
      throw new IllegalArgumentException(Found.REFUSAL);
    }
    return Optional.ofNullable(Found.KERNELS);
  }

  /**
   * The description of the kernels, if they are in use.
   *
   * @throws IllegalArgumentException if the value of the property is invalid, or requires missing
   *     kernels
   */
  public static Optional<String> description() {
    return get().map(Kernels::describe);
  }

  /** The reason why no kernels are in use; empty if they are. */
  public static Optional<String> whyNot() {
    return Optional.ofNullable(Found.WHY_NOT);
  }

  private static String whyMissing() {
    int java = Runtime.version().feature();
    if (java < JAVA) {
      return "this is Java " + java + "; they need Java " + JAVA + " or newer";
    }
    return ModuleLayer.boot().findModule("jdk.incubator.vector").isEmpty()
        ? "Java was started without --add-modules jdk.incubator.vector"
        : "fovea-kernels is not on the class path; a build with Java " + JAVA + " creates it";
  }
}
