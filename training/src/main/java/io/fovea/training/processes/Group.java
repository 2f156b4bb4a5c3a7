package io.fovea.training.processes;

import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import org.bytedeco.pytorch.Tensor;

/**
 * The processes that train one network together; {@link #ALONE} is one by itself. All processes call
 * the same methods in the same order. A group is for one thread, and lasts until its process ends.
 *
 * <p>The sums are the same bits in all processes.
 */
public abstract class Group {
  /** A single process, in which nothing is exchanged. */
  public static final Group ALONE = new Alone();

  /** Numbers that are being added up over all processes. */
  public interface Sum {
    /**
     * Waits for the sums.
     *
     * @throws LostProcessException if another process ended
     */
    double[] get();
  }

  /** The gradients of a network, of which all processes get the mean. */
  public interface Gradients {
    /**
     * Sets the gradients to zero.
     *
     * @return false if that is left to the optimisers
     */
    boolean clear();

    /**
     * Prepares a backward pass.
     *
     * @param loss what {@code backward} will be called on
     * @param last whether the gradients are complete after this pass: then it returns with the means
     *     over all processes, most of which were exchanged while it ran. Before, each process adds up
     *     its own.
     */
    void beforeBackward(Tensor loss, boolean last);
  }

  Group() {}

  /**
   * Connects this process to the others.
   *
   * @param patience how long it waits for them
   * @throws LostProcessException if they do not come, or cannot be reached
   */
  public static Group join(Launch launch, Duration patience) {
    return GlooGroup.connect(launch, patience);
  }

  /** The number of this process, from 0. */
  public abstract int rank();

  /** The number of processes. */
  public abstract int size();

  /** Whether this is the process that writes files and talks to the user. */
  public final boolean isFirst() {
    return rank() == 0;
  }

  /** Whether batch norms see the images of all processes in training. */
  public boolean hasSyncedBatchNorms() {
    return false;
  }

  /** Sets whether batch norms see the images of all processes in training; false if not set. */
  public void setSyncedBatchNorms(boolean all) {
    // there are no others
  }

  /** Calls a forward pass of a training. */
  public <T> T forward(Supplier<T> pass) {
    return pass.get();
  }

  /** Begins to add up numbers over all processes. The caller's scope must stay open until the end. */
  public abstract Sum sum(double... own);

  /** Adds up a tensor over all processes, in place. */
  public abstract void sum(Tensor own);

  /** The number that the first process has. */
  public final double first(double own) {
    return sum(isFirst() ? own : 0).get()[0];
  }

  /** Gives tensors the values that they have in the first process. */
  public abstract void copyFirst(Iterable<Tensor> tensors);

  /** The text that the first process has. */
  public abstract String first(String own);

  /**
   * The file that the first process has.
   *
   * @param own a file of the first process, or null for none; ignored in other processes
   * @param copy receives the content in other processes; not written if there is no file
   * @return whether there is a file
   */
  public abstract boolean first(Path own, Path copy);

  /** The same tensor of every process, by rank; they belong to the open scope. */
  public abstract List<Tensor> all(Tensor own);

  /**
   * Prepares the exchange of gradients. The open scope must stay open while it is used.
   *
   * @param parameters the trained parameters by name, in the order of the forward pass
   */
  public abstract Gradients gradients(Map<String, Tensor> parameters);

  /**
   * What to throw instead of an exception: one that tells the user if another process ended, the
   * same one otherwise.
   */
  public RuntimeException explained(RuntimeException exception) {
    return exception;
  }

  /**
   * The part of a number of samples that belongs to this process: from (inclusive) and to
   * (exclusive). The parts follow each other and differ by at most one.
   */
  public final int[] part(int samples) {
    return part(samples, rank(), size());
  }

  static int[] part(int samples, int rank, int size) {
    return new int[] {
      (int) ((long) samples * rank / size), (int) ((long) samples * (rank + 1) / size)
    };
  }

  private static final class Alone extends Group {
    @Override
    public int rank() {
      return 0;
    }

    @Override
    public int size() {
      return 1;
    }

    @Override
    public Sum sum(double... own) {
      return () -> own;
    }

    @Override
    public void sum(Tensor own) {
      // it is the sum
    }

    @Override
    public void copyFirst(Iterable<Tensor> tensors) {
      // they are the first one's
    }

    @Override
    public String first(String own) {
      return own;
    }

    @Override
    public boolean first(Path own, Path copy) {
      return own != null;
    }

    @Override
    public List<Tensor> all(Tensor own) {
      return List.of(own);
    }

    @Override
    public Gradients gradients(Map<String, Tensor> parameters) {
      return new Gradients() {
        @Override
        public boolean clear() {
          return false;
        }

        @Override
        public void beforeBackward(Tensor loss, boolean last) {
          // they are the means
        }
      };
    }
  }
}
