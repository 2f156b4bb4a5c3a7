package io.fovea.tensor;

import java.io.IOException;
import java.io.UncheckedIOException;
import org.bytedeco.javacpp.Loader;
import org.bytedeco.pytorch.global.torch;

/**
 * Which libtorch is loaded: that of the JavaCPP presets, whatever else the machine has.
 *
 * <p>On its first start on a machine the presets unpack their libraries one after the other, and load
 * {@code libtorch} before {@code libtorch_cpu} is there. A libtorch of the system, such as that of
 * Debian's {@code python3-torch}, is then taken for the missing half, and the JVM crashes.
 */
public final class Libtorch {
  private Libtorch() {}

  /**
   * Loads libtorch, if it is not loaded yet. {@code AttentionSpec} and {@link Threads} call it; a
   * program whose first use of libtorch is its own, on a machine that may have another one, calls it
   * before that.
   *
   * @throws UncheckedIOException if the library cannot be unpacked into the cache of JavaCPP
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
