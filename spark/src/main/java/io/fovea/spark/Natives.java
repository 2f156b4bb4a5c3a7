package io.fovea.spark;

/** The settings of JavaCPP, which must be made before the first native library is loaded. */
final class Natives {
  private static final String LIMIT = "org.bytedeco.javacpp.maxPhysicalBytes";

  private Natives() {}

  /**
   * Lifts JavaCPP's limit of the process's memory, which is four heaps and has nothing to do with
   * what an executor may use.
   */
  static void unlimited() {
    if (System.getProperty(LIMIT) == null) {
      System.setProperty(LIMIT, "0");
    }
  }
}
