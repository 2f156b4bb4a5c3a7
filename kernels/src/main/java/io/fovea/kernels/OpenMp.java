package io.fovea.kernels;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Runs Java code on the threads of libtorch's loops. Those threads wait for their next loop by
 * spinning. Additional threads would have to share the cores with them for some hundred
 * microseconds, which is as long as a kernel takes. GNU's OpenMP starts a parallel region by {@code
 * GOMP_parallel(body, data, threads, flags)}.
 */
final class OpenMp {
  private static final Map<Long, Runnable> RUNNING = new ConcurrentHashMap<>();
  private static final AtomicLong NEXT = new AtomicLong(1);
  private static final Optional<OpenMp> FOUND = find();

  private final MethodHandle parallel;
  private final MemorySegment body;

  private OpenMp(MethodHandle parallel, MemorySegment body) {
    this.parallel = parallel;
    this.body = body;
  }

  /** Empty if libtorch uses another OpenMP, or if Java may not call native code. */
  static Optional<OpenMp> found() {
    return FOUND;
  }

  @SuppressWarnings(
      "restricted") // the two functions have fixed types, and the body catches all exceptions
  private static Optional<OpenMp> find() {
    try {
      Linker linker = Linker.nativeLinker();
      Optional<MemorySegment> symbol = SymbolLookup.loaderLookup().find("GOMP_parallel");
      if (symbol.isEmpty()) {
        return Optional.empty();
      }
      MethodHandle parallel =
          linker.downcallHandle(
              symbol.get(),
              FunctionDescriptor.ofVoid(
                  ValueLayout.ADDRESS,
                  ValueLayout.ADDRESS,
                  ValueLayout.JAVA_INT,
                  ValueLayout.JAVA_INT));
      MethodHandle run =
          MethodHandles.lookup()
              .findStatic(
                  OpenMp.class, "run", MethodType.methodType(void.class, MemorySegment.class));
      FunctionDescriptor type = FunctionDescriptor.ofVoid(ValueLayout.ADDRESS);
      return Optional.of(new OpenMp(parallel, linker.upcallStub(run, type, Arena.global())));
    } catch (ReflectiveOperationException | RuntimeException | LinkageError e) {
      return Optional.empty();
    }
  }

  /**
   * Runs {@code body} once on each of this number of threads, including the caller's, and returns
   * when all are done.
   *
   * @param body must not throw, because nothing could catch the exception on OpenMP's threads
   */
  void parallel(int threads, Runnable body) {
    long id = NEXT.getAndIncrement();
    RUNNING.put(id, body);
    try {
      parallel.invokeExact(this.body, MemorySegment.ofAddress(id), threads, 0);
    } catch (Throwable e) {
      throw new IllegalStateException("the threads of OpenMP cannot be used", e);
    } finally {
      RUNNING.remove(id);
    }
  }

  @SuppressWarnings("UnusedMethod") // called by OpenMP
  private static void run(MemorySegment id) {
    RUNNING.get(id.address()).run();
  }
}
