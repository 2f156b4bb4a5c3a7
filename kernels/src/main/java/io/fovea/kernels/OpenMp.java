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
 * Java code on the threads of libtorch's loops. Those wait for their next loop by spinning; other threads
 * beside them would have to share the cores with that for some hundred microseconds, which is as long as a
 * kernel takes. GNU's OpenMP starts a parallel region by {@code GOMP_parallel(body, data, threads, flags)}.
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

  /** Empty where libtorch has another OpenMP, or Java may not call native code. */
  static Optional<OpenMp> found() {
    return FOUND;
  }

  @SuppressWarnings(
      "restricted") // two functions of fixed types, and the body catches what Java throws
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
   * Runs {@code body} once on each of so many threads, the caller's among them, and returns when all are
   * done.
   *
   * @param body throws nothing: there is nobody to catch it on OpenMP's threads
   */
  void parallel(int threads, Runnable body) {
    long id = NEXT.getAndIncrement();
    RUNNING.put(id, body);
    try {
      parallel.invokeExact(this.body, MemorySegment.ofAddress(id), threads, 0);
    } catch (Throwable e) {
      throw new IllegalStateException("OpenMP's threads cannot be called", e);
    } finally {
      RUNNING.remove(id);
    }
  }

  @SuppressWarnings("UnusedMethod") // OpenMP calls it
  private static void run(MemorySegment id) {
    RUNNING.get(id.address()).run();
  }
}
