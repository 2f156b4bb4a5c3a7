package io.fovea.kernels;

/**
 * Keeps the parts of a kernel apart for the compiler. Java's compiler inlines the calls of a method
 * up to a limit. If a kernel exceeds the limit, its vectors become objects, and it is several times
 * as slow. The compiler does not inline a call whose target changes, such as the call in the loop
 * here.
 */
final class InliningBarrier {
  private InliningBarrier() {}

  static void inTurn(Runnable... stages) {
    for (Runnable stage : stages) {
      stage.run();
    }
  }
}
