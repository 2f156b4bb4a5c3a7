package io.fovea.attention;

import io.fovea.tensor.Libtorch;
import org.junit.platform.launcher.LauncherSession;
import org.junit.platform.launcher.LauncherSessionListener;

/** Tests start with the presets' libtorch too; these are the first on a machine, later ones find it unpacked. */
public final class LibtorchFirst implements LauncherSessionListener {
  @Override
  public void launcherSessionOpened(LauncherSession session) {
    Libtorch.load();
  }
}
