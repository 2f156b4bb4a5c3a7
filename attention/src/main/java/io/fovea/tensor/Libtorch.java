package io.fovea.tensor;

import java.io.IOException;
import java.io.UncheckedIOException;
import org.bytedeco.javacpp.Loader;
import org.bytedeco.pytorch.global.torch;

/**
 * Ensures that the libtorch of the JavaCPP presets is loaded, even if the machine has another one.
 *
 * <p>On their first start on a machine, the presets unpack their libraries one after the other and
 * load {@code libtorch} before {@code libtorch_cpu} exists. The loader then uses a libtorch of the
 * system, such as that of Debian's {@code python3-torch}, for the missing half, and the JVM
 * crashes.
 */
public final class Libtorch {
  private Libtorch() {}

  /**
   * Loads libtorch if it is not loaded yet. {@code AttentionSpec} and {@link Threads} call this
   * method. If your program uses libtorch before these classes, on a machine that may have another
   * libtorch, call this method first.
   *
   * @throws UncheckedIOException if the library cannot be unpacked into JavaCPP's cache
   */
  public static void load() {
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
  }
}
