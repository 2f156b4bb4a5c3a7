package io.fovea.kernels;

/**
 * Parts of a kernel that the compiler keeps apart. Java's compiler makes one piece of all that a method
 * calls, up to a size; where a kernel is beyond it, its vectors become objects, and it is several times as
 * slow. A call whose target changes from time to time, as that in the loop here, it leaves alone.
 */
final class InliningBarrier {
  private InliningBarrier() {}

  static void inTurn(Runnable... stages) {
    for (Runnable stage : stages) {
      stage.run();
    }
  }
}
