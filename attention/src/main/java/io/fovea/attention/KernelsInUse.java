package io.fovea.attention;

import java.util.Iterator;
import java.util.Optional;
import java.util.ServiceConfigurationError;
import java.util.ServiceLoader;

/** Looks for {@link Kernels}, once. */
final class KernelsInUse {
  private static final String PROPERTY = "fovea.kernels";
  private static final int JAVA = 25;

  private static final class Found {
    static final Kernels KERNELS;
    static final String WHY_NOT;

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
          } catch (ServiceConfigurationError | LinkageError e) { // an older Java, or no Vector API
            whyNot = whyMissing();
          }
        }
        default -> whyNot = "-D" + PROPERTY + " must be auto, off or require, got " + wanted;
      }
      KERNELS = kernels;
      WHY_NOT = whyNot;
      if (kernels == null && wanted.equals("require")) {
        throw new IllegalStateException("-D" + PROPERTY + "=require, but " + whyNot);
      }
    }
  }

  private KernelsInUse() {}

  static Optional<Kernels> get() {
    return Optional.ofNullable(Found.KERNELS);
  }

  static Optional<String> whyNot() {
    return Optional.ofNullable(Found.WHY_NOT);
  }

  private static String whyMissing() {
    int java = Runtime.version().feature();
    if (java < JAVA) {
      return "this is Java " + java + "; they need Java " + JAVA + " or newer";
    }
    return ModuleLayer.boot().findModule("jdk.incubator.vector").isEmpty()
        ? "Java was started without --add-modules jdk.incubator.vector"
        : "fovea-kernels is not on the class path; a build by Java " + JAVA + " makes it";
  }
}
