package io.fovea.benchmarks;

import io.fovea.attention.AttentionSpec;
import io.fovea.attention.Mechanism;
import io.fovea.reference.Comparison;
import io.fovea.tensor.Threads;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.bytedeco.javacpp.PointerScope;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.Warmup;

/**
 * Measures calls of Fovea's modules and of the reference implementation on the same libtorch:
 * inference (evaluation mode, no gradients) and a training step (forward and backward, including
 * the gradient of the input). It uses float32, two threads and {@code [32, 64, 32, 32]}; {@code [4,
 * 64, 28, 28]} for the mechanisms that compare positions or channels.
 *
 * <pre>
 *   mvn -q -B -pl benchmarks -am -DskipTests package
 *   java -cp "benchmarks/target/classes:$(cat benchmarks/target/benchmarks.classpath)" \
 *     org.openjdk.jmh.Main
 * </pre>
 *
 * <p>All benchmarks take eight minutes. Append {@code -p mechanism=cbam} or {@code inference} to
 * select some of them.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Fork(2)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
public class AttentionBenchmark {
  private static final int THREADS = 2;

  /** The mechanism, with default options. */
  @Param({"se", "cbam", "bam", "pam", "cam", "nonlocal"})
  public String mechanism;

  private Comparison inference;
  private Comparison training;

  /** Creates the modules, and fails if their results differ. */
  @Setup(Level.Trial)
  public void prepare() {
    Threads.set(THREADS);
    inference = comparison(false);
    training = comparison(true);
  }

  private Comparison comparison(boolean training) {
    AttentionSpec spec = AttentionSpec.parse(mechanism);
    Set<Mechanism.Shows> shows = spec.mechanism().shows();
    boolean compares =
        shows.contains(Mechanism.Shows.AFFINITY)
            || shows.contains(Mechanism.Shows.CHANNEL_AFFINITY);
    long[] shape = compares ? new long[] {4, 64, 28, 28} : new long[] {32, 64, 32, 32};
    Comparison comparison = new Comparison(spec, false, shape).train(training);
    comparison.check();
    return comparison;
  }

  /** Fovea's inference. */
  @Benchmark
  public void inferenceFovea() {
    infer(inference.fovea());
  }

  /** The reference's inference. */
  @Benchmark
  public void inferenceReference() {
    infer(inference.reference());
  }

  /** Fovea's training step. */
  @Benchmark
  public void trainingFovea() {
    step(training.fovea());
  }

  /** The reference's training step. */
  @Benchmark
  public void trainingReference() {
    step(training.reference());
  }

  // Nothing is returned, because the Java compiler cannot remove calls of native code.

  private static void infer(Comparison.Contender contender) {
    try (PointerScope scope = new PointerScope()) {
      contender.infer();
    }
  }

  private static void step(Comparison.Contender contender) {
    try (PointerScope scope = new PointerScope()) {
      contender.step();
    }
  }
}
