package io.fovea.attention.fast;

import java.util.Iterator;
import java.util.Optional;
import java.util.ServiceConfigurationError;
import java.util.ServiceLoader;

/** Looks for {@link Kernels}, once; what others may know of them. */
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
          } catch (ServiceConfigurationError | LinkageError e) { // an older Java, or no Vector API
            whyNot = whyMissing();
          }
        }
        default -> whyNot = "it must be auto, off or require";
      }
      if (kernels == null && wanted.equals("auto")) {
        System.getLogger("io.fovea.kernels")
            .log(
                System.Logger.Level.INFO,
                "libtorch''s operators compute in place of Fovea''s vector kernels: {0}",
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
   * @throws IllegalArgumentException if the property is not one that there is, or requires what is missing
   */
  static Optional<Kernels> get() {
    if (Found.REFUSAL != null) {
      throw new IllegalArgumentException(Found.REFUSAL);
    }
    return Optional.ofNullable(Found.KERNELS);
  }

  /**
   * What the kernels say of themselves, if they are in use.
   *
   * @throws IllegalArgumentException if the property is not one that there is, or requires what is missing
   */
  public static Optional<String> description() {
    return get().map(Kernels::describe);
  }

  /** Why no kernels are in use, if they are not. */
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
        : "fovea-kernels is not on the class path; a build by Java " + JAVA + " makes it";
  }
}
