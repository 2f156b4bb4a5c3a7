package io.fovea.tensor;

import java.io.IOException;
import java.io.UncheckedIOException;
import org.bytedeco.javacpp.Loader;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.PointerPointer;
import org.bytedeco.pytorch.PlacementCopier;
import org.bytedeco.pytorch.global.torch;

/**
 * Ensures that the libtorch of the JavaCPP presets is loaded, even if the machine has another one.
 *
 * <p>On their first start on a machine, the presets unpack their libraries one after the other and
 * load {@code libtorch} before {@code libtorch_cpu} exists. The loader then uses a libtorch of the
 * system, such as that of Debian's {@code python3-torch}, for the missing half, and the JVM
 * crashes.
 *
 * <p>A process that ends while threads compute (Ctrl-C, SIGTERM, {@code System.exit}) must not crash
 * either. On Linux, the process therefore ends after Java's shutdown hooks without calling the
 * destructors of its native libraries, whose objects these threads still use.
 *
 * <p>Thread-safe.
 */
public final class Libtorch {
  private static boolean loaded;

  private Libtorch() {}

  /**
   * Loads libtorch if it is not loaded yet. {@code AttentionSpec} and {@link Threads} call this
   * method. If your program uses libtorch before these classes, on a machine that may have another
   * libtorch, call this method first.
   *
   * @throws UncheckedIOException if the library cannot be unpacked into JavaCPP's cache
   */
  public static synchronized void load() {
    if (loaded) {
      return;
    }
    try {
      Loader.cacheResources(
          org.bytedeco.pytorch.presets.torch.class,
          "/org/bytedeco/pytorch/"
              + Loader.getPlatform()
              + "/"
              + System.mapLibraryName("torch_cpu"));
    } catch (IOException e) {
      throw new UncheckedIOException("libtorch cannot be unpacked: " + e.getMessage(), e);
    }
    Loader.load(torch.class);
    endWithoutDestructors();
    loaded = true;
  }

  /**
   * Makes the C library call {@code _exit(status)} before the destructors of all libraries that are
   * loaded now. The JVM ends with {@code exit(status)}, also by {@code Runtime.halt}, while threads may
   * still be in native code, and oneDNN's primitives and libtorch's tables would be freed under them:
   * sometimes a SIGSEGV, more often on a busy machine. {@code on_exit}, which passes the status on, is
   * only in glibc; elsewhere nothing is changed.
   */
  private static void endWithoutDestructors() {
    Pointer onExit = Loader.addressof("on_exit");
    Pointer exit = Loader.addressof("_exit");
    if (onExit != null && exit != null) {
      try (PointerPointer<Pointer> function = new PointerPointer<>(2)) {
        function.put(0, onExit);
        function.put(1, (Pointer) null);
        new NativeFunction(function).call(exit, null, 0);
      }
    }
  }

  /** A function of the C library with two pointers as arguments; a third argument has no effect. */
  private static final class NativeFunction extends PlacementCopier {
    NativeFunction(Pointer function) {
      super(function);
    }
  }
}
