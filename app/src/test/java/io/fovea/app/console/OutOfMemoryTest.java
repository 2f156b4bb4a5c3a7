package io.fovea.app.console;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.concurrent.CompletionException;
import org.junit.jupiter.api.Test;

class OutOfMemoryTest {
  @Test
  void saysWhichMemoryAndWhatHelps() {
    assertThat(OutOfMemory.reason(new OutOfMemoryError("Java heap space")).orElseThrow())
        .startsWith("out of memory: Java's heap of ")
        .contains("-Xmx4g", "--batch-size");
    assertThat(
            OutOfMemory.reason(
                    new OutOfMemoryError("Physical memory usage is too high: physicalBytes (5G)"))
                .orElseThrow())
        .startsWith("out of memory: the limit of native memory");
    Throwable libtorch =
        new RuntimeException(
            "[enforce fail at alloc_cpu.cpp:121] err == 0. DefaultCPUAllocator: can't allocate"
                + " memory: you tried to allocate 123000000000 bytes. Error code 12");
    assertThat(OutOfMemory.reason(new CompletionException(libtorch)).orElseThrow())
        .startsWith("out of memory: the system has no 123.0 GB more");
  }

  @Test
  void otherErrorsAreNoMatterOfMemory() {
    assertThat(OutOfMemory.reason(new IllegalStateException("out of luck"))).isEmpty();
    assertThat(OutOfMemory.reason(new IllegalStateException((String) null))).isEmpty();
    Throwable outer = new IllegalStateException("a");
    Throwable inner = new IllegalStateException("b", outer);
    outer.initCause(inner); // a circle
    assertThat(OutOfMemory.reason(outer)).isEmpty();
  }
}
