package io.fovea.nn;

import java.util.LinkedHashMap;
import java.util.Map;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.GradMode;
import org.bytedeco.pytorch.Module;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;

/**
 * The base class of everything that registers parts: attention modules, layers and networks. It
 * keeps two mistakes of Java programs away from native memory.
 *
 * <ul>
 *   <li>libtorch holds the native half of a registered module only. If nothing else holds the Java
 *       half, it is garbage-collected, and {@code train}, {@code to} or {@code zero_grad} end in a
 *       {@code NullPointerException} of libtorch. A component holds what is registered in it. A class
 *       that extends {@link Module} itself has to hold its parts in fields.
 *   <li>{@link #zero_grad} may be called while other threads compute gradients of the component.
 * </ul>
 *
 * <p>In evaluation mode a component is thread-safe. In training it belongs to one thread.
 */
public abstract class Component extends Module {
  /** Stands for more than one thread. */
  private static final Object SEVERAL = new Object();

  private final Map<String, Module> parts = new LinkedHashMap<>();
  private final Object gradients = new Object();

  /**
   * The thread that has computed gradients with this component, or {@link #SEVERAL}, or null if none
   * has. Changed while {@link #gradients} is locked.
   */
  private volatile Object user;

  /** Is called by subclasses; {@code name} is the name of the kind of module. */
  protected Component(String name) {
    super(name);
  }

  /** Registers a part and holds it. */
  @Override
  public <M extends Module> M register_module(String name, M module) {
    M registered = super.register_module(name, module);
    parts.put(name, registered);
    return registered;
  }

  /** Registers a part and holds it. */
  @Override
  public <M extends Module> M register_module(BytePointer name, M module) {
    return register_module(name.getString(), module);
  }

  @Override
  public void unregister_module(String name) {
    super.unregister_module(name);
    parts.remove(name);
  }

  @Override
  public void unregister_module(BytePointer name) {
    unregister_module(name.getString());
  }

  /**
   * Notes that the calling thread is about to compute with the parameters of this component. What
   * computes calls this first; without gradients it does nothing.
   */
  protected final void computes() {
    Object thread = Thread.currentThread();
    Object known = user;
    if (known == thread || known == SEVERAL || !GradMode.is_enabled()) {
      return;
    }
    synchronized (gradients) {
      user = user == null || user == thread ? thread : SEVERAL;
    }
  }

  /**
   * Discards the gradients of all parameters, as in PyTorch.
   *
   * <p>If another thread has computed gradients of the component, that thread may be adding to them
   * at this moment, and libtorch does not protect them: freeing them would damage memory. They are
   * then set to zero where they are, whatever {@code setToNone} says. Which of the numbers of a
   * gradient that is just being added are kept is not defined. Optimizers of libtorch have a {@code
   * zero_grad} of their own, which must not be called meanwhile.
   *
   * @param setToNone whether the gradients are freed; otherwise they become zero
   */
  @Override
  public void zero_grad(boolean setToNone) {
    synchronized (gradients) { // who computes for the first time waits until they are freed
      if (user == null || user == Thread.currentThread()) {
        super.zero_grad(setToNone);
        return;
      }
    }
    try (PointerScope scope = new PointerScope();
        NoGradGuard guard = new NoGradGuard()) {
      TensorVector all = parameters();
      for (long i = 0; i < all.size(); i++) {
        Tensor gradient = all.get(i).grad();
        if (gradient.defined()) {
          gradient.zero_();
        }
      }
    }
  }
}
